"""The contexts of the recruiters' templates: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.invitations import Invitation
from storage.users import User
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedPage:
    """What every page with the left rail knows; `here` is the rail's entry it belongs to."""

    viewer: User
    here: str
    zone: str


@dataclass(frozen=True, slots=True)
class InterviewLine:
    """One row of the table. `happened` says what the time in the last column is of.

    `answered` is None until the answers were sent: how far a candidate is, is theirs alone (C24).
    """

    id: str
    candidate_name: str
    candidate_email: str
    job_title: str
    template_name: str
    status: Pill
    answered: int | None
    questions: int
    happened: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewsPage(FramedPage):
    """For recruiter/interviews.html. `older` is the path of the next page, if there is one."""

    lines: list[InterviewLine]
    older: str | None
    newest: bool


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
class ReviewAnswer:
    """One question of a completed interview. Neither recording nor missed: optional, and left open."""

    number: int
    text: str
    rules: str
    required: bool
    missed: bool
    recording: Recording | None
    ledger: list[LedgerLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage(FramedPage):
    """For recruiter/review.html. `answers` is empty unless the interview is completed (C24)."""

    invitation: Invitation
    status: Pill
    happened: str
    at_ms: int
    details: list[tuple[str, str]]
    answers: list[ReviewAnswer]
    chosen: int


@dataclass(frozen=True, slots=True)
class LoginLine:
    """One login of the viewer; `device` is read from the browser's own claim."""

    id: str
    device: str
    address: str
    created_at_ms: int
    seen_at_ms: int
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginsPage(FramedPage):
    """For recruiter/logins.html."""

    logins: list[LoginLine]
    ended: bool
