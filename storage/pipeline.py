"""The pipeline of a job: who stands in which stage, and moves between stages. People move freely between any.

A move writes its event in the same transaction. The two moves that happen by themselves (sending an interview,
completing one) are `advance`, in the transaction of their cause.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events
from storage.candidate_list import CandidateState, moment, since, state_at
from storage.schema import applications, candidates, invitations, jobs
from storage.states import Stage

BOARD_CARDS = 30
STAGE_PAGE_LIMIT = 100
MOVE_LIMIT = 500

_latest = invitations.alias("latest")


@dataclass(frozen=True, slots=True)
class Card:
    """A candidate in the pipeline of a job. `state` is that of the latest invitation to this job, since `at_ms`."""

    application_id: str
    candidate_id: str
    name: str
    email: str
    stage: Stage
    stage_at_ms: int
    state: CandidateState
    at_ms: int
    invitation_id: str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A stage: the newest BOARD_CARDS in it, and how many there are in all."""

    stage: Stage
    cards: list[Card]
    total: int


@dataclass(frozen=True, slots=True)
class Moved:
    """One application that a move changed."""

    application_id: str
    candidate_id: str
    origin: Stage


async def board(conn: AsyncConnection, organisation_id: str, job_id: str, *, now_ms: int) -> list[Column]:
    """Every stage in its order, empty ones too, in one query. Newest in the stage first."""
    newest = (applications.c.stage_at_ms.desc(), applications.c.id.desc())
    ranked = (
        select(
            applications.c.id,
            func.row_number().over(partition_by=applications.c.stage, order_by=newest).label("place"),
            func.count().over(partition_by=applications.c.stage).label("total"),
        )
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.job_id == job_id, jobs.c.organisation_id == organisation_id)
        .subquery()
    )
    rows = await conn.execute(
        _cards(now_ms)
        .add_columns(ranked.c.total)
        .join(ranked, ranked.c.id == applications.c.id)
        .where(ranked.c.place <= BOARD_CARDS)
        .order_by(*newest)
        .limit(BOARD_CARDS * len(Stage))
    )
    columns: dict[Stage, Column] = {stage: Column(stage, [], 0) for stage in Stage}
    for row in rows:
        card = _card(row)
        columns[card.stage] = Column(card.stage, [*columns[card.stage].cards, card], row.total)
    return list(columns.values())


async def in_stage(
    conn: AsyncConnection,
    organisation_id: str,
    job_id: str,
    stage: Stage,
    *,
    now_ms: int,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> list[Card]:
    """One stage of a job, newest in it first, at most `limit` (never over STAGE_PAGE_LIMIT).

    `before` is (stage_at_ms, application_id) of the last card of the page before.
    """
    query = (
        _cards(now_ms)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.job_id == job_id, applications.c.stage == stage)
        .where(jobs.c.organisation_id == organisation_id)
    )
    if before is not None:
        query = query.where(tuple_(applications.c.stage_at_ms, applications.c.id) < before)
    rows = await conn.execute(
        query.order_by(applications.c.stage_at_ms.desc(), applications.c.id.desc()).limit(
            max(0, min(limit, STAGE_PAGE_LIMIT))
        )
    )
    return [_card(row) for row in rows]


async def totals(conn: AsyncConnection, organisation_id: str, job_id: str) -> Mapping[Stage, int]:
    """How many stand in each stage of the job; 0 for empty ones."""
    rows = await conn.execute(
        select(applications.c.stage, func.count())
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.job_id == job_id, jobs.c.organisation_id == organisation_id)
        .group_by(applications.c.stage)
        .limit(len(Stage))
    )
    return dict.fromkeys(Stage, 0) | {Stage(stage): count for stage, count in rows}


async def move(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    job_id: str,
    candidate_ids: Collection[str],
    to: Stage,
    now_ms: int,
    actor: str,
) -> list[Moved]:
    """Those whom this call moved: applicants to the job that were elsewhere. Never over MOVE_LIMIT; strangers are left.

    Each is moved by compare-and-set from where it stood, with its event.
    """
    rows = await conn.execute(
        select(applications.c.id, applications.c.candidate_id, applications.c.stage, jobs.c.title)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.job_id == job_id, jobs.c.organisation_id == organisation_id)
        .where(applications.c.candidate_id.in_(list(candidate_ids)[:MOVE_LIMIT]), applications.c.stage != to)
        .order_by(applications.c.id)
        .limit(MOVE_LIMIT)
    )
    moved = []
    for application_id, candidate_id, origin, title in rows.all():
        if await _move(conn, organisation_id, application_id, Stage(origin), to, title, now_ms, actor):
            moved.append(Moved(application_id, candidate_id, Stage(origin)))
    return moved


async def advance(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    application_id: str,
    origin: Stage,
    to: Stage,
    now_ms: int,
    actor: str,
) -> bool:
    """Moves one application on if it still stands in `origin`, with its event; else leaves it where people put it."""
    title = await conn.scalar(
        select(jobs.c.title)
        .join(applications, applications.c.job_id == jobs.c.id)
        .where(applications.c.id == application_id, jobs.c.organisation_id == organisation_id)
    )
    if title is None:
        return False
    return await _move(conn, organisation_id, application_id, origin, to, title, now_ms, actor)


async def _move(
    conn: AsyncConnection,
    organisation_id: str,
    application_id: str,
    origin: Stage,
    to: Stage,
    job_title: str,
    now_ms: int,
    actor: str,
) -> bool:
    changed = await conn.execute(
        update(applications)
        .where(applications.c.id == application_id, applications.c.stage == origin)
        .values(stage=to, stage_at_ms=now_ms)
    )
    if changed.rowcount != 1:
        return False
    await events.append(
        conn,
        organisation_id=organisation_id,
        at_ms=now_ms,
        actor=actor,
        kind="application.moved",
        subject_kind="application",
        subject_id=application_id,
        detail={"from": origin, "to": to, "job": job_title},
    )
    return True


def _cards(now_ms: int) -> Select[Any]:
    """Applications with their candidate and the latest invitation to this job, if there is one."""
    latest = (
        select(_latest.c.id)
        .where(_latest.c.application_id == applications.c.id)
        .order_by(_latest.c.created_at_ms.desc(), _latest.c.id.desc())
        .limit(1)
        .correlate(applications)
        .scalar_subquery()
    )
    joined = applications.join(candidates, applications.c.candidate_id == candidates.c.id).outerjoin(
        invitations, invitations.c.id == latest
    )
    return select(
        applications.c.id.label("application_id"),
        applications.c.candidate_id,
        candidates.c.name,
        candidates.c.email,
        applications.c.stage,
        applications.c.stage_at_ms,
        applications.c.created_at_ms,
        state_at(now_ms).label("state"),
        since().label("since_ms"),
        invitations.c.expires_at_ms,
        invitations.c.id.label("invitation_id"),
    ).select_from(joined)


def _card(row: Row[Any]) -> Card:
    state = CandidateState(row.state)
    return Card(
        application_id=row.application_id,
        candidate_id=row.candidate_id,
        name=row.name,
        email=row.email,
        stage=Stage(row.stage),
        stage_at_ms=row.stage_at_ms,
        state=state,
        at_ms=moment(state, row.since_ms, row.expires_at_ms, row.created_at_ms),
        invitation_id=row.invitation_id,
    )
