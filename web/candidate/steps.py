"""Which step of the way a candidate has reached (C7): pure, from what is stored and the clock.

notice → details → introduction → (Start) → interview → receipt; or ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

from storage.expiry import closes_at_ms
from storage.invitations import Invitation
from storage.shapes import DetailsField
from storage.states import InvitationStatus


class Step(StrEnum):
    """The value is the path below the candidate's link; `ended` is shown at the link itself."""

    NOTICE = "notice"
    DETAILS = "details"
    INTRODUCTION = "introduction"
    INTERVIEW = "interview"
    RECEIPT = "receipt"
    ENDED = "ended"


NUMBERS: dict[Step, int] = {
    Step.NOTICE: 1,
    Step.DETAILS: 2,
    Step.INTRODUCTION: 3,
    Step.INTERVIEW: 4,
    Step.RECEIPT: 5,
    Step.ENDED: 5,
}
_BEFORE_START = (Step.NOTICE, Step.DETAILS, Step.INTRODUCTION)


def status_now(invitation: Invitation, now_ms: int, take_ends_at_ms: int | None = None) -> InvitationStatus:
    """The status as the clock has it: expired from its very moment on, whether or not it was written down yet."""
    closes = closes_at_ms(invitation.status, invitation.expires_at_ms, take_ends_at_ms)
    return InvitationStatus.EXPIRED if closes is not None and now_ms >= closes else invitation.status


def reached(status: InvitationStatus, *, accepted: bool, details_done: bool) -> Step:
    """The furthest step open now. `accepted`: the notice, in the database and on this very device."""
    match status:
        case InvitationStatus.EXPIRED | InvitationStatus.CANCELLED:
            return Step.ENDED
        case InvitationStatus.COMPLETED:
            return Step.RECEIPT
        case InvitationStatus.PENDING | InvitationStatus.IN_PROGRESS:
            if not accepted:
                return Step.NOTICE
            if status is InvitationStatus.IN_PROGRESS:
                return Step.INTERVIEW
            return Step.INTRODUCTION if details_done else Step.DETAILS
        case _:
            assert_never(status)


def may_open(wanted: Step, furthest: Step) -> bool:
    """Before Start one may go back to what was done; otherwise only the step reached is open."""
    if wanted is furthest:
        return True
    if wanted in _BEFORE_START and furthest in _BEFORE_START:
        return _BEFORE_START.index(wanted) < _BEFORE_START.index(furthest)
    return False


def details_done(fields: Sequence[DetailsField], details: dict[str, str]) -> bool:
    """Whether the form was saved with everything it demands; a form without fields always is."""
    return all(field["name"] in details and (details[field["name"]] or not field["required"]) for field in fields)
