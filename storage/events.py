"""Who did what to which thing, and when. Append-only: there is no function that changes or removes an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, ScalarSelect, and_, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import applications, events, invitations
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
    """Writes one event, in the transaction of what it tells of. `detail` is JSON and holds no secret.

    An event about an invitation, an application or a candidate is in that candidate's feed by itself.
    """
    await append_each(
        conn,
        organisation_id=organisation_id,
        at_ms=at_ms,
        actor=actor,
        kind=kind,
        subject_kind=subject_kind,
        details={subject_id: detail or {}},
    )


async def append_each(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    at_ms: int,
    actor: str,
    kind: str,
    subject_kind: str,
    details: Mapping[str, dict[str, Any]],
) -> None:
    """One event for each subject, by its id, in one statement; as `append` does it."""
    if not details:
        return
    await conn.execute(
        insert(events).values(
            candidate_id=_candidate_of(subject_kind),
            organisation_id=organisation_id,
            at_ms=at_ms,
            actor=actor,
            kind=kind,
            subject_kind=subject_kind,
            subject_id=bindparam("subject"),
            detail=bindparam("its_detail", type_=events.c.detail.type),
        ),
        [{"subject": subject_id, "its_detail": detail} for subject_id, detail in details.items()],
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
    which = and_(events.c.subject_kind == subject_kind, events.c.subject_id == subject_id)
    return await _newest(conn, organisation_id, which, limit, before)


async def for_candidate(
    conn: AsyncConnection,
    organisation_id: str,
    candidate_id: str,
    *,
    limit: int = EVENTS_LIMIT,
    before: int | None = None,
) -> list[Event]:
    """All that happened around one candidate, in whichever job; as `for_subject` does it."""
    return await _newest(conn, organisation_id, events.c.candidate_id == candidate_id, limit, before)


async def _newest(
    conn: AsyncConnection, organisation_id: str, which: ColumnElement[bool], limit: int, before: int | None
) -> list[Event]:
    query = select(
        events.c.sequence,
        events.c.organisation_id,
        events.c.at_ms,
        events.c.actor,
        events.c.kind,
        events.c.subject_kind,
        events.c.subject_id,
        events.c.detail,
    ).where(events.c.organisation_id == organisation_id, which)
    if before is not None:
        query = query.where(events.c.sequence < before)
    rows = await conn.execute(query.order_by(events.c.sequence.desc()).limit(max(0, min(limit, EVENTS_LIMIT))))
    return [Event(*row[:7], as_object(row.detail, "events.detail")) for row in rows]


def _candidate_of(subject_kind: str) -> ScalarSelect[str] | BindParameter[str] | None:
    """The candidate in whose feed an event about the statement's "subject" is; None for other kinds of subject."""
    subject = bindparam("subject", type_=events.c.subject_id.type)
    if subject_kind == "candidate":
        return subject
    if subject_kind == "application":
        return select(applications.c.candidate_id).where(applications.c.id == subject).scalar_subquery()
    if subject_kind == "invitation":
        owner = applications.join(invitations, invitations.c.application_id == applications.c.id)
        return (
            select(applications.c.candidate_id).select_from(owner).where(invitations.c.id == subject).scalar_subquery()
        )
    return None
