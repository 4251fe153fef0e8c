"""Candidates as lists show them: searched, filtered by where their latest invitation stands, page by page.

What is shown and what the filter means are one expression, `state_at`, which reckons with the clock: an invitation
past its end counts as expired before the sweep has said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import applications, candidates, invitations, jobs
from storage.search import folded
from storage.states import InvitationStatus, Stage
from storage.transitions import overdue_at

PAGE_LIMIT = 100
COUNTED = 1000
WORDS_LIMIT = 8
JOBS_SHOWN_LIMIT = 1000


class CandidateState(StrEnum):
    """Where a candidate's latest invitation stands."""

    NOT_INVITED = "not_invited"
    INVITED = "invited"
    ACTIVE = "active"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AppliedTo:
    """A job on a candidate's row."""

    job_id: str
    title: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One line. `at_ms` is when the state began: added, sent, started, or ended."""

    id: str
    name: str
    email: str
    created_at_ms: int
    state: CandidateState
    at_ms: int
    jobs: list[AppliedTo]


@dataclass(frozen=True, slots=True)
class CandidatePage:
    """`found` counts from this page's start on, up to COUNTED + 1, which means "more"."""

    rows: list[CandidateRow]
    found: int


def state_at(now_ms: int) -> ColumnElement[str]:
    """The CandidateState of a row of `candidates` outer-joined with an invitation, at this moment."""
    status = invitations.c.status
    return case(
        (invitations.c.id.is_(None), literal(CandidateState.NOT_INVITED.value)),
        (status == InvitationStatus.COMPLETED, literal(CandidateState.COMPLETED.value)),
        (status == InvitationStatus.CANCELLED, literal(CandidateState.CANCELLED.value)),
        (or_(status == InvitationStatus.EXPIRED, overdue_at(now_ms)), literal(CandidateState.EXPIRED.value)),
        (status == InvitationStatus.IN_PROGRESS, literal(CandidateState.ACTIVE.value)),
        else_=literal(CandidateState.INVITED.value),
    )


def since() -> ColumnElement[int | None]:
    """When the joined invitation came to where it stands; its expiry, if that has passed unswept. None without one."""
    return case(
        (invitations.c.ended_at_ms.is_not(None), invitations.c.ended_at_ms),
        (invitations.c.started_at_ms.is_not(None), invitations.c.started_at_ms),
        else_=func.coalesce(invitations.c.sent_at_ms, invitations.c.created_at_ms),
    )


def moment(state: CandidateState, since_ms: int | None, expires_at_ms: int | None, created_at_ms: int) -> int:
    """What `at_ms` of a line is: `since`, but the expiry for what expired unswept, and the making for the uninvited."""
    if since_ms is None:
        return created_at_ms
    if state is CandidateState.EXPIRED and expires_at_ms is not None:
        return max(since_ms, expires_at_ms)
    return since_ms


async def page(
    conn: AsyncConnection,
    organisation_id: str,
    *,
    now_ms: int,
    q: str = "",
    state: CandidateState | None = None,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> CandidatePage:
    """The newest first, at most `limit` (never over PAGE_LIMIT), in two queries.

    `q` is found in name or address, each of its words anywhere, without regard to case and accents.
    `before` is (created_at_ms, id) of the last row of the page before.
    """
    matching = select(candidates.c.id, candidates.c.created_at_ms).where(
        candidates.c.organisation_id == organisation_id
    )
    for word in folded(q).split()[:WORDS_LIMIT]:
        matching = matching.where(candidates.c.search.contains(word, autoescape=True))
    if state is CandidateState.NOT_INVITED:
        matching = matching.where(candidates.c.latest_invitation_id.is_(None))
    elif state is not None:
        latest = invitations.c.id == candidates.c.latest_invitation_id
        matching = matching.select_from(candidates.outerjoin(invitations, latest)).where(state_at(now_ms) == state)
    if before is not None:
        matching = matching.where(tuple_(candidates.c.created_at_ms, candidates.c.id) < before)
    newest_first = (candidates.c.created_at_ms.desc(), candidates.c.id.desc())
    matched = matching.order_by(*newest_first).limit(COUNTED + 1).subquery()
    shown = (
        select(matched.c.id, func.count().over().label("found"))
        .order_by(matched.c.created_at_ms.desc(), matched.c.id.desc())
        .limit(max(0, min(limit, PAGE_LIMIT)))
        .subquery()
    )
    rows = (
        await conn.execute(
            _lines(now_ms)
            .add_columns(shown.c.found)
            .join(shown, shown.c.id == candidates.c.id)
            .order_by(*newest_first)
            .limit(PAGE_LIMIT)
        )
    ).all()
    applied = await _applied(conn, [row.id for row in rows])
    return CandidatePage([_row(row, applied) for row in rows], rows[0].found if rows else 0)


async def one(conn: AsyncConnection, organisation_id: str, candidate_id: str, *, now_ms: int) -> CandidateRow | None:
    """One candidate's line, as `page` shows it; None also when they are another organisation's."""
    query = _lines(now_ms).where(candidates.c.id == candidate_id, candidates.c.organisation_id == organisation_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _row(row, await _applied(conn, [row.id]))


def _lines(now_ms: int) -> Select[Any]:
    latest = invitations.c.id == candidates.c.latest_invitation_id
    return select(
        candidates.c.id,
        candidates.c.name,
        candidates.c.email,
        candidates.c.created_at_ms,
        state_at(now_ms).label("state"),
        since().label("since_ms"),
        invitations.c.expires_at_ms,
    ).select_from(candidates.outerjoin(invitations, latest))


def _row(row: Row[Any], applied: dict[str, list[AppliedTo]]) -> CandidateRow:
    state = CandidateState(row.state)
    at_ms = moment(state, row.since_ms, row.expires_at_ms, row.created_at_ms)
    return CandidateRow(row.id, row.name, row.email, row.created_at_ms, state, at_ms, applied.get(row.id, []))


async def _applied(conn: AsyncConnection, candidate_ids: list[str]) -> dict[str, list[AppliedTo]]:
    """What each of them applied to, the newest first."""
    if not candidate_ids:
        return {}
    rows = await conn.execute(
        select(applications.c.candidate_id, applications.c.job_id, jobs.c.title, applications.c.stage)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.candidate_id.in_(candidate_ids))
        .order_by(applications.c.created_at_ms.desc(), applications.c.id.desc())
        .limit(JOBS_SHOWN_LIMIT)
    )
    found: dict[str, list[AppliedTo]] = {}
    for candidate_id, job_id, title, stage in rows:
        found.setdefault(candidate_id, []).append(AppliedTo(job_id, title, Stage(stage)))
    return found
