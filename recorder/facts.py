"""What the network half knows of a take when it ends, for its file, sidecar and verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from recorder.lipsync import SoundMove, SyncSource
from recorder.messages import EndReason
from recorder.part_file import Written


@dataclass(frozen=True, slots=True)
class TrackCounts:
    """RTP packets of one track within the take; `recovered` ones were asked for again and came."""

    received: int = 0
    lost: int = 0
    recovered: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Media that is missing; `filled` is sound replaced by silence."""

    track: Literal["video", "audio"]
    at_ms: int
    length_ms: int
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """From `at_ms` on the take came from these streams; an SSRC is 0 where there is no track."""

    at_ms: int
    ssrc_video: int = 0
    ssrc_audio: int = 0


@dataclass(frozen=True, slots=True)
class NotedSync:
    """What a running take had found out of its sound's place; see `LipSync`."""

    source: SyncSource = SyncSource.ARRIVAL
    offset_us: int = 0
    moves: tuple[SoundMove, ...] = ()


@dataclass(frozen=True, slots=True)
class TakeFacts:
    """All a take knows at its end.

    `…_unix_ms` are wall-clock times, other `…_ms` and `…_us` are lengths or
    places on the take's timeline, which outages are cut out of. `clock_ms` is
    the time charged by the clock at the end of the last frame: like the file's
    duration, which is held against it, it has no outages in it (0: unknown).
    `elapsed_ms` is what the candidate was charged, at most the limit.
    `sync_offset_us` is where sound began on the timeline by `sync_source`;
    `sound_moves` say by how much the sound of each segment is to be moved, which
    was found out too late to write it so. `timestamp_jumps` is by how much `Timeline.jumps` of both
    tracks grew. `levels` is the loudest sound of each 100 ms, 0 (silent) to 127.
    """

    written: Written
    end_reason: EndReason
    started_unix_ms: int
    ended_unix_ms: int = 0
    elapsed_ms: int = 0
    clock_ms: int = 0
    audio_expected: bool = True
    sync_source: SyncSource = SyncSource.ARRIVAL
    sync_offset_us: int = 0
    sound_moves: tuple[SoundMove, ...] = ()
    timestamp_jumps: int = 0
    video: TrackCounts = TrackCounts()
    audio: TrackCounts = TrackCounts()
    gaps: tuple[Gap, ...] = ()
    segments: tuple[Segment, ...] = ()
    levels: tuple[int, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)


_ADAPTER: Final = TypeAdapter(TakeFacts)
_SEGMENTS: Final = TypeAdapter(tuple[Segment, ...])
_GAPS: Final = TypeAdapter(tuple[Gap, ...])
_NOTED_SYNC: Final = TypeAdapter(NotedSync)


def to_json(facts: TakeFacts) -> dict[str, Any]:
    """The facts as JSON-safe values, for the journal."""
    return asdict(facts)


def from_json(content: object) -> TakeFacts | None:
    """The facts again; None for anything else."""
    try:
        facts = _ADAPTER.validate_python(content)
    except ValidationError:
        return None
    return facts if all(len(size) == 3 for size in facts.written.sizes) else None


def noted(journal: dict[str, Any]) -> tuple[tuple[Segment, ...], tuple[Gap, ...]]:
    """The segments and gaps that a running take put into its journal; none where it holds no such thing."""
    try:
        return _SEGMENTS.validate_python(journal.get("segments", ())), _GAPS.validate_python(journal.get("gaps", ()))
    except ValidationError:
        return (), ()


def noted_sync(journal: dict[str, Any]) -> NotedSync:
    """The place of the sound that a running take put into its journal; that of a take without one otherwise."""
    try:
        return _NOTED_SYNC.validate_python(journal.get("sync", {}))
    except ValidationError:
        return NotedSync()
