"""Settings → Privacy: the organisation's own privacy and cookie texts, per language and versioned (O3).

A changed text is a new version. Earlier ones stay as they were accepted, and can be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import organisations
from storage.errors import NotFound, NoticeChanged
from storage.logins import Login
from storage.organisations import Notice
from storage.schema import NoticeKind
from web.candidate.before_start import paragraphs
from web.errors import not_found
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.languages import FALLBACK, LANGUAGES
from web.recruiter.noting import note
from web.recruiter.settings import checks
from web.recruiter.settings.checks import Typed
from web.recruiter.settings.contexts import (
    LanguageTab,
    NoticeField,
    NoticePreview,
    NoticeVersionPage,
    PrivacyPage,
    VersionLine,
)
from web.rendering import page

PATH = "/settings/privacy"
_LABELS = {NoticeKind.PRIVACY: "Privacy notice", NoticeKind.COOKIE: "Cookies"}
_HINTS = {
    NoticeKind.PRIVACY: "Plain text; an empty line starts a new paragraph. Candidates tick that they read it.",
    NoticeKind.COOKIE: "One paragraph. Greenroom sets one essential cookie for candidates, and no other.",
}
_ROWS = {NoticeKind.PRIVACY: 14, NoticeKind.COOKIE: 4}
_KINDS = (NoticeKind.PRIVACY, NoticeKind.COOKIE)
_DONE = {
    "published": "Published. Candidates who have not accepted yet read the new text; accepted ones stay as they were.",
    "same": "Nothing was changed, so there is no new version.",
}


async def form(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/privacy; `language` is the tab."""
    language = _language(request.query.get("language", FALLBACK))
    async with request.app[DATABASE].read() as conn:
        present = await _present(conn, login, language)
        fields = [_field(kind, Typed(notice.text if notice else ""), notice) for kind, notice in present.items()]
        return await _page(request, conn, login, language, fields)


async def save(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/privacy: what differs becomes a new version; or the form again, with a preview or the mistakes.

    Of two who write at once the second is shown what the first published, and loses nothing.
    """
    given = await typed(request)
    language = _language(given.get("language", ""))
    database, now_ms = request.app[DATABASE], request.app[NOW_MS]()
    if given.get("action") == "preview" or any(text.mistake for text in _texts(given).values()):
        async with database.read() as conn:
            return await _again(request, conn, login, language, given)
    try:
        async with database.write() as conn:
            published = await _publish(conn, login, language, given, now_ms)
    except NoticeChanged:
        async with database.read() as conn:
            return await _again(request, conn, login, language, given)
    raise web.HTTPSeeOther(f"{PATH}?language={language}&done={'published' if published else 'same'}")


async def version(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/privacy/{notice_id}: one version, as candidates read and accepted it."""
    async with request.app[DATABASE].read() as conn:
        try:
            notice = await organisations.notice(conn, request.match_info["notice_id"])
        except NotFound:
            not_found()
        if notice.organisation_id != login.user.organisation_id or notice.language not in LANGUAGES:
            not_found()
        newest = await organisations.current_notice(conn, notice.organisation_id, notice.kind, notice.language)
        organisation = await organisations.get(conn, notice.organisation_id)
    context = NoticeVersionPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        label=_LABELS[notice.kind],
        language=LanguageTab(notice.language, LANGUAGES[notice.language], written=True, chosen=True),
        version=notice.version,
        at_ms=notice.created_at_ms,
        current=newest is not None and newest.id == notice.id,
        paragraphs=paragraphs(notice.text) if notice.kind is NoticeKind.PRIVACY else [notice.text],
    )
    return page(request, "recruiter/settings/notice.html", context)


async def _publish(
    conn: AsyncConnection, login: Login, language: str, given: Mapping[str, str], now_ms: int
) -> list[Notice]:
    """The new versions, of the texts that differ. Raises NoticeChanged."""
    published = []
    present = await _present(conn, login, language)
    for kind, text in _texts(given).items():
        before = present[kind]
        if before is not None and before.text == text.value:
            continue
        made = await organisations.add_notice(
            conn,
            organisation_id=login.user.organisation_id,
            kind=kind,
            language=language,
            text=text.value,
            now_ms=now_ms,
            after=_version(given.get(f"{kind}_version", "")),
        )
        await note(
            conn,
            login,
            "notice.published",
            "notice",
            made.id,
            now_ms,
            {"kind": kind, "language": language, "version": made.version},
        )
        published.append(made)
    return published


def _texts(given: Mapping[str, str]) -> dict[NoticeKind, Typed]:
    return {
        NoticeKind.PRIVACY: checks.prose(given.get("privacy", ""), "Candidates must read something: type the text."),
        NoticeKind.COOKIE: checks.prose(given.get("cookie", ""), "Say which cookies are set: type the text."),
    }


def _language(text: str) -> str:
    return text if text in LANGUAGES else FALLBACK


def _version(text: str) -> int:
    """What the form carried; -1, which is no version, for anything that is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1


async def _present(conn: AsyncConnection, login: Login, language: str) -> dict[NoticeKind, Notice | None]:
    organisation_id = login.user.organisation_id
    return {kind: await organisations.current_notice(conn, organisation_id, kind, language) for kind in _KINDS}


def _field(kind: NoticeKind, text: Typed, present: Notice | None, theirs: Notice | None = None) -> NoticeField:
    newest = 0 if present is None else present.version
    return NoticeField(kind.value, _LABELS[kind], _HINTS[kind], _ROWS[kind], text, newest, theirs)


async def _again(
    request: web.Request, conn: AsyncConnection, login: Login, language: str, given: Mapping[str, str]
) -> web.Response:
    """What was typed, with its mistakes or its preview, and with what somebody else published since it was begun."""
    present, fields = await _present(conn, login, language), []
    for kind, text in _texts(given).items():
        notice = present[kind]
        newer = notice is not None and notice.version != _version(given.get(f"{kind}_version", ""))
        theirs = notice if newer and notice is not None and notice.text != text.value else None
        fields.append(_field(kind, text, notice, theirs))
    wrong = any(field.text.mistake or field.theirs for field in fields)
    preview = None
    if given.get("action") == "preview":
        privacy, cookie = (field.text.value for field in fields)
        preview = NoticePreview(paragraphs(privacy), cookie)
    return await _page(request, conn, login, language, fields, preview=preview, status=422 if wrong else 200)


async def _page(
    request: web.Request,
    conn: AsyncConnection,
    login: Login,
    language: str,
    fields: list[NoticeField],
    *,
    preview: NoticePreview | None = None,
    status: int = 200,
) -> web.Response:
    organisation = await organisations.get(conn, login.user.organisation_id)
    current = await organisations.current_notices(conn, organisation.id)
    written = {notice.language for notice in current if notice.kind is NoticeKind.PRIVACY}
    tabs = [LanguageTab(code, name, code in written, code == language) for code, name in LANGUAGES.items()]
    context = PrivacyPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        tabs=tabs,
        language=next(tab for tab in tabs if tab.chosen),
        fields=fields,
        history=_history(await organisations.notice_history(conn, organisation.id, language), current),
        preview=preview,
        done=_DONE.get(request.query.get("done", "")) if request.method in {"GET", "HEAD"} else None,
    )
    return page(request, "recruiter/settings/privacy.html", context, status=status)


def _history(versions: list[Notice], current: list[Notice]) -> list[VersionLine]:
    newest = {notice.id for notice in current}
    return [
        VersionLine(each.id, _LABELS[each.kind], each.version, each.created_at_ms, each.id in newest)
        for each in versions
    ]
