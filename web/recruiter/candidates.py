"""The list of candidates, and adding one. Their profiles are `web.recruiter.candidate_profile`."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidate_list, candidates, jobs, organisations
from storage.candidate_list import COUNTED, CandidateRow, CandidateState
from storage.candidates import Candidate
from storage.errors import EmailTaken
from storage.logins import Login
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter import paging
from web.recruiter.applying import add_candidate, add_to_job
from web.recruiter.candidate_contexts import (
    CandidateFormPage,
    CandidateLine,
    CandidatesPage,
    Choice,
    JobMark,
    Owner,
)
from web.recruiter.candidate_wording import SINCE, STAGES, STATES, people, state_named
from web.recruiter.typed_lines import LONGEST_NAME, TypedLine, address_line, name_line
from web.rendering import page

PAGE_ROWS = 50
JOBS_SHOWN = 2

NAME_MISSING = "Type the candidate's name: the invitation greets them by it."


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /candidates, the newest first; `q` searches, `state` filters, `before` is the key of the page before."""
    q, state = request.query.get("q", "").strip()[:LONGEST_NAME], state_named(request.query.get("state", ""))
    before = paging.read(request.query.get("before", ""))
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        found = await candidate_list.page(
            conn, organisation_id, now_ms=now_ms, q=q, state=state, limit=PAGE_ROWS + 1, before=before
        )
    shown = found.rows[:PAGE_ROWS]
    last = paging.written(shown[-1].created_at_ms, shown[-1].id) if len(found.rows) > PAGE_ROWS else None
    context = CandidatesPage(
        viewer=login.user,
        here="candidates",
        zone=organisation.zone,
        lines=[_line(row) for row in shown],
        q=q,
        state=state or "",
        filters=_filters(q, state),
        found=_found(found.found, bool(q or state)) if before is None and shown else "",
        older=_path(q, state, last) if last else None,
        newest=_path(q, state) if before is not None else None,
        everybody=_path("", None),
        any_at_all=bool(found.rows or q or state or before),
    )
    return page(request, "recruiter/candidates.html", context)


async def new_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /candidates/new."""
    return await _form(request, login, TypedLine(), TypedLine(), request.query.get("job", ""))


async def create(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /candidates: a new candidate, added to a job if one was chosen."""
    fields = await typed(request)
    name, email = name_line(fields.get("name", ""), missing=NAME_MISSING), address_line(fields.get("email", ""))
    job_id = fields.get("job", "")
    if name.mistake or email.mistake:
        return await _form(request, login, name, email, job_id, status=422)
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    made: Candidate | None = None
    try:
        async with request.app[DATABASE].write() as conn:
            job = await jobs.by_id(conn, job_id, organisation_id=organisation_id) if job_id else None
            if not job_id or (job is not None and job.closed_at_ms is None):
                made = await add_candidate(conn, login, name=name.value, email=email.value, now_ms=now_ms)
                if job is not None:
                    await add_to_job(conn, login, job, [made.id], now_ms)
    except EmailTaken:
        return await _form(request, login, name, email, job_id, status=422)
    if made is None:
        return await _form(request, login, name, email, job_id, status=422, job_mistake="Choose one of the open jobs.")
    raise web.HTTPSeeOther(f"/candidates/{made.id}?done=added")


async def owner_of(conn: AsyncConnection, organisation_id: str, email: TypedLine, but: str = "") -> Owner | None:
    """Whose address this is, if it is a candidate's other than `but`; None also for what is no address."""
    if email.mistake or not email.value:
        return None
    found = await candidates.by_email(conn, organisation_id, email.value)
    return None if found is None or found.id == but else Owner(found.id, found.name)


async def job_choices(conn: AsyncConnection, organisation_id: str, chosen: str) -> list[Choice]:
    """The open jobs, as options of a select."""
    return [Choice(job.id, job.title, job.id == chosen) for job in await jobs.open_ones(conn, organisation_id)]


async def _form(
    request: web.Request,
    login: Login,
    name: TypedLine,
    email: TypedLine,
    job_id: str,
    status: int = 200,
    job_mistake: str = "",
) -> web.Response:
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        context = CandidateFormPage(
            viewer=login.user,
            here="candidates",
            zone=organisation.zone,
            candidate=None,
            name=name,
            email=email,
            owner=await owner_of(conn, organisation_id, email),
            jobs=await job_choices(conn, organisation_id, job_id),
            job_mistake=job_mistake,
        )
    return page(request, "recruiter/candidate_new.html", context, status=status)


def _filters(q: str, state: CandidateState | None) -> list[Choice]:
    everybody = Choice("", "All", state is None, _path(q, None))
    return [everybody, *(Choice(each, STATES[each].label, each is state, _path(q, each)) for each in CandidateState)]


def _path(q: str, state: CandidateState | None, before: str = "") -> str:
    asked = {"q": q, "state": state or "", "before": before}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/candidates?{query}" if query else "/candidates"


def _found(count: int, narrowed: bool) -> str:
    many = f"Over {COUNTED:,} candidates" if count > COUNTED else people(count)
    return f"{many} found" if narrowed else many


def _line(row: CandidateRow) -> CandidateLine:
    return CandidateLine(
        id=row.id,
        name=row.name,
        email=row.email,
        state=STATES[row.state],
        happened=SINCE[row.state],
        at_ms=row.at_ms,
        jobs=[JobMark(f"/jobs/{job.job_id}", job.title, STAGES[job.stage]) for job in row.jobs[:JOBS_SHOWN]],
        more_jobs=max(0, len(row.jobs) - JOBS_SHOWN),
    )
