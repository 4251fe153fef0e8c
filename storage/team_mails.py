"""What became of the letters to the hiring team itself: its invites, and the trials of the mail settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import mails
from storage.states import MailKind, MailState

LISTED = 500


@dataclass(frozen=True, slots=True)
class TeamMail:
    """`reply` is the last answer of a server, or why there was none; `outbox_file` is its name in the outbox."""

    id: str
    team_invite_id: str | None
    state: MailState
    reply: str
    outbox_file: str
    attempts: int
    created_at_ms: int


async def of_invites(
    conn: AsyncConnection, organisation_id: str, invite_ids: Collection[str], *, since_ms: int
) -> dict[str, TeamMail]:
    """The newest letter of each of these invites, by the invite; those without one since then are left out."""
    which = and_(mails.c.team_invite_id.in_(set(invite_ids)), mails.c.kind == MailKind.TEAM_INVITE)
    found: dict[str, TeamMail] = {}
    for mail in await _newest(conn, organisation_id, which, since_ms, LISTED):
        found.setdefault(mail.team_invite_id or "", mail)
    return found


async def trials(
    conn: AsyncConnection, organisation_id: str, user_id: str, *, since_ms: int, limit: int
) -> list[TeamMail]:
    """This person's trial mails since then, the newest first."""
    which = and_(mails.c.user_id == user_id, mails.c.kind == MailKind.TRIAL)
    return await _newest(conn, organisation_id, which, since_ms, limit)


async def _newest(
    conn: AsyncConnection, organisation_id: str, which: ColumnElement[bool], since_ms: int, limit: int
) -> list[TeamMail]:
    rows = await conn.execute(
        select(
            mails.c.id,
            mails.c.team_invite_id,
            mails.c.state,
            mails.c.reply,
            mails.c.outbox_file,
            mails.c.attempts,
            mails.c.created_at_ms,
        )
        .where(mails.c.organisation_id == organisation_id, mails.c.created_at_ms >= since_ms, which)
        .order_by(mails.c.created_at_ms.desc(), mails.c.id.desc())
        .limit(max(0, min(limit, LISTED)))
    )
    return [
        TeamMail(
            id=row.id,
            team_invite_id=row.team_invite_id,
            state=MailState(row.state),
            reply=row.reply,
            outbox_file=row.outbox_file,
            attempts=row.attempts,
            created_at_ms=row.created_at_ms,
        )
        for row in rows
    ]
