"""A candidate's profile: header card, activity, interviews, scores; changing it, and adding them to jobs."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidate_list, candidates, jobs, organisations
from storage.candidates import Candidate, JobApplication
from storage.errors import EmailTaken
from storage.logins import Login
from storage.states import Stage
from web.errors import not_found
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter import activity, scores_card, telling
from web.recruiter.applying import add_to_job
from web.recruiter.candidate_contexts import CandidateFormPage, CandidatePage, Choice, StageForm
from web.recruiter.candidate_wording import SINCE, STAGES, STATES
from web.recruiter.candidates import NAME_MISSING, job_choices, owner_of
from web.recruiter.interviews import lines_of_candidate
from web.recruiter.noting import note
from web.recruiter.typed_lines import TypedLine, address_line, name_line
from web.rendering import page

TABS = ("activity", "interviews", "scores")

_DONE = {
    "added": "Candidate added.",
    "saved": "Changes saved.",
    "applied": "Added to the job.",
    "closed": "That job has been closed meanwhile, so nothing was changed.",
    "moved": "Moved to another stage.",
    "there": "They were in that stage already.",
}


async def profile(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /candidates/{candidate_id}; `tab` is one of TABS, `before` the place in the activity feed."""
    asked = request.query.get("tab", "")
    tab = asked if asked in TABS else TABS[0]
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        candidate = await own_candidate(conn, request, login)
        organisation = await organisations.get(conn, organisation_id)
        row = await candidate_list.one(conn, organisation_id, candidate.id, now_ms=now_ms)
        if row is None:
            not_found()
        applied = await candidates.applications_of(conn, organisation_id, candidate.id)
        there = {each.job_id for each in applied}
        choices = [each for each in await job_choices(conn, organisation_id, "") if each.value not in there]
        before = activity.parse_before(request.query.get("before", ""))
        context = CandidatePage(
            viewer=login.user,
            here="candidates",
            zone=organisation.zone,
            candidate=candidate,
            state=STATES[row.state],
            happened=SINCE[row.state],
            at_ms=row.at_ms,
            applications=[_stage_form(each) for each in applied],
            jobs=choices,
            done=_DONE.get(request.query.get("done", ""), ""),
            told=await telling.told(conn, request, login),
            tab=tab,
            feed=await activity.feed(conn, organisation_id, candidate.id, before) if tab == "activity" else None,
            interviews=(await lines_of_candidate(conn, login, candidate.id, now_ms) if tab == "interviews" else None),
            scores=await scores_card.card(conn, organisation_id, candidate.id) if tab == "scores" else None,
        )
    return page(request, "recruiter/candidate.html", context)


async def edit_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /candidates/{candidate_id}/edit."""
    async with request.app[DATABASE].read() as conn:
        candidate = await own_candidate(conn, request, login)
    return await _edit_form(request, login, candidate, TypedLine(candidate.name), TypedLine(candidate.email))


async def edit(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /candidates/{candidate_id}: name and address."""
    fields, organisation_id = await typed(request), login.user.organisation_id
    name, email = name_line(fields.get("name", ""), missing=NAME_MISSING), address_line(fields.get("email", ""))
    async with request.app[DATABASE].read() as conn:
        candidate = await own_candidate(conn, request, login)
    if name.mistake or email.mistake:
        return await _edit_form(request, login, candidate, name, email, status=422)
    try:
        async with request.app[DATABASE].write() as conn:
            changed = await candidates.edit(
                conn, candidate.id, organisation_id=organisation_id, name=name.value, email=email.value
            )
            if changed:
                await note(conn, login, "candidate.edited", "candidate", candidate.id, request.app[NOW_MS]())
    except EmailTaken:
        return await _edit_form(request, login, candidate, name, email, status=422)
    raise web.HTTPSeeOther(f"/candidates/{candidate.id}?done=saved")


async def add_application(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /candidates/{candidate_id}/applications: adds the candidate to a job; no harm if they are there already."""
    job_id = (await typed(request)).get("job", "")
    async with request.app[DATABASE].write() as conn:
        candidate = await own_candidate(conn, request, login)
        job = await jobs.by_id(conn, job_id, organisation_id=login.user.organisation_id)
        if job is None:
            not_found()
        done = "applied" if job.closed_at_ms is None else "closed"
        if job.closed_at_ms is None:
            await add_to_job(conn, login, job, [candidate.id], request.app[NOW_MS]())
    raise web.HTTPSeeOther(f"/candidates/{candidate.id}?done={done}")


async def own_candidate(conn: AsyncConnection, request: web.Request, login: Login) -> Candidate:
    """The candidate of the path, if they are the organisation's; else 404."""
    candidate_id = request.match_info["candidate_id"]
    found = await candidates.by_id(conn, candidate_id, organisation_id=login.user.organisation_id)
    if found is None:
        not_found()
    return found


async def _edit_form(
    request: web.Request, login: Login, candidate: Candidate, name: TypedLine, email: TypedLine, status: int = 200
) -> web.Response:
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        owner = await owner_of(conn, organisation_id, email, but=candidate.id)
    context = CandidateFormPage(
        viewer=login.user,
        here="candidates",
        zone=organisation.zone,
        candidate=candidate,
        name=name,
        email=email,
        owner=owner,
        jobs=[],
        job_mistake="",
    )
    return page(request, "recruiter/candidate_edit.html", context, status=status)


def _stage_form(application: JobApplication) -> StageForm:
    stages = [Choice(stage, STAGES[stage], stage is application.stage) for stage in Stage]
    return StageForm(application, stages)
