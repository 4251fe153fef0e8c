"""The list of templates, and what is done to one as a whole (R1, R4–R7). What it holds: `template_editor`."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import organisations, template_drafts, template_list, templates
from storage.errors import DraftChanged, NotFound, OnlyVersion, VersionFrozen
from storage.logins import Login
from storage.template_list import TemplateLine
from storage.templates import Template
from web.errors import not_found
from web.forms import typed, typed_pairs
from web.keys import DATABASE, NOW_MS
from web.recruiter import template_times as times
from web.recruiter.interviews import parse_key
from web.recruiter.noting import note
from web.recruiter.template_check import LONGEST_NAME, showable
from web.recruiter.template_contexts import TemplatesPage
from web.recruiter.template_form import DEFAULT_FIELDS
from web.rendering import page

PAGE_ROWS = 50


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /templates; `archived` shows the other list, `undo` names a template archived just now."""
    return await _list_page(request, login)


async def create(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates: a new template by its name, and on to its editor."""
    named = (await typed(request)).get("name", "")
    name = " ".join(named.split())
    mistake, same = _mistake(name), None
    if mistake is None:
        now_ms, organisation_id = request.app[NOW_MS](), login.user.organisation_id
        async with request.app[DATABASE].write() as conn:
            same = await template_list.by_name(conn, organisation_id, name)
            if same is None:
                made = await templates.create(
                    conn, organisation_id=organisation_id, name=name, details_fields=DEFAULT_FIELDS, now_ms=now_ms
                )
                await _log(conn, login, made.template_id, "template.created", now_ms)
        if same is None:
            raise web.HTTPSeeOther(f"/templates/{made.template_id}?done=created")
        mistake = "There is a template with this name already."
    return await _list_page(request, login, named=showable(name), mistake=mistake, same=same, status=422)


async def draft(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}/draft: what is published, to be edited; or the draft there is."""
    template_id, now_ms = request.match_info["template_id"], request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        try:
            await template_drafts.start(conn, template_id, organisation_id=login.user.organisation_id, now_ms=now_ms)
        except NotFound:
            not_found()
    raise web.HTTPSeeOther(f"/templates/{template_id}")


async def discard(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}/discard: back to what is published. A draft saved meanwhile is not discarded."""
    fields, done = await typed(request), "discarded"
    revision = fields.get("revision", "")
    async with request.app[DATABASE].write() as conn:
        template = await own(conn, request, login)
        try:
            await template_drafts.discard(
                conn,
                fields.get("version", ""),
                template_id=template.id,
                from_revision=int(revision) if times.is_number(revision) else -1,
            )
        except DraftChanged:
            done = "not-discarded"
        except (NotFound, VersionFrozen, OnlyVersion):
            done = ""  # gone, published, or never published: the page says how it is now
    raise web.HTTPSeeOther(f"/templates/{template.id}" + (f"?done={done}" if done else ""))


async def archive(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}/archive: offered no more; its invitations go on."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        template = await own(conn, request, login)
        if await templates.archive(conn, template.id, organisation_id=template.organisation_id, now_ms=now_ms):
            await _log(conn, login, template.id, "template.archived", now_ms)
    raise web.HTTPSeeOther(f"/templates?undo={template.id}")


async def restore(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}/restore: the undo of archiving."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].write() as conn:
        template = await own(conn, request, login)
        if await templates.restore(conn, template.id, organisation_id=template.organisation_id):
            await _log(conn, login, template.id, "template.restored", now_ms)
    raise web.HTTPSeeOther(f"/templates/{template.id}?done=restored")


async def attach(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}/jobs: the ticked jobs are attached, the others that were shown detached."""
    pairs = await typed_pairs(request)
    async with request.app[DATABASE].write() as conn:
        template = await own(conn, request, login)
        await template_list.set_jobs(
            conn,
            template.id,
            organisation_id=template.organisation_id,
            chosen={value for name, value in pairs if name == "job"},
            shown={value for name, value in pairs if name == "shown"},
        )
    raise web.HTTPSeeOther(f"/templates/{template.id}?done=jobs#jobs")


async def own(conn: AsyncConnection, request: web.Request, login: Login) -> Template:
    """The template of the path, if it is the organisation's; else ends with 404."""
    try:
        return await templates.get(conn, request.match_info["template_id"], organisation_id=login.user.organisation_id)
    except NotFound:
        not_found()


def _mistake(name: str) -> str | None:
    if not name:
        return "A template needs a name."
    if len(name) > LONGEST_NAME:
        return f"This is {len(name)} characters long; at most {LONGEST_NAME} fit."
    if showable(name) != name:
        return "This had a character that cannot be shown. It was left out: check what is here now."
    return None


async def _log(conn: AsyncConnection, login: Login, template_id: str, kind: str, now_ms: int) -> None:
    await note(conn, login, kind, "template", template_id, now_ms)


async def _list_page(
    request: web.Request,
    login: Login,
    *,
    named: str = "",
    mistake: str | None = None,
    same: str | None = None,
    status: int = 200,
) -> web.StreamResponse:
    organisation_id = login.user.organisation_id
    archived, before = "archived" in request.query, parse_key(request.query.get("before", ""))
    undo: Template | None = None
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        lines = await template_list.listing(
            conn, organisation_id, archived=archived, limit=PAGE_ROWS + 1, before=before
        )
        if "undo" in request.query:
            with suppress(NotFound):
                undo = await templates.get(conn, request.query["undo"], organisation_id=organisation_id)
    shown = lines[:PAGE_ROWS]
    context = TemplatesPage(
        viewer=login.user,
        here="templates",
        zone=organisation.zone,
        lines=shown,
        archived=archived,
        older=_older(shown[-1], archived) if len(lines) > PAGE_ROWS else None,
        newest=before is None,
        named=named,
        mistake=mistake,
        same=same,
        undo=undo if undo is not None and undo.archived_at_ms is not None else None,
    )
    return page(request, "recruiter/templates.html", context, status=status)


def _older(last: TemplateLine, archived: bool) -> str:
    return f"/templates?{'archived&' if archived else ''}before={last.created_at_ms}-{last.id}"
