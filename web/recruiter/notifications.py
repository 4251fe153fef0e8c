"""The bell (R31): what the viewer was told, the newest first, and marking it read."""

from __future__ import annotations

from aiohttp import web

from storage import alerts, organisations
from storage.logins import Login
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter.review_contexts import NotificationsPage
from web.rendering import page

PAGE_ALERTS = 50


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /notifications; `before` is the sequence of the last line of the page before."""
    before = _sequence(request.query.get("before", ""))
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        found = await alerts.listing(conn, login.user.id, limit=PAGE_ALERTS + 1, before=before)
    shown = found[:PAGE_ALERTS]
    context = NotificationsPage(
        viewer=login.user,
        here="notifications",
        zone=organisation.zone,
        alerts=shown,
        through=shown[0].sequence if shown else 0,
        fresh=any(alert.read_at_ms is None for alert in shown),
        newest=before is None,
        older=f"/notifications?before={shown[-1].sequence}" if len(found) > PAGE_ALERTS else None,
    )
    return page(request, "recruiter/notifications.html", context)


async def read(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /notifications/read: everything up to `through`, which is what the page showed."""
    through = _sequence((await typed(request)).get("through", ""))
    if through is None:
        raise web.HTTPBadRequest
    async with request.app[DATABASE].write() as conn:
        await alerts.mark_read(conn, login.user.id, request.app[NOW_MS](), through=through)
    raise web.HTTPSeeOther("/notifications")


def _sequence(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
