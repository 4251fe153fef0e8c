"""Mails: one row each, from the transaction that causes it to the attempt that ends it. What they say is not kept.

Every attempt writes by compare-and-set on the state and on how many attempts came before: of two that run at once,
or of one that is repeated after a crash, at most one writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.ids import new_id
from storage.schema import mails
from storage.states import MailKind, MailState

MAILS_LIMIT = 200
STRANDED_LIMIT = 500
COUNTED = 1_000
REPLY_CHARS = 500

TO_CANDIDATES = frozenset(
    {
        MailKind.INVITATION,
        MailKind.RESENT,
        MailKind.REMINDER_START,
        MailKind.REMINDER_EXPIRY,
        MailKind.EXTENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Mail:
    """`attempts` counts those that are over; `reply` is the last answer of a server, or why there was none.

    `opened_at_ms`: when its picture was first fetched, which mail programs also do by themselves.
    """

    id: str
    organisation_id: str
    kind: MailKind
    invitation_id: str | None
    user_id: str | None
    team_invite_id: str | None
    to_address: str
    state: MailState
    attempts: int
    created_at_ms: int
    next_attempt_at_ms: int | None
    ended_at_ms: int | None
    reply: str
    outbox_file: str
    opened_at_ms: int | None


_COLUMNS = (
    mails.c.id,
    mails.c.organisation_id,
    mails.c.kind,
    mails.c.invitation_id,
    mails.c.user_id,
    mails.c.team_invite_id,
    mails.c.to_address,
    mails.c.state,
    mails.c.attempts,
    mails.c.created_at_ms,
    mails.c.next_attempt_at_ms,
    mails.c.ended_at_ms,
    mails.c.reply,
    mails.c.outbox_file,
    mails.c.opened_at_ms,
)


async def post(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    kind: MailKind,
    to_address: str,
    now_ms: int,
    invitation_id: str | None = None,
    user_id: str | None = None,
    team_invite_id: str | None = None,
    once: str | None = None,
) -> str | None:
    """A queued mail's id; None, and nothing written, if one was posted under the name `once` before."""
    mail_id = new_id(now_ms)
    values = {
        "id": mail_id,
        "organisation_id": organisation_id,
        "kind": kind,
        "invitation_id": invitation_id,
        "user_id": user_id,
        "team_invite_id": team_invite_id,
        "to_address": to_address,
        "once": once,
        "state": MailState.QUEUED,
        "attempts": 0,
        "created_at_ms": now_ms,
        "next_attempt_at_ms": now_ms,
        "reply": "",
        "outbox_file": "",
    }
    if once is None:
        await conn.execute(insert(mails).values(values))
        return mail_id
    upsert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    written = await conn.execute(upsert(mails).values(values).on_conflict_do_nothing(index_elements=[mails.c.once]))
    return mail_id if written.rowcount == 1 else None


async def by_id(conn: AsyncConnection, mail_id: str) -> Mail | None:
    """The mail, whatever became of it."""
    row = (await conn.execute(select(*_COLUMNS).where(mails.c.id == mail_id))).one_or_none()
    return None if row is None else _mail(row)


async def of_invitation(conn: AsyncConnection, invitation_id: str, *, limit: int = 50) -> list[Mail]:
    """Every mail about the invitation, to the candidate or the team: the newest first, at most `limit`."""
    rows = await conn.execute(
        select(*_COLUMNS)
        .where(mails.c.invitation_id == invitation_id)
        .order_by(mails.c.created_at_ms.desc(), mails.c.id.desc())
        .limit(max(0, min(limit, MAILS_LIMIT)))
    )
    return [_mail(row) for row in rows]


async def sent(conn: AsyncConnection, mail: Mail, *, reply: str, now_ms: int) -> bool:
    """A server took it. As the functions after it, False if this attempt was overtaken by another."""
    return await _attempted(conn, mail, state=MailState.SENT, reply=reply, ended_at_ms=now_ms)


async def written(conn: AsyncConnection, mail: Mail, *, outbox_file: str, now_ms: int) -> bool:
    """It lies in the outbox, since no server is configured."""
    return await _attempted(conn, mail, state=MailState.OUTBOX, outbox_file=outbox_file, ended_at_ms=now_ms)


async def refused(conn: AsyncConnection, mail: Mail, *, reply: str, now_ms: int) -> bool:
    """A server said no for good."""
    return await _attempted(conn, mail, state=MailState.REFUSED, reply=reply, ended_at_ms=now_ms)


async def gave_up(conn: AsyncConnection, mail: Mail, *, reply: str, now_ms: int) -> bool:
    """The last attempt came to nothing."""
    return await _attempted(conn, mail, state=MailState.FAILED, reply=reply, ended_at_ms=now_ms)


async def put_off(conn: AsyncConnection, mail: Mail, *, reply: str, next_attempt_at_ms: int) -> bool:
    """This attempt came to nothing, another follows."""
    return await _attempted(conn, mail, reply=reply, next_attempt_at_ms=next_attempt_at_ms)


async def stopped(conn: AsyncConnection, mail: Mail, *, reply: str, now_ms: int) -> bool:
    """What it was about had ended before it left. No attempt was made."""
    return await _move(conn, mail, state=MailState.STOPPED, reply=reply, ended_at_ms=now_ms, next_attempt_at_ms=None)


async def readdressed(conn: AsyncConnection, mail: Mail, to_address: str) -> bool:
    """It goes elsewhere than it was posted to. False if this attempt was overtaken by another."""
    return await _move(conn, mail, to_address=to_address)


async def due_again(conn: AsyncConnection, mail: Mail, now_ms: int) -> bool:
    """Its attempt, which nobody made in time, is due now. False if it was made meanwhile, or was called due again."""
    changed = await conn.execute(
        update(mails)
        .where(
            mails.c.id == mail.id,
            mails.c.state == MailState.QUEUED,
            mails.c.attempts == mail.attempts,
            mails.c.next_attempt_at_ms == mail.next_attempt_at_ms,
        )
        .values(next_attempt_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def opened(conn: AsyncConnection, mail_id: str, now_ms: int) -> bool:
    """Notes the first fetching of its picture; False when that is known already, or there is no such mail."""
    changed = await conn.execute(
        update(mails).where(mails.c.id == mail_id, mails.c.opened_at_ms.is_(None)).values(opened_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def stranded(conn: AsyncConnection, before_ms: int, *, limit: int = STRANDED_LIMIT) -> list[Mail]:
    """Mails whose next attempt was due before that moment, the longest overdue first: their job has been lost."""
    rows = await conn.execute(
        select(*_COLUMNS)
        .where(mails.c.state == MailState.QUEUED, mails.c.next_attempt_at_ms < before_ms)
        .order_by(mails.c.next_attempt_at_ms, mails.c.id)
        .limit(max(0, min(limit, STRANDED_LIMIT)))
    )
    return [_mail(row) for row in rows]


async def count(conn: AsyncConnection, organisation_id: str, states: Iterable[MailState], *, since_ms: int = 0) -> int:
    """How many of the organisation's mails of that time are in one of these states; counting ends at COUNTED."""
    chosen = (
        select(mails.c.id)
        .where(
            mails.c.organisation_id == organisation_id,
            mails.c.created_at_ms >= since_ms,
            mails.c.state.in_(list(states)),
        )
        .limit(COUNTED)
    )
    return await conn.scalar(select(func.count()).select_from(chosen.subquery())) or 0


async def _attempted(conn: AsyncConnection, mail: Mail, **values: Any) -> bool:
    return await _move(conn, mail, attempts=mail.attempts + 1, **{"next_attempt_at_ms": None, **values})


async def _move(conn: AsyncConnection, mail: Mail, **values: Any) -> bool:
    if "reply" in values:
        values["reply"] = values["reply"][:REPLY_CHARS]
    changed = await conn.execute(
        update(mails)
        .where(mails.c.id == mail.id, mails.c.state == MailState.QUEUED, mails.c.attempts == mail.attempts)
        .values(**values)
    )
    return changed.rowcount == 1


def _mail(row: Row[*tuple[Any, ...]]) -> Mail:
    return Mail(
        id=row.id,
        organisation_id=row.organisation_id,
        kind=MailKind(row.kind),
        invitation_id=row.invitation_id,
        user_id=row.user_id,
        team_invite_id=row.team_invite_id,
        to_address=row.to_address,
        state=MailState(row.state),
        attempts=row.attempts,
        created_at_ms=row.created_at_ms,
        next_attempt_at_ms=row.next_attempt_at_ms,
        ended_at_ms=row.ended_at_ms,
        reply=row.reply,
        outbox_file=row.outbox_file,
        opened_at_ms=row.opened_at_ms,
    )
