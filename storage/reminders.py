"""Which invitations are due for a reminder (E10). Each is due until its mail is posted, under a name that is used once.

Both kinds go only to people who were mailed before: a link that was handed over by other means is nobody's to repeat.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, literal, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.mails import TO_CANDIDATES
from storage.schema import invitations, mails
from storage.states import InvitationStatus, MailState

DUE_LIMIT = 200
# How long before a deadline its reminder is due (E10).
FINISH_BEFORE_MS = 24 * 3_600_000

_LEFT = (MailState.SENT, MailState.OUTBOX)
_OPEN = (InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS)


def start_once(invitation_id: str) -> str:
    """The name under which an invitation's one reminder to start is posted."""
    return f"reminder_start:{invitation_id}"


def expiry_once(invitation_id: str, expires_at_ms: int) -> str:
    """The name under which the reminder of one deadline is posted: a later deadline has its own."""
    return f"reminder_expiry:{invitation_id}:{expires_at_ms}"


async def to_start(
    conn: AsyncConnection, *, mailed_until_ms: int, expires_after_ms: int, limit: int = DUE_LIMIT
) -> list[str]:
    """Ids of invitations not started, whose last mail left by `mailed_until_ms`, and that do not end before the other.

    The oldest first; never over DUE_LIMIT.
    """
    reminded = exists().where(mails.c.once == literal("reminder_start:").concat(invitations.c.id))
    rows = await conn.scalars(
        select(invitations.c.id)
        .where(
            invitations.c.status == InvitationStatus.PENDING,
            or_(invitations.c.expires_at_ms.is_(None), invitations.c.expires_at_ms > expires_after_ms),
            *_mailed_until(mailed_until_ms),
            not_(reminded),
        )
        .order_by(invitations.c.created_at_ms, invitations.c.id)
        .limit(max(0, min(limit, DUE_LIMIT)))
    )
    return list(rows)


async def to_finish(
    conn: AsyncConnection,
    *,
    mailed_until_ms: int,
    expires_after_ms: int,
    expires_until_ms: int,
    limit: int = DUE_LIMIT,
) -> list[tuple[str, int]]:
    """Ids and deadlines of open invitations that end in that time and whose last mail left by `mailed_until_ms`.

    The most urgent first; never over DUE_LIMIT.
    """
    name = literal("reminder_expiry:").concat(invitations.c.id).concat(":").concat(invitations.c.expires_at_ms)
    rows = await conn.execute(
        select(invitations.c.id, invitations.c.expires_at_ms)
        .where(
            invitations.c.status.in_(_OPEN),
            invitations.c.expires_at_ms > expires_after_ms,
            invitations.c.expires_at_ms <= expires_until_ms,
            *_mailed_until(mailed_until_ms),
            not_(exists().where(mails.c.once == name)),
        )
        .order_by(invitations.c.expires_at_ms, invitations.c.id)
        .limit(max(0, min(limit, DUE_LIMIT)))
    )
    return [(row.id, row.expires_at_ms) for row in rows]


def _mailed_until(moment_ms: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The candidate was mailed; and the newest of these mails left by that moment, none being on its way."""
    to_the_candidate = and_(mails.c.invitation_id == invitations.c.id, mails.c.kind.in_(TO_CANDIDATES))
    left = exists().where(to_the_candidate, mails.c.state.in_(_LEFT))
    later = exists().where(
        to_the_candidate,
        or_(mails.c.state == MailState.QUEUED, and_(mails.c.state.in_(_LEFT), mails.c.ended_at_ms > moment_ms)),
    )
    return left.correlate(invitations), not_(later.correlate(invitations))
