"""Changes to who applied to what, each with its event, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates
from storage.candidates import Candidate
from storage.errors import AlreadyApplied
from storage.jobs import Job
from storage.logins import Login
from web.recruiter.noting import note


async def add_candidate(conn: AsyncConnection, login: Login, *, name: str, email: str, now_ms: int) -> Candidate:
    """A new candidate. Raises EmailTaken."""
    organisation_id = login.user.organisation_id
    made = await candidates.create(conn, organisation_id=organisation_id, name=name, email=email, now_ms=now_ms)
    await note(conn, login, "candidate.created", "candidate", made.id, now_ms)
    return made


async def add_to_job(
    conn: AsyncConnection, login: Login, job: Job, candidate_ids: Collection[str], now_ms: int
) -> list[str]:
    """Those whom this call added to the job; who had applied is left where they stand. Raises NotFound."""
    added = []
    for candidate_id in candidate_ids:
        try:
            application = await candidates.apply(conn, candidate_id, job.id, now_ms=now_ms)
        except AlreadyApplied:
            continue
        added.append(candidate_id)
        await note(conn, login, "application.created", "application", application.id, now_ms, {"job": job.title})
    return added


async def job_event(conn: AsyncConnection, login: Login, job: Job, kind: str, now_ms: int, **detail: str) -> None:
    """Notes a change of the job itself."""
    await note(conn, login, kind, "job", job.id, now_ms, {"title": job.title, **detail})
