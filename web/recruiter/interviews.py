"""The list of interviews: every invitation of the organisation, with its status now."""

from __future__ import annotations

from aiohttp import web

from storage import invitations, organisations
from storage.invitations import InterviewListRow
from storage.logins import Login
from storage.states import InvitationStatus
from web.keys import DATABASE
from web.recruiter.contexts import InterviewLine, InterviewsPage
from web.recruiter.wording import STATUSES, last_step
from web.rendering import page

PAGE_ROWS = 50


async def home(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /."""
    raise web.HTTPSeeOther("/interviews")


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews, the newest first; `before` is the key of the last row of the page before."""
    before = parse_key(request.query.get("before", ""))
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        rows = await invitations.listing(conn, organisation_id, limit=PAGE_ROWS + 1, before=before)
    shown = rows[:PAGE_ROWS]
    context = InterviewsPage(
        viewer=login.user,
        here="interviews",
        zone=organisation.zone,
        lines=[_line(row) for row in shown],
        older=f"/interviews?before={format_key(shown[-1])}" if len(rows) > PAGE_ROWS else None,
        newest=before is None,
    )
    return page(request, "recruiter/interviews.html", context)


def format_key(row: InterviewListRow) -> str:
    """The place of a row in the list, for a link."""
    return f"{row.created_at_ms}-{row.id}"


def parse_key(text: str) -> tuple[int, str] | None:
    """What `format_key` wrote; None for anything else, which shows the first page."""
    created, dash, row_id = text.partition("-")
    if not (dash and created.isascii() and created.isdigit() and len(created) <= 15 and len(row_id) == 32):
        return None
    return int(created), row_id


def _line(row: InterviewListRow) -> InterviewLine:
    happened, at_ms = last_step(row)
    return InterviewLine(
        id=row.id,
        candidate_name=row.candidate_name,
        candidate_email=row.candidate_email,
        job_title=row.job_title,
        template_name=row.template_name,
        status=STATUSES[row.status],
        answered=row.answered if row.status is InvitationStatus.COMPLETED else None,
        questions=row.questions,
        happened=happened,
        at_ms=at_ms,
    )
