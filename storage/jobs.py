"""Jobs that people apply to. Which templates a job offers is in `storage.templates`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.ids import new_id
from storage.schema import jobs


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    organisation_id: str
    title: str
    created_at_ms: int


async def create(conn: AsyncConnection, *, organisation_id: str, title: str, now_ms: int) -> Job:
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
    row = (
        await conn.execute(
            select(jobs.c.id, jobs.c.organisation_id, jobs.c.title, jobs.c.created_at_ms).where(jobs.c.id == job_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return Job(*row)
