"""Answers, one for each question of a started interview, and the ledger of what happened to them.

An answer changes only from the revision it was read at, and never in a completed interview. Which state may follow
which is not known here: that is `signaling.interview`. `storage.interviews` is the way in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Exists, Row, exists, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import answers, invitations, questions
from storage.schema import ledger as ledger_table
from storage.shapes import as_object
from storage.states import AnswerState, InvitationStatus
from storage.templates import QUESTION_COLUMNS, QUESTIONS_LIMIT, Question, question_from_row

LEDGER_LIMIT = 500
INVITATIONS_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """Where one question stands. `take_id` is the take kept now, `next_take_id` the one on its way to replace it,
    `before` the state to return to after a countdown that led nowhere. `credits_candidate` and `credits_kept` count
    attempts given back: for failures on the candidate's side, and for takes kept though the server ended them.
    `free_countdowns` led to no take, the last at `free_countdown_at_ms`; `outage_at_ms` is when the outage that
    lasts began."""

    id: str
    question: Question
    state: AnswerState
    revision: int = 0
    attempts_used: int = 0
    credits_candidate: int = 0
    think_ends_at_ms: int | None = None
    waited: bool = False
    wait_ends_at_ms: int | None = None
    take_id: str | None = None
    next_take_id: str | None = None
    notice: str | None = None
    before: AnswerState | None = None
    credits_kept: int = 0
    free_countdowns: int = 0
    free_countdown_at_ms: int | None = None
    outage_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    sequence: int
    answer_id: str
    at_ms: int
    kind: str
    detail: dict[str, Any]


_ANSWER = (
    answers.c.id,
    answers.c.state,
    answers.c.revision,
    answers.c.attempts_used,
    answers.c.credits_candidate,
    answers.c.think_ends_at_ms,
    answers.c.waited,
    answers.c.wait_ends_at_ms,
    answers.c.take_id,
    answers.c.next_take_id,
    answers.c.notice,
    answers.c.before,
    answers.c.credits_kept,
    answers.c.free_countdowns,
    answers.c.free_countdown_at_ms,
    answers.c.outage_at_ms,
)


async def of_invitation(conn: AsyncConnection, invitation_id: str) -> list[AnswerRow]:
    """In the order of the questions; empty before Start."""
    rows = await conn.execute(
        select(*_ANSWER, *QUESTION_COLUMNS)
        .join_from(answers, questions, answers.c.question_id == questions.c.id)
        .where(answers.c.invitation_id == invitation_id)
        .order_by(questions.c.position)
        .limit(QUESTIONS_LIMIT)
    )
    return [_answer(row) for row in rows]


async def save(conn: AsyncConnection, answer: AnswerRow, *, from_revision: int) -> bool:
    """Writes the answer if it is at `from_revision` still, and makes it `from_revision + 1` (`answer.revision` is
    not looked at). False when another was faster, or the interview is completed. Its question never changes."""
    changed = await conn.execute(
        update(answers)
        .where(answers.c.id == answer.id, answers.c.revision == from_revision, not_(in_completed_interview()))
        .values(
            state=answer.state,
            revision=from_revision + 1,
            attempts_used=answer.attempts_used,
            credits_candidate=answer.credits_candidate,
            think_ends_at_ms=answer.think_ends_at_ms,
            waited=answer.waited,
            wait_ends_at_ms=answer.wait_ends_at_ms,
            take_id=answer.take_id,
            next_take_id=answer.next_take_id,
            notice=answer.notice,
            before=answer.before,
            credits_kept=answer.credits_kept,
            free_countdowns=answer.free_countdowns,
            free_countdown_at_ms=answer.free_countdown_at_ms,
            outage_at_ms=answer.outage_at_ms,
        )
    )
    return changed.rowcount == 1


async def invitations_with_answers_in(
    conn: AsyncConnection, states: Iterable[AnswerState], *, status: InvitationStatus, limit: int = INVITATIONS_LIMIT
) -> list[str]:
    """Ids of the invitations of this status that have an answer in one of these states; never over INVITATIONS_LIMIT.

    The ones started first come first.
    """
    rows = await conn.scalars(
        select(invitations.c.id)
        .where(invitations.c.status == status)
        .where(exists().where(answers.c.invitation_id == invitations.c.id, answers.c.state.in_(list(states))))
        .order_by(invitations.c.started_at_ms, invitations.c.id)
        .limit(max(0, min(limit, INVITATIONS_LIMIT)))
    )
    return list(rows)


async def write_ledger(
    conn: AsyncConnection, answer_id: str, at_ms: int, kind: str, detail: dict[str, Any] | None = None
) -> None:
    """One more step of this answer, in the transaction of the step."""
    await conn.execute(insert(ledger_table).values(answer_id=answer_id, at_ms=at_ms, kind=kind, detail=detail or {}))


async def ledger(
    conn: AsyncConnection, answer_id: str, *, after: int = 0, limit: int = LEDGER_LIMIT
) -> list[LedgerEntry]:
    """A page of the steps, in the order they were written; never over LEDGER_LIMIT.

    `after`: the last sequence read before. `ledger_pages` reads on to the end.
    """
    rows = await conn.execute(
        select(
            ledger_table.c.sequence,
            ledger_table.c.answer_id,
            ledger_table.c.at_ms,
            ledger_table.c.kind,
            ledger_table.c.detail,
        )
        .where(ledger_table.c.answer_id == answer_id, ledger_table.c.sequence > after)
        .order_by(ledger_table.c.sequence)
        .limit(max(0, min(limit, LEDGER_LIMIT)))
    )
    return [LedgerEntry(*row[:4], as_object(row.detail, "ledger.detail")) for row in rows]


async def ledger_pages(
    conn: AsyncConnection, answer_id: str, *, limit: int = LEDGER_LIMIT
) -> AsyncIterator[list[LedgerEntry]]:
    """The whole ledger of an answer, page after page; `limit` entries a page (at least 1), never over LEDGER_LIMIT."""
    size = max(1, min(limit, LEDGER_LIMIT))
    after = 0
    while page := await ledger(conn, answer_id, after=after, limit=size):
        yield page
        if len(page) < size:
            return
        after = page[-1].sequence


async def ledgers_of(conn: AsyncConnection, answer_ids: Collection[str]) -> dict[str, list[LedgerEntry]]:
    """The whole ledgers of several answers, by answer: a query for each LEDGER_LIMIT steps, not for each answer."""
    whole: dict[str, list[LedgerEntry]] = {answer_id: [] for answer_id in answer_ids}
    after, count = 0, LEDGER_LIMIT
    while whole and count == LEDGER_LIMIT:
        rows = (
            await conn.execute(
                select(
                    ledger_table.c.sequence,
                    ledger_table.c.answer_id,
                    ledger_table.c.at_ms,
                    ledger_table.c.kind,
                    ledger_table.c.detail,
                )
                .where(ledger_table.c.answer_id.in_(whole), ledger_table.c.sequence > after)
                .order_by(ledger_table.c.sequence)
                .limit(LEDGER_LIMIT)
            )
        ).all()
        for row in rows:
            whole[row.answer_id].append(LedgerEntry(*row[:4], as_object(row.detail, "ledger.detail")))
        count = len(rows)
        after = rows[-1].sequence if rows else after
    return whole


def in_completed_interview() -> Exists:
    """The row of `answers` belongs to a completed interview, in which nothing changes any more."""
    return (
        exists()
        .where(
            invitations.c.id == answers.c.invitation_id,
            invitations.c.status == InvitationStatus.COMPLETED,
        )
        .correlate(answers)
    )


def _answer(row: Row[*tuple[Any, ...]]) -> AnswerRow:
    return AnswerRow(
        id=row.id,
        question=question_from_row(row),
        state=AnswerState(row.state),
        revision=row.revision,
        attempts_used=row.attempts_used,
        credits_candidate=row.credits_candidate,
        think_ends_at_ms=row.think_ends_at_ms,
        waited=row.waited,
        wait_ends_at_ms=row.wait_ends_at_ms,
        take_id=row.take_id,
        next_take_id=row.next_take_id,
        notice=row.notice,
        before=None if row.before is None else AnswerState(row.before),
        credits_kept=row.credits_kept,
        free_countdowns=row.free_countdowns,
        free_countdown_at_ms=row.free_countdown_at_ms,
        outage_at_ms=row.outage_at_ms,
    )
