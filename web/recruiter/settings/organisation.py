"""Settings → Organisation: the name, contact, zone and logo that candidates see (O4)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import logos, organisations
from storage.logins import Login
from storage.organisations import Organisation
from storage.states import Role
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.logo import logo_path
from web.recruiter.noting import note
from web.recruiter.settings import checks, pictures
from web.recruiter.settings.checks import Typed
from web.recruiter.settings.contexts import OrganisationPage
from web.rendering import page
from web.uploads import UploadTooLarge, uploaded

PATH = "/settings/organisation"
LOGO_PATH = f"{PATH}/logo"
_DONE = {
    "saved": "Saved. Candidates see it from now on.",
    "logo": "This is the logo now, on candidates' pages and in mails.",
    "no-logo": "The logo was removed.",
    "same": "Nothing was changed.",
}
_NO_FILE = "Choose a file first."


async def first(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings: the first page of them that the viewer may open."""
    raise web.HTTPSeeOther(PATH if login.user.role is Role.ADMIN else "/templates")


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/organisation."""
    return await _page(request, login)


async def save(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/organisation."""
    fields = _checked(await typed(request))
    if any(field.mistake for field in fields.values()):
        return await _page(request, login, fields=fields)
    values = {name: field.value for name, field in fields.items()}
    async with request.app[DATABASE].write() as conn:
        before = await organisations.get(conn, login.user.organisation_id)
        changed = [name for name, value in values.items() if value != getattr(before, name)]
        if changed:
            await organisations.edit(
                conn,
                before.id,
                name=values["name"],
                contact_name=values["contact_name"],
                contact_email=values["contact_email"],
                zone=values["zone"],
            )
            await _note(conn, login, request.app[NOW_MS](), changed)
    raise web.HTTPSeeOther(f"{PATH}?done={'saved' if changed else 'same'}")


async def save_logo(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/organisation/logo: the uploaded picture, if it is one."""
    try:
        body = await uploaded(request, "logo", most_bytes=pictures.MOST_BYTES)
        kind = pictures.picture(body) if body else None
    except UploadTooLarge:
        return await _page(request, login, logo_mistake=pictures.TOO_LARGE)
    except pictures.PictureUnfit as error:
        return await _page(request, login, logo_mistake=str(error))
    if kind is None:
        return await _page(request, login, logo_mistake=_NO_FILE)
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        await logos.put(conn, login.user.organisation_id, media_type=kind.media_type, body=body, now_ms=now_ms)
        await _note(conn, login, now_ms, ["logo"])
    raise web.HTTPSeeOther(f"{PATH}?done=logo")


async def remove_logo(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/organisation/logo/remove."""
    async with request.app[DATABASE].write() as conn:
        if await logos.remove(conn, login.user.organisation_id):
            await _note(conn, login, request.app[NOW_MS](), ["logo"])
    raise web.HTTPSeeOther(f"{PATH}?done=no-logo")


def _checked(given: Mapping[str, str]) -> dict[str, Typed]:
    """By the organisation's own names of them."""
    return {
        "name": checks.line(given.get("name", ""), "Type your organisation's name: candidates see it."),
        "contact_name": checks.line(given.get("contact_name", ""), "Type whom candidates may ask."),
        "contact_email": checks.address(given.get("contact_email", ""), "Type where candidates may write to."),
        "zone": checks.zone(given.get("zone", "")),
    }


def _as_stored(organisation: Organisation) -> dict[str, Typed]:
    return {name: Typed(getattr(organisation, name)) for name in ("name", "contact_name", "contact_email", "zone")}


async def _note(conn: AsyncConnection, login: Login, now_ms: int, changed: list[str]) -> None:
    await note(
        conn, login, "organisation.edited", "organisation", login.user.organisation_id, now_ms, {"fields": changed}
    )


async def _page(
    request: web.Request, login: Login, *, fields: dict[str, Typed] | None = None, logo_mistake: str | None = None
) -> web.StreamResponse:
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        sha256 = await logos.sha256_of(conn, organisation.id)
    shown = fields or _as_stored(organisation)
    context = OrganisationPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        name=shown["name"],
        contact_name=shown["contact_name"],
        contact_email=shown["contact_email"],
        chosen_zone=shown["zone"],
        zones=checks.zones(),
        logo=logo_path(sha256),
        logo_mistake=logo_mistake,
        most_kib=pictures.MOST_BYTES // 1024,
        done=_DONE.get(request.query.get("done", "")) if request.method in {"GET", "HEAD"} else None,
    )
    wrong = logo_mistake is not None or fields is not None
    return page(request, "recruiter/settings/organisation.html", context, status=422 if wrong else 200)
