"""What the bell tells a member of the hiring team: one line for each thing that happened, once for each person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, not_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import alerts, applications, candidates, invitations, job_members, jobs, users
from storage.states import Role

ALERTS_LIMIT = 200
COUNTED = 100


@dataclass(frozen=True, slots=True)
class Alert:
    """`read_at_ms` is None until its owner has read it. `kind` is an event's kind."""

    sequence: int
    kind: str
    invitation_id: str
    candidate_name: str
    job_title: str
    at_ms: int
    read_at_ms: int | None


async def raise_for(
    conn: AsyncConnection, *, user_ids: Iterable[str], kind: str, invitation_id: str, now_ms: int
) -> int:
    """Tells each of them, and says how many had not been told of it before."""
    rows = [{"user_id": each, "kind": kind, "invitation_id": invitation_id, "at_ms": now_ms} for each in user_ids]
    if not rows:
        return 0
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    told = await conn.execute(insert(alerts).values(rows).on_conflict_do_nothing())
    return told.rowcount


async def unread_count(conn: AsyncConnection, user_id: str) -> int:
    """How many are unread; counting ends at COUNTED."""
    unread = select(alerts.c.sequence).where(
        alerts.c.user_id == user_id, alerts.c.read_at_ms.is_(None), _may_be_opened()
    )
    return await conn.scalar(select(func.count()).select_from(unread.limit(COUNTED).subquery())) or 0


async def listing(conn: AsyncConnection, user_id: str, *, limit: int = 50, before: int | None = None) -> list[Alert]:
    """The newest first, at most `limit` (never over ALERTS_LIMIT). `before`: the last sequence of the page before."""
    query = (
        select(
            alerts.c.sequence,
            alerts.c.kind,
            alerts.c.invitation_id,
            candidates.c.name,
            jobs.c.title,
            alerts.c.at_ms,
            alerts.c.read_at_ms,
        )
        .join(invitations, alerts.c.invitation_id == invitations.c.id)
        .join(applications, invitations.c.application_id == applications.c.id)
        .join(candidates, applications.c.candidate_id == candidates.c.id)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(alerts.c.user_id == user_id, _may_be_opened())
    )
    if before is not None:
        query = query.where(alerts.c.sequence < before)
    rows = await conn.execute(query.order_by(alerts.c.sequence.desc()).limit(max(0, min(limit, ALERTS_LIMIT))))
    return [Alert(*row) for row in rows]


async def mark_read(conn: AsyncConnection, user_id: str, now_ms: int, *, through: int) -> int:
    """Marks what the user has been shown, up to sequence `through`; says how many were unread."""
    changed = await conn.execute(
        update(alerts)
        .where(alerts.c.user_id == user_id, alerts.c.sequence <= through, alerts.c.read_at_ms.is_(None))
        .values(read_at_ms=now_ms)
    )
    return changed.rowcount


async def mark_read_of(conn: AsyncConnection, user_id: str, invitation_id: str, now_ms: int) -> int:
    """Marks what the user was told of this invitation; says how many were unread."""
    changed = await conn.execute(
        update(alerts)
        .where(alerts.c.user_id == user_id, alerts.c.invitation_id == invitation_id, alerts.c.read_at_ms.is_(None))
        .values(read_at_ms=now_ms)
    )
    return changed.rowcount


def _may_be_opened() -> ColumnElement[bool]:
    """A reviewer who was taken off a job is told of its interviews no more."""
    reviews = exists().where(users.c.id == alerts.c.user_id, users.c.role == Role.REVIEWER)
    works_on_it = exists().where(
        invitations.c.id == alerts.c.invitation_id,
        applications.c.id == invitations.c.application_id,
        job_members.c.job_id == applications.c.job_id,
        job_members.c.user_id == alerts.c.user_id,
    )
    return or_(not_(reviews.correlate(alerts)), works_on_it.correlate(alerts))
