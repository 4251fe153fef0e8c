"""The contexts of the candidate's templates: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.invitations import Invitation

STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePage:
    """What every candidate's page knows. `base` is "/i/<token>"; `step` counts from 1 to `steps`."""

    invitation: Invitation
    company: str
    contact_name: str
    contact_email: str
    base: str
    step: int
    steps: int = STEPS
    logo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage(CandidatePage):
    """For notice.html: both texts with the ids that the form posts, and what was wrong with the press before.

    `changed`: the press was for texts that are no longer the current ones.
    """

    privacy_id: str
    privacy_language: str
    privacy_text: list[str]
    cookie_id: str
    cookie_language: str
    cookie_text: str
    changed: bool
    error: str | None
    ticked: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the details form, as typed so far; `error` is a sentence beside it."""

    name: str
    label: str
    kind: str
    required: bool
    value: str
    error: str | None
    autocomplete: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsPage(CandidatePage):
    """For details.html."""

    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Summary:
    """What may be known of a question before Start (C7): its times, never its text."""

    number: int
    think_s: int
    limit_s: int
    retakes: int | None
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IntroductionPage(CandidatePage):
    """For introduction.html."""

    introduction: list[str]
    question_count: int
    total_minutes: int
    summaries: list[Summary]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewPage(CandidatePage):
    """For interview.html. The questions are not in it, nor what opens a TURN server: they come over the WebSocket."""

    live_path: str
    take_base: str
    receipt_path: str
    relays: bool
    audio_only_allowed: bool
    max_bitrate_bps: int
    question_count: int


@dataclass(frozen=True, slots=True)
class Received:
    """One line of the receipt."""

    number: int
    duration_ms: int | None
    missed: bool
    optional_unanswered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPage(CandidatePage):
    """For receipt.html. `reference` is short and tells nothing."""

    received: list[Received]
    completed_at_ms: int
    zone: str
    kept_until: str | None
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedPage(CandidatePage):
    """For ended.html; `status` is "expired" or "cancelled"."""

    status: str
    ended_at_ms: int | None
    zone: str
