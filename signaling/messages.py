"""Every message on the candidate's WebSocket, in both directions.

One JSON object a frame: {"type": "<snake_case name>", …fields}. The page only asks;
the server decides and tells. Times are remaining milliseconds, never wall-clock.
PROTOCOL.md describes each; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

FRAME_LIMIT_BYTES = 64 * 1024


class CloseCode(StrEnum):
    """Names of the close codes; the numbers are in `CLOSE_CODES`."""

    FLOOD = "flood"
    SUPERSEDED = "superseded"
    ENDED = "ended"
    TOO_SLOW = "too_slow"
    RESTARTING = "restarting"


CLOSE_CODES: dict[CloseCode, int] = {
    CloseCode.FLOOD: 4008,
    CloseCode.SUPERSEDED: 4009,
    CloseCode.ENDED: 4010,
    CloseCode.TOO_SLOW: 4011,
    CloseCode.RESTARTING: 1012,
}


# What a page may ask.


@dataclass(frozen=True, slots=True)
class Hello:
    """Always first. `tab` is random, made when the page loads (8 to 64 characters)."""

    tab: str


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Make this tab the one that counts, although another holds a live recording."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A new SDP offer; answered by `Answer` or an `Error` that says why not, each with its `number`.

    The page numbers its offers, so that a late answer is not taken for that to a newer offer.
    """

    sdp: str
    number: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The offer that follows `restartIce()` on the page's present connection; answered like `Offer`."""

    sdp: str
    number: int


@dataclass(frozen=True, slots=True)
class Relays:
    """Which STUN and TURN servers may I use? Answered with `IceServers`, whose credentials last for a while only."""


@dataclass(frozen=True, slots=True)
class Reveal:
    question: str


@dataclass(frozen=True, slots=True)
class Record:
    """Begin the 3-2-1 for a first take, a retake, or a retry."""

    question: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the countdown (uncharged) or the recording (kept)."""

    question: str


@dataclass(frozen=True, slots=True)
class Remove:
    question: str


@dataclass(frozen=True, slots=True)
class Send:
    """ "Send answers and close interview": the server verifies every take on disk."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The second press; accepted only while `sending` is `ready`."""


Ask = Hello | TakeOver | Relays | Offer | Restart | Reveal | Record | Stop | Remove | Send | Confirm


# What the server tells.


class Media(StrEnum):
    NONE = "none"
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"


class Sending(StrEnum):
    IDLE = "idle"
    CHECKING = "checking"
    READY = "ready"
    REFUSED = "refused"


class Action(StrEnum):
    """What the page may ask of a question now."""

    REVEAL = "reveal"
    RECORD = "record"
    STOP = "stop"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class TakeView:
    """A finished take. `url` and `poster_url` are paths below the candidate's link."""

    id: str
    duration_ms: int
    media_type: str
    verdict: str
    reasons: list[str]
    recovered: bool
    url: str
    poster_url: str | None


@dataclass(frozen=True, slots=True)
class QuestionView:
    """One question as the candidate may know it now.

    `text` is null until it was revealed. `attempts_left` and `retakes` are null when
    unlimited. Only the clock of the present state is set: `think_left_ms` (thinking),
    `wait_left_ms` (think time is over, the server waits for media), `countdown_left_ms`,
    `remaining_ms` (recording), beside it `outage_left_ms` while `stalled`. `notice` is a code the page has a
    sentence for (see PROTOCOL.md), about the last thing that happened to this question.
    """

    id: str
    number: int
    state: str
    required: bool
    think_s: int
    limit_s: int
    retakes: int | None
    attempts_left: int | None
    text: str | None
    take: TakeView | None
    actions: list[Action]
    think_left_ms: int | None
    wait_left_ms: int | None
    countdown_left_ms: int | None
    remaining_ms: int | None
    stalled: bool
    outage_left_ms: int | None
    notice: str | None


@dataclass(frozen=True, slots=True)
class State:
    """The whole interview; sent after Hello and after every change. Replaces all before it."""

    status: str
    media: Media
    audio_only: bool
    elsewhere: bool
    active: str | None
    closing_ms: int | None
    sending: Sending
    sending_problems: list[str]
    can_send: bool
    questions: list[QuestionView]


@dataclass(frozen=True, slots=True)
class IceServer:
    """As RTCPeerConnection takes it (W3C RTCIceServer); STUN servers have neither name nor credential."""

    urls: list[str]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IceServers:
    """The servers for the page's next connection, or ICE restart; empty where none is needed."""

    servers: list[IceServer]


@dataclass(frozen=True, slots=True)
class Answer:
    """`number` is that of the offer, be it one of a restart."""

    sdp: str
    number: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Once a second while recording: what the server's disk holds."""

    question: str
    elapsed_ms: int
    remaining_ms: int
    safe_ms: int
    level: int
    packets_lost: int


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another tab of this interview took over; this socket is closed next."""


@dataclass(frozen=True, slots=True)
class Error:
    """`code` names the problem; `message` is a sentence for the person; `about` is
    the type of the message that was refused, or null; `number` that of a refused offer."""

    code: str
    message: str
    about: str | None = None
    number: int | None = None


Tell = State | IceServers | Answer | Progress | Superseded | Error
