"""The settings of the organisation: its name, logo, texts and mail, with every bad input that they can get."""

from __future__ import annotations

import html
import struct

import pytest
from aiohttp import FormData
from sqlalchemy import select

from storage import organisations
from storage.organisations import Notice
from storage.schema import NoticeKind, notices
from storage.states import MailKind, Role
from tests.web.team_world import another_browser, chunk, field_value, letters, png, signed_in, told
from tests.web.world import Site, text_of
from web.keys import DATABASE
from web.recruiter.settings import pictures
from web.recruiter.settings.checks import LONGEST_PROSE

ORGANISATION = {
    "name": "Meadow & Daughters",
    "contact_name": "Sam Berg",
    "contact_email": "sam@meadow.example",
    "zone": "Europe/Helsinki",
}
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x20\x00\x40\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9"
)


def webp(kind: bytes = b"VP8L", head: bytes = b"\x2f\x1f\xc0\x07\x00\x00\x00\x00\x00\x00") -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(head)) + head
    return b"RIFF" + struct.pack("<I", len(body)) + body


def logo_form(body: bytes, name: str = "logo", filename: str = "logo.png") -> FormData:
    form = FormData(default_to_multipart=True)
    form.add_field(name, body, filename=filename, content_type="image/png")
    return form


async def upload(site: Site, body: bytes) -> tuple[int, str]:
    response = await site.client.post("/settings/organisation/logo", data=logo_form(body), allow_redirects=False)
    return response.status, text_of(await response.text())


async def test_an_admin_changes_what_candidates_see_of_the_company(site: Site) -> None:
    user = await signed_in(site, Role.ADMIN)
    saved = await site.post("/settings/organisation", ORGANISATION)
    assert (saved.status, saved.headers["Location"]) == (303, "/settings/organisation?done=saved")
    page = await (await site.get(saved.headers["Location"])).text()
    assert "Saved" in page
    assert field_value(page, "contact_name") == "Sam Berg"
    assert "<option selected>Europe/Helsinki</option>" in page
    candidate = await (await site.get(f"{site.link}/notice")).text()
    assert "Meadow &amp; Daughters" in candidate
    assert "mailto:sam@meadow.example" in candidate
    [event] = await told(site, "organisation", site.invitation.organisation_id)
    assert (event.kind, event.actor) == ("organisation.edited", f"user:{user.id}")
    assert event.detail == {"fields": ["name", "contact_name", "contact_email", "zone"]}


async def test_saving_what_is_there_already_changes_nothing_and_says_so(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await site.post("/settings/organisation", ORGANISATION)
    again = await site.post("/settings/organisation", ORGANISATION)
    assert again.headers["Location"].endswith("done=same")
    assert len(await told(site, "organisation", site.invitation.organisation_id)) == 1


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "  ", "Type your organisation's name"),
        ("name", "Meadow\nStudio", "the line break was left out"),
        ("name", "Meadow\x07Studio", "cannot be shown"),
        ("name", "M" * 201, "201 characters long"),
        ("contact_name", "", "Type whom candidates may ask"),
        ("contact_email", "sam", "It looks like name@example.com"),
        ("contact_email", "sam@", "It looks like name@example.com"),
        ("contact_email", "sam@meadow", "It looks like name@example.com"),
        ("contact_email", "sam@meadow.example\r\nBcc: all@example.com", "the line break was left out"),
        ("contact_email", "sam@meadow..example", "is not the name of a mail server"),
        ("zone", "Europe/Atlantis", "Choose a time zone"),
    ],
)
async def test_a_mistake_is_said_beside_its_field_and_nothing_typed_is_lost(
    site: Site, field: str, typed: str, sentence: str
) -> None:
    await signed_in(site, Role.ADMIN)
    response = await site.post("/settings/organisation", ORGANISATION | {field: typed})
    page = await response.text()
    assert response.status == 422
    assert sentence in html.unescape(text_of(page))
    assert f'id="{field}-mistake"' in page
    assert page.count('aria-invalid="true"') == 1
    for name in {"name", "contact_name", "contact_email"} - {field}:
        assert html.unescape(field_value(page, name)) == ORGANISATION[name]
    assert "\n" not in field_value(page, "name") + field_value(page, "contact_email")
    async with site.app[DATABASE].read() as conn:
        assert (await organisations.get(conn, site.invitation.organisation_id)).name == "Meadow Studio"


@pytest.mark.parametrize(("body", "media_type"), [(png(), "image/png"), (JPEG, "image/jpeg"), (webp(), "image/webp")])
async def test_a_logo_is_shown_to_candidates_under_its_hash_and_can_do_nothing_else(
    site: Site, body: bytes, media_type: str
) -> None:
    await signed_in(site, Role.ADMIN)
    assert (await upload(site, body))[0] == 303
    settings = await (await site.get("/settings/organisation?done=logo")).text()
    candidate = await (await another_browser(site).get(f"{site.link}/notice")).text()
    path = candidate.split('class="company-logo" src="')[1].split('"')[0]
    assert f'src="{path}"' in settings
    picture = await another_browser(site).get(path)
    assert (picture.status, await picture.read()) == (200, body)
    assert picture.headers["Content-Type"] == media_type
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in picture.headers["Cache-Control"]
    await site.post("/settings/organisation/logo/remove")
    assert "company-logo" not in await (await another_browser(site).get(f"{site.link}/notice")).text()
    assert (await another_browser(site).get(path)).status == 404


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BAD_LOGOS = {
    "svg with a script": (SVG, "can carry programs"),
    "svg after spaces": (b"  \n" + SVG.upper(), "can carry programs"),
    "a web page": (b"<!doctype html><script>alert(1)</script>", "not a PNG, JPEG or WebP"),
    "a gif": (b"GIF89a" + bytes(40), "not a PNG, JPEG or WebP"),
    "a page with a picture's first bytes": (b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", "damaged"),
    "a picture with a page after it": (png() + b"<script>alert(1)</script>", "damaged"),
    "half a picture": (png()[:60], "damaged"),
    "a changed picture": (png().replace(b"IHDR\x00", b"IHDR\x01"), "damaged"),
    "a moving png": (png(extra=chunk(b"acTL", bytes(8))), "stands still"),
    "a moving webp": (webp(b"VP8X", b"\x02" + bytes(9)), "stands still"),
    "a webp of another length": (webp() + b"more", "damaged"),
    "half a jpeg": (JPEG[:-2], "damaged"),
    "a jpeg without a size": (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "damaged"),
    "a jpeg that stops": (b"\xff\xd8\xff\xff\xd9", "damaged"),
    "a picture without pixels": (png(0, 0), "damaged"),
    "a picture too wide": (png(pictures.MOST_SIDE + 1, 1), "4096 pixels"),
    "nothing": (b"", "Choose a file first"),
    "a file too large": (png() + bytes(pictures.MOST_BYTES), "larger than 256 KiB"),
    "a file far too large": (bytes(2_000_000), "larger than 256 KiB"),
}


@pytest.mark.parametrize("name", BAD_LOGOS)
async def test_what_cannot_be_a_logo_is_refused_with_the_reason(site: Site, name: str) -> None:
    await signed_in(site, Role.ADMIN)
    body, sentence = BAD_LOGOS[name]
    status, page = await upload(site, body)
    assert status == 422
    assert sentence in page
    assert "No logo yet" in page


async def test_an_upload_that_is_no_such_form_is_a_bad_request(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    path = "/settings/organisation/logo"
    other = await site.client.post(path, data=logo_form(png(), name="other"), allow_redirects=False)
    assert other.status == 400
    assert (await site.post(path, {"logo": "text"})).status == 400
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await site.client.post(path, data=b"--y\r\nnonsense", headers=broken)).status == 400
    assert (await site.client.post(path, data=b"", headers={"Content-Type": "multipart/form-data"})).status == 400


@pytest.mark.parametrize(
    "head",
    [
        b"A" * 20_000 + b": b",
        b"Content Disposition\x00: form-data",
        b"\r\n".join(b"h%d: v" % number for number in range(5000)),
        b'Content-Disposition: form-data; name="logo"\r\nContent-Length: -5',
    ],
)
async def test_an_upload_whose_head_cannot_be_read_is_a_bad_request_too(site: Site, head: bytes) -> None:
    await signed_in(site, Role.ADMIN)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    body = b"--x\r\n" + head + b"\r\n\r\nabc\r\n--x--\r\n"
    assert (await site.client.post("/settings/organisation/logo", data=body, headers=kind)).status in {400, 422}


@pytest.mark.parametrize("path", ["/logo/abc", "/logo/" + "0" * 64, "/logo/" + "g" * 64])
async def test_an_unknown_logo_is_not_found(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 404


async def current(site: Site, kind: NoticeKind = NoticeKind.PRIVACY, language: str = "en") -> Notice:
    async with site.app[DATABASE].read() as conn:
        found = await organisations.current_notice(conn, site.invitation.organisation_id, kind, language)
    assert found is not None
    return found


async def privacy_form(site: Site, language: str = "en") -> dict[str, str]:
    """The form as it is shown now."""
    page = await (await site.get(f"/settings/privacy?language={language}")).text()
    texts = {
        name: html.unescape(page.split(f'name="{name}"')[1].split(">\n", 1)[1].split("</textarea>")[0])
        for name in ("privacy", "cookie")
    }
    versions = {name: field_value(page, name) for name in ("privacy_version", "cookie_version")}
    return {"language": field_value(page, "language"), "action": "publish", **texts, **versions}


async def test_a_changed_text_is_a_new_version_and_what_was_accepted_stays(site: Site) -> None:
    await site.accept_notice()
    before = await current(site)
    user = await signed_in(site, Role.ADMIN)
    form = await privacy_form(site)
    assert form["privacy"] == before.text
    published = await site.post("/settings/privacy", form | {"privacy": "We keep less.\r\n\r\nAsk us."})
    assert published.headers["Location"] == "/settings/privacy?language=en&done=published"
    now = await current(site)
    assert (now.version, now.text) == (2, "We keep less.\n\nAsk us.")
    assert (await current(site, NoticeKind.COOKIE)).version == 1
    [event] = await told(site, "notice", now.id)
    assert (event.kind, event.actor) == ("notice.published", f"user:{user.id}")
    assert event.detail == {"kind": "privacy", "language": "en", "version": 2}
    settings = await (await site.get(published.headers["Location"])).text()
    assert "Privacy notice, version 2" in settings
    old = text_of(await (await site.get(f"/settings/privacy/{before.id}")).text())
    assert "version 1" in old
    assert "Current" not in old
    assert before.text.split("\n\n")[0] in html.unescape(old)


async def test_a_text_that_changed_while_a_candidate_reads_it_is_shown_to_them_anew(site: Site) -> None:
    candidate = another_browser(site)
    shown = await (await candidate.get(f"{site.link}/notice")).text()
    await signed_in(site, Role.ADMIN)
    await site.post("/settings/privacy", await privacy_form(site) | {"privacy": "Other words."})
    old = {name: field_value(shown, name) for name in ("privacy_notice", "cookie_notice")}
    again = await candidate.post(f"{site.link}/notice", data=old | {"privacy": "yes"}, allow_redirects=False)
    assert again.status == 422
    page = await again.text()
    assert "Other words." in page
    assert "changed this text while it was open" in page


async def test_a_text_in_another_language_is_marked_as_such(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    empty = await (await site.get("/settings/privacy?language=fi")).text()
    assert "There is no text in this language yet" in empty
    form = await privacy_form(site, "fi")
    assert (form["language"], form["privacy_version"], form["privacy"]) == ("fi", "0", "")
    typed = form | {"privacy": "Säilytämme vähän.", "cookie": "Yksi eväste."}
    assert (await site.post("/settings/privacy", typed)).status == 303
    assert (await current(site, language="fi")).text == "Säilytämme vähän."
    assert (await current(site)).version == 1
    page = await (await site.get("/settings/privacy?language=fi")).text()
    assert '<textarea id="privacy" name="privacy" rows="14" lang="fi"' in page
    assert (await privacy_form(site, "xx"))["language"] == "en"


async def test_a_preview_shows_the_text_as_candidates_read_it_and_publishes_nothing(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    typed = await privacy_form(site) | {"privacy": "One.\n\nTwo <b>two</b>.", "action": "preview"}
    response = await site.post("/settings/privacy", typed)
    page = await response.text()
    assert response.status == 200
    assert "<p>One.</p>" in page
    assert "<p>Two &lt;b&gt;two&lt;/b&gt;.</p>" in page
    assert "Not published yet" in page
    assert (await current(site)).version == 1


async def test_of_two_admins_who_publish_at_once_the_second_is_told_and_loses_nothing(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    form = await privacy_form(site)
    await site.post("/settings/privacy", form | {"privacy": "Theirs."})
    response = await site.post("/settings/privacy", form | {"privacy": "Mine."})
    page = await response.text()
    assert response.status == 422
    assert "Somebody published version 2" in page
    assert "Theirs." in page
    assert ">\nMine.</textarea>" in page
    assert (await current(site)).text == "Theirs."
    again = form | {"privacy": "Mine.", "privacy_version": field_value(page, "privacy_version")}
    assert (await site.post("/settings/privacy", again)).status == 303
    assert ((await current(site)).version, (await current(site)).text) == (3, "Mine.")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [(" \r\n ", "type the text"), ("A" * (LONGEST_PROSE + 1), "characters long"), ("A\x00B", "cannot be shown")],
)
async def test_a_text_that_cannot_stand_is_said_beside_its_field(site: Site, typed: str, sentence: str) -> None:
    await signed_in(site, Role.ADMIN)
    response = await site.post("/settings/privacy", await privacy_form(site) | {"privacy": typed, "cookie": "One."})
    page = await response.text()
    assert response.status == 422
    assert sentence in page
    assert ">\nOne.</textarea>" in page
    assert (await current(site, NoticeKind.COOKIE)).version == 1


async def test_an_unchanged_text_makes_no_version(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    response = await site.post("/settings/privacy", await privacy_form(site))
    assert response.headers["Location"].endswith("done=same")
    assert (await current(site)).version == 1


async def test_another_organisations_notice_is_not_found(site: Site) -> None:
    await site.another_organisations_recruiter()
    async with site.app[DATABASE].read() as conn:
        others = select(notices.c.id).where(notices.c.organisation_id != site.invitation.organisation_id)
        theirs = await conn.scalar(others.limit(1))
    assert theirs is not None
    await signed_in(site, Role.ADMIN)
    assert (await site.get(f"/settings/privacy/{theirs}")).status == 404
    assert (await site.get("/settings/privacy/nothing")).status == 404


async def test_the_mail_page_says_how_it_stands_and_sends_one_trial_for_two_presses(site: Site) -> None:
    user = await signed_in(site, Role.ADMIN)
    page = text_of(await (await site.get("/settings/mail")).text())
    assert "Mail is not sent yet" in page
    for _ in range(2):
        assert (await site.post("/settings/mail")).headers["Location"] == "/settings/mail?sent"
    assert await letters(site, MailKind.TRIAL) == [user.email]
    after = text_of(await (await site.get("/settings/mail?sent")).text())
    assert "Being sent" in after
    site.clock.now_ms += 60_000
    await site.post("/settings/mail")
    assert await letters(site, MailKind.TRIAL) == [user.email] * 2


async def test_settings_open_at_what_ones_role_may_see(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    assert (await site.get("/settings")).headers["Location"] == "/settings/organisation"
    page = await (await site.get("/settings/organisation")).text()
    for path in ("organisation", "team", "mail", "privacy"):
        assert f'href="/settings/{path}"' in page
    await signed_in(site, Role.RECRUITER)
    assert (await site.get("/settings")).headers["Location"] == "/templates"
