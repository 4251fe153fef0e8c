"""A candidate's own answers, played back (C20, C26): kept takes of this very invitation, nothing else."""

from __future__ import annotations

from aiohttp import web

from storage import interviews
from storage.interviews import TakeRow
from web import delivery
from web.candidate.access import Visit
from web.candidate.steps import Step
from web.errors import not_found
from web.keys import DATABASE, RECORDINGS


async def recording(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/takes/{take_id}."""
    take = await _own(request, visit)
    return delivery.recording(request.app[RECORDINGS], visit.invitation.id, take)


async def poster(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/takes/{take_id}/poster."""
    take = await _own(request, visit)
    return delivery.poster(request.app[RECORDINGS], visit.invitation.id, take)


async def _own(request: web.Request, visit: Visit) -> TakeRow:
    """The take, while the interview runs on this device. Another's id, or a link that has ended, is a 404."""
    if visit.furthest is not Step.INTERVIEW:
        not_found()
    async with request.app[DATABASE].read() as conn:
        take = await interviews.own_take(conn, visit.invitation.id, request.match_info["take_id"])
    if take is None:
        not_found()
    return take
