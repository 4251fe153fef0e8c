"""The list of interviews: every invitation one may see, with its status and its mail as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection
from yarl import URL

from storage import invitation_list, organisations
from storage.invitation_list import InterviewListRow, MailFact, Wanted
from storage.logins import Login
from storage.states import InvitationStatus, Role
from web.forms import printable
from web.keys import DATABASE, NOW_MS
from web.recruiter import deadlines, needs, telling
from web.recruiter.access import member_id
from web.recruiter.interview_contexts import Choice, InterviewLine, InterviewMenu, InterviewsPage
from web.recruiter.mail_wording import MAILS, reply_in_short, words
from web.recruiter.wording import STATUSES, last_step
from web.rendering import page

PAGE_ROWS = 50
_LONGEST_TEXT = 200
_FILTERS = ("status", "mail", "job", "q")


async def home(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /."""
    raise web.HTTPSeeOther("/interviews")


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews, the newest first, by status, mail, job and text.

    `before` is the key of the last row of the page before. A filter that is none filters nothing.
    """
    now_ms, organisation_id = request.app[NOW_MS](), login.user.organisation_id
    before = parse_key(request.query.get("before", ""))
    recruits = login.user.role is not Role.REVIEWER
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        job_titles = await invitation_list.jobs_with_some(conn, organisation_id, member_id=member_id(login))
        wanted = _wanted(request.query, dict(job_titles), member_id(login))
        rows = await invitation_list.listing(
            conn, organisation_id, wanted=wanted, now_ms=now_ms, limit=PAGE_ROWS + 1, before=before
        )
        told = await telling.told(conn, request, login)
        missing = [] if rows or not recruits else await needs.of_organisation(conn, request, login)
    kept = _kept(wanted)
    shown = rows[:PAGE_ROWS]
    here = _path({**kept, **({"before": request.query["before"]} if before else {})})
    context = InterviewsPage(
        viewer=login.user,
        here="interviews",
        zone=organisation.zone,
        lines=[_line(row, now_ms, organisation.zone, here if recruits else None) for row in shown],
        older=_path({**kept, "before": format_key(shown[-1])}) if len(rows) > PAGE_ROWS else None,
        newest=_path(kept) if before is not None else None,
        statuses=_choices("status", [(each.value, pill.label) for each, pill in STATUSES.items()], kept),
        mails=_choices("mail", [(fact.value, known.label) for fact, known in MAILS.items()], kept),
        jobs=_choices("job", job_titles, kept),
        status=wanted.status or "",
        text=wanted.text,
        filtered=bool(kept),
        recruits=recruits,
        needs=missing,
        told=told,
    )
    return page(request, "recruiter/interviews.html", context)


async def lines_of_candidate(
    conn: AsyncConnection, login: Login, candidate_id: str, now_ms: int, *, limit: int = PAGE_ROWS
) -> list[InterviewLine]:
    """The candidate's interviews, the newest first, for their own page: with the menu that the list's rows have."""
    organisation = await organisations.get(conn, login.user.organisation_id)
    rows = await invitation_list.listing(
        conn,
        organisation.id,
        wanted=Wanted(candidate_id=candidate_id, member_id=member_id(login)),
        now_ms=now_ms,
        limit=limit,
    )
    back = f"/candidates/{candidate_id}?tab=interviews" if login.user.role is not Role.REVIEWER else None
    return [_line(row, now_ms, organisation.zone, back) for row in rows]


def format_key(row: InterviewListRow) -> str:
    """The place of a row in the list, for a link."""
    return f"{row.created_at_ms}-{row.id}"


def parse_key(text: str) -> tuple[int, str] | None:
    """What `format_key` wrote; None for anything else, which shows the first page."""
    created, dash, row_id = text.partition("-")
    if not (dash and created.isascii() and created.isdigit() and len(created) <= 15 and len(row_id) == 32):
        return None
    return int(created), row_id


def menu(status: InvitationStatus, expires_at_ms: int | None, now_ms: int, back: str) -> InterviewMenu:
    """What can be done with an invitation that is shown with this status."""
    is_open = status in (InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS)
    return InterviewMenu(
        back=back,
        responses=status is InvitationStatus.COMPLETED,
        resend=is_open,
        extend=is_open and expires_at_ms is not None and now_ms < expires_at_ms,
        cancel=is_open,
        send_new=not is_open,
    )


def _line(row: InterviewListRow, now_ms: int, zone: str, back: str | None) -> InterviewLine:
    happened, at_ms = last_step(row)
    is_open = row.status in (InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS)
    return InterviewLine(
        id=row.id,
        candidate_id=row.candidate_id,
        candidate_name=row.candidate_name,
        candidate_email=row.candidate_email,
        job_id=row.job_id,
        job_title=row.job_title,
        template_name=row.template_name,
        status=STATUSES[row.status],
        mail=words(row.mail),
        mail_reply=reply_in_short(row.mail_reply) if row.mail in (MailFact.REFUSED, MailFact.FAILED) else "",
        answered=row.answered if row.status is InvitationStatus.COMPLETED else None,
        questions=row.questions,
        expires_at_ms=row.expires_at_ms,
        deadline=deadlines.short(row.expires_at_ms, now_ms, zone) if row.expires_at_ms is not None else "",
        left=deadlines.left(row.expires_at_ms, now_ms) if row.expires_at_ms is not None and is_open else "",
        happened=happened,
        at_ms=at_ms,
        menu=None if back is None else menu(row.status, row.expires_at_ms, now_ms, back),
    )


def _wanted(query: Mapping[str, str], job_titles: Mapping[str, str], member: str | None) -> Wanted:
    status, mail, job_id = query.get("status", ""), query.get("mail", ""), query.get("job", "")
    return Wanted(
        status=InvitationStatus(status) if status in {each.value for each in InvitationStatus} else None,
        mail=MailFact(mail) if mail in {each.value for each in MailFact} else None,
        job_id=job_id if job_id in job_titles else None,
        member_id=member,
        text=printable(query.get("q", "")).strip()[:_LONGEST_TEXT],
    )


def _kept(wanted: Wanted) -> dict[str, str]:
    """The filters that are set, as the parameters of a link."""
    values = (wanted.status, wanted.mail, wanted.job_id, wanted.text)
    return {name: str(value) for name, value in zip(_FILTERS, values, strict=True) if value}


def _choices(name: str, entries: Iterable[tuple[str, str]], kept: Mapping[str, str]) -> list[Choice]:
    chosen = kept.get(name, "")
    return [
        Choice(value, label, _path({**kept, name: value}), chosen == value) for value, label in (("", "All"), *entries)
    ]


def _path(parameters: Mapping[str, str]) -> str:
    """The list with these parameters, always in the same order; empty ones left out."""
    given = {name: parameters[name] for name in (*_FILTERS, "before") if parameters.get(name)}
    return str(URL("/interviews").with_query(given))
