"""What is done with an invitation that was sent: resend, cancel, extend, and showing its link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import invitation_list, invitations
from storage.invitations import Invitation
from storage.logins import Login
from storage.states import InvitationStatus, MailKind
from web.dates import when
from web.forms import typed
from web.keys import DATABASE, FOLDER, HUB, NOW_MS, POST, SETTINGS
from web.links import link_token
from web.recruiter import deadlines, telling
from web.recruiter.access import own_invitation
from web.recruiter.deadlines import Mistake
from web.recruiter.interview_contexts import About, CancelPage, ExtendPage, LinkPage
from web.recruiter.noting import note
from web.recruiter.send_form import deliverable
from web.recruiter.telling import News
from web.recruiter.wording import STATUSES
from web.rendering import page
from web.sign_in import local_path

RESEND_AGAIN_MS = 60 * 1000
LONGEST_REASON = 500
LONGER_DAYS = 7
_ENDS: Mapping[InvitationStatus, str] = {
    InvitationStatus.COMPLETED: "is completed",
    InvitationStatus.EXPIRED: "has expired",
    InvitationStatus.CANCELLED: "is cancelled",
}


async def resend(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/resend: the same link once more (R22), at most once a minute."""
    back, now_ms = (await typed(request)).get("back", ""), request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        invitation = await own_invitation(conn, request, login)
        news = await _resend(conn, request, login, invitation, now_ms)
    raise web.HTTPSeeOther(telling.address_of(back, news, invitation.id))


async def _resend(
    conn: AsyncConnection, request: web.Request, login: Login, invitation: Invitation, now_ms: int
) -> News:
    if not await _is_open(conn, invitation, now_ms):
        return News.NOT_RESENT
    if not deliverable(invitation.candidate_email):
        return News.NO_ADDRESS
    times, last_ms = await invitation_list.resent(conn, invitation.id)
    if last_ms is not None and now_ms - last_ms < RESEND_AGAIN_MS:
        return News.JUST_RESENT
    # The number of the resend, not the minute: two presses on both sides of a full minute are two presses still.
    once = f"{MailKind.RESENT}:{invitation.id}:{times + 1}"
    if await request.app[POST].to_candidate(conn, invitation, MailKind.RESENT, now_ms, once=once) is None:
        return News.JUST_RESENT
    await _tell(conn, login, invitation, "invitation.resent", now_ms, {})
    return News.RESENT


async def cancel_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/cancel."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        status = await _shown_status(conn, invitation, now_ms)
    return _cancel_page(request, login, invitation, status, back=request.query.get("back", ""))


async def cancel(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/cancel: for good. A recording that runs is ended once that is certain."""
    given, now_ms = await typed(request), request.app[NOW_MS]()
    back, reason = given.get("back", ""), given.get("reason", "").strip()
    async with request.app[DATABASE].write() as conn:
        invitation = await own_invitation(conn, request, login)
        status = await _shown_status(conn, invitation, now_ms)
        too_long = len(reason) > LONGEST_REASON
        done = not too_long and await invitations.cancel(conn, invitation.id, reason=reason, now_ms=now_ms)
        if done:
            await _tell(conn, login, invitation, "invitation.cancelled", now_ms, {"reason": reason})
    if done:
        await request.app[HUB].end(invitation.id)
    elif too_long or status is not InvitationStatus.CANCELLED:
        error = f"This has {len(reason)} characters; {LONGEST_REASON} is the most." if too_long else None
        return _cancel_page(request, login, invitation, status, back=back, reason=reason, error=error)
    raise web.HTTPSeeOther(telling.address_of(back, News.CANCELLED, invitation.id))


async def extend_form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/extend: a week more is suggested."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        status = await _shown_status(conn, invitation, now_ms)
    day, clock = "", ""
    if invitation.expires_at_ms is not None:
        suggested_ms = deadlines.later(invitation.expires_at_ms, LONGER_DAYS, invitation.zone)
        day, clock = deadlines.fields(suggested_ms, invitation.zone)
    context = _extend_page(request, login, invitation, status, request.query.get("back", ""), day, clock)
    return page(request, "recruiter/extend.html", context)


async def extend(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/extend: a later deadline, while the old one stands; the candidate is told by mail."""
    given, now_ms = await typed(request), request.app[NOW_MS]()
    back, day, clock = given.get("back", ""), given.get("day", "")[:40], given.get("clock", "")[:40]
    async with request.app[DATABASE].write() as conn:
        before = await own_invitation(conn, request, login)
        until = await _later_deadline(conn, before, deadlines.read(day, clock, before.zone, now_ms))
        done = isinstance(until, int) and await _extend(conn, request, login, before, until, now_ms)
        status = await _shown_status(conn, before, now_ms)
    if done:
        request.app[HUB].changed(before.id)
    elif until is not None or status not in invitations.OPEN:
        context = _extend_page(request, login, before, status, back, day, clock)
        if isinstance(until, Mistake) and until.field == "day":
            context = replace(context, day_error=until.sentence)
        elif isinstance(until, Mistake):
            context = replace(context, clock_error=until.sentence)
        return page(request, "recruiter/extend.html", context, status=409 if context.refused else 422)
    raise web.HTTPSeeOther(telling.address_of(back, News.EXTENDED, before.id))


async def _extend(
    conn: AsyncConnection, request: web.Request, login: Login, before: Invitation, until_ms: int, now_ms: int
) -> bool:
    if not await invitations.extend(conn, before.id, expires_at_ms=until_ms, now_ms=now_ms):
        return False
    await _tell(conn, login, before, "invitation.extended", now_ms, {"from": before.expires_at_ms, "to": until_ms})
    after = await invitations.get(conn, before.id)
    if deliverable(after.candidate_email):
        await request.app[POST].to_candidate(conn, after, MailKind.EXTENDED, now_ms, once=_extended_to(after))
    return True


async def link(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/link: the candidate's own link, to be handed on in another way."""
    now_ms, app = request.app[NOW_MS](), request.app
    async with app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        status = await _shown_status(conn, invitation, now_ms)
    token = link_token(app[FOLDER].secret, invitation.id, invitation.generation)
    context = LinkPage(
        viewer=login.user,
        here="interviews",
        zone=invitation.zone,
        about=_about(invitation, status, now_ms),
        back=local_path(request.query.get("back", "")),
        url=f"{app[SETTINGS].origin}/i/{token}",
        open=status in invitations.OPEN,
    )
    return page(request, "recruiter/link.html", context)


async def _later_deadline(
    conn: AsyncConnection, before: Invitation, until: int | Mistake | None
) -> int | Mistake | None:
    """The deadline asked for, or what is wrong with it; None if a press just before this one made it so."""
    if until is None:
        return Mistake("day", "Choose the new date.")
    if isinstance(until, Mistake) or before.expires_at_ms is None or until > before.expires_at_ms:
        return until
    if until == before.expires_at_ms and await invitation_list.was_posted(conn, _extended_to(before)):
        return None
    return Mistake("day", f"This is not later than the deadline of now, {when(before.expires_at_ms, before.zone)}.")


def _extended_to(invitation: Invitation) -> str:
    """The name of the one mail that tells of this deadline."""
    return f"{MailKind.EXTENDED}:{invitation.id}:{invitation.expires_at_ms}"


async def _is_open(conn: AsyncConnection, invitation: Invitation, now_ms: int) -> bool:
    return await _shown_status(conn, invitation, now_ms) in invitations.OPEN


async def _shown_status(conn: AsyncConnection, invitation: Invitation, now_ms: int) -> InvitationStatus:
    """As it stands at this moment, whether or not the sweep has been there."""
    closed = invitation.status in invitations.OPEN and await invitation_list.has_closed(conn, invitation.id, now_ms)
    return InvitationStatus.EXPIRED if closed else invitation.status


def _about(invitation: Invitation, status: InvitationStatus, now_ms: int) -> About:
    expires_at_ms = invitation.expires_at_ms
    return About(
        id=invitation.id,
        candidate_id=invitation.candidate_id,
        candidate_name=invitation.candidate_name,
        job_id=invitation.job_id,
        job_title=invitation.job_title,
        template_name=invitation.template_name,
        status=STATUSES[status],
        active=status is InvitationStatus.IN_PROGRESS,
        expires_at_ms=expires_at_ms,
        deadline=when(expires_at_ms, invitation.zone) if expires_at_ms is not None else "",
        left=deadlines.left(expires_at_ms, now_ms) if expires_at_ms is not None else "",
    )


def _cancel_page(
    request: web.Request,
    login: Login,
    invitation: Invitation,
    status: InvitationStatus,
    *,
    back: str,
    reason: str = "",
    error: str | None = None,
) -> web.StreamResponse:
    ended = None if status in invitations.OPEN else f"This interview {_ENDS[status]} already."
    context = CancelPage(
        viewer=login.user,
        here="interviews",
        zone=invitation.zone,
        about=_about(invitation, status, request.app[NOW_MS]()),
        back=local_path(back),
        reason=reason,
        reason_error=error,
        longest=LONGEST_REASON,
        ended=ended,
    )
    code = 409 if ended and request.method == "POST" else 422 if error else 200
    return page(request, "recruiter/cancel.html", context, status=code)


def _extend_page(
    request: web.Request,
    login: Login,
    invitation: Invitation,
    status: InvitationStatus,
    back: str,
    day: str,
    clock: str,
) -> ExtendPage:
    now_ms = request.app[NOW_MS]()
    return ExtendPage(
        viewer=login.user,
        here="interviews",
        zone=invitation.zone,
        about=_about(invitation, status, now_ms),
        back=local_path(back),
        day=day,
        clock=clock,
        day_error=None,
        clock_error=None,
        refused=_why_not_extended(invitation, status, now_ms),
    )


def _why_not_extended(invitation: Invitation, status: InvitationStatus, now_ms: int) -> str | None:
    if status not in invitations.OPEN:
        return f"This interview {_ENDS[status]}, so its deadline cannot be changed any more."
    if invitation.expires_at_ms is None:
        return "This interview has no deadline, so there is none to extend."
    if invitation.expires_at_ms <= now_ms:
        return "The deadline has passed. It can be extended before it passes, and not after."
    return None


async def _tell(
    conn: AsyncConnection,
    login: Login,
    invitation: Invitation,
    kind: str,
    now_ms: int,
    detail: dict[str, str | int | None],
) -> None:
    await note(conn, login, kind, "invitation", invitation.id, now_ms, dict(detail))
