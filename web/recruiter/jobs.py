"""Jobs: their list, making them, and each one's settings. The board of a job is `web.recruiter.pipeline`."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import job_members, job_templates, jobs, organisations, users
from storage.errors import NotFound
from storage.jobs import Job, JobListRow
from storage.logins import Login
from storage.states import Role, Stage
from web.errors import not_found
from web.forms import typed, typed_pairs
from web.keys import DATABASE, NOW_MS
from web.recruiter import paging
from web.recruiter.applying import job_event
from web.recruiter.candidate_contexts import JobFormPage, JobLine, JobSettingsPage, JobsPage, Reviewer
from web.recruiter.candidate_wording import STAGES
from web.recruiter.typed_lines import TypedLine, name_line
from web.rendering import page

PAGE_ROWS = 50

_TITLE_MISSING = "Type the job's title: candidates read it in their invitation."
_DONE = {
    "closed": "Job closed. Nothing of it was lost; interviews under way go on.",
    "reopened": "Job opened again.",
    "renamed": "Title saved.",
    "templates": "Templates saved.",
    "members": "Reviewers saved.",
}


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /jobs, the newest first; closed ones with `closed`."""
    closed, before = "closed" in request.query, paging.read(request.query.get("before", ""))
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        rows = await jobs.listing(conn, organisation.id, closed=closed, limit=PAGE_ROWS + 1, before=before)
    shown = rows[:PAGE_ROWS]
    here = "/jobs?closed" if closed else "/jobs"
    older = None
    if len(rows) > PAGE_ROWS:
        key = paging.written(shown[-1].job.created_at_ms, shown[-1].job.id)
        older = f"{here}{'&' if closed else '?'}before={key}"
    context = JobsPage(
        viewer=login.user,
        here="jobs",
        zone=organisation.zone,
        lines=[_line(row) for row in shown],
        stages=[STAGES[stage] for stage in Stage],
        closed=closed,
        older=older,
        newest=here if before is not None else None,
        done=_DONE.get(request.query.get("done", ""), ""),
    )
    return page(request, "recruiter/jobs.html", context)


async def new_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /jobs/new."""
    return await _form(request, login, TypedLine())


async def create(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs."""
    title = name_line((await typed(request)).get("title", ""), missing=_TITLE_MISSING)
    if title.mistake:
        return await _form(request, login, title, status=422)
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        made = await jobs.create(conn, organisation_id=login.user.organisation_id, title=title.value, now_ms=now_ms)
        await job_event(conn, login, made, "job.created", now_ms)
    raise web.HTTPSeeOther(f"/jobs/{made.id}?done=created")


async def rename(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}: its title."""
    title = name_line((await typed(request)).get("title", ""), missing=_TITLE_MISSING)
    if title.mistake:
        return await settings(request, login, title, status=422)
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        job = await own_job(conn, request, login)
        if await jobs.rename(conn, job.id, organisation_id=organisation_id, title=title.value):
            await job_event(conn, login, job, "job.renamed", now_ms, to=title.value)
    raise web.HTTPSeeOther(f"/jobs/{job.id}?tab=settings&done=renamed")


async def close(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/close: offered no more; what was sent goes on."""
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        job = await own_job(conn, request, login)
        if await jobs.close(conn, job.id, organisation_id=organisation_id, now_ms=now_ms):
            await job_event(conn, login, job, "job.closed", now_ms)
    raise web.HTTPSeeOther(f"/jobs/{job.id}?done=closed")


async def reopen(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/reopen."""
    async with request.app[DATABASE].write() as conn:
        job = await own_job(conn, request, login)
        if await jobs.reopen(conn, job.id, organisation_id=login.user.organisation_id):
            await job_event(conn, login, job, "job.reopened", request.app[NOW_MS]())
    raise web.HTTPSeeOther(f"/jobs/{job.id}?done=reopened")


async def set_templates(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/templates: exactly the ticked ones are offered."""
    ticked = {value for name, value in await typed_pairs(request) if name == "template"}
    async with request.app[DATABASE].write() as conn:
        job = await own_job(conn, request, login)
        try:
            await job_templates.set_templates(conn, login.user.organisation_id, job.id, ticked)
        except NotFound:
            not_found()
    raise web.HTTPSeeOther(f"/jobs/{job.id}?tab=settings&done=templates")


async def set_members(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/members: of those the page offers, exactly the ticked ones review this job's interviews."""
    ticked = {value for name, value in await typed_pairs(request) if name == "member"}
    async with request.app[DATABASE].write() as conn:
        job = await own_job(conn, request, login)
        offered = {each.user.id for each in await _reviewers(conn, login, job.id)}
        if not ticked <= offered and not ticked <= {each.id for each in await users.team(conn, job.organisation_id)}:
            not_found()
        kept = {each.id for each in await job_members.of_job(conn, job.id)} - offered
        # Whoever was disabled, or given another role, since the page was made is not offered any more, and left out.
        await job_members.set_members(conn, job.id, (ticked & offered) | kept)
    raise web.HTTPSeeOther(f"/jobs/{job.id}?tab=settings&done=members")


async def settings(
    request: web.Request, login: Login, title: TypedLine | None = None, status: int = 200
) -> web.Response:
    """GET /jobs/{job_id}?tab=settings; `title` as it was typed, when it was refused."""
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        job = await own_job(conn, request, login)
        organisation = await organisations.get(conn, organisation_id)
        context = JobSettingsPage(
            viewer=login.user,
            here="jobs",
            zone=organisation.zone,
            job=job,
            title=title or TypedLine(job.title),
            templates=await job_templates.of_job(conn, organisation_id, job.id),
            reviewers=await _reviewers(conn, login, job.id),
            done=_DONE.get(request.query.get("done", ""), ""),
        )
    return page(request, "recruiter/job_settings.html", context, status=status)


async def own_job(conn: AsyncConnection, request: web.Request, login: Login) -> Job:
    """The job of the path, if it is the organisation's; else 404."""
    found = await jobs.by_id(conn, request.match_info["job_id"], organisation_id=login.user.organisation_id)
    if found is None:
        not_found()
    return found


async def _reviewers(conn: AsyncConnection, login: Login, job_id: str) -> list[Reviewer]:
    members = {each.id for each in await job_members.of_job(conn, job_id)}
    team = await users.team(conn, login.user.organisation_id)
    return [
        Reviewer(each, each.id in members)
        for each in team
        if each.role is Role.REVIEWER and each.disabled_at_ms is None
    ]


async def _form(request: web.Request, login: Login, title: TypedLine, status: int = 200) -> web.Response:
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
    context = JobFormPage(viewer=login.user, here="jobs", zone=organisation.zone, title=title)
    return page(request, "recruiter/job_new.html", context, status=status)


def _line(row: JobListRow) -> JobLine:
    return JobLine(
        id=row.job.id,
        title=row.job.title,
        total=sum(row.stages.values()),
        counts=[(STAGES[stage], row.stages.get(stage, 0)) for stage in Stage],
        at_ms=row.job.closed_at_ms or row.job.created_at_ms,
    )
