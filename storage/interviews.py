"""An interview while it runs, in one snapshot; and the way in to its answers and their ledger (`storage.answers`),
to its takes (`storage.takes`) and to what reviewers see of it (`storage.review`).

Writes what was decided and decides nothing: the rules are `signaling.interview`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import answers as answers_subject
from storage import invitations
from storage.answers import (
    AnswerRow,
    LedgerEntry,
    invitations_with_answers_in,
    ledger,
    ledger_pages,
    ledgers_of,
    save,
    write_ledger,
)
from storage.review import SubmittedAnswer, submitted, submitted_take
from storage.schema import answers, takes
from storage.takes import (
    COLUMNS,
    TakeRow,
    add_take,
    note_gone,
    own_take,
    save_take,
    take,
    take_from_row,
    take_with_invitation,
    takes_in,
    unwanted_takes,
)
from storage.templates import QUESTIONS_LIMIT

__all__ = [
    "AnswerRow",
    "Interview",
    "LedgerEntry",
    "SubmittedAnswer",
    "TakeRow",
    "add_take",
    "invitations_with_answers_in",
    "ledger",
    "ledger_pages",
    "ledgers_of",
    "load",
    "note_gone",
    "own_take",
    "save",
    "save_take",
    "submitted",
    "submitted_take",
    "take",
    "take_with_invitation",
    "takes_in",
    "unwanted_takes",
    "write_ledger",
]


@dataclass(frozen=True, slots=True)
class Interview:
    """One snapshot: the invitation, an answer for each question in their order (none before Start), the takes that
    the answers point at by id, and when the latest take ended (for `expiry.closes_at_ms`)."""

    invitation: invitations.Invitation
    answers: list[AnswerRow]
    takes: dict[str, TakeRow] = field(default_factory=dict)
    take_ended_at_ms: int | None = None


async def load(conn: AsyncConnection, invitation_id: str) -> Interview:
    """Raises NotFound, ShapeBroken."""
    invitation = await invitations.get(conn, invitation_id)
    found = await answers_subject.of_invitation(conn, invitation_id)
    pointed_at = {take_id for each in found for take_id in (each.take_id, each.next_take_id) if take_id}
    rows = await conn.execute(select(*COLUMNS).where(takes.c.id.in_(pointed_at)).limit(2 * QUESTIONS_LIMIT))
    ended_at_ms = await conn.scalar(
        select(func.max(takes.c.ended_at_ms))
        .join(answers, takes.c.answer_id == answers.c.id)
        .where(answers.c.invitation_id == invitation_id)
    )
    return Interview(invitation, found, {row.id: take_from_row(row) for row in rows}, ended_at_ms)
