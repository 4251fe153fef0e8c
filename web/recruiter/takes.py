"""Submitted recordings for the hiring team. Every view of one is logged, with whose it was.

Logged is that a recording was opened: its first bytes were asked for. That includes the next answer, which the
review page opens ahead, so the log may name a view too many, and never one too few.
"""

from __future__ import annotations

from aiohttp import web

from storage import interviews
from storage.interviews import TakeRow
from storage.invitations import Invitation
from storage.logins import Login
from web import delivery
from web.errors import not_found
from web.keys import DATABASE, NOW_MS, RECORDINGS, VIEWS
from web.recruiter.access import own_invitation
from web.recruiter.noting import note


async def recording(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/takes/{take_id}."""
    invitation, take = await _submitted(request, login)
    now_ms = request.app[NOW_MS]()
    if request.method == "GET" and request.app[VIEWS].is_new(login.id, take.id, now_ms):
        async with request.app[DATABASE].write() as conn:
            await note(conn, login, "recording.opened", "invitation", invitation.id, now_ms, {"take": take.id})
    return delivery.recording(request.app[RECORDINGS], invitation.id, take)


async def poster(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/takes/{take_id}/poster."""
    invitation, take = await _submitted(request, login)
    return delivery.poster(request.app[RECORDINGS], invitation.id, take)


async def waveform(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}/takes/{take_id}/waveform."""
    invitation, take = await _submitted(request, login)
    return delivery.waveform(request.app[RECORDINGS], invitation.id, take)


async def _submitted(request: web.Request, login: Login) -> tuple[Invitation, TakeRow]:
    """The take and its invitation. A draft, another organisation's, or another interview's is a 404."""
    async with request.app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        take = await interviews.submitted_take(conn, invitation.id, request.match_info["take_id"])
        if take is None:
            not_found()
    return invitation, take
