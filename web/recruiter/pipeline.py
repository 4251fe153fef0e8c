"""The board of a job: who stands in which stage, moving them, and adding candidates to it."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidate_list, candidates, job_templates, jobs, organisations, pipeline
from storage.candidate_list import CandidateState
from storage.errors import EmailTaken, NotFound
from storage.jobs import Job
from storage.logins import Login
from storage.pipeline import Card
from storage.states import Stage
from web.errors import not_found
from web.forms import typed_pairs
from web.keys import DATABASE, NOW_MS
from web.recruiter import paging
from web.recruiter.applying import add_candidate, add_to_job
from web.recruiter.candidate_contexts import (
    CardLine,
    Choice,
    ColumnLines,
    FoundCandidate,
    JobCandidatesPage,
    JobPage,
    MovePage,
)
from web.recruiter.candidate_wording import SINCE, STAGES, STATES, people, stage_named
from web.recruiter.candidates import NAME_MISSING, job_choices, owner_of
from web.recruiter.jobs import own_job, settings
from web.recruiter.typed_lines import LONGEST_NAME, TypedLine, address_line, name_line
from web.rendering import page

STAGE_ROWS = 50
HITS = 20
CHOSEN_LIMIT = 100

_DONE = {
    "created": "Job made. Next: choose the templates it offers, and add candidates.",
    "closed": "Job closed. Nothing of it was lost, and interviews under way go on.",
    "reopened": "Job opened again.",
    "nobody": "Nobody was chosen. Tick candidates first.",
}


async def job(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /jobs/{job_id}: the board; with `stage` that stage alone, page by page; with `tab=settings` the settings."""
    if request.query.get("tab") == "settings":
        return await settings(request, login)
    only, before = stage_named(request.query.get("stage", "")), paging.read(request.query.get("before", ""))
    organisation_id, now_ms = login.user.organisation_id, request.app[NOW_MS]()
    older = None
    async with request.app[DATABASE].read() as conn:
        shown = await own_job(conn, request, login)
        organisation = await organisations.get(conn, organisation_id)
        offered = await job_templates.of_job(conn, organisation_id, shown.id)
        if only is None:
            board = await pipeline.board(conn, organisation_id, shown.id, now_ms=now_ms)
            columns = [_column(shown, column.stage, column.cards, column.total) for column in board]
        else:
            cards = await pipeline.in_stage(
                conn, organisation_id, shown.id, only, now_ms=now_ms, limit=STAGE_ROWS + 1, before=before
            )
            totals = await pipeline.totals(conn, organisation_id, shown.id)
            columns = [_column(shown, stage, [], totals[stage]) for stage in Stage if stage is not only]
            columns.insert(list(Stage).index(only), _column(shown, only, cards[:STAGE_ROWS], totals[only]))
            if len(cards) > STAGE_ROWS:
                last = cards[STAGE_ROWS - 1]
                older = f"{_path(shown, only)}&before={paging.written(last.stage_at_ms, last.application_id)}"
    context = JobPage(
        viewer=login.user,
        here="jobs",
        zone=organisation.zone,
        job=shown,
        columns=columns,
        only=only or "",
        total=sum(column.total for column in columns),
        stages=_stages(),
        can_send=any(each.attached and not each.archived and each.number is not None for each in offered),
        older=older,
        newest=_path(shown, only) if only is not None and before is not None else None,
        done=_done(request),
    )
    return page(request, "recruiter/job.html", context)


async def move(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/move: the chosen candidates go `to` a stage. From a profile (`back`), it leads back there."""
    pairs = await typed_pairs(request)
    fields, chosen = dict(pairs), _chosen(pairs)
    to, only = stage_named(fields.get("to", "")), stage_named(fields.get("stage", ""))
    if to is None:
        raise web.HTTPBadRequest
    async with request.app[DATABASE].write() as conn:
        of = await own_job(conn, request, login)
        known = await candidates.some(conn, login.user.organisation_id, chosen)
        moved = await _moved(conn, login, of, chosen, to, request.app[NOW_MS]())
    if fields.get("back") == "profile" and len(known) == 1:
        raise web.HTTPSeeOther(f"/candidates/{known[0].id}?done={'moved' if moved else 'there'}")
    done = f"done=moved&count={len(moved)}&to={to}" if chosen else "done=nobody"
    path = _path(of, only)
    raise web.HTTPSeeOther(f"{path}{'&' if '?' in path else '?'}{done}")


async def add_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /jobs/{job_id}/candidates; `q` searches among those who are known already."""
    return await _add_form(request, login, TypedLine(), TypedLine())


async def add(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /jobs/{job_id}/candidates: those who are ticked (`candidate`), else a new one by name and address."""
    pairs = await typed_pairs(request)
    fields, chosen, now_ms = dict(pairs), _chosen(pairs), request.app[NOW_MS]()
    name = email = TypedLine()
    if not chosen:
        name, email = name_line(fields.get("name", ""), missing=NAME_MISSING), address_line(fields.get("email", ""))
        if "name" not in fields:
            return await _add_form(request, login, TypedLine(), TypedLine(), 422, "Tick whom you want to add.")
        if name.mistake or email.mistake:
            return await _add_form(request, login, name, email, 422)
    added: list[str] = []
    try:
        async with request.app[DATABASE].write() as conn:
            to = await own_job(conn, request, login)
            if to.closed_at_ms is None:
                if not chosen:
                    made = await add_candidate(conn, login, name=name.value, email=email.value, now_ms=now_ms)
                    chosen = [made.id]
                added = await add_to_job(conn, login, to, chosen, now_ms)
    except EmailTaken:
        return await _add_form(request, login, name, email, 422)
    except NotFound:
        not_found()
    if to.closed_at_ms is not None:
        return await _add_form(request, login, name, email, 422)
    raise web.HTTPSeeOther(f"/jobs/{to.id}?done=added&count={len(added)}")


async def move_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /candidates/move: where the chosen candidates go, in one job."""
    return await _move_form(request, login, request.query.getall("candidate", []), "", "")


async def move_chosen(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /candidates/move: into a stage of a job; who has not applied to it yet is added to it."""
    pairs = await typed_pairs(request)
    fields, chosen, now_ms = dict(pairs), _chosen(pairs), request.app[NOW_MS]()
    to = stage_named(fields.get("to", ""))
    async with request.app[DATABASE].write() as conn:
        into = await jobs.by_id(conn, fields.get("job", ""), organisation_id=login.user.organisation_id)
        ready = into is not None and into.closed_at_ms is None and to is not None
        if into is not None and to is not None and ready:
            known = [each.id for each in await candidates.some(conn, login.user.organisation_id, chosen)]
            added = await add_to_job(conn, login, into, known, now_ms)
            moved = await _moved(conn, login, into, known, to, now_ms)
            changed = {*added, *(each.candidate_id for each in moved)}
    if into is None or to is None or not ready:
        mistake = "Choose one of the open jobs, and a stage."
        return await _move_form(request, login, chosen, fields.get("job", ""), mistake, to, status=422)
    raise web.HTTPSeeOther(f"/jobs/{into.id}?done=moved&count={len(changed)}&to={to}")


async def _moved(
    conn: AsyncConnection, login: Login, within: Job, chosen: list[str], to: Stage, now_ms: int
) -> list[pipeline.Moved]:
    return await pipeline.move(
        conn,
        organisation_id=login.user.organisation_id,
        job_id=within.id,
        candidate_ids=chosen,
        to=to,
        now_ms=now_ms,
        actor=f"user:{login.user.id}",
    )


async def _move_form(
    request: web.Request,
    login: Login,
    chosen: list[str],
    job_id: str,
    mistake: str,
    to: Stage | None = None,
    status: int = 200,
) -> web.Response:
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        context = MovePage(
            viewer=login.user,
            here="candidates",
            zone=organisation.zone,
            candidates=await candidates.some(conn, organisation_id, chosen),
            jobs=await job_choices(conn, organisation_id, job_id),
            stages=_stages(to),
            mistake=mistake,
        )
    return page(request, "recruiter/move.html", context, status=status)


async def _add_form(
    request: web.Request, login: Login, name: TypedLine, email: TypedLine, status: int = 200, mistake: str = ""
) -> web.Response:
    q, organisation_id = request.query.get("q", "").strip()[:LONGEST_NAME], login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        to = await own_job(conn, request, login)
        organisation = await organisations.get(conn, organisation_id)
        found = await candidate_list.page(conn, organisation_id, now_ms=request.app[NOW_MS](), q=q, limit=HITS)
        context = JobCandidatesPage(
            viewer=login.user,
            here="jobs",
            zone=organisation.zone,
            job=to,
            name=name,
            email=email,
            owner=await owner_of(conn, organisation_id, email),
            q=q,
            hits=[
                FoundCandidate(
                    row.id, row.name, row.email, STATES[row.state], any(each.job_id == to.id for each in row.jobs)
                )
                for row in found.rows
            ],
            more=max(0, found.found - len(found.rows)),
            mistake=mistake,
        )
    return page(request, "recruiter/job_candidates.html", context, status=status)


def _chosen(pairs: list[tuple[str, str]]) -> list[str]:
    """The ids of ticked candidates, each once, in the form's order; never over `pipeline.MOVE_LIMIT`."""
    return list(dict.fromkeys(value for name, value in pairs if name == "candidate" and value))[: pipeline.MOVE_LIMIT]


def _stages(chosen: Stage | None = None) -> list[Choice]:
    return [Choice(stage, STAGES[stage], stage is chosen) for stage in Stage]


def _path(of: Job, only: Stage | None) -> str:
    return f"/jobs/{of.id}?stage={only}" if only else f"/jobs/{of.id}"


def _column(of: Job, stage: Stage, cards: list[Card], total: int) -> ColumnLines:
    return ColumnLines(stage, STAGES[stage], _path(of, stage), total, [_card(card) for card in cards])


def _card(card: Card) -> CardLine:
    done = card.state is CandidateState.COMPLETED and card.invitation_id is not None
    return CardLine(
        candidate_id=card.candidate_id,
        name=card.name,
        email=card.email,
        state=STATES[card.state],
        happened=SINCE[card.state],
        at_ms=card.at_ms,
        responses=f"/interviews/{card.invitation_id}" if done else None,
    )


def _done(request: web.Request) -> str:
    """What the page before did, as a sentence; a link can make it say nothing but these."""
    done, count, to = (request.query.get(name, "") for name in ("done", "count", "to"))
    number, stage = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0, stage_named(to)
    match done:
        case "moved" if stage is not None:
            return f"{people(number)} moved to {STAGES[stage]}." if number else "They were in that stage already."
        case "added":
            return f"{people(number)} added to the job." if number else "They were in this job already."
        case _:
            return _DONE.get(done, "")
