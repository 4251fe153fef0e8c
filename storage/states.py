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
