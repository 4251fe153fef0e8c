"""Sending interviews: the form with what can be sent, the press, and what came of it for each candidate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection
from yarl import URL

from storage import dispatch, jobs, organisations, sendings, template_offers
from storage.dispatch import Order
from storage.errors import NotFound, TemplateNotAttached, VersionNotPublished
from storage.ids import new_id
from storage.logins import Login
from storage.sendings import CANDIDATES_LIMIT, Outcome, Sending, SendingRow
from storage.states import MailKind
from storage.template_offers import Offer
from web.errors import not_found
from web.forms import typed_pairs
from web.keys import DATABASE, FOLDER, NOW_MS, POST
from web.links import link_token, token_sha256
from web.recruiter import deadlines, needs, send_form
from web.recruiter.deadlines import Mistake
from web.recruiter.interview_contexts import Told
from web.recruiter.mail_wording import words
from web.recruiter.send_contexts import SendingLine, SendingPage, SendPage
from web.recruiter.send_form import SendForm
from web.recruiter.wording import Pill
from web.rendering import page
from web.sign_in import local_path

_CHOOSE = "Choose the interview to send."
_GONE = "This interview is not offered any more: its template was archived, or taken off the job. Choose another."
_NEWER = "A newer version of this template was published meanwhile. It is chosen now: look at it, then send."
_REPEATED = "This form had been sent before, so nothing was sent again. This is what came of it then."
_OUTCOMES: dict[Outcome, Pill] = {
    Outcome.SENT: Pill("Invited", "circle-check", "pill-good"),
    Outcome.OPEN_ALREADY: Pill("Skipped", "minus", ""),
    Outcome.NO_ADDRESS: Pill("Not sent", "mail-x", "pill-warn"),
}


@dataclass(frozen=True, slots=True)
class _Mistakes:
    """Sentences beside the fields of the form."""

    candidates: str | None = None
    offer: str | None = None
    day: str | None = None
    clock: str | None = None


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /send?candidate=…: whom, which interview, until when. Its sending's id is made here."""
    asked = [*request.query.items(), ("sending", new_id(request.app[NOW_MS]()))]
    typed = send_form.parse(asked) or not_found()
    async with request.app[DATABASE].read() as conn:
        context = await _page(conn, request, login, typed, _Mistakes())
    return page(request, "recruiter/send.html", context, 422 if context.candidates_error else 200)


async def submit(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /send: all of it in one transaction, once for each form; then the results, or the form with its mistakes."""
    typed = send_form.parse(await typed_pairs(request))
    if typed is None:
        raise web.HTTPBadRequest
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        before = await sendings.find(conn, typed.sending_id, organisation_id=login.user.organisation_id)
        if before is not None:
            raise web.HTTPSeeOther(await _again(conn, typed, before, login, now_ms))
        order = await _checked(conn, login, typed, now_ms)
        if isinstance(order, Order):
            try:
                await _send(conn, request, order, now_ms)
            except (TemplateNotAttached, VersionNotPublished):
                order = typed, _Mistakes(offer=_GONE)
            except NotFound:
                not_found()
        context = None if isinstance(order, Order) else await _page(conn, request, login, *order)
    if context is not None:
        return page(request, "recruiter/send.html", context, status=422)
    raise web.HTTPSeeOther(f"/sendings/{typed.sending_id}")


async def result(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /sendings/{sending_id}: what came of each candidate, with their mail as it stands now."""
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        sending = await sendings.find(
            conn, request.match_info["sending_id"], organisation_id=login.user.organisation_id
        )
        if sending is None:
            not_found()
        rows = await sendings.rows_of(conn, sending.id)
    sent = sum(row.outcome is Outcome.SENT for row in rows)
    context = SendingPage(
        viewer=login.user,
        here="interviews",
        zone=organisation.zone,
        title=_title(sent, rows),
        summary=_summary(sent, len(rows)),
        job_id=sending.job_id,
        job_title=sending.job_title,
        template_name=sending.template_name,
        expires_at_ms=sending.expires_at_ms,
        # Whoever was left out comes first: somebody has to look after them.
        lines=[_line(row, sending) for row in sorted(rows, key=lambda row: row.outcome is Outcome.SENT)],
        told=Told(False, _REPEATED, _fresh(sending, rows), "Send to them anew") if "again" in request.query else None,
    )
    return page(request, "recruiter/sending.html", context)


async def _send(conn: AsyncConnection, request: web.Request, order: Order, now_ms: int) -> None:
    secret, post = request.app[FOLDER].secret, request.app[POST]
    made = await dispatch.carry_out(
        conn,
        order,
        deliverable=send_form.deliverable,
        token_sha256_of=lambda invitation_id: token_sha256(link_token(secret, invitation_id, 1)),
        now_ms=now_ms,
    )
    if made is None:
        not_found()  # another organisation's sending has this id
    for invitation in made:
        await post.to_candidate(
            conn, invitation, MailKind.INVITATION, now_ms, once=f"{MailKind.INVITATION}:{invitation.id}"
        )


async def _checked(
    conn: AsyncConnection, login: Login, typed: SendForm, now_ms: int
) -> Order | tuple[SendForm, _Mistakes]:
    """What to send; or the form with its mistakes, all of them at once."""
    organisation = await organisations.get(conn, login.user.organisation_id)
    offers = await template_offers.offered(conn, organisation.id)
    wrong, offer = _Mistakes(), _chosen(offers, typed.offer)
    if offer is None:
        newer = _newer(offers, typed.offer, await _template_of(conn, typed.offer, organisation.id))
        wrong = replace(wrong, offer=_NEWER if newer else _GONE if typed.offer else _CHOOSE)
        typed = replace(typed, offer=send_form.offer_value(newer) if newer else "")
    if not typed.candidate_ids or len(typed.candidate_ids) > CANDIDATES_LIMIT:
        wrong = replace(wrong, candidates=_whom(len(typed.candidate_ids)))
    until = deadlines.read(typed.day, typed.clock, organisation.zone, now_ms)
    if isinstance(until, Mistake):
        wrong = replace(wrong, **{until.field: until.sentence})
    if offer is None or isinstance(until, Mistake) or wrong.candidates:
        return typed, wrong
    return Order(
        sending_id=typed.sending_id,
        organisation_id=organisation.id,
        user_id=login.user.id,
        job_id=offer.job_id,
        version_id=offer.version_id,
        candidate_ids=typed.candidate_ids,
        expires_at_ms=until,
    )


async def _page(
    conn: AsyncConnection, request: web.Request, login: Login, typed: SendForm, wrong: _Mistakes
) -> SendPage:
    """Ends with 404 when a candidate is not the organisation's."""
    organisation = await organisations.get(conn, login.user.organisation_id)
    count = len(typed.candidate_ids)
    if count == 0 or count > CANDIDATES_LIMIT:
        wrong = replace(wrong, candidates=_whom(count))
    people = await sendings.recipients(conn, organisation.id, typed.candidate_ids)
    if len(people) != min(count, CANDIDATES_LIMIT):
        not_found()
    offers = await template_offers.offered(conn, organisation.id)
    job = await jobs.by_id(conn, typed.only_job, organisation_id=organisation.id) if typed.only_job else None
    of_job = [each for each in offers if job is not None and each.job_id == job.id]
    shown = of_job or offers
    open_to = await sendings.open_invitations(conn, organisation.id, typed.candidate_ids, request.app[NOW_MS]())
    chosen = typed.offer or (send_form.offer_value(shown[0]) if len(shown) == 1 else "")
    missing = await needs.of_organisation(conn, request, login)
    if job is not None and not of_job and offers:
        missing.insert(0, needs.job_without_template(job.id, job.title, closed=job.closed_at_ms is not None))
    others = URL("/send").with_query([("candidate", each) for each in typed.candidate_ids])
    return SendPage(
        viewer=login.user,
        here="candidates",
        zone=organisation.zone,
        sending_id=typed.sending_id,
        candidates=people,
        offers=[send_form.offer_line(each, people, open_to, chosen) for each in shown],
        only_job=job.title if job is not None and of_job else None,
        all_jobs=str(others) if of_job and len(of_job) < len(offers) else None,
        job_id=typed.only_job if job is not None else "",
        day=typed.day,
        clock=typed.clock,
        offer_error=wrong.offer,
        day_error=wrong.day,
        clock_error=wrong.clock,
        candidates_error=wrong.candidates,
        needs=missing,
        back=_back(typed),
    )


async def _again(conn: AsyncConnection, typed: SendForm, before: Sending, login: Login, now_ms: int) -> str:
    """Where a form that was sent before leads: to its results, which say so if it asks for something else now."""
    path = f"/sendings/{before.id}"
    organisation = await organisations.get(conn, login.user.organisation_id)
    until = deadlines.read(typed.day, typed.clock, organisation.zone, min(now_ms, before.created_at_ms))
    same = (
        typed.offer == f"{before.job_id}.{before.version_id}"
        and until == before.expires_at_ms
        and set(typed.candidate_ids) == {row.candidate_id for row in await sendings.rows_of(conn, before.id)}
    )
    return path if same else f"{path}?again"


def _back(typed: SendForm) -> str:
    if typed.back:
        return local_path(typed.back)
    if len(typed.candidate_ids) == 1:
        return f"/candidates/{typed.candidate_ids[0]}"
    return f"/jobs/{typed.only_job}" if send_form.is_id(typed.only_job) else "/candidates"


def _whom(count: int) -> str:
    return send_form.too_many(count) if count else "Nobody is chosen. Select the candidates to send to, then send."


def _chosen(offers: list[Offer], value: str) -> Offer | None:
    return next((each for each in offers if send_form.offer_value(each) == value), None)


def _newer(offers: list[Offer], value: str, template_id: str | None) -> Offer | None:
    """The same template for the same job, in its version of now."""
    job_id = value.partition(".")[0]
    return next((each for each in offers if (each.job_id, each.template_id) == (job_id, template_id)), None)


async def _template_of(conn: AsyncConnection, value: str, organisation_id: str) -> str | None:
    version_id = value.partition(".")[2]
    if not send_form.is_id(version_id):
        return None
    return await sendings.template_of(conn, version_id, organisation_id=organisation_id)


def _title(sent: int, rows: list[SendingRow]) -> str:
    if sent == 0:
        return "Nothing was sent"
    if sent == 1:
        [name] = [row.candidate_name for row in rows if row.outcome is Outcome.SENT]
        return f"Interview sent to {name}"
    return f"{sent} interviews sent"


def _summary(sent: int, of: int) -> str:
    if sent == of:
        return "1 invitation was sent." if sent == 1 else f"All {of} candidates were invited."
    return f"{sent} of {of} candidates {'was' if sent == 1 else 'were'} invited; {of - sent} left out."


def _line(row: SendingRow, sending: Sending) -> SendingLine:
    sentence, link, label = "", "", ""
    match row.outcome:
        case Outcome.OPEN_ALREADY:
            sentence = "Has an open invitation to this template. It can be resent, with the same link."
            link, label = f"/interviews/{row.invitation_id}", "Open interview"
        case Outcome.NO_ADDRESS:
            sentence = "Mail cannot reach this e-mail address."
            link, label = f"/candidates/{row.candidate_id}", "Edit the address"
        case Outcome.SENT:
            link, label = f"/interviews/{row.invitation_id}", "Open interview"
    return SendingLine(
        candidate_id=row.candidate_id,
        candidate_name=row.candidate_name,
        candidate_email=row.candidate_email,
        invitation_id=row.invitation_id,
        outcome=_OUTCOMES[row.outcome],
        sentence=sentence,
        link=link,
        link_label=label,
        mail=words(row.mail) if row.outcome is Outcome.SENT else None,
    )


def _fresh(sending: Sending, rows: list[SendingRow]) -> str:
    """A new form for the same people."""
    asked = [("candidate", row.candidate_id) for row in rows]
    return str(URL("/send").with_query([*asked, ("job", sending.job_id)]))
