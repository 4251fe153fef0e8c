"""Which templates a job offers, as the job's own page shows and sets it. What can be sent is `templates.offered`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.schema import jobs, template_jobs, template_versions, templates

TEMPLATES_LIMIT = 500


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """`number` is the latest published version's; None while there is none, so that nothing can be sent."""

    id: str
    name: str
    number: int | None
    archived: bool
    attached: bool


async def of_job(conn: AsyncConnection, organisation_id: str, job_id: str) -> list[JobTemplate]:
    """Those attached to the job, archived ones too, and those that could be; by name, never over TEMPLATES_LIMIT."""
    number = (
        select(func.max(template_versions.c.number))
        .where(template_versions.c.template_id == templates.c.id, template_versions.c.published_at_ms.is_not(None))
        .scalar_subquery()
    )
    here = and_(template_jobs.c.template_id == templates.c.id, template_jobs.c.job_id == job_id)
    rows = await conn.execute(
        select(
            templates.c.id,
            templates.c.name,
            number,
            templates.c.archived_at_ms.is_not(None),
            template_jobs.c.job_id.is_not(None),
        )
        .select_from(templates.outerjoin(template_jobs, here))
        .where(templates.c.organisation_id == organisation_id)
        .where(or_(templates.c.archived_at_ms.is_(None), template_jobs.c.job_id.is_not(None)))
        .order_by(templates.c.created_at_ms.desc(), templates.c.id.desc())
        .limit(TEMPLATES_LIMIT)
    )
    return sorted((JobTemplate(*row) for row in rows), key=lambda each: (each.name.casefold(), each.id))


async def set_templates(
    conn: AsyncConnection, organisation_id: str, job_id: str, template_ids: Collection[str]
) -> bool:
    """The job offers exactly these of the unarchived templates; archived ones stay as they are. False: nothing changed.

    One that was archived since it was chosen is left out. Raises NotFound for a template or a job of another
    organisation.
    """
    known = {each.id: each for each in await of_job(conn, organisation_id, job_id)}
    strangers = set(template_ids) - set(known)
    if strangers:
        archived = select(templates.c.id).where(
            templates.c.organisation_id == organisation_id,
            templates.c.id.in_(strangers),
            templates.c.archived_at_ms.is_not(None),
        )
        strangers -= set(await conn.scalars(archived))
    if strangers:
        raise NotFound("template of this organisation", ", ".join(sorted(strangers)))
    if (
        await conn.scalar(select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.organisation_id == organisation_id))
        is None
    ):
        raise NotFound("job", job_id)
    shown = [each for each in known.values() if not each.archived]
    added = [each.id for each in shown if each.id in template_ids and not each.attached]
    removed = [each.id for each in shown if each.id not in template_ids and each.attached]
    if removed:
        await conn.execute(
            delete(template_jobs).where(template_jobs.c.job_id == job_id, template_jobs.c.template_id.in_(removed))
        )
    if added:
        await conn.execute(insert(template_jobs), [{"template_id": each, "job_id": job_id} for each in added])
    return bool(added or removed)
