"""A closed `.part` into its final file: seekable, read back, hashed, judged, described.

The order of the steps is such that a crash before any of them leaves what
`recovery` settles: the journal is the first thing written and the last removed,
and the sidecar comes only after the media has its final name. A file that has
its final name is complete and is never made again: its hash may be known
elsewhere. Blocks: for a thread of its own, never the event loop.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from recorder import facts as take_facts
from recorder.chain import Chain
from recorder.facts import Gap, Segment, TakeFacts, TrackCounts
from recorder.media_file import Reading, Unreadable, copy_seekable, read_back
from recorder.messages import TakeId, TakeResult
from recorder.moved_sound import MovedPlaces
from recorder.mp4_index import NotFragmented, make_plain
from recorder.part import (
    MEDIA_SUFFIXES,
    MEDIA_TYPES,
    UNREADABLE_SUFFIX,
    PartBusy,
    PartLock,
    journal_path,
    part_path,
    read_json,
    reserve_path,
    sync_file,
    sync_folder,
    write_json,
    write_whole,
)
from recorder.poster import NoPoster, first_still
from recorder.sidecar import read_result, sha256_of, write_sidecar
from recorder.verdict import judge

__all__ = ["Gap", "PartBusy", "Segment", "TakeFacts", "TrackCounts", "clear", "finish", "read_result"]

log = logging.getLogger(__name__)

LEVEL_STEP_MS: Final = 100
SOUND_MOVED: Final = "sound_moved"
"""In the journal: how large the file is that holds its sound where `TakeFacts.sound_moves` wants it."""


def finish(
    folder: Path,
    take_id: TakeId,
    facts: TakeFacts,
    lock: PartLock | None = None,
    *,
    recovered: bool = False,
    chain: Chain | None = None,
) -> TakeResult:
    """Settles a take whose `.part` is closed, and gives the result that its sidecar holds.

    `lock` is what `MuxClosed` carried, and is released here; without one it is
    taken. With a `chain` the take becomes its next link. Bad media is a verdict,
    not an error. On a full disk the recording is kept as it is; what cannot be
    written beside it, be it the sidecar, is left out, and recovery makes the
    sidecar later. Raises PartBusy, and OSError when the media file can be neither read, synced nor renamed.
    """
    part = part_path(folder, take_id)
    if lock is None and part.exists():
        lock = PartLock.take(part)
    try:
        journal = read_json(journal_path(folder, take_id)) or {}
        journal["facts"] = take_facts.to_json(facts)
        with contextlib.suppress(OSError):  # a full disk: recovery would know less, that is all
            write_json(journal_path(folder, take_id), journal)
        finished = _finished(folder, take_id, facts, journal.get(SOUND_MOVED)) if recovered else None
        chosen = finished or _choose(folder, take_id, facts)
        if facts.sound_moves and chosen.in_sync and chosen.reading is not None:
            with contextlib.suppress(OSError):  # a recovery would say that sound and picture are apart
                write_json(journal_path(folder, take_id), {**journal, SOUND_MOVED: chosen.reading.size_bytes})
            facts = _with_places_moved(facts)
        result = _describe(folder, take_id, facts, chosen, recovered=recovered)
        _settle(folder, facts, chosen, result, chain)
        return result
    finally:
        if lock is not None:
            lock.release()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The file that becomes the recording; no `path` when there is nothing playable."""

    path: Path | None = None
    reading: Reading | None = None
    seekable: bool = False
    sound_added: int = 0
    """Packets of silence, less what had no place, where sound was moved."""
    in_sync: bool = False
    """Sound lies where `TakeFacts.sound_moves` wants it."""


def finals(folder: Path, take_id: TakeId) -> list[Path]:
    """The names that a take's media may have in the end."""
    return [folder / f"{take_id}{suffix}" for suffix in MEDIA_SUFFIXES.values()]


def _finished(folder: Path, take_id: TakeId, facts: TakeFacts, moved_bytes: object) -> _Chosen | None:
    """The media that has its final name already, from before a crash or a full disk."""
    for path in finals(folder, take_id):
        with contextlib.suppress(Unreadable, FileNotFoundError):
            reading = read_back(path)
            if reading.video_frames or reading.audio_packets:
                in_sync = not facts.sound_moves or moved_bytes == reading.size_bytes
                return _Chosen(path, reading, seekable=reading.indexed, in_sync=in_sync)
    return None


def _choose(folder: Path, take_id: TakeId, facts: TakeFacts) -> _Chosen:
    """The `.part` as it is, an MP4 with its index added, or a copy where that does not give index, size or sync."""
    part = part_path(folder, take_id)
    sizes = [(width, height) for _, width, height in facts.written.sizes]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    try:
        with contextlib.suppress(NotFragmented):
            make_plain(part, width=width, height=height, end_us=facts.elapsed_ms * 1000)
            sizes = sizes[:0]
    except FileNotFoundError:
        return _Chosen()
    except OSError as error:
        log.warning("take %s stays in fragments: %s", take_id, error)
    try:
        reading = read_back(part)
    except (Unreadable, FileNotFoundError):
        return _Chosen()
    if not reading.video_frames and not reading.audio_packets:
        return _Chosen()
    sized = not sizes or sizes[0] == (width, height)
    if reading.intact and reading.indexed and sized and not facts.sound_moves:
        return _Chosen(part, reading, seekable=True, in_sync=True)
    copy = folder / f"{take_id}.copy.tmp"
    try:
        added = copy_seekable(
            part, copy, width=width, height=height, moves=facts.sound_moves, until_us=facts.written.last_us
        )
        return _Chosen(copy, read_back(copy), seekable=True, sound_added=added, in_sync=True)
    except (Unreadable, OSError):
        # No room for a copy, most likely. Fragments and clusters play as they are.
        copy.unlink(missing_ok=True)
        return _Chosen(part, reading, seekable=reading.indexed, in_sync=not facts.sound_moves)


def _with_places_moved(facts: TakeFacts) -> TakeFacts:
    """What was noted of the sound, where the file holds it."""
    places = MovedPlaces(facts.sound_moves)
    gaps = [
        replace(gap, at_ms=places.place_us(gap.at_ms * 1000) // 1000) if gap.track == "audio" else gap
        for gap in facts.gaps
    ]
    return replace(facts, gaps=tuple(gaps), levels=places.levels(facts.levels, LEVEL_STEP_MS * 1000))


def _describe(folder: Path, take_id: TakeId, facts: TakeFacts, chosen: _Chosen, *, recovered: bool) -> TakeResult:
    reading = chosen.reading
    written = replace(facts.written, audio_packets=facts.written.audio_packets + chosen.sound_added)
    verdict, reasons = judge(
        replace(facts, written=written),
        reading,
        recovered=recovered,
        seekable=chosen.seekable,
        in_sync=chosen.in_sync,
    )
    if chosen.path is None or reading is None:
        return TakeResult(
            take_id,
            verdict,
            reasons,
            facts.end_reason,
            elapsed_ms=facts.elapsed_ms,
            started_unix_ms=facts.started_unix_ms,
            recovered=recovered,
        )
    duration_ms = reading.duration_us // 1000
    return TakeResult(
        take_id,
        verdict,
        reasons,
        facts.end_reason,
        file=f"{take_id}{MEDIA_SUFFIXES[reading.container]}",
        media_type=_media_type(reading),
        size_bytes=reading.size_bytes,
        duration_ms=duration_ms,
        elapsed_ms=facts.elapsed_ms or duration_ms,
        video_frames=reading.video_frames,
        audio_packets=reading.audio_packets,
        sha256=sha256_of(chosen.path),
        started_unix_ms=facts.started_unix_ms,
        poster=_write_poster(folder, take_id, chosen.path) if reading.video_frames else "",
        waveform=_write_waveform(folder, take_id, facts.levels),
        recovered=recovered,
    )


def _settle(folder: Path, facts: TakeFacts, chosen: _Chosen, result: TakeResult, chain: Chain | None) -> None:
    take_id = result.take_id
    if chosen.path is not None:
        if chosen.path.name != result.file:
            sync_file(chosen.path)
            chosen.path.rename(folder / result.file)
    else:
        for path in (*finals(folder, take_id), part_path(folder, take_id)):
            if path.exists() and path.stat().st_size:
                # Bytes of a candidate: not ours to throw away.
                path.rename(folder / f"{take_id}{UNREADABLE_SUFFIX}")
    sync_folder(folder)  # before the link, which is there for good
    try:
        write_sidecar(folder, result, facts, chosen.reading, chain, in_sync=chosen.in_sync)
        clear(folder, take_id)
    except OSError as error:
        log.error("take %s is kept, but recovery must describe it: %s", take_id, error)


def clear(folder: Path, take_id: TakeId) -> None:
    """Removes what only an unfinished take has: its `.part`, its reserve, and last its journal. Raises OSError."""
    for path in (part_path, reserve_path, journal_path):
        path(folder, take_id).unlink(missing_ok=True)
    sync_folder(folder)


def _media_type(reading: Reading) -> str:
    kind = MEDIA_TYPES[reading.container]
    return kind if reading.codec else kind.replace("video/", "audio/")


def _write_poster(folder: Path, take_id: TakeId, media: Path) -> str:
    name = f"{take_id}.jpg"
    try:
        write_whole(folder / name, first_still(media))
    except (NoPoster, OSError):
        return ""
    return name


def _write_waveform(folder: Path, take_id: TakeId, levels: tuple[int, ...]) -> str:
    if not levels:
        return ""
    name = f"{take_id}.waveform.json"
    try:
        write_json(folder / name, {"step_ms": LEVEL_STEP_MS, "levels": list(levels)})
    except OSError:
        return ""
    return name
