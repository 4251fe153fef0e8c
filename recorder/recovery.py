"""Takes that a dead process left unfinished, settled at start-up.

Whatever instruction it died at, what it left is one of a few states, each of
which leads to a sidecar or to nothing. Takes that a live process holds locked
are left alone. Safe to run again, and to be killed in turn. Blocks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from recorder import facts as take_facts
from recorder.facts import TakeFacts
from recorder.finish import UNREADABLE_SUFFIX, clear, finish
from recorder.media_file import Unreadable, read_back
from recorder.messages import EndReason, TakeId, TakeResult
from recorder.part import MEDIA_SUFFIXES, PartBusy, PartLock, journal_path, part_path, read_json, sync_folder
from recorder.part_file import Written
from recorder.sidecar import read_result

_JOURNAL_SUFFIX: Final = ".journal.json"
_PART_SUFFIX: Final = ".part"
_LEFTOVER_SUFFIX: Final = ".tmp"


def recover(root: Path) -> list[TakeResult]:
    """Settles every unfinished take below `root` that nobody holds; the results, as their sidecars now have them."""
    results = []
    for name, _, files in os.walk(root):
        folder = Path(name)
        for take_id in sorted({_take_id(file) for file in files} - {""}):
            result = recover_take(folder, TakeId(take_id))
            if result is not None:
                results.append(result)
        _clear_leftovers(folder, files)
    return results


def recover_take(folder: Path, take_id: TakeId) -> TakeResult | None:
    """The settled take. None when it is held by a live process, or nothing was ever recorded of it."""
    try:
        lock = _hold(folder, take_id)
    except PartBusy:
        return None
    except FileNotFoundError:
        # A journal without a file: nothing was written, or all was settled but the journal.
        if journal_path(folder, take_id).exists():
            clear(folder, take_id)
        return read_result(folder, take_id)
    try:
        settled = read_result(folder, take_id)
        if settled is not None and _is_there(folder, settled):
            clear(folder, take_id)
            return settled
        if not _restore_part(folder, take_id):
            clear(folder, take_id)
            return None
        journal = read_json(journal_path(folder, take_id)) or {}
        facts = take_facts.from_json(journal.get("facts")) or _facts_from(folder, take_id, journal)
        return finish(folder, take_id, facts, lock, recovered=True)
    finally:
        lock.release()


def _take_id(file: str) -> str:
    for suffix in (_JOURNAL_SUFFIX, _PART_SUFFIX):
        if file.endswith(suffix):
            return file.removesuffix(suffix)
    return ""


def _finals(folder: Path, take_id: TakeId) -> list[Path]:
    return [folder / f"{take_id}{suffix}" for suffix in (*MEDIA_SUFFIXES.values(), UNREADABLE_SUFFIX)]


def _hold(folder: Path, take_id: TakeId) -> PartLock:
    """The lock on the take's `.part`, or on what it was renamed to: the lock goes with the file."""
    for path in (part_path(folder, take_id), *_finals(folder, take_id)):
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


def _restore_part(folder: Path, take_id: TakeId) -> bool:
    """The `.part` is there again, if it had its final name already but no sidecar."""
    part = part_path(folder, take_id)
    for final in _finals(folder, take_id):
        if part.exists():
            final.unlink(missing_ok=True)  # a finished copy of the `.part`; it is made again
        elif final.exists():
            final.rename(part)
    sync_folder(folder)
    return part.exists() and part.stat().st_size > 0


def _facts_from(folder: Path, take_id: TakeId, journal: dict[str, Any]) -> TakeFacts:
    """What the file itself tells, for a take whose process died before it ended."""
    codec, audio = str(journal.get("codec", "")), bool(journal.get("audio", True))
    written = Written(codec, audio)
    started = journal.get("started_unix_ms")
    started_unix_ms = started if isinstance(started, int) else 0
    duration_ms = 0
    try:
        reading = read_back(part_path(folder, take_id))
    except (Unreadable, FileNotFoundError):
        pass
    else:
        duration_ms = reading.duration_us // 1000
        written = Written(
            reading.codec,
            audio,
            video_frames=reading.video_frames,
            audio_packets=reading.audio_packets,
            last_us=reading.duration_us,
        )
    return TakeFacts(
        written,
        EndReason.WORKER_DIED,
        started_unix_ms,
        ended_unix_ms=started_unix_ms + duration_ms,
        audio_expected=audio,
    )


def _clear_leftovers(folder: Path, files: list[str]) -> None:
    """Half-written small files and copies of takes that are settled or gone."""
    for file in files:
        if not file.endswith(_LEFTOVER_SUFFIX):
            continue
        take_id = TakeId(file.split(".")[0])
        if not part_path(folder, take_id).exists() and not journal_path(folder, take_id).exists():
            (folder / file).unlink(missing_ok=True)
