"""Who of the team works on which job: a reviewer sees the interviews of these jobs alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import users
from storage.errors import NotFound
from storage.schema import job_members, jobs
from storage.schema import users as users_table
from storage.users import User

MEMBERS_LIMIT = 500
JOBS_LIMIT = 500


@dataclass(frozen=True, slots=True)
class JobChoice:
    """A job as a form offers it."""

    id: str
    title: str
    closed: bool


async def set_members(conn: AsyncConnection, job_id: str, user_ids: Collection[str]) -> None:
    """Exactly these people work on the job. Raises NotFound, also for somebody of another organisation."""
    wanted = set(user_ids)
    known = await conn.scalars(
        select(users_table.c.id)
        .join(jobs, jobs.c.organisation_id == users_table.c.organisation_id)
        .where(jobs.c.id == job_id, users_table.c.id.in_(wanted))
    )
    strangers = wanted - set(known)
    if strangers:
        raise NotFound("user of the job's organisation", ", ".join(sorted(strangers)))
    await conn.execute(delete(job_members).where(job_members.c.job_id == job_id))
    if wanted:
        await conn.execute(insert(job_members), [{"job_id": job_id, "user_id": each} for each in sorted(wanted)])


async def of_job(conn: AsyncConnection, job_id: str) -> list[User]:
    """By name, disabled ones too; never over MEMBERS_LIMIT."""
    rows = await conn.execute(
        select(*users.COLUMNS)
        .join(job_members, job_members.c.user_id == users_table.c.id)
        .where(job_members.c.job_id == job_id)
        .order_by(users_table.c.name, users_table.c.id)
        .limit(MEMBERS_LIMIT)
    )
    return [users.from_row(row) for row in rows]


async def jobs_of(conn: AsyncConnection, user_id: str) -> list[str]:
    """Ids of the jobs this person works on."""
    return list(await conn.scalars(select(job_members.c.job_id).where(job_members.c.user_id == user_id).limit(10_000)))


async def set_jobs(conn: AsyncConnection, user_id: str, job_ids: Collection[str]) -> None:
    """This person works on exactly these jobs. Raises NotFound, also for a job of another organisation."""
    wanted = set(job_ids)
    known = await conn.scalars(
        select(jobs.c.id)
        .join(users_table, jobs.c.organisation_id == users_table.c.organisation_id)
        .where(users_table.c.id == user_id, jobs.c.id.in_(wanted))
    )
    strangers = wanted - set(known)
    if strangers:
        raise NotFound("job of the user's organisation", ", ".join(sorted(strangers)))
    await conn.execute(delete(job_members).where(job_members.c.user_id == user_id))
    if wanted:
        await conn.execute(insert(job_members), [{"job_id": each, "user_id": user_id} for each in sorted(wanted)])


async def job_choices(conn: AsyncConnection, organisation_id: str) -> list[JobChoice]:
    """The jobs that somebody could work on: open ones first, each by title; never over JOBS_LIMIT."""
    rows = await conn.execute(
        select(jobs.c.id, jobs.c.title, jobs.c.closed_at_ms.is_not(None).label("closed"))
        .where(jobs.c.organisation_id == organisation_id)
        .order_by(jobs.c.closed_at_ms.is_not(None), func.lower(jobs.c.title), jobs.c.id)
        .limit(JOBS_LIMIT)
    )
    return [JobChoice(row.id, row.title, bool(row.closed)) for row in rows]


async def by_user(conn: AsyncConnection, organisation_id: str) -> dict[str, list[str]]:
    """Ids of the jobs that each of the organisation works on, by user; never over 10,000 in all."""
    rows = await conn.execute(
        select(job_members.c.user_id, job_members.c.job_id)
        .join(jobs, jobs.c.id == job_members.c.job_id)
        .where(jobs.c.organisation_id == organisation_id)
        .limit(10_000)
    )
    found: dict[str, list[str]] = {}
    for user_id, job_id in rows:
        found.setdefault(user_id, []).append(job_id)
    return found
