"""Settings → Mail: how mail leaves this server, and a trial of it. The settings themselves are the operator's file."""

from __future__ import annotations

from aiohttp import web

from storage import organisations, team_mails
from storage.logins import Login
from web.keys import DATABASE, NOW_MS, POST, SETTINGS
from web.mail.standing import standing
from web.recruiter.settings import letters
from web.recruiter.settings.contexts import MailPage, TrialLine
from web.rendering import page

PATH = "/settings/mail"
TRIALS_SHOWN = 5
NOT_AGAIN_WITHIN_MS = 10 * 1000
_SINCE_MS = 7 * 24 * 3600 * 1000


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/mail."""
    now_ms, user = request.app[NOW_MS](), login.user
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, user.organisation_id)
        found = await standing(conn, request.app[SETTINGS], organisation.id, now_ms)
        trials = await team_mails.trials(
            conn, organisation.id, user.id, since_ms=now_ms - _SINCE_MS, limit=TRIALS_SHOWN
        )
    context = MailPage(
        viewer=user,
        here="settings",
        zone=organisation.zone,
        standing=found,
        trials=[TrialLine(letters.state(each), each.reply, each.created_at_ms) for each in trials],
        done="sent" in request.query,
    )
    return page(request, "recruiter/settings/mail.html", context)


async def send_trial(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/mail: a letter to the viewer's own address; a second press at once sends none."""
    now_ms, user = request.app[NOW_MS](), login.user
    async with request.app[DATABASE].write() as conn:
        lately = await team_mails.trials(
            conn, user.organisation_id, user.id, since_ms=now_ms - NOT_AGAIN_WITHIN_MS, limit=1
        )
        if not lately:
            await request.app[POST].trial(conn, user, now_ms)
    raise web.HTTPSeeOther(f"{PATH}?sent")
