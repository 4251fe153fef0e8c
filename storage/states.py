"""The states that lasting things can be in. What may follow what is not said here:
the interview's rules are `signaling.interview`, an invitation's are `storage.invitations`."""

from __future__ import annotations

from enum import StrEnum


class InvitationStatus(StrEnum):
    """The last three are final."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class AnswerState(StrEnum):
    """Where one question of one interview stands. `removed` is the ledger's word: the answer goes back to `seen`."""

    HIDDEN = "hidden"
    THINKING = "thinking"
    SEEN = "seen"
    COUNTDOWN = "countdown"
    RECORDING = "recording"
    SAVING = "saving"
    DRAFT = "draft"
    FAILED = "failed"
    MISSED = "missed"
    SUBMITTED = "submitted"


class TakeState(StrEnum):
    """`kept` is the answer's take now; `discarded` files may be deleted."""

    COUNTDOWN = "countdown"
    RECORDING = "recording"
    SAVING = "saving"
    KEPT = "kept"
    FAILED = "failed"
    ABANDONED = "abandoned"
    DISCARDED = "discarded"


class Role(StrEnum):
    ADMIN = "admin"
    RECRUITER = "recruiter"
    REVIEWER = "reviewer"


class Stage(StrEnum):
    """Where an application stands in the pipeline, in the order of its columns."""

    NEW = "new"
    INTERVIEW = "interview"
    REVIEW = "review"
    SHORTLIST = "shortlist"
    HIRED = "hired"
    REJECTED = "rejected"


class Difficulty(StrEnum):
    """How hard a template's questions are meant to be; a version may also say nothing."""

    INTRODUCTORY = "introductory"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class MailKind(StrEnum):
    """What a mail is for. The first five go to candidates, the others to the hiring team."""

    INVITATION = "invitation"
    RESENT = "resent"
    REMINDER_START = "reminder_start"
    REMINDER_EXPIRY = "reminder_expiry"
    EXTENDED = "extended"
    COMPLETED = "completed"
    TEAM_INVITE = "team_invite"
    TRIAL = "trial"


class MailState(StrEnum):
    """`queued` waits for its next attempt; the others are final. `refused`: the receiving server said no for good.

    `failed`: given up after the last attempt. `outbox`: written as a file, since no SMTP server is configured.
    `stopped`: not sent, because what it was about had ended first.
    """

    QUEUED = "queued"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    OUTBOX = "outbox"
    STOPPED = "stopped"
