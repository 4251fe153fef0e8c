"""Scores of a completed interview: one value a person and question; question 0 is the interview as a whole.

Only what was sent is scored: an interview that is not completed has none (C24). Whoever gives or takes back a score
writes the event of it, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotCompleted, NotFound
from storage.schema import applications, invitations, jobs, questions, scores, template_versions, templates, users
from storage.states import InvitationStatus

LOWEST, HIGHEST = 1, 5
OVERALL = 0
SCORES_LIMIT = 5000
INTERVIEWS_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Score:
    """`question` is the question's position, or OVERALL. `user_name` is as it is now."""

    invitation_id: str
    question: int
    user_id: str
    user_name: str
    value: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class CompletedInterview:
    """One completed interview of a candidate, as far as a table of scores needs it."""

    invitation_id: str
    job_title: str
    template_name: str
    questions: int
    completed_at_ms: int


async def give(
    conn: AsyncConnection, invitation_id: str, *, user_id: str, question: int, value: int, now_ms: int
) -> bool:
    """Whether this changed anything: the same value again does not.

    Raises NotCompleted, NotFound for a question the interview has not, and ValueError for a value that is no score.
    """
    if not LOWEST <= value <= HIGHEST:
        raise ValueError(f"a score is {LOWEST} to {HIGHEST}, not {value}")
    await check_question(conn, invitation_id, question)
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    row = insert(scores).values(
        invitation_id=invitation_id, user_id=user_id, question=question, value=value, at_ms=now_ms
    )
    changed = await conn.execute(
        row.on_conflict_do_update(
            index_elements=[scores.c.invitation_id, scores.c.user_id, scores.c.question],
            set_={"value": value, "at_ms": now_ms},
            where=scores.c.value != value,
        )
    )
    return changed.rowcount == 1


async def take_back(conn: AsyncConnection, invitation_id: str, *, user_id: str, question: int) -> bool:
    """Whether there was one to take back. Raises as `give` does."""
    await check_question(conn, invitation_id, question)
    gone = await conn.execute(
        delete(scores).where(
            scores.c.invitation_id == invitation_id, scores.c.user_id == user_id, scores.c.question == question
        )
    )
    return gone.rowcount == 1


async def of_invitation(conn: AsyncConnection, invitation_id: str) -> list[Score]:
    """Everybody's, by question and then by who scored; never over SCORES_LIMIT."""
    return await _listed(conn, [invitation_id])


async def of_invitations(conn: AsyncConnection, invitation_ids: Collection[str]) -> list[Score]:
    """Everybody's of several interviews, in one query; ordered as `of_invitation` has it, within each."""
    return await _listed(conn, invitation_ids) if invitation_ids else []


async def completed_of_candidate(
    conn: AsyncConnection, organisation_id: str, candidate_id: str
) -> list[CompletedInterview]:
    """The candidate's completed interviews, the newest first; never over INTERVIEWS_LIMIT."""
    asked = (
        select(func.count())
        .select_from(questions)
        .where(questions.c.version_id == invitations.c.version_id)
        .scalar_subquery()
    )
    rows = await conn.execute(
        select(invitations.c.id, jobs.c.title, templates.c.name, asked, invitations.c.completed_at_ms)
        .join(applications, invitations.c.application_id == applications.c.id)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .join(template_versions, invitations.c.version_id == template_versions.c.id)
        .join(templates, template_versions.c.template_id == templates.c.id)
        .where(
            applications.c.candidate_id == candidate_id,
            invitations.c.organisation_id == organisation_id,
            invitations.c.status == InvitationStatus.COMPLETED,
        )
        .order_by(invitations.c.completed_at_ms.desc(), invitations.c.id.desc())
        .limit(INTERVIEWS_LIMIT)
    )
    return [CompletedInterview(*row) for row in rows]


async def check_question(conn: AsyncConnection, invitation_id: str, question: int) -> None:
    """Raises NotCompleted unless the interview is completed, NotFound unless it has this question (OVERALL always)."""
    has_it = exists().where(questions.c.version_id == invitations.c.version_id, questions.c.position == question)
    row = (
        await conn.execute(
            select(invitations.c.status, or_(literal(question == OVERALL), has_it).label("known")).where(
                invitations.c.id == invitation_id
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound("invitation", invitation_id)
    if row.status != InvitationStatus.COMPLETED:
        raise NotCompleted("only a completed interview is scored and commented on")
    if not row.known:
        raise NotFound("question", str(question))


async def _listed(conn: AsyncConnection, invitation_ids: Collection[str]) -> list[Score]:
    rows = await conn.execute(
        select(
            scores.c.invitation_id, scores.c.question, scores.c.user_id, users.c.name, scores.c.value, scores.c.at_ms
        )
        .join(users, scores.c.user_id == users.c.id)
        .where(scores.c.invitation_id.in_(invitation_ids))
        .order_by(scores.c.invitation_id, scores.c.question, users.c.name, users.c.id)
        .limit(SCORES_LIMIT)
    )
    return [Score(*row) for row in rows]
