"""The list of templates with what each holds now, and the jobs that a template is attached to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import jobs, template_jobs, template_versions, templates
from storage.states import Difficulty
from storage.template_offers import estimated_minutes, latest_published, question_count, question_seconds
from storage.templates import attach

LISTING_LIMIT = 100
JOBS_LIMIT = 300


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """One template; the facts are of the version that would be sent, or of the draft where nothing is published.

    `published` is the number of the newest published version. `drafted`: a draft is being worked on.
    """

    id: str
    name: str
    created_at_ms: int
    archived_at_ms: int | None
    published: int | None
    published_at_ms: int | None
    drafted: bool
    questions: int
    duration_min: int
    difficulty: Difficulty | None
    focus_area: str
    job_titles: list[str]


@dataclass(frozen=True, slots=True)
class AttachableJob:
    """A job that a template may be attached to. A closed one is listed only while attached."""

    id: str
    title: str
    closed: bool
    attached: bool


async def listing(
    conn: AsyncConnection,
    organisation_id: str,
    *,
    archived: bool = False,
    limit: int = LISTING_LIMIT,
    before: tuple[int, str] | None = None,
) -> list[TemplateLine]:
    """The newest first. `before`: creation time and id of the last line of the page before."""
    newest = template_versions.alias("newest")
    shown = template_versions.alias("shown")
    newest_id = (
        select(newest.c.id)
        .where(newest.c.template_id == templates.c.id)
        .order_by(newest.c.number.desc())
        .limit(1)
        .correlate(templates)
        .scalar_subquery()
    )
    query = (
        select(
            templates.c.id,
            templates.c.name,
            templates.c.created_at_ms,
            templates.c.archived_at_ms,
            shown.c.id.label("shown_id"),
            shown.c.number,
            shown.c.published_at_ms,
            newest_id.label("newest_id"),
            shown.c.difficulty,
            shown.c.focus_area,
            shown.c.duration_min,
            question_count(shown).label("asked"),
            question_seconds(shown).label("seconds"),
        )
        .select_from(templates)
        .join(shown, shown.c.id == func.coalesce(latest_published(templates), newest_id))
        .where(
            templates.c.organisation_id == organisation_id,
            templates.c.archived_at_ms.is_not(None) if archived else templates.c.archived_at_ms.is_(None),
        )
        .order_by(templates.c.created_at_ms.desc(), templates.c.id.desc())
        .limit(max(0, min(limit, LISTING_LIMIT + 1)))
    )
    if before is not None:
        query = query.where(tuple_(templates.c.created_at_ms, templates.c.id) < before)
    rows = (await conn.execute(query)).all()
    titles = await _job_titles(conn, [row.id for row in rows])
    return [
        TemplateLine(
            id=row.id,
            name=row.name,
            created_at_ms=row.created_at_ms,
            archived_at_ms=row.archived_at_ms,
            published=row.number if row.published_at_ms is not None else None,
            published_at_ms=row.published_at_ms,
            drafted=row.published_at_ms is None or row.newest_id != row.shown_id,
            questions=row.asked,
            duration_min=row.duration_min or estimated_minutes(row.seconds, row.asked),
            difficulty=Difficulty(row.difficulty) if row.difficulty else None,
            focus_area=row.focus_area,
            job_titles=titles.get(row.id, []),
        )
        for row in rows
    ]


async def by_name(conn: AsyncConnection, organisation_id: str, name: str) -> str | None:
    """The id of a template in use that has exactly this name."""
    found = select(templates.c.id).where(
        templates.c.organisation_id == organisation_id,
        templates.c.name == name,
        templates.c.archived_at_ms.is_(None),
    )
    return await conn.scalar(found.limit(1))


async def jobs_for(conn: AsyncConnection, template_id: str, organisation_id: str) -> list[AttachableJob]:
    """Every open job, and the closed ones it is attached to: attached ones first, then by title."""
    here = and_(template_jobs.c.job_id == jobs.c.id, template_jobs.c.template_id == template_id)
    attached = template_jobs.c.job_id.is_not(None)
    rows = await conn.execute(
        select(jobs.c.id, jobs.c.title, jobs.c.closed_at_ms, attached.label("attached"))
        .select_from(jobs.outerjoin(template_jobs, here))
        .where(jobs.c.organisation_id == organisation_id, or_(attached, jobs.c.closed_at_ms.is_(None)))
        .order_by(attached.desc(), jobs.c.title, jobs.c.id)
        .limit(JOBS_LIMIT)
    )
    return [AttachableJob(row.id, row.title, row.closed_at_ms is not None, bool(row.attached)) for row in rows]


async def set_jobs(
    conn: AsyncConnection, template_id: str, *, organisation_id: str, chosen: Collection[str], shown: Collection[str]
) -> None:
    """Attaches the chosen jobs and detaches the others that were shown; what was not shown stays as it is.

    The template is known to be the organisation's; jobs that are not are left out.
    """
    among = await jobs_for(conn, template_id, organisation_id)
    for job in among:
        if job.id in chosen and not job.attached:
            await attach(conn, template_id, job.id)
    gone = [job.id for job in among if job.attached and job.id in shown and job.id not in chosen]
    if gone:
        await conn.execute(
            delete(template_jobs).where(template_jobs.c.template_id == template_id, template_jobs.c.job_id.in_(gone))
        )


async def _job_titles(conn: AsyncConnection, template_ids: list[str]) -> dict[str, list[str]]:
    """The open jobs of each template, by title."""
    found: dict[str, list[str]] = {}
    if not template_ids:
        return found
    rows = await conn.execute(
        select(template_jobs.c.template_id, jobs.c.title)
        .join(jobs, jobs.c.id == template_jobs.c.job_id)
        .where(template_jobs.c.template_id.in_(template_ids), jobs.c.closed_at_ms.is_(None))
        .order_by(template_jobs.c.template_id, jobs.c.title)
        .limit(len(template_ids) * JOBS_LIMIT)
    )
    for template_id, title in rows:
        found.setdefault(template_id, []).append(title)
    return found
