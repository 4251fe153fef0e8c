"""The contexts of sending and of its results."""

from __future__ import annotations

from dataclasses import dataclass

from storage.sendings import Recipient
from web.recruiter.contexts import FramedPage
from web.recruiter.interview_contexts import Need, Told
from web.recruiter.mail_wording import MailWords
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True)
class OfferLine:
    """One interview that can be chosen. `reach` says how many get it; `skipped` whom it leaves out, and why."""

    value: str
    job_title: str
    template_name: str
    facts: list[tuple[str, str]]
    preview: str
    sent: int
    reach: str
    skipped: list[tuple[str, str]]
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPage(FramedPage):
    """For recruiter/send.html. `only_job`: the offers are of the job asked for, `all_jobs` leads to the others."""

    sending_id: str
    candidates: list[Recipient]
    offers: list[OfferLine]
    only_job: str | None
    all_jobs: str | None
    job_id: str
    day: str
    clock: str
    offer_error: str | None
    day_error: str | None
    clock_error: str | None
    candidates_error: str | None
    needs: list[Need]
    back: str


@dataclass(frozen=True, slots=True)
class SendingLine:
    """What came of one candidate."""

    candidate_id: str
    candidate_name: str
    candidate_email: str
    invitation_id: str | None
    outcome: Pill
    sentence: str
    link: str
    link_label: str
    mail: MailWords | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPage(FramedPage):
    """For recruiter/sending.html."""

    title: str
    summary: str
    job_id: str
    job_title: str
    template_name: str
    expires_at_ms: int | None
    lines: list[SendingLine]
    told: Told | None
