"""The viewer's own account: name, which mails, and the password. Where one is signed in is `web.recruiter.account`."""

from __future__ import annotations

from aiohttp import web

from storage import organisations, users
from storage.logins import Login
from web import passwords
from web.forms import typed
from web.keys import DATABASE, NOW_MS, PASSWORDS
from web.recruiter.account_contexts import AccountPage
from web.recruiter.noting import note
from web.recruiter.settings import checks
from web.recruiter.settings.checks import Typed
from web.recruiter.settings.roles import LABELS
from web.rendering import page
from web.sign_in import Pause, proven

PATH = "/account"
_DONE = {
    "saved": "Saved.",
    "password": "The password was changed. Every other device was signed out.",
}
_EMPTY = "Type your current password."
_WRONG = "This is not your current password."
_SAME = "This is the password you have. Choose another."
_BUSY = "The server is busy just now. Wait a few seconds, then press the button again."


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /account."""
    return await _page(request, login)


async def save(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /account: the name, and whether a mail comes when an interview completes."""
    given = await typed(request)
    name, wants_mail = checks.line(given.get("name", ""), "Type your name."), bool(given.get("mail_on_completion"))
    if name.mistake:
        return await _page(request, login, name=name, mail_on_completion=wants_mail)
    async with request.app[DATABASE].write() as conn:
        await users.set_own(conn, login.user.id, name=name.value, mail_on_completion=wants_mail)
    raise web.HTTPSeeOther(f"{PATH}?done=saved")


async def set_password(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /account/password: the old one proves who asks; every other login ends.

    A wrong old password counts like a wrong one at the sign-in page, so an open browser is no way to guess it.
    """
    given = await typed(request)
    old, new = given.get("old", ""), given.get("new", "")
    try:
        passwords.check_new(new)
        unfit = _SAME if new == old else None
    except passwords.PasswordUnfit as error:
        unfit = str(error)
    if not old or unfit:
        return await _page(
            request, login, old_mistake=None if old else "Type your current password.", new_mistake=unfit
        )
    outcome = await proven(request, login.user.email, old)
    if isinstance(outcome, Pause):
        return await _page(request, login, old_mistake=outcome.sentence, status=429)
    if outcome is None or outcome.id != login.user.id:
        return await _page(request, login, old_mistake=_WRONG)
    try:
        hashed = await request.app[PASSWORDS].hash_new(new)
    except passwords.PasswordsBusy:
        return await _page(request, login, old_mistake=_BUSY, status=503)
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        await users.set_password(conn, login.user.id, hashed, now_ms, keep=login.id)
        await note(conn, login, "user.password", "user", login.user.id, now_ms)
    raise web.HTTPSeeOther(f"{PATH}?done=password")


async def _page(
    request: web.Request,
    login: Login,
    *,
    name: Typed | None = None,
    mail_on_completion: bool | None = None,
    old_mistake: str | None = None,
    new_mistake: str | None = None,
    status: int = 422,
) -> web.Response:
    user = login.user
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, user.organisation_id)
    context = AccountPage(
        viewer=user,
        here="account",
        zone=organisation.zone,
        name=name or Typed(user.name),
        mail_on_completion=user.mail_on_completion if mail_on_completion is None else mail_on_completion,
        role=LABELS[user.role],
        old_mistake=old_mistake,
        new_mistake=new_mistake,
        least=passwords.LEAST_CHARACTERS,
        done=_DONE.get(request.query.get("done", "")) if request.method in {"GET", "HEAD"} else None,
    )
    fine = request.method in {"GET", "HEAD"}
    return page(request, "recruiter/account.html", context, status=200 if fine else status)
