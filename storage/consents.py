"""The notices that a candidate accepted. `storage.invitations` is the way in; the texts are in `storage.organisations`.

A consent is never changed or removed: a new text makes a new notice, which is accepted anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.ids import new_id
from storage.schema import NoticeKind, invitations, notices
from storage.schema import consents as consents_table
from storage.transitions import OPEN, overdue_at

CONSENTS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Consent:
    """A notice that was accepted: which version, in which language, when first."""

    notice_id: str
    kind: NoticeKind
    version: int
    language: str
    at_ms: int


async def accept_notice(conn: AsyncConnection, invitation_id: str, *, notice_id: str, now_ms: int) -> bool:
    """Records the consent; False when this version was accepted before (the first time stays), or it ended or closed.

    Raises NotFound when the notice is not one of the invitation's organisation.
    """
    row = (
        await conn.execute(
            select(invitations.c.status, overdue_at(now_ms).label("overdue"))
            .join(notices, notices.c.organisation_id == invitations.c.organisation_id)
            .where(invitations.c.id == invitation_id, notices.c.id == notice_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("invitation and notice together", f"{invitation_id}, {notice_id}")
    if row.status not in OPEN or row.overdue:
        return False
    consent = insert(consents_table).values(
        id=new_id(now_ms), invitation_id=invitation_id, notice_id=notice_id, at_ms=now_ms
    )
    try:
        async with conn.begin_nested():
            await conn.execute(consent)
    except IntegrityError:
        return False  # Both exist, as was just seen: so the pair does.
    return True


async def consents(conn: AsyncConnection, invitation_id: str) -> list[Consent]:
    """In the order of acceptance."""
    rows = await conn.execute(
        select(
            consents_table.c.notice_id,
            notices.c.kind,
            notices.c.version,
            notices.c.language,
            consents_table.c.at_ms,
        )
        .join_from(consents_table, notices, consents_table.c.notice_id == notices.c.id)
        .where(consents_table.c.invitation_id == invitation_id)
        .order_by(consents_table.c.at_ms, consents_table.c.id)
        .limit(CONSENTS_LIMIT)
    )
    return [
        Consent(
            notice_id=row.notice_id,
            kind=NoticeKind(row.kind),
            version=row.version,
            language=row.language,
            at_ms=row.at_ms,
        )
        for row in rows
    ]
