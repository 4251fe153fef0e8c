"""Candidates and their applications to jobs. What they are sent and answer is in `storage.invitations`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import AlreadyApplied, EmailTaken, NotFound
from storage.ids import new_id
from storage.schema import applications, candidates, jobs
from storage.users import folded


@dataclass(frozen=True, slots=True)
class Candidate:
    """`email` is as it was written: mail goes there. Two spellings that fold alike are one candidate."""

    id: str
    organisation_id: str
    name: str
    email: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Application:
    """A candidate for a job, with the stage of the pipeline they are in."""

    id: str
    candidate_id: str
    job_id: str
    stage: str
    created_at_ms: int


async def create(conn: AsyncConnection, *, organisation_id: str, name: str, email: str, now_ms: int) -> Candidate:
    """Raises EmailTaken when the organisation has a candidate with this address."""
    made = Candidate(new_id(now_ms), organisation_id, name.strip(), email.strip(), now_ms)
    row = insert(candidates).values(
        id=made.id,
        organisation_id=made.organisation_id,
        name=made.name,
        email=made.email,
        email_folded=folded(made.email),
        created_at_ms=made.created_at_ms,
    )
    try:
        async with conn.begin_nested():
            await conn.execute(row)
    except IntegrityError as error:
        if await by_email(conn, organisation_id, email) is None:
            raise
        raise EmailTaken(f"{made.email} is a candidate already") from error
    return made


async def by_email(conn: AsyncConnection, organisation_id: str, email: str) -> Candidate | None:
    """Found however the address is written."""
    row = (
        await conn.execute(
            select(
                candidates.c.id,
                candidates.c.organisation_id,
                candidates.c.name,
                candidates.c.email,
                candidates.c.created_at_ms,
            ).where(candidates.c.organisation_id == organisation_id, candidates.c.email_folded == folded(email))
        )
    ).one_or_none()
    return None if row is None else Candidate(*row)


async def apply(
    conn: AsyncConnection, candidate_id: str, job_id: str, *, now_ms: int, stage: str = "invited"
) -> Application:
    """Raises AlreadyApplied, and NotFound, also when candidate and job belong to different organisations."""
    same = await conn.scalar(
        select(candidates.c.id)
        .join(jobs, jobs.c.organisation_id == candidates.c.organisation_id)
        .where(candidates.c.id == candidate_id, jobs.c.id == job_id)
    )
    if same is None:
        raise NotFound("candidate and job together", f"{candidate_id}, {job_id}")
    made = Application(new_id(now_ms), candidate_id, job_id, stage, now_ms)
    row = insert(applications).values(
        id=made.id,
        candidate_id=made.candidate_id,
        job_id=made.job_id,
        stage=made.stage,
        created_at_ms=made.created_at_ms,
    )
    try:
        async with conn.begin_nested():
            await conn.execute(row)
    except IntegrityError as error:
        pair = exists().where(applications.c.candidate_id == candidate_id, applications.c.job_id == job_id)
        if not await conn.scalar(select(pair)):
            raise
        raise AlreadyApplied(f"candidate {candidate_id} has applied to job {job_id} already") from error
    return made
