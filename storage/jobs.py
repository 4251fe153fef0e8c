"""Jobs that people apply to. Which templates a job offers is in `storage.job_templates`, who is in its pipeline in
`storage.pipeline`. A closed job keeps everything; it is only offered no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.ids import new_id
from storage.schema import applications, jobs
from storage.states import Stage

JOBS_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Job:
    """Open until `closed_at_ms` is set."""

    id: str
    organisation_id: str
    title: str
    created_at_ms: int
    closed_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class JobListRow:
    """A job, and how many applications stand in each stage that has any."""

    job: Job
    stages: Mapping[Stage, int]


_COLUMNS = (jobs.c.id, jobs.c.organisation_id, jobs.c.title, jobs.c.created_at_ms, jobs.c.closed_at_ms)


async def create(conn: AsyncConnection, *, organisation_id: str, title: str, now_ms: int) -> Job:
    """A new job, open."""
    made = Job(new_id(now_ms), organisation_id, title, now_ms)
    await conn.execute(
        insert(jobs).values(
            id=made.id,
            organisation_id=made.organisation_id,
            title=made.title,
            created_at_ms=made.created_at_ms,
        )
    )
    return made


async def get(conn: AsyncConnection, job_id: str) -> Job:
    """Raises NotFound."""
    row = (await conn.execute(select(*_COLUMNS).where(jobs.c.id == job_id))).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return Job(*row)


async def by_id(conn: AsyncConnection, job_id: str, *, organisation_id: str) -> Job | None:
    """None also when it is another organisation's."""
    query = select(*_COLUMNS).where(jobs.c.id == job_id, jobs.c.organisation_id == organisation_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Job(*row)


async def rename(conn: AsyncConnection, job_id: str, *, organisation_id: str, title: str) -> bool:
    """False when there is no such job, or it has this title already."""
    changed = await conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.organisation_id == organisation_id, jobs.c.title != title)
        .values(title=title)
    )
    return changed.rowcount == 1


async def close(conn: AsyncConnection, job_id: str, *, organisation_id: str, now_ms: int) -> bool:
    """Whether this call closed it."""
    changed = await conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.organisation_id == organisation_id, jobs.c.closed_at_ms.is_(None))
        .values(closed_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def reopen(conn: AsyncConnection, job_id: str, *, organisation_id: str) -> bool:
    """Whether this call opened it again."""
    changed = await conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.organisation_id == organisation_id, jobs.c.closed_at_ms.is_not(None))
        .values(closed_at_ms=None)
    )
    return changed.rowcount == 1


async def open_ones(conn: AsyncConnection, organisation_id: str) -> list[Job]:
    """The organisation's open jobs by title: the newest JOBS_LIMIT of them."""
    rows = await conn.execute(
        select(*_COLUMNS)
        .where(jobs.c.organisation_id == organisation_id, jobs.c.closed_at_ms.is_(None))
        .order_by(jobs.c.created_at_ms.desc(), jobs.c.id.desc())
        .limit(JOBS_LIMIT)
    )
    return sorted((Job(*row) for row in rows), key=lambda job: (job.title.casefold(), job.id))


async def listing(
    conn: AsyncConnection,
    organisation_id: str,
    *,
    closed: bool = False,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> list[JobListRow]:
    """The newest first, at most `limit` (never over JOBS_LIMIT), in two queries.

    `before` is (created_at_ms, id) of the last row of the page before.
    """
    wanted = jobs.c.closed_at_ms.is_not(None) if closed else jobs.c.closed_at_ms.is_(None)
    query = select(*_COLUMNS).where(jobs.c.organisation_id == organisation_id, wanted)
    if before is not None:
        query = query.where(tuple_(jobs.c.created_at_ms, jobs.c.id) < before)
    rows = await conn.execute(
        query.order_by(jobs.c.created_at_ms.desc(), jobs.c.id.desc()).limit(max(0, min(limit, JOBS_LIMIT)))
    )
    found = [Job(*row) for row in rows]
    if not found:
        return []
    counted = await conn.execute(
        select(applications.c.job_id, applications.c.stage, func.count())
        .where(applications.c.job_id.in_([job.id for job in found]))
        .group_by(applications.c.job_id, applications.c.stage)
        .limit(len(found) * len(Stage))
    )
    stages: dict[str, dict[Stage, int]] = {job.id: {} for job in found}
    for job_id, stage, count in counted:
        stages[job_id][Stage(stage)] = count
    return [JobListRow(job, stages[job.id]) for job in found]
