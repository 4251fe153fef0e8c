"""What of an interview a reviewer may see. The only way from a reviewer to an answer or a recording (C24):
a draft is none, whatever the state of its invitation. `storage.interviews` is the way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import takes
from storage.answers import of_invitation
from storage.schema import answers, invitations
from storage.schema import takes as takes_table
from storage.states import AnswerState, InvitationStatus, TakeState
from storage.takes import TakeRow, take_from_row
from storage.templates import QUESTIONS_LIMIT, Question


@dataclass(frozen=True, slots=True)
class SubmittedAnswer:
    """One question as a reviewer sees it. Neither `take` nor `missed`: an optional question left open."""

    answer_id: str
    question: Question
    take: TakeRow | None
    missed: bool


async def submitted(conn: AsyncConnection, invitation_id: str) -> list[SubmittedAnswer]:
    """What a reviewer may see: every question of a completed interview, with its take if that was submitted.

    Empty for anything not completed: drafts never leave the candidate (C24).
    """
    status = await conn.scalar(select(invitations.c.status).where(invitations.c.id == invitation_id))
    if status != InvitationStatus.COMPLETED:
        return []
    found = await of_invitation(conn, invitation_id)
    rows = await conn.execute(_submitted_takes().where(answers.c.invitation_id == invitation_id).limit(QUESTIONS_LIMIT))
    sent = {row.answer_id: take_from_row(row) for row in rows}
    return [
        SubmittedAnswer(
            answer_id=each.id,
            question=each.question,
            take=sent.get(each.id),
            missed=each.state is AnswerState.SUBMITTED and each.take_id is None,
        )
        for each in found
    ]


async def submitted_take(conn: AsyncConnection, invitation_id: str, take_id: str) -> TakeRow | None:
    """A take that a reviewer may watch: one that `submitted` shows. None for anything else."""
    query = _submitted_takes().where(answers.c.invitation_id == invitation_id, takes_table.c.id == take_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else take_from_row(row)


def _submitted_takes() -> Select[*tuple[Any, ...]]:
    """Kept takes of submitted answers of completed interviews."""
    return (
        select(*takes.COLUMNS)
        .join_from(answers, takes_table, answers.c.take_id == takes_table.c.id)
        .join(invitations, answers.c.invitation_id == invitations.c.id)
        .where(
            invitations.c.status == InvitationStatus.COMPLETED,
            answers.c.state == AnswerState.SUBMITTED,
            takes_table.c.state == TakeState.KEPT,
        )
    )
