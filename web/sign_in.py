"""Who is signed in: the sign-in page, the cookie, slowed attempts, and the way out.

A login is a row that can be revoked; the cookie holds a random token, the row its
SHA-256. Handlers for signed-in people are wrapped in `signed_in` by the route table.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import alerts, logins, users
from storage.logins import Login
from storage.states import Role
from web import attempts
from web.addresses import address_key, client_address
from web.errors import WrongRole
from web.forms import printable, typed
from web.keys import DATABASE, NOW_MS, PASSWORDS, SETTINGS
from web.passwords import PasswordsBusy
from web.rendering import UNREAD, page
from web.settings import Settings

log = logging.getLogger("greenroom.sign_in")

SignedInHandler = Callable[[web.Request, Login], Awaitable[web.StreamResponse]]

TOUCH_AFTER_MS = 60 * 1000
_DAY_MS = 24 * 60 * 60 * 1000
_NOT_SHOWN = "This had a character that cannot be shown. It was left out: check what is here now."
_DISABLED = "This account is disabled. Ask an admin of your team."
_WRONG = "This e-mail address and password do not match. Check both and try again."


@dataclass(frozen=True, slots=True)
class SignInContext:
    """For recruiter/sign_in.html. `wanted` is the local path to go to afterwards; `email_error` is of that field."""

    email: str
    wanted: str
    error: str | None
    email_error: str | None = None


def cookie_name(settings: Settings) -> str:
    """With TLS the browser itself enforces Secure and Path=/ by the prefix (RFC 6265bis §4.1.3.2)."""
    return "__Host-greenroom_login" if settings.https else "greenroom_login"


def token_sha256(token: str) -> str:
    """What the database holds of a login's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def local_path(wanted: str) -> str:
    """`wanted` if it is a path of ours, else the start page; never another site."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable() or "\\" in wanted:
        return "/interviews"
    parts = urlsplit(wanted)
    return "/interviews" if parts.scheme or parts.netloc else wanted


async def login_of(request: web.Request) -> Login | None:
    """The login that the request's cookie belongs to, if it is neither expired nor revoked."""
    token = request.cookies.get(cookie_name(request.app[SETTINGS]))
    if not token or len(token) > 128:
        return None
    now_ms = request.app[NOW_MS]()
    database = request.app[DATABASE]
    async with database.read() as conn:
        login = await logins.find(conn, token_sha256(token), now_ms)
        if login is not None:
            request[UNREAD] = await alerts.unread_count(conn, login.user.id)
    if login is not None and now_ms - login.seen_at_ms >= TOUCH_AFTER_MS:
        async with database.write() as conn:
            await logins.touch(conn, login.id, now_ms)
    return login


EVERY_ROLE = frozenset(Role)


def signed_in(handler: SignedInHandler, roles: Collection[Role] = EVERY_ROLE) -> Handler:
    """The handler for those signed in with one of `roles`, a 403 page for other roles.

    Who is not signed in is sent to the sign-in page and then back.
    """

    async def checked(request: web.Request) -> web.StreamResponse:
        login = await login_of(request)
        if login is not None:
            if login.user.role not in roles:
                raise WrongRole
            return await handler(request, login)
        if request.method not in {"GET", "HEAD"}:
            raise web.HTTPSeeOther("/sign-in")
        raise web.HTTPSeeOther(f"/sign-in?next={quote(request.path_qs, safe='')}")

    return checked


async def form(request: web.Request) -> web.StreamResponse:
    """GET /sign-in."""
    wanted = local_path(request.query.get("next", ""))
    if await login_of(request) is not None:
        raise web.HTTPSeeOther(wanted)
    return page(request, "recruiter/sign_in.html", SignInContext("", wanted, None))


async def submit(request: web.Request) -> web.StreamResponse:
    """POST /sign-in."""
    fields = await typed(request)
    email, password = fields.get("email", "").strip()[:320], fields.get("password", "")
    wanted = local_path(fields.get("next", ""))
    if not email.isprintable():
        return _again(request, printable(email), wanted, None, status=422, email_error=_NOT_SHOWN)
    if not email or not password:
        return _again(request, email, wanted, "Type your e-mail address and your password.", status=422)
    outcome = await proven(request, email, password)
    if isinstance(outcome, Pause):
        response = _again(request, email, wanted, outcome.sentence, status=429)
        response.headers["Retry-After"] = str(outcome.seconds)
        return response
    if outcome is None:
        return _again(request, email, wanted, _WRONG, status=422)
    if outcome.disabled_at_ms is not None:
        return _again(request, email, wanted, _DISABLED, status=422)
    return await let_in(request, outcome.id, wanted)


@dataclass(frozen=True, slots=True)
class Pause:
    """Attempts are refused for so long."""

    seconds: int

    @property
    def sentence(self) -> str:
        return f"There were too many attempts. Wait {_readable(self.seconds)}, then try again."


async def proven(request: web.Request, email: str, password: str) -> users.User | Pause | None:
    """Whose password it is, if it is right; None if not, which is counted; or the pause that attempts must keep.

    A disabled user is returned too, and must not be let in.
    """
    address = client_address(request, request.app[SETTINGS].proxy_networks)
    try:
        async with request.app[PASSWORDS].turn():
            return await _attempt(request, email, password, address)
    except PasswordsBusy:
        return Pause(5)


async def _attempt(request: web.Request, email: str, password: str, address: str) -> users.User | Pause | None:
    database, now_ms = request.app[DATABASE], request.app[NOW_MS]()
    tallies = attempts.tallies_of(users.folded(email), address_key(address), request.app[SETTINGS].sign_in)
    async with database.read() as conn:
        user = await users.by_email(conn, email)
        known_here = user is not None and await _is_signed_in_at(conn, user.id, address, now_ms)
        pause_s = await attempts.pause_s(conn, tallies, now_ms, known_here=known_here)
    if pause_s:
        return Pause(pause_s)
    right = await request.app[PASSWORDS].verify(user.password_hash if user else None, password)
    async with database.write() as conn:
        if user is not None and right:
            await attempts.note_success(conn, tallies)
            return user
        await attempts.note_failure(conn, tallies, now_ms)
    log.warning("failed sign-in from %s", address)
    return None


async def _is_signed_in_at(conn: AsyncConnection, user_id: str, address: str, now_ms: int) -> bool:
    here = address_key(address)
    return any(address_key(login.address) == here for login in await logins.of_user(conn, user_id, now_ms))


async def let_in(request: web.Request, user_id: str, wanted: str) -> web.StreamResponse:
    """A new login of this user on the browser that asks, and on to the local path `wanted`."""
    settings, now_ms = request.app[SETTINGS], request.app[NOW_MS]()
    token = secrets.token_urlsafe(32)
    lasts_ms = settings.sign_in.login_days * _DAY_MS
    async with request.app[DATABASE].write() as conn:
        await logins.create(
            conn,
            user_id=user_id,
            token_sha256=token_sha256(token),
            now_ms=now_ms,
            expires_at_ms=now_ms + lasts_ms,
            address=client_address(request, settings.proxy_networks),
            user_agent=request.headers.get("User-Agent", "")[:300],
        )
    response = web.Response(status=303, headers={"Location": wanted})
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=lasts_ms // 1000,
        path="/",
        secure=settings.https,
        httponly=True,
        samesite="Lax",
    )
    return response


async def sign_out(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /sign-out: the login is revoked, not only its cookie forgotten."""
    settings = request.app[SETTINGS]
    async with request.app[DATABASE].write() as conn:
        await logins.revoke(conn, login.id, login.user.id, request.app[NOW_MS]())
    response = web.Response(status=303, headers={"Location": "/sign-in"})
    response.del_cookie(cookie_name(settings), path="/", secure=settings.https, httponly=True, samesite="Lax")
    return response


def _again(
    request: web.Request, email: str, wanted: str, error: str | None, status: int, email_error: str | None = None
) -> web.Response:
    context = SignInContext(email, wanted, error, email_error)
    return page(request, "recruiter/sign_in.html", context, status=status)


def _readable(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 60 else f"{(seconds + 59) // 60} minutes"
