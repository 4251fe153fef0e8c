"""Where candidates stand, in words, shapes and colours: the states of their invitations, the stages of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from storage.candidate_list import CandidateState
from storage.states import InvitationStatus, Stage
from web.recruiter.wording import STATUSES, Pill

STATES: Mapping[CandidateState, Pill] = {
    CandidateState.NOT_INVITED: Pill("Not invited", "circle", "pill-plain"),
    CandidateState.INVITED: STATUSES[InvitationStatus.PENDING],
    CandidateState.ACTIVE: STATUSES[InvitationStatus.IN_PROGRESS],
    CandidateState.COMPLETED: STATUSES[InvitationStatus.COMPLETED],
    CandidateState.EXPIRED: STATUSES[InvitationStatus.EXPIRED],
    CandidateState.CANCELLED: STATUSES[InvitationStatus.CANCELLED],
}

# What the time beside a state is of.
SINCE: Mapping[CandidateState, str] = {
    CandidateState.NOT_INVITED: "Added",
    CandidateState.INVITED: "Invited",
    CandidateState.ACTIVE: "Started",
    CandidateState.COMPLETED: "Completed",
    CandidateState.EXPIRED: "Expired",
    CandidateState.CANCELLED: "Cancelled",
}

STAGES: Mapping[Stage, str] = {
    Stage.NEW: "New",
    Stage.INTERVIEW: "Interview",
    Stage.REVIEW: "Review",
    Stage.SHORTLIST: "Shortlist",
    Stage.HIRED: "Hired",
    Stage.REJECTED: "Rejected",
}


def stage_named(text: str) -> Stage | None:
    """The stage of a form or a link; None for what is none."""
    return next((stage for stage in Stage if stage == text), None)


def state_named(text: str) -> CandidateState | None:
    """The state of a filter's link; None for what is none, which shows everybody."""
    return next((state for state in CandidateState if state == text), None)


def people(count: int) -> str:
    """ "1 candidate", "12 candidates"."""
    return f"{count:,} candidate{'' if count == 1 else 's'}"
