"""The viewer's own account: where it is signed in, and ending any of that."""

from __future__ import annotations

import re

from aiohttp import web

from storage import logins, organisations
from storage.logins import Login
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter.contexts import LoginLine, LoginsPage
from web.rendering import page

_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_ID = re.compile(r"[0-9a-f]{32}")


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /account/logins."""
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        found = await logins.of_user(conn, login.user.id, request.app[NOW_MS]())
    context = LoginsPage(
        viewer=login.user,
        here="account",
        zone=organisation.zone,
        logins=[
            LoginLine(
                id=each.id,
                device=device(each.user_agent),
                address=each.address,
                created_at_ms=each.created_at_ms,
                seen_at_ms=each.seen_at_ms,
                current=each.id == login.id,
            )
            for each in sorted(found, key=lambda each: each.id != login.id)
        ],
        ended="ended" in request.query,
    )
    return page(request, "recruiter/logins.html", context)


async def revoke(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /account/logins: ends the one named, or all but this one."""
    wanted, now_ms = (await typed(request)).get("login", ""), request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        if wanted == "others":
            await logins.revoke_all(conn, login.user.id, now_ms, keep=login.id)
        elif _ID.fullmatch(wanted):
            await logins.revoke(conn, wanted, login.user.id, now_ms)
        else:
            raise web.HTTPBadRequest
    raise web.HTTPSeeOther("/account/logins?ended")


def device(user_agent: str) -> str:
    """Like "Firefox on Windows": what the browser claims, good enough to tell one's own devices apart."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
