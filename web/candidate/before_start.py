"""The candidate's pages up to Start: notice, details, introduction (C5 to C10). Forms in, pages out."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, invitations, organisations
from storage.invitations import Invitation
from storage.organisations import Notice
from storage.schema import NoticeKind
from storage.templates import reckoned_minutes
from web.candidate import form
from web.candidate.access import DEVICE_COOKIE, Visit, visit_of
from web.candidate.contexts import DetailsPage, Field, IntroductionPage, NoticePage, Summary
from web.candidate.interview import ended_page
from web.candidate.steps import Step
from web.forms import typed
from web.keys import DATABASE, FOLDER, HUB, NOW_MS, SETTINGS
from web.links import device_mark
from web.rendering import page

FALLBACK_LANGUAGE = "en"
DEVICE_KEPT_S = 180 * 24 * 3600
_START_REFUSED = "The interview could not be started just now. Try again in a moment."


async def link(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}: on to the step reached, or the page that says how it ended."""
    if visit.furthest is Step.ENDED:
        return ended_page(request, visit)
    raise web.HTTPSeeOther(visit.path(visit.furthest))


async def notice_form(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/notice."""
    visit.require(Step.NOTICE)
    return await _notice_page(request, visit, None)


async def accept_notice(request: web.Request, visit: Visit) -> web.StreamResponse:
    """POST /i/{token}/notice: both texts are accepted by the one press; this device is marked.

    A consent names a text that was shown: a form that names another than the current one is shown again.
    """
    visit.require(Step.NOTICE)
    fields = await typed(request)
    app, now_ms = request.app, request.app[NOW_MS]()
    async with app[DATABASE].write() as conn:
        notices = await _notices(conn, visit)
        shown = all(fields.get(f"{notice.kind}_notice") == notice.id for notice in notices)
        if shown and fields.get("privacy"):
            await _accept(conn, visit.invitation, notices, now_ms)
    if not shown:
        return await _notice_page(request, visit, None, changed=True)
    if not fields.get("privacy"):
        return await _notice_page(request, visit, "Tick the box to go on: nothing is asked of you before that.")
    response = web.Response(status=303, headers={"Location": visit.base})
    response.set_cookie(
        DEVICE_COOKIE,
        device_mark(app[FOLDER].secret, visit.invitation.id, visit.invitation.generation),
        max_age=DEVICE_KEPT_S,
        path=visit.base,
        secure=app[SETTINGS].https,
        httponly=True,
        samesite="Lax",
    )
    return response


async def _accept(conn: AsyncConnection, invitation: Invitation, notices: list[Notice], now_ms: int) -> None:
    for notice in notices:
        if await invitations.accept_notice(conn, invitation.id, notice_id=notice.id, now_ms=now_ms):
            await events.append(
                conn,
                organisation_id=invitation.organisation_id,
                at_ms=now_ms,
                actor=f"candidate:{invitation.id}",
                kind="notice.accepted",
                subject_kind="invitation",
                subject_id=invitation.id,
                detail={"kind": notice.kind, "version": notice.version, "language": notice.language},
            )


async def details_form(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/details."""
    visit.require(Step.DETAILS)
    invitation = visit.invitation
    fields = form.prefilled(
        visit.version.details_fields, invitation.details, invitation.candidate_name, invitation.candidate_email
    )
    return _details_page(request, visit, fields, 200)


async def save_details(request: web.Request, visit: Visit) -> web.StreamResponse:
    """POST /i/{token}/details: saved whole, or shown again with each mistake beside its field."""
    visit.require(Step.DETAILS)
    fields = form.checked(visit.version.details_fields, await typed(request))
    if any(field.error for field in fields):
        return _details_page(request, visit, fields, 422)
    async with request.app[DATABASE].write() as conn:
        await invitations.save_details(
            conn,
            visit.invitation.id,
            details={field.name: field.value for field in fields},
            now_ms=request.app[NOW_MS](),
        )
    raise web.HTTPSeeOther(visit.base)


async def introduction(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/introduction."""
    visit.require(Step.INTRODUCTION)
    return _introduction_page(request, visit, None, 200)


async def start(request: web.Request, visit: Visit) -> web.StreamResponse:
    """POST /i/{token}/start: the one press that makes the interview active."""
    if visit.furthest is Step.INTERVIEW:
        raise web.HTTPSeeOther(visit.path(Step.INTERVIEW))
    visit.require(Step.INTRODUCTION)
    if not await request.app[HUB].start_interview(visit.invitation.id):
        now = await visit_of(request, visit.token)  # another press, or its end, may have come between
        if now.furthest is Step.INTRODUCTION:
            return _introduction_page(request, now, _START_REFUSED, 409)
        raise web.HTTPSeeOther(now.path(now.furthest))
    raise web.HTTPSeeOther(visit.path(Step.INTERVIEW))


def paragraphs(text: str) -> list[str]:
    """The text at its empty lines."""
    return [" ".join(part.split()) for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


async def _notices(conn: AsyncConnection, visit: Visit) -> list[Notice]:
    """The present privacy and cookie texts, in this order."""
    return [await _notice(conn, visit, kind) for kind in (NoticeKind.PRIVACY, NoticeKind.COOKIE)]


async def _notice(conn: AsyncConnection, visit: Visit, kind: NoticeKind) -> Notice:
    """The present text in the interview's language, else in English. Raises LookupError: an organisation has both."""
    for language in (visit.version.language, FALLBACK_LANGUAGE):
        found = await organisations.current_notice(conn, visit.invitation.organisation_id, kind, language)
        if found is not None:
            return found
    raise LookupError(f"organisation {visit.invitation.organisation_id} has no {kind} notice")


async def _notice_page(request: web.Request, visit: Visit, error: str | None, *, changed: bool = False) -> web.Response:
    async with request.app[DATABASE].read() as conn:
        privacy, cookie = await _notices(conn, visit)
    context = NoticePage(
        **visit.common(Step.NOTICE),
        privacy_id=privacy.id,
        privacy_language=privacy.language,
        privacy_text=paragraphs(privacy.text),
        cookie_id=cookie.id,
        cookie_language=cookie.language,
        cookie_text=cookie.text,
        changed=changed,
        error=error,
        ticked=False,
    )
    return page(request, "candidate/notice.html", context, status=422 if error or changed else 200)


def _details_page(request: web.Request, visit: Visit, fields: list[Field], status: int) -> web.Response:
    context = DetailsPage(**visit.common(Step.DETAILS), fields=fields)
    return page(request, "candidate/details.html", context, status=status)


def _introduction_page(request: web.Request, visit: Visit, error: str | None, status: int) -> web.Response:
    questions = visit.version.questions
    context = IntroductionPage(
        **visit.common(Step.INTRODUCTION),
        introduction=paragraphs(visit.version.introduction),
        question_count=len(questions),
        total_minutes=reckoned_minutes(questions),
        summaries=[
            Summary(question.position, question.think_s, question.limit_s, question.retakes, question.required)
            for question in questions
        ],
        error=error,
    )
    return page(request, "candidate/introduction.html", context, status=status)
