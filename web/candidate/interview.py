"""The candidate's pages from Start on: the interview, its WebSocket, the receipt, and how it may have ended."""

from __future__ import annotations

from aiohttp import web

from signaling.endpoint import live as live_socket
from storage import interviews
from storage.expiry import closes_at_ms
from web.candidate.access import Visit
from web.candidate.contexts import EndedPage, InterviewPage, ReceiptPage, Received
from web.candidate.steps import Step
from web.keys import DATABASE, HUB, SETTINGS
from web.middlewares import CAPTURE
from web.rendering import page

REFERENCE_CHARS = 8


async def interview(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/interview: the one page that may ask for camera and microphone."""
    visit.require(Step.INTERVIEW)
    settings = request.app[SETTINGS]
    context = InterviewPage(
        **visit.common(Step.INTERVIEW),
        live_path=f"{visit.base}/live",
        take_base=f"{visit.base}/",
        receipt_path=f"{visit.base}/receipt",
        relays=bool(settings.ice_servers),
        audio_only_allowed=visit.version.audio_only_allowed,
        max_bitrate_bps=settings.max_bitrate_bps,
        question_count=len(visit.version.questions),
    )
    response = page(request, "candidate/interview.html", context)
    response.headers["Permissions-Policy"] = CAPTURE
    return response


async def live(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/live: the WebSocket, for a device on which the notice was accepted."""
    if not visit.known_device or visit.furthest not in {Step.INTERVIEW, Step.RECEIPT, Step.ENDED}:
        raise web.HTTPForbidden
    return await live_socket(request, request.app[HUB], visit.invitation.id)


async def receipt(request: web.Request, visit: Visit) -> web.StreamResponse:
    """GET /i/{token}/receipt (C29)."""
    visit.require(Step.RECEIPT)
    invitation = visit.invitation
    async with request.app[DATABASE].read() as conn:
        submitted = await interviews.submitted(conn, invitation.id)
    context = ReceiptPage(
        **visit.common(Step.RECEIPT),
        received=[
            Received(
                number=answer.question.position,
                duration_ms=answer.take.duration_ms if answer.take else None,
                missed=answer.missed,
                optional_unanswered=answer.take is None and not answer.missed,
            )
            for answer in submitted
        ],
        completed_at_ms=invitation.completed_at_ms or invitation.created_at_ms,
        zone=invitation.zone,
        kept_until=None,
        reference=invitation.id[-REFERENCE_CHARS:].upper(),
    )
    return page(request, "candidate/receipt.html", context)


def ended_page(request: web.Request, visit: Visit) -> web.Response:
    """What an expired or cancelled link shows, with status 410: which of the two, and whom to contact."""
    invitation = visit.invitation
    context = EndedPage(
        **visit.common(Step.ENDED),
        status=visit.status.value,
        ended_at_ms=invitation.ended_at_ms or closes_at_ms(invitation.status, invitation.expires_at_ms),
        zone=invitation.zone,
    )
    return page(request, "candidate/ended.html", context, status=410)
