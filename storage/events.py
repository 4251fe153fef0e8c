"""Who did what to which thing, and when. Append-only: there is no function that changes or removes an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import events
from storage.shapes import as_object

EVENTS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Event:
    """`sequence` rises in the order of writing. `actor` is "user:<id>", "candidate:<invitation id>" or "system"."""

    sequence: int
    organisation_id: str
    at_ms: int
    actor: str
    kind: str
    subject_kind: str
    subject_id: str
    detail: dict[str, Any]


async def append(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    at_ms: int,
    actor: str,
    kind: str,
    subject_kind: str,
    subject_id: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Writes one event, in the transaction of what it tells of. `detail` is JSON and holds no secret."""
    await conn.execute(
        insert(events).values(
            organisation_id=organisation_id,
            at_ms=at_ms,
            actor=actor,
            kind=kind,
            subject_kind=subject_kind,
            subject_id=subject_id,
            detail=detail or {},
        )
    )


async def for_subject(
    conn: AsyncConnection,
    organisation_id: str,
    subject_kind: str,
    subject_id: str,
    *,
    limit: int = EVENTS_LIMIT,
    before: int | None = None,
) -> list[Event]:
    """The newest first, at most `limit` (never over EVENTS_LIMIT). `before`: the last sequence of the page before."""
    query = select(
        events.c.sequence,
        events.c.organisation_id,
        events.c.at_ms,
        events.c.actor,
        events.c.kind,
        events.c.subject_kind,
        events.c.subject_id,
        events.c.detail,
    ).where(
        events.c.organisation_id == organisation_id,
        events.c.subject_kind == subject_kind,
        events.c.subject_id == subject_id,
    )
    if before is not None:
        query = query.where(events.c.sequence < before)
    rows = await conn.execute(query.order_by(events.c.sequence.desc()).limit(min(limit, EVENTS_LIMIT)))
    return [Event(*row[:7], as_object(row.detail, "events.detail")) for row in rows]
