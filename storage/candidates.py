"""Candidates and their applications to jobs. Lists are in `storage.candidate_list`, moves from stage to stage in
`storage.pipeline`, what candidates are sent and answer in `storage.invitations`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import search
from storage.errors import AlreadyApplied, EmailTaken, NotFound
from storage.ids import new_id
from storage.schema import applications, candidates, jobs
from storage.states import Stage
from storage.users import folded

APPLICATIONS_LIMIT = 100
SOME_LIMIT = 500


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
    """A candidate for a job, with the stage of the pipeline they are in, since `stage_at_ms`."""

    id: str
    candidate_id: str
    job_id: str
    stage: Stage
    created_at_ms: int
    stage_at_ms: int


@dataclass(frozen=True, slots=True)
class JobApplication:
    """One application of a candidate, with its job's name."""

    id: str
    job_id: str
    job_title: str
    job_closed: bool
    stage: Stage
    stage_at_ms: int


_COLUMNS = (
    candidates.c.id,
    candidates.c.organisation_id,
    candidates.c.name,
    candidates.c.email,
    candidates.c.created_at_ms,
)


async def create(conn: AsyncConnection, *, organisation_id: str, name: str, email: str, now_ms: int) -> Candidate:
    """Raises EmailTaken when the organisation has a candidate with this address."""
    made = Candidate(new_id(now_ms), organisation_id, name.strip(), email.strip(), now_ms)
    row = insert(candidates).values(
        id=made.id,
        organisation_id=made.organisation_id,
        name=made.name,
        email=made.email,
        email_folded=folded(made.email),
        search=search.folded(f"{made.name} {made.email}"),
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


async def edit(conn: AsyncConnection, candidate_id: str, *, organisation_id: str, name: str, email: str) -> bool:
    """False when nothing changed, or there is no such candidate. Raises EmailTaken as `create` does."""
    name, email = name.strip(), email.strip()
    before = await by_id(conn, candidate_id, organisation_id=organisation_id)
    if before is None or (before.name, before.email) == (name, email):
        return False
    changes = (
        update(candidates)
        .where(candidates.c.id == candidate_id, candidates.c.organisation_id == organisation_id)
        .values(name=name, email=email, email_folded=folded(email), search=search.folded(f"{name} {email}"))
    )
    try:
        async with conn.begin_nested():
            await conn.execute(changes)
    except IntegrityError as error:
        if await by_email(conn, organisation_id, email) is None:
            raise
        raise EmailTaken(f"{email} is another candidate's") from error
    return True


async def by_id(conn: AsyncConnection, candidate_id: str, *, organisation_id: str) -> Candidate | None:
    """None also when they are another organisation's."""
    query = select(*_COLUMNS).where(candidates.c.id == candidate_id, candidates.c.organisation_id == organisation_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Candidate(*row)


async def by_email(conn: AsyncConnection, organisation_id: str, email: str) -> Candidate | None:
    """Found however the address is written."""
    query = select(*_COLUMNS).where(
        candidates.c.organisation_id == organisation_id, candidates.c.email_folded == folded(email)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Candidate(*row)


async def some(conn: AsyncConnection, organisation_id: str, candidate_ids: Collection[str]) -> list[Candidate]:
    """Those of the ids that are the organisation's, by name; never over SOME_LIMIT."""
    rows = await conn.execute(
        select(*_COLUMNS)
        .where(candidates.c.organisation_id == organisation_id)
        .where(candidates.c.id.in_(list(candidate_ids)[:SOME_LIMIT]))
        .limit(SOME_LIMIT)
    )
    return sorted((Candidate(*row) for row in rows), key=lambda each: (search.folded(each.name), each.id))


async def apply(
    conn: AsyncConnection, candidate_id: str, job_id: str, *, now_ms: int, stage: Stage = Stage.NEW
) -> Application:
    """Raises AlreadyApplied, and NotFound, also when candidate and job belong to different organisations."""
    same = await conn.scalar(
        select(candidates.c.id)
        .join(jobs, jobs.c.organisation_id == candidates.c.organisation_id)
        .where(candidates.c.id == candidate_id, jobs.c.id == job_id)
    )
    if same is None:
        raise NotFound("candidate and job together", f"{candidate_id}, {job_id}")
    made = Application(new_id(now_ms), candidate_id, job_id, stage, now_ms, now_ms)
    row = insert(applications).values(
        id=made.id,
        candidate_id=made.candidate_id,
        job_id=made.job_id,
        stage=made.stage,
        created_at_ms=made.created_at_ms,
        stage_at_ms=made.stage_at_ms,
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


async def applications_of(conn: AsyncConnection, organisation_id: str, candidate_id: str) -> list[JobApplication]:
    """What they applied to, the newest first; never over APPLICATIONS_LIMIT."""
    rows = await conn.execute(
        select(
            applications.c.id,
            applications.c.job_id,
            jobs.c.title,
            jobs.c.closed_at_ms.is_not(None),
            applications.c.stage,
            applications.c.stage_at_ms,
        )
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(applications.c.candidate_id == candidate_id, jobs.c.organisation_id == organisation_id)
        .order_by(applications.c.created_at_ms.desc(), applications.c.id.desc())
        .limit(APPLICATIONS_LIMIT)
    )
    return [
        JobApplication(each, job_id, title, closed, Stage(stage), at_ms)
        for each, job_id, title, closed, stage, at_ms in rows
    ]
