"""What crosses the control socket between the server and a recorder worker.

Calls go to the worker and are answered once; events come from it unasked.
All are frozen dataclasses with JSON-safe fields; their form on the wire is `lines`'s.
Deliberately knows nothing of invitations, questions or people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

PeerId = NewType("PeerId", str)
TakeId = NewType("TakeId", str)


class RecorderError(Exception):
    """Base of everything this package raises on purpose."""


class OfferRefused(RecorderError):
    """The offer cannot be recorded; `reason` is a code of `OfferProblem`."""

    def __init__(self, reason: OfferProblem, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class CallRefused(RecorderError):
    """A call the worker understood and refused; `reason` is a `CallProblem`."""

    def __init__(self, reason: CallProblem, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class WorkerUnavailable(RecorderError):
    """No worker answered in time; the caller may try again in a moment."""


class OfferProblem(StrEnum):
    MALFORMED = "malformed"
    NO_VIDEO_CODEC = "no_video_codec"
    NO_AUDIO_CODEC = "no_audio_codec"
    NO_MEDIA = "no_media"
    NOT_SECURE = "not_secure"
    BUSY = "busy"


class CallProblem(StrEnum):
    UNKNOWN_PEER = "unknown_peer"
    UNKNOWN_TAKE = "unknown_take"
    DUPLICATE_TAKE = "duplicate_take"
    PEER_BUSY = "peer_busy"
    DISK_FULL = "disk_full"
    MALFORMED = "malformed"
    FAILED = "failed"


class PeerState(StrEnum):
    """`live` means packets arrive on every negotiated track now."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    GONE = "gone"


class EndReason(StrEnum):
    """Why a take stopped recording."""

    STOPPED = "stopped"
    LIMIT = "limit"
    OUTAGE = "outage"
    DISK_FULL = "disk_full"
    TOO_LARGE = "too_large"
    ABANDONED_BY_SERVER = "abandoned_by_server"
    WORKER_DIED = "worker_died"
    FAULT = "fault"


class NeverStarted(StrEnum):
    """Why a countdown ended without a take; nothing was charged."""

    NO_KEY_FRAME = "no_key_frame"
    NO_SOUND = "no_sound"
    PEER_GONE = "peer_gone"
    CANCELLED = "cancelled"
    DISK_FULL = "disk_full"
    WORKER_DIED = "worker_died"


class Verdict(StrEnum):
    GOOD = "good"
    USABLE = "usable"
    FAILED = "failed"


# Calls, server to worker. Each has exactly one reply.


@dataclass(frozen=True, slots=True)
class Hello:
    """First on every connection; answered with `Welcome`."""

    version: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Answer a browser's offer; answered with `Connected` or refused (`OfferProblem`).

    If `take_id` records now, it goes on with this peer from its first key frame on, as a new segment in the same
    codec; the peer it came from is freed then. Any other `take_id`, or an offer without a picture to a take that has
    one, makes a peer like without one.
    """

    peer_id: PeerId
    offer_sdp: str
    take_id: TakeId | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """Answer an offer made after `restartIce()`: the peer, its keys and its take stay.

    Answered with `Connected` or refused (`OfferProblem`, or UNKNOWN_PEER when it is not there any more).
    """

    peer_id: PeerId
    offer_sdp: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Free a peer. A take it feeds ends as after an outage past its grace, unless another peer is to go on with it."""

    peer_id: PeerId


@dataclass(frozen=True, slots=True)
class Arm:
    """Begin the countdown of one take; the worker starts it at zero by itself.

    `folder` is an absolute directory that exists or can be made; the files are
    `<take_id>.*` in it. `limit_ms` counts from the first written key frame and
    stands still in an outage.
    """

    take_id: TakeId
    peer_id: PeerId
    folder: str
    countdown_ms: int
    limit_ms: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End a take and keep it, or end a countdown; `TakeEnding` or `TakeNotStarted` follows."""

    take_id: TakeId


@dataclass(frozen=True, slots=True)
class Stats:
    """Answered with `Counters`."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Finish running takes and exit."""


Call = Hello | Connect | Restart | Disconnect | Arm | Stop | Stats | Quit


# Replies.


@dataclass(frozen=True, slots=True)
class Welcome:
    version: str
    pid: int
    udp_port: int
    peers: list[dict[str, Any]]  # {"peer_id", "state"}
    takes: list[dict[str, Any]]  # {"take_id", "peer_id", "folder", "phase": countdown|recording|ending}


@dataclass(frozen=True, slots=True)
class Connected:
    answer_sdp: str
    has_video: bool


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Counters:
    """Of the worker since it began, and of each peer that is here (`seeing.peer_figures`)."""

    values: dict[str, int]
    peers: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """`problem` is a value of `OfferProblem` (to `Connect` and `Restart`) or `CallProblem`."""

    problem: str
    detail: str


Reply = Welcome | Connected | Done | Counters | Refused


# Events, worker to server, in the order they happened.


@dataclass(frozen=True, slots=True)
class PeerChanged:
    peer_id: PeerId
    state: PeerState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TakeStarted:
    """The first key frame was written at `at_unix_ms`: the attempt is charged, the clock runs."""

    take_id: TakeId
    at_unix_ms: int
    limit_ms: int


@dataclass(frozen=True, slots=True)
class TakeNotStarted:
    take_id: TakeId
    reason: NeverStarted


@dataclass(frozen=True, slots=True)
class TakeProgress:
    """Once a second, also in an outage (`stalled`). `elapsed_ms` is charged time, `safe_ms` is on disk (fsynced),
    `level` is the loudest sound of the second, 0 (silent) to 127 (full scale)."""

    take_id: TakeId
    elapsed_ms: int
    remaining_ms: int
    safe_ms: int
    level: int
    packets_lost: int
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class OutageBegan:
    """No packets for 1 s; the clock stands still since `at_unix_ms`, the last packet."""

    take_id: TakeId
    at_unix_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class OutageEnded:
    take_id: TakeId
    outage_ms: int
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class TakeEnding:
    """Recording is over; the file is being closed and verified. Said once what an outage held back is heard out."""

    take_id: TakeId
    reason: EndReason
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class TakeResult:
    """What is on disk after a take, and the packets' verdict on it.

    `file` is the name inside the take's folder, empty when nothing was kept
    (verdict `failed` and no playable file). Beside it lie `<take_id>.json` (the
    sidecar, which holds these fields and more), `poster` (JPEG) and `waveform`
    (JSON: {"step_ms": 100, "levels": [0..127, …]}), each "" when absent.
    """

    take_id: TakeId
    verdict: Verdict
    reasons: list[str]
    end_reason: EndReason
    file: str = ""
    media_type: str = ""
    size_bytes: int = 0
    duration_ms: int = 0
    elapsed_ms: int = 0
    video_frames: int = 0
    audio_packets: int = 0
    sha256: str = ""
    started_unix_ms: int = 0
    poster: str = ""
    waveform: str = ""
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class TakeFinished:
    result: TakeResult


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """Made by the pool, not by a worker: it died with these peers; each of its
    takes follows as `TakeNotStarted` or `TakeFinished` (recovered)."""

    worker: int
    peer_ids: list[str] = field(default_factory=list)


Event = (
    PeerChanged
    | TakeStarted
    | TakeNotStarted
    | TakeProgress
    | OutageBegan
    | OutageEnded
    | TakeEnding
    | TakeFinished
    | WorkerLost
)

Message = Call | Reply | Event
