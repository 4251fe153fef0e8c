"""Takes that a dead process left unfinished, settled at start-up.

Whatever instruction it died at, what it left is one of a few states, each of
which leads to a sidecar or to nothing. Takes that a live process holds locked
are left alone, and so is, with a line in the log, one that cannot be settled
now: it keeps no other from being settled. Safe to run again, and to be killed
in turn. Blocks.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Final

from recorder import facts as take_facts
from recorder.before_chain import link_found
from recorder.chain import Chain
from recorder.facts import TakeFacts
from recorder.finish import clear, finals, finish
from recorder.media_file import Unreadable, read_back
from recorder.messages import EndReason, TakeId, TakeResult, Verdict
from recorder.part import (
    MEDIA_SUFFIXES,
    UNREADABLE_SUFFIX,
    PartBusy,
    PartLock,
    journal_path,
    part_path,
    read_json,
    sidecar_path,
    sync_folder,
)
from recorder.part_file import Written
from recorder.sidecar import complete, read_result, sha256_of
from recorder.verdict import Reason

log = logging.getLogger(__name__)

_UNFINISHED_SUFFIXES: Final = (".journal.json", ".part")
_LEFTOVER_SUFFIXES: Final = (".tmp", ".reserve")


def recover(root: Path) -> list[TakeResult]:
    """Settles every unfinished take below `root` that nobody holds; the results. Raises nothing for one take's sake."""
    results = []
    chain = Chain(root)
    try:
        link_found(chain)
    except Exception:  # whatever lies there: the server starts, and takes are recorded
        log.exception("takes from before the chain are not all in it; the next start goes on if none ended meanwhile")
    for name, _, files in os.walk(root, onerror=lambda error: log.error("recovery cannot look into %s", error)):
        folder = Path(name)
        for take_id in _unsettled(files):
            try:
                result = _settled(folder, take_id, chain)
            except PartBusy:
                continue
            except Exception:  # a damaged disk or file of one take; the others are as good as they were
                log.exception("take %s cannot be recovered now and is left as it is", take_id)
                continue
            if result is not None:
                results.append(result)
        _clear_leftovers(folder, files)
    return results


def recover_take(folder: Path, take_id: TakeId, chain: Chain | None = None) -> TakeResult | None:
    """The settled take, or None when nothing was ever recorded of it.

    One that cannot be settled now is logged, left on the disk for another time,
    and is a failed take without a file here. Raises PartBusy when a live process holds it.
    """
    try:
        return _settled(folder, take_id, chain)
    except PartBusy:
        raise
    except Exception:  # as above
        log.exception("take %s cannot be recovered now and is left as it is", take_id)
        return TakeResult(take_id, Verdict.FAILED, [Reason.UNREADABLE], EndReason.WORKER_DIED, recovered=True)


def _settled(folder: Path, take_id: TakeId, chain: Chain | None) -> TakeResult | None:
    try:
        lock = _hold(folder, take_id)
    except FileNotFoundError:
        # A journal without a file: nothing was written, or all was settled but the journal.
        if journal_path(folder, take_id).exists():
            clear(folder, take_id)
        return read_result(folder, take_id)
    try:
        if chain is not None and not sidecar_path(folder, take_id).exists():
            complete(folder, take_id, chain)
        settled = read_result(folder, take_id)
        if settled is not None and not _is_there(folder, settled):
            _name_again(folder, settled)
        if settled is not None and _is_there(folder, settled):
            clear(folder, take_id)
            return settled
        part = part_path(folder, take_id)
        recorded = any(path.exists() for path in _kept(folder, take_id)) or part.stat().st_size
        if not recorded:
            clear(folder, take_id)
            return None
        journal = read_json(journal_path(folder, take_id))
        if journal is None and not part.exists() and not _is_ours(folder, take_id):
            return None
        journal = journal or {}
        facts = take_facts.from_json(journal.get("facts")) or _facts_from(folder, take_id, journal)
        if chain is not None and chain.is_gone(take_id):
            chain = None  # its deletion was cut off: who ordered it goes on with it
        return finish(folder, take_id, facts, lock, recovered=True, chain=chain)
    finally:
        lock.release()


def _unsettled(files: list[str]) -> list[TakeId]:
    """The takes that have a `.part` or a journal, or media without a sidecar."""
    there = set(files)
    found = {file.removesuffix(suffix) for file in files for suffix in _UNFINISHED_SUFFIXES if file.endswith(suffix)}
    for file in files:
        stem, dot, suffix = file.partition(".")
        if dot + suffix in MEDIA_SUFFIXES.values() and f"{stem}.json" not in there:
            found.add(stem)
    return [TakeId(take_id) for take_id in sorted(found - {""})]


def _kept(folder: Path, take_id: TakeId) -> list[Path]:
    return [*finals(folder, take_id), folder / f"{take_id}{UNREADABLE_SUFFIX}"]


def _is_ours(folder: Path, take_id: TakeId) -> bool:
    """Media with neither a journal nor a sidecar, a stranger's perhaps, is described only if it is like ours."""
    for path in finals(folder, take_id):
        try:
            read_back(path)
        except (Unreadable, FileNotFoundError):
            continue
        return True
    return False


def _hold(folder: Path, take_id: TakeId) -> PartLock:
    """The lock on the take's `.part`, or on what it was renamed to: the lock goes with the file."""
    for path in (part_path(folder, take_id), *_kept(folder, take_id)):
        if path.exists():
            return PartLock.take(path)
    raise FileNotFoundError(take_id)


def _is_there(folder: Path, result: TakeResult) -> bool:
    if not result.file:
        return True
    try:
        return (folder / result.file).stat().st_size == result.size_bytes
    except FileNotFoundError:
        return False


def _name_again(folder: Path, result: TakeResult) -> None:
    """A power cut may keep the sidecar and take the media's new name back."""
    part = part_path(folder, result.take_id)
    if part.exists() and part.stat().st_size == result.size_bytes and sha256_of(part) == result.sha256:
        part.rename(folder / result.file)
        sync_folder(folder)


def _facts_from(folder: Path, take_id: TakeId, journal: dict[str, Any]) -> TakeFacts:
    """What the file itself tells, for a take whose process died before it ended."""
    codec, audio = str(journal.get("codec", "")), bool(journal.get("audio", True))
    written = Written(codec, audio)
    started = journal.get("started_unix_ms")
    started_unix_ms = started if isinstance(started, int) else 0
    duration_ms = 0
    for path in (*finals(folder, take_id), part_path(folder, take_id)):
        try:
            reading = read_back(path)
        except (Unreadable, FileNotFoundError):
            continue
        duration_ms = reading.duration_us // 1000
        written = Written(
            reading.codec,
            audio,
            video_frames=reading.video_frames,
            audio_packets=reading.audio_packets,
            last_us=reading.duration_us,
        )
        break
    segments, gaps = take_facts.noted(journal)
    sync = take_facts.noted_sync(journal)
    return TakeFacts(
        written,
        EndReason.WORKER_DIED,
        started_unix_ms,
        ended_unix_ms=started_unix_ms + duration_ms,
        audio_expected=audio,
        segments=segments,
        gaps=gaps,
        sync_source=sync.source,
        sync_offset_us=sync.offset_us,
        sound_moves=sync.moves,
    )


def _clear_leftovers(folder: Path, files: list[str]) -> None:
    """Half-written small files and copies of takes that are settled or gone."""
    for file in files:
        if not file.endswith(_LEFTOVER_SUFFIXES):
            continue
        take_id = TakeId(file.split(".")[0])
        if not part_path(folder, take_id).exists() and not journal_path(folder, take_id).exists():
            try:
                (folder / file).unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s cannot be removed: %s", file, error)
