"""Every change of an invitation's status: one table, one compare-and-set. `storage.invitations` is the way in.

Each function says whether it won: of several that race, at most one does, in whatever process. The caller's
transaction carries it, together with whatever is written because of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Exists, and_, exists, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NoticeNotAccepted
from storage.expiry import CLOSING_GRACE_MS
from storage.ids import new_id
from storage.schema import NoticeKind, answers, consents, invitations, notices, questions, takes
from storage.states import AnswerState, InvitationStatus, TakeState
from storage.templates import QUESTIONS_LIMIT

OVERDUE_LIMIT = 500

# From each status, where to. The last three are final.
ALLOWED: Mapping[InvitationStatus, frozenset[InvitationStatus]] = MappingProxyType(
    {
        InvitationStatus.PENDING: frozenset(
            {InvitationStatus.IN_PROGRESS, InvitationStatus.EXPIRED, InvitationStatus.CANCELLED}
        ),
        InvitationStatus.IN_PROGRESS: frozenset(
            {InvitationStatus.COMPLETED, InvitationStatus.EXPIRED, InvitationStatus.CANCELLED}
        ),
        InvitationStatus.COMPLETED: frozenset(),
        InvitationStatus.EXPIRED: frozenset(),
        InvitationStatus.CANCELLED: frozenset(),
    }
)
OPEN = frozenset(status for status, onward in ALLOWED.items() if onward)

_RUNNING_TAKE = (TakeState.COUNTDOWN, TakeState.RECORDING, TakeState.SAVING)
_BUSY_ANSWER = (AnswerState.COUNTDOWN, AnswerState.RECORDING, AnswerState.SAVING)


async def start(conn: AsyncConnection, invitation_id: str, now_ms: int) -> bool:
    """Pending to in progress, with one hidden answer for each question. False if not pending, or expired.

    Raises NoticeNotAccepted: nobody is recorded before the privacy notice was ticked.
    """
    unexpired = or_(invitations.c.expires_at_ms.is_(None), invitations.c.expires_at_ms > now_ms)
    accepted = (
        exists()
        .where(consents.c.invitation_id == invitations.c.id, consents.c.notice_id == notices.c.id)
        .where(notices.c.kind == NoticeKind.PRIVACY)
        .correlate(invitations)
    )
    ready = and_(unexpired, accepted)
    if not await _move(conn, invitation_id, InvitationStatus.IN_PROGRESS, ready, started_at_ms=now_ms):
        unread = select(invitations.c.id).where(invitations.c.id == invitation_id, unexpired, not_(accepted))
        if await conn.scalar(unread.where(invitations.c.status == InvitationStatus.PENDING)) is not None:
            raise NoticeNotAccepted("the privacy notice has not been accepted")
        return False
    asked = await conn.scalars(
        select(questions.c.id)
        .join(invitations, invitations.c.version_id == questions.c.version_id)
        .where(invitations.c.id == invitation_id)
        .order_by(questions.c.position)
        .limit(QUESTIONS_LIMIT)
    )
    await conn.execute(
        insert(answers),
        [
            {
                "id": new_id(now_ms),
                "invitation_id": invitation_id,
                "question_id": question_id,
                "state": AnswerState.HIDDEN,
                "revision": 0,
                "attempts_used": 0,
                "credits_candidate": 0,
                "credits_kept": 0,
                "free_countdowns": 0,
                "waited": False,
            }
            for question_id in asked
        ],
    )
    return True


async def complete(conn: AsyncConnection, invitation_id: str, now_ms: int) -> bool:
    """In progress to completed; its drafts and missed answers become submitted, for good.

    False if not in progress, if closed by then, if a take is still running, if a required question has neither a
    draft nor been missed, or if a draft's take is not kept. Whether the files are whole is for the caller to verify.
    """
    its_answers = answers.c.invitation_id == invitation_id
    busy = exists().where(its_answers, answers.c.state.in_(_BUSY_ANSWER))
    unanswered = (
        exists()
        .where(its_answers, answers.c.question_id == questions.c.id)
        .where(questions.c.required.is_(True))
        .where(answers.c.state.not_in((AnswerState.DRAFT, AnswerState.MISSED, AnswerState.SUBMITTED)))
    )
    kept = exists().where(takes.c.id == answers.c.take_id, takes.c.state == TakeState.KEPT)
    without_take = exists().where(its_answers, answers.c.state == AnswerState.DRAFT, not_(kept))
    ready = and_(not_(overdue_at(now_ms)), not_(busy), not_(unanswered), not_(without_take))
    if not await _move(
        conn, invitation_id, InvitationStatus.COMPLETED, ready, completed_at_ms=now_ms, ended_at_ms=now_ms
    ):
        return False
    await conn.execute(
        update(answers)
        .where(its_answers, answers.c.state.in_((AnswerState.DRAFT, AnswerState.MISSED)))
        .values(state=AnswerState.SUBMITTED, revision=answers.c.revision + 1)
    )
    return True


async def cancel(conn: AsyncConnection, invitation_id: str, *, reason: str, now_ms: int) -> bool:
    """Pending or in progress to cancelled. False if it had ended, or closed by then: what is over is not called off.

    Its live session is for the caller to end.
    """
    still_open = not_(overdue_at(now_ms))
    return await _move(
        conn, invitation_id, InvitationStatus.CANCELLED, still_open, cancel_reason=reason, ended_at_ms=now_ms
    )


async def extend(conn: AsyncConnection, invitation_id: str, *, expires_at_ms: int, now_ms: int) -> bool:
    """A later deadline for what is open still. False from the old deadline on, without one, or if it is no later.

    The one change of an open invitation that keeps its status. Of an extension and an expiry that race, the first
    to commit decides: after an expiry nothing is extended, and what was extended is not overdue.
    """
    extended = await conn.execute(
        update(invitations)
        .where(
            invitations.c.id == invitation_id,
            invitations.c.status.in_(OPEN),
            invitations.c.expires_at_ms > now_ms,
            invitations.c.expires_at_ms < expires_at_ms,
        )
        .values(expires_at_ms=expires_at_ms)
    )
    return extended.rowcount == 1


async def expire(conn: AsyncConnection, invitation_id: str, now_ms: int) -> bool:
    """Pending or in progress to expired, if it has closed by `now_ms` (`storage.expiry`). False otherwise."""
    return await _move(conn, invitation_id, InvitationStatus.EXPIRED, overdue_at(now_ms), ended_at_ms=now_ms)


async def overdue(conn: AsyncConnection, now_ms: int, *, limit: int = OVERDUE_LIMIT) -> list[str]:
    """Ids of invitations that `expire` would end now, the longest overdue first; never over OVERDUE_LIMIT."""
    rows = await conn.scalars(
        select(invitations.c.id)
        .where(overdue_at(now_ms))
        .order_by(invitations.c.expires_at_ms, invitations.c.id)
        .limit(max(0, min(limit, OVERDUE_LIMIT)))
    )
    return list(rows)


def overdue_at(now_ms: int) -> ColumnElement[bool]:
    """A row of `invitations` that is open still, though `expiry.closes_at_ms` has passed. The same rule, in SQL."""
    pending = and_(invitations.c.status == InvitationStatus.PENDING, invitations.c.expires_at_ms <= now_ms)
    in_progress = and_(
        invitations.c.status == InvitationStatus.IN_PROGRESS,
        invitations.c.expires_at_ms <= now_ms - CLOSING_GRACE_MS,
        not_(_take_since(now_ms - CLOSING_GRACE_MS)),
    )
    # Without an expiry the comparisons are NULL, and so would be their negation, which callers use: hence the first.
    return and_(invitations.c.expires_at_ms.is_not(None), or_(pending, in_progress))


def _take_since(moment_ms: int) -> Exists:
    """A take of the invitation runs, or ended after this moment."""
    return (
        exists()
        .where(answers.c.invitation_id == invitations.c.id, takes.c.answer_id == answers.c.id)
        .where(or_(takes.c.state.in_(_RUNNING_TAKE), takes.c.ended_at_ms > moment_ms))
        .correlate(invitations)
    )


async def _move(
    conn: AsyncConnection,
    invitation_id: str,
    target: InvitationStatus,
    condition: ColumnElement[bool],
    **values: Any,
) -> bool:
    """Whether this call moved it: from a status that ALLOWED lets go to `target`, while `condition` holds."""
    sources = [status for status, onward in ALLOWED.items() if target in onward]
    its_row = update(invitations).where(invitations.c.id == invitation_id, invitations.c.status.in_(sources))
    moved = await conn.execute(its_row.where(condition).values(status=target, **values))
    return moved.rowcount == 1
