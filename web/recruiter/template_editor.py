"""The editor of one template: its page, and its one form with all the buttons (R2, R3, R5, R8).

A save names the draft and the revision it began from. What cannot be saved is shown again as it was typed, with what
is wrong; what a colleague did meanwhile is told, never written over unasked.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import template_drafts, templates
from storage.errors import DraftChanged, NotFound, VersionFrozen
from storage.logins import Login
from storage.template_drafts import DraftContent
from storage.templates import Template, reckoned_minutes
from web.forms import typed_pairs
from web.keys import DATABASE, NOW_MS
from web.recruiter import template_page, template_times
from web.recruiter.noting import note
from web.recruiter.template_check import checked, shown, unready
from web.recruiter.template_form import DraftForm, changed, parsed, position_of
from web.recruiter.template_page import Conflict, Typed
from web.recruiter.templates import own


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button of the form. `form` is what was typed, with what the button changed in it."""

    action: str
    version_id: str
    revision: int
    form: DraftForm
    anchor: str

    @property
    def by_itself(self) -> bool:
        """Whether the page saved without a press, and wants no page back."""
        return self.action == "autosave"


@dataclass(frozen=True, slots=True)
class Saved:
    """The draft as it is now."""

    version_id: str
    revision: int
    minutes: int


async def editor(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /templates/{template_id}: the draft to edit, or what is published to read."""
    async with request.app[DATABASE].read() as conn:
        template = await own(conn, request, login)
        return await template_page.drawn(conn, request, login, template, done=request.query.get("done", ""))


async def submit(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /templates/{template_id}."""
    press = _press(await typed_pairs(request))
    async with request.app[DATABASE].read() as conn:
        template = await own(conn, request, login)
        languages = {await _language(conn, template.id)}
    result = checked(press.form, sorted(languages))
    if result.content is None:
        return await _shown_again(request, login, press, result.mistakes, None)
    missing = unready(press.form)
    try:
        saved = await _save(request, login, template, press, result.content, publish=not missing)
    except (NotFound, VersionFrozen, DraftChanged) as error:
        return await _told(request, login, press, result.content, error)
    if press.by_itself:
        return _answer(
            {
                "version": saved.version_id,
                "revision": saved.revision,
                "minutes": saved.minutes,
                "missing": list(missing),
            }
        )
    if missing and press.action == "publish":
        return await _shown_again(request, login, press, missing, saved)
    raise web.HTTPSeeOther(f"/templates/{template.id}{_next(press, template)}")


async def _save(
    request: web.Request, login: Login, template: Template, press: Press, content: DraftContent, *, publish: bool
) -> Saved:
    """Saves, and publishes where the button says so. Raises NotFound, VersionFrozen, DraftChanged."""
    now_ms, version_id = request.app[NOW_MS](), press.version_id
    async with request.app[DATABASE].write() as conn:
        revision = press.revision
        if not version_id:
            newest = (await template_drafts.versions(conn, template.id))[0]
            if newest.published_at_ms is None:
                raise DraftChanged(newest.revision)
            fresh = await template_drafts.start(
                conn, template.id, organisation_id=template.organisation_id, now_ms=now_ms
            )
            version_id, revision = fresh.id, fresh.revision
        revision = await template_drafts.save(
            conn, version_id, template_id=template.id, from_revision=revision, content=content, now_ms=now_ms
        )
        version = await templates.version(conn, version_id)
        if publish and press.action == "publish" and template.archived_at_ms is None:
            await templates.publish(conn, version_id, now_ms)
            await note(conn, login, "template.published", "template", template.id, now_ms, {"number": version.number})
    return Saved(version_id, revision, reckoned_minutes(version.questions))


async def _shown_again(
    request: web.Request, login: Login, press: Press, mistakes: dict[str, str], saved: Saved | None
) -> web.StreamResponse:
    """The form as it was typed, each mistake beside its field; with `saved`, publishing alone has to wait."""
    if press.by_itself:
        return _answer({"mistakes": mistakes}, status=422)
    version_id = press.version_id if saved is None else saved.version_id
    revision = press.revision if saved is None else saved.revision
    typed = Typed(shown(press.form), mistakes, version_id, revision, None, kept=saved is not None)
    async with request.app[DATABASE].read() as conn:
        template = await own(conn, request, login)
        return await template_page.drawn(conn, request, login, template, typed=typed)


async def _told(
    request: web.Request, login: Login, press: Press, content: DraftContent, error: Exception
) -> web.StreamResponse:
    """What a colleague did meanwhile, and what was typed, kept on the page."""
    conflict = Conflict.CHANGED if isinstance(error, DraftChanged) else Conflict.DISCARDED
    async with request.app[DATABASE].read() as conn:
        template = await own(conn, request, login)
        if isinstance(error, VersionFrozen):
            conflict = Conflict.PUBLISHED
            published = await templates.version(conn, press.version_id)
            if template_drafts.content_of(published) == content and not press.by_itself:
                raise web.HTTPSeeOther(f"/templates/{template.id}?done=already")
        if press.by_itself:
            return _answer({"conflict": conflict.value}, status=409)
        typed = Typed(shown(press.form), {}, press.version_id, press.revision, conflict)
        return await template_page.drawn(conn, request, login, template, typed=typed)


async def _language(conn: AsyncConnection, template_id: str) -> str:
    """The language the template has, which may be none of those offered."""
    newest = (await template_drafts.versions(conn, template_id))[0]
    return (await templates.version(conn, newest.id)).language


def _press(pairs: list[tuple[str, str]]) -> Press:
    named = dict(pairs)
    action, form = named.get("action", "save"), parsed(pairs)
    after = changed(form, action)
    revision = named.get("revision", "")
    return Press(
        action=action,
        version_id=named.get("version", ""),
        revision=int(revision) if template_times.is_number(revision) else -1,
        form=form if after is None else after.form,
        anchor="" if after is None else after.anchor,
    )


def _next(press: Press, template: Template) -> str:
    """Where to look after a save."""
    if press.anchor:
        return f"#{position_of(press.form, press.anchor)}"
    match press.action:
        case "publish":
            return "?done=published" if template.archived_at_ms is None else "?done=archived"
        case "preview":
            return "/preview"
        case _:
            return "?done=saved"


def _answer(body: dict[str, object], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})
