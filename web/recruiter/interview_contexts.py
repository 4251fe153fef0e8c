"""The contexts of the list of interviews and of what is done with one invitation."""

from __future__ import annotations

from dataclasses import dataclass

from web.recruiter.contexts import FramedPage
from web.recruiter.mail_wording import MailWords
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True)
class InterviewMenu:
    """What the row's menu offers. `back` is the page it is on, to return to."""

    back: str
    responses: bool
    resend: bool
    extend: bool
    cancel: bool
    send_new: bool


@dataclass(frozen=True, slots=True)
class InterviewLine:
    """One row of the table. `happened` says what the time under the status is of.

    `answered` is None until the answers were sent: how far a candidate is, is theirs alone (C24). `menu` is None
    for those who may only look.
    """

    id: str
    candidate_id: str
    candidate_name: str
    candidate_email: str
    job_id: str
    job_title: str
    template_name: str
    status: Pill
    mail: MailWords | None
    mail_reply: str
    answered: int | None
    questions: int
    expires_at_ms: int | None
    deadline: str
    left: str
    happened: str
    at_ms: int
    menu: InterviewMenu | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a filter. `path` leads to the list with it, the other filters kept."""

    value: str
    label: str
    path: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What came of the press before this page. `link` and `link_label` lead on, if there is where to."""

    good: bool
    sentence: str
    link: str = ""
    link_label: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that sending still needs. `link` is empty for who may not change it; `blocking`: nothing leaves."""

    sentence: str
    link: str
    label: str
    blocking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewsPage(FramedPage):
    """For recruiter/interviews.html. `older` is the path of the next page, if there is one."""

    lines: list[InterviewLine]
    older: str | None
    newest: str | None
    statuses: list[Choice]
    mails: list[Choice]
    jobs: list[Choice]
    status: str
    text: str
    filtered: bool
    recruits: bool
    needs: list[Need]
    told: Told | None


@dataclass(frozen=True, slots=True)
class About:
    """The invitation that a page is about. `first_name` is what sentences call the candidate."""

    id: str
    candidate_id: str
    candidate_name: str
    job_id: str
    job_title: str
    template_name: str
    status: Pill
    active: bool
    expires_at_ms: int | None
    deadline: str
    left: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPage(FramedPage):
    """For recruiter/cancel.html. `ended` says why nothing can be cancelled."""

    about: About
    back: str
    reason: str
    reason_error: str | None
    longest: int
    ended: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendPage(FramedPage):
    """For recruiter/extend.html. `refused` says why no deadline can be changed."""

    about: About
    back: str
    day: str
    clock: str
    day_error: str | None
    clock_error: str | None
    refused: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage(FramedPage):
    """For recruiter/link.html: the candidate's own link, whole."""

    about: About
    back: str
    url: str
    open: bool
