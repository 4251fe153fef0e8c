"""Which templates can be sent for which jobs (R6, R7), with the facts that help to choose one (R8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import FromClause, ScalarSelect, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import jobs, questions, template_jobs, template_versions, templates
from storage.states import Difficulty

OFFERS_LIMIT = 500
# What a question takes beside its think time and its answer: the 3-2-1, and getting to it.
COUNTDOWN_S = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """A job, and the latest published version of a template attached to it.

    `duration_min` is the recruiter's estimate, or is reckoned from the questions' times.
    """

    job_id: str
    job_title: str
    template_id: str
    template_name: str
    version_id: str
    number: int
    difficulty: Difficulty | None
    focus_area: str
    duration_min: int
    questions: int
    language: str


def estimated_minutes(think_and_limit_s: int, asked: int) -> int:
    """Whole minutes, rounded up, for that many questions with those times together."""
    return math.ceil((think_and_limit_s + COUNTDOWN_S * asked) / 60)


async def offered(conn: AsyncConnection, organisation_id: str, *, job_id: str | None = None) -> list[Offer]:
    """What can be sent now, for open jobs, by job and template; no archived template. At most OFFERS_LIMIT."""
    query = (
        select(
            jobs.c.id.label("job_id"),
            jobs.c.title,
            templates.c.id.label("template_id"),
            templates.c.name,
            template_versions.c.id.label("version_id"),
            template_versions.c.number,
            template_versions.c.difficulty,
            template_versions.c.focus_area,
            template_versions.c.duration_min,
            question_count(template_versions).label("asked"),
            question_seconds(template_versions).label("seconds"),
            template_versions.c.language,
        )
        .select_from(templates)
        .join(template_jobs, template_jobs.c.template_id == templates.c.id)
        .join(jobs, jobs.c.id == template_jobs.c.job_id)
        .join(template_versions, template_versions.c.id == latest_published(templates))
        .where(
            templates.c.organisation_id == organisation_id,
            templates.c.archived_at_ms.is_(None),
            jobs.c.organisation_id == organisation_id,
            jobs.c.closed_at_ms.is_(None),
        )
        .order_by(jobs.c.title, jobs.c.id, templates.c.name, templates.c.id)
        .limit(OFFERS_LIMIT)
    )
    if job_id is not None:
        query = query.where(jobs.c.id == job_id)
    return [
        Offer(
            job_id=row.job_id,
            job_title=row.title,
            template_id=row.template_id,
            template_name=row.name,
            version_id=row.version_id,
            number=row.number,
            difficulty=Difficulty(row.difficulty) if row.difficulty else None,
            focus_area=row.focus_area,
            duration_min=row.duration_min or estimated_minutes(row.seconds, row.asked),
            questions=row.asked,
            language=row.language,
        )
        for row in await conn.execute(query)
    ]


def latest_published(of: FromClause) -> ScalarSelect[str]:
    """The id of the newest published version of a row of `templates`; NULL if there is none."""
    version = template_versions.alias("latest")
    return (
        select(version.c.id)
        .where(version.c.template_id == of.c.id, version.c.published_at_ms.is_not(None))
        .order_by(version.c.number.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )


def question_count(of: FromClause) -> ScalarSelect[int]:
    """How many questions a row of `template_versions` has."""
    found = select(func.count(questions.c.id)).where(questions.c.version_id == of.c.id)
    return found.correlate(of).scalar_subquery()


def question_seconds(of: FromClause) -> ScalarSelect[int]:
    """Their think times and limits together."""
    seconds = func.coalesce(func.sum(questions.c.think_s + questions.c.limit_s), 0)
    return select(seconds).where(questions.c.version_id == of.c.id).correlate(of).scalar_subquery()
