"""The contexts of the review page and of its parts: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.alerts import Alert
from storage.invitations import Invitation
from web.recruiter.contexts import FramedPage
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One step of an answer, with the server's time of it."""

    at_ms: int
    clock: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A submitted take, ready to be played."""

    id: str
    url: str
    poster_url: str | None
    waveform_url: str | None
    duration_ms: int
    audio_only: bool
    verdict: Pill
    reasons: list[str]
    recovered: bool


@dataclass(frozen=True, slots=True)
class GivenScore:
    """What one colleague gave."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Rating:
    """The scores of one question, or of the whole interview (0). `answer` is the question to come back to.

    `mean` is empty where nobody has scored. `saved` is what happened to the viewer's own just now, if anything did.
    """

    number: int
    answer: int
    title: str
    mine: int | None
    others: list[GivenScore]
    mean: str
    count: int
    saved: str = ""


@dataclass(frozen=True, slots=True)
class CommentLine:
    """One comment. `moment` is a clock ("0:42") at `moment_s` of the recording, or None.

    A deleted one is there to be brought back by the viewer. `typed` and `mistake` are of an edit that was refused.
    """

    id: str
    author: str
    text: str
    moment: str | None
    moment_s: int
    at_ms: int
    edited: bool
    deleted: bool
    mine: bool
    may_delete: bool
    typed: str | None = None
    mistake: str = ""


@dataclass(frozen=True, slots=True)
class Composer:
    """The comment being written. Its `id` is made with the form, so a form sent twice is one comment."""

    id: str
    text: str = ""
    moment: str = ""
    mistake: str = ""
    moment_mistake: str = ""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """The comments on one question, or on the whole interview (0), and the viewer's next one."""

    number: int
    answer: int
    timed: bool
    comments: list[CommentLine]
    composer: Composer


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """One question of a completed interview. Neither recording nor missed: optional, and left open."""

    number: int
    text: str
    rules: str
    required: bool
    missed: bool
    recording: Recording | None
    ledger: list[LedgerLine]
    rating: Rating
    thread: Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage(FramedPage):
    """For recruiter/review.html. `answers` is empty unless the interview is completed (C24); `start_s` is the moment
    of the chosen recording to begin at."""

    invitation: Invitation
    status: Pill
    happened: str
    at_ms: int
    details: list[tuple[str, str]]
    answers: list[ReviewAnswer]
    chosen: int
    start_s: int
    rating: Rating
    thread: Thread


@dataclass(frozen=True, slots=True)
class RatingPart:
    """For recruiter/rating_part.html."""

    invitation_id: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class SaidPart:
    """For recruiter/said_part.html: the comments of a thread. With `posted` also an empty form for the next one."""

    invitation_id: str
    zone: str
    thread: Thread
    posted: bool = False


@dataclass(frozen=True, slots=True)
class ComposerPart:
    """For recruiter/composer_part.html: the form again, with its mistakes."""

    invitation_id: str
    thread: Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsPage(FramedPage):
    """For recruiter/notifications.html. `through` is the newest that is shown; `older` the path of the next page."""

    alerts: list[Alert]
    through: int
    fresh: bool
    newest: bool
    older: str | None
