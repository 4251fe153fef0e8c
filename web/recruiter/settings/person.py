"""Settings → Team → one colleague: the role, a reviewer's jobs, and whether they may sign in (O2)."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import job_members, organisations, users
from storage.errors import LastAdmin, NotFound
from storage.logins import Login
from storage.states import Role
from storage.users import User
from web.errors import not_found
from web.forms import typed_pairs
from web.keys import DATABASE, NOW_MS
from web.recruiter.noting import note
from web.recruiter.settings import checks
from web.recruiter.settings.contexts import PersonPage
from web.recruiter.settings.roles import CHOICES
from web.recruiter.settings.team import PATH, person_line
from web.rendering import page

_DONE = {
    "saved": "Saved. It counts from their next page on.",
    "disabled": "Disabled. They were signed out everywhere, and cannot sign in.",
    "enabled": "Enabled. They can sign in again, with the password they had.",
}
_LAST_ADMIN = "A team needs an admin, and there is no other. Make somebody else an admin first."
_ONESELF = "You cannot disable your own account. Another admin can."
_CHOOSE = "Choose a role."


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/team/{user_id}."""
    async with request.app[DATABASE].read() as conn:
        user = await _colleague(request, conn, login)
        return await _page(request, conn, login, user)


async def save(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team/{user_id}: the role, and the jobs of a reviewer. Only a reviewer's are kept to a list."""
    pairs = await typed_pairs(request)
    ticked = {value for name, value in pairs if name == "job"}
    asked = dict(pairs).get("role", "")
    role, now_ms, database = checks.role(asked), request.app[NOW_MS](), request.app[DATABASE]
    mistake = _CHOOSE
    if role is not None:
        try:
            async with database.write() as conn:
                user = await _colleague(request, conn, login)
                await _change(conn, login, user, role, ticked, now_ms)
        except LastAdmin:
            mistake = _LAST_ADMIN
        except NotFound:
            raise web.HTTPBadRequest from None  # a job that no form of ours offered
        else:
            gave_up = user.id == login.user.id and role is not Role.ADMIN
            raise web.HTTPSeeOther("/" if gave_up else f"{PATH}/{user.id}?done=saved")
    async with database.read() as conn:
        user = await _colleague(request, conn, login)
        return await _page(request, conn, login, user, role=asked, ticked=ticked, role_mistake=mistake)


async def disable(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team/{user_id}/disable: their live logins end with it."""
    now_ms, database = request.app[NOW_MS](), request.app[DATABASE]
    mistake = _ONESELF
    if request.match_info["user_id"] != login.user.id:
        try:
            async with database.write() as conn:
                user = await _colleague(request, conn, login)
                if await users.disable(conn, user.id, organisation_id=user.organisation_id, now_ms=now_ms):
                    await _note(conn, login, user, now_ms, "user.disabled")
        except LastAdmin:
            mistake = _LAST_ADMIN
        else:
            raise web.HTTPSeeOther(f"{PATH}/{user.id}?done=disabled")
    async with database.read() as conn:
        user = await _colleague(request, conn, login)
        return await _page(request, conn, login, user, disable_mistake=mistake)


async def enable(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team/{user_id}/enable."""
    async with request.app[DATABASE].write() as conn:
        user = await _colleague(request, conn, login)
        if await users.enable(conn, user.id, organisation_id=user.organisation_id):
            await _note(conn, login, user, request.app[NOW_MS](), "user.enabled")
    raise web.HTTPSeeOther(f"{PATH}/{user.id}?done=enabled")


async def _colleague(request: web.Request, conn: AsyncConnection, login: Login) -> User:
    """The user of the path; another organisation's is as unknown as none."""
    user = await users.of_organisation(conn, request.match_info["user_id"], login.user.organisation_id)
    return user if user is not None else not_found()


async def _change(conn: AsyncConnection, login: Login, user: User, role: Role, ticked: set[str], now_ms: int) -> None:
    """Raises LastAdmin, and NotFound for a job that is not the organisation's."""
    if await users.set_role(conn, user.id, organisation_id=user.organisation_id, role=role):
        await _note(conn, login, user, now_ms, "user.role", {"from": user.role, "to": role})
    if role is Role.REVIEWER:
        offered = {job.id for job in await job_members.job_choices(conn, user.organisation_id)}
        unseen = set(await job_members.jobs_of(conn, user.id)) - offered
        await job_members.set_jobs(conn, user.id, ticked | unseen)


async def _note(
    conn: AsyncConnection, login: Login, user: User, now_ms: int, kind: str, detail: dict[str, str] | None = None
) -> None:
    await note(conn, login, kind, "user", user.id, now_ms, detail)


async def _page(
    request: web.Request,
    conn: AsyncConnection,
    login: Login,
    user: User,
    *,
    role: str | None = None,
    ticked: set[str] | None = None,
    role_mistake: str | None = None,
    disable_mistake: str | None = None,
) -> web.Response:
    organisation = await organisations.get(conn, user.organisation_id)
    seen = await users.last_seen(conn, organisation.id)
    context = PersonPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        person=person_line(user, login.user, jobs=[], seen_at_ms=seen.get(user.id)),
        roles=CHOICES,
        role=role if role is not None else user.role,
        role_mistake=role_mistake,
        jobs=await job_members.job_choices(conn, organisation.id),
        ticked=ticked if ticked is not None else set(await job_members.jobs_of(conn, user.id)),
        disable_mistake=disable_mistake,
        done=_DONE.get(request.query.get("done", "")) if request.method in {"GET", "HEAD"} else None,
    )
    status = 422 if role_mistake or disable_mistake else 200
    return page(request, "recruiter/settings/person.html", context, status=status)
