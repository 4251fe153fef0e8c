"""Around every page: headers, cross-site refusal, errors with an id, bounds, and logs without tokens."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from urllib.parse import unquote

import pytest
from aiohttp import WSServerHandshakeError, web
from yarl import URL

from storage.errors import Busy
from storage.states import InvitationStatus
from tests.web.world import PASSWORD, Site
from web import demo, forms, serving
from web.keys import DATABASE, STATIC
from web.logs import RedactingFormatter, redact
from web.routes import ANYONE, SIGNED_IN, WITH_THE_LINK

POLICY = "default-src 'self'; script-src 'self'; style-src 'self'"


async def test_every_response_carries_the_policy(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in()
    paths = [
        "/sign-in",
        "/interviews",
        f"/interviews/{site.invitation.id}",
        f"/interviews/{site.invitation.id}/takes/{take.id}",
        "/account/logins",
        "/nowhere",
        "/healthz",
        site.app[STATIC].url("css/tokens.css"),
        f"{site.link}/receipt",
        site.link,
    ]
    for path in paths:
        headers = (await site.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith(POLICY), path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Server" not in headers


async def test_pages_have_no_inline_script_or_style(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    other = site.link_of(await site.invite())
    for path in ("/interviews", f"/interviews/{site.invitation.id}", "/account/logins", "/nowhere", f"{other}/notice"):
        page = await (await site.get(path)).text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page), path


async def test_pages_of_a_person_are_not_cached(site: Site) -> None:
    await site.sign_in()
    for path in ("/interviews", f"{site.link}/notice", "/sign-in?next=/x"):
        assert (await site.get(path)).headers.get("Cache-Control", "no-store") == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_what_another_site_began_is_refused(site: Site, headers: dict[str, str]) -> None:
    await site.sign_in()
    for path in ("/sign-in", "/sign-out", "/account/logins", f"{site.link}/notice", f"{site.link}/start", "/nowhere"):
        response = await site.post(path, {"privacy": "yes"}, headers=headers)
        assert response.status == 403, path
        assert "came from another site" in await response.text()
    assert (await site.get("/interviews")).status == 200
    assert (await site.interview()).invitation.status is InvitationStatus.PENDING


async def test_what_our_own_pages_began_is_done(site: Site) -> None:
    here = f"http://{site.client.host}:{site.client.port}"
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": here}, {}):
        response = await site.post(f"{site.link}/notice", await site.notice_ticked(), headers=headers)
        assert response.status == 303


async def test_a_link_on_another_site_may_be_followed(site: Site) -> None:
    response = await site.get(site.link, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status == 303


async def test_another_sites_socket_is_refused(site: Site) -> None:
    await site.start()
    for origin in ("http://evil.example", "null"):
        with pytest.raises(WSServerHandshakeError) as refused:
            await site.client.ws_connect(f"{site.link}/live", headers={"Origin": origin})
        assert refused.value.status == 403
    here = f"http://{site.client.host}:{site.client.port}"
    async with site.client.ws_connect(f"{site.link}/live", headers={"Origin": here}):
        pass


async def test_what_was_not_foreseen_is_a_page_with_an_id_that_is_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a leak of the inside")

    for path, module in ((f"{site.link}/notice", "web.candidate.before_start"), ("/sign-in", "web.sign_in")):
        monkeypatch.setattr(f"{module}.page", broken)
        caplog.clear()
        response = await site.get(path)
        page = await response.text()
        assert response.status == 500
        found = re.search(r"<code>([0-9a-f]{10})</code>", page)
        assert found, page
        [record] = [record for record in caplog.records if found[1] in record.getMessage()]
        assert record.exc_info
        assert "a leak" not in page
        assert "Traceback" not in page
        assert site.link not in record.getMessage()


async def test_a_database_that_comes_free_too_late_is_a_page_that_says_to_try_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await site.sign_in()

    def busy() -> None:
        raise Busy("no database connection came free within 15 s")

    monkeypatch.setattr(site.app[DATABASE], "write", busy)
    response = await site.post("/jobs", {"title": "Baker"})
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert "Not available for a moment" in await response.text()
    assert not any(record.exc_info for record in caplog.records), "it is no fault of the code's"
    assert "no database connection" in caplog.text


async def test_an_error_page_that_cannot_be_drawn_is_still_an_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("web.sign_in.page", broken)
    monkeypatch.setattr("web.errors.page", broken)
    response = await site.get("/sign-in")
    assert response.status == 500
    assert re.search(r"Code: [0-9a-f]{10}", await response.text())


async def test_an_address_that_does_not_exist_is_a_plain_404(site: Site) -> None:
    for path in ("/nowhere", "/static/abc/none.css", "/interviews/a/b/c", "/i"):
        response = await site.get(path)
        assert response.status == 404
        assert "<h1>" in await response.text()


async def test_a_method_that_does_not_fit_is_a_page_that_names_those_that_do(site: Site) -> None:
    response = await site.post(f"{site.link}/introduction")
    assert response.status == 405
    assert "GET" in response.headers["Allow"]
    assert "Not possible here" in await response.text()


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(site: Site) -> None:
    response = await site.post("/sign-in", {"email": "x" * 70_000})
    assert response.status == 413
    assert "That is too large" in await response.text()


async def test_a_body_of_unknown_length_is_bounded_too(site: Site) -> None:
    async def endless() -> object:
        for _ in range(40):
            yield b"x" * 4096

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await site.client.post("/sign-in", data=endless(), headers=headers)
    assert response.status == 413


async def test_what_is_no_form_is_a_mistake_not_a_fault(site: Site) -> None:
    bodies = [
        (b"\xff\xfe%%%", "application/x-www-form-urlencoded"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
        (b"a=b", "application/x-www-form-urlencoded; charset=nonsense"),
        (b"email=a%00b&password=x", "application/x-www-form-urlencoded"),
        (b"email=\\ud800&password=x", "application/x-www-form-urlencoded; charset=unicode_escape"),
        (b"email=a&password=x", "application/x-www-form-urlencoded; charset=utf-16"),
        (b"email=a&password=x", "application/x-www-form-urlencoded; charset=latin-1"),
        (b"email=%ED%A0%80&password=x", "application/x-www-form-urlencoded"),
        (b"email=\xed\xa0\x80&password=x", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=b"] * 300), "application/x-www-form-urlencoded"),
    ]
    for body, kind in bodies:
        response = await site.client.post("/sign-in", data=body, headers={"Content-Type": kind}, allow_redirects=False)
        assert response.status in {400, 422}, (body, kind)


@pytest.mark.parametrize("path", ["sign-in", "notice", "details"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"email=\\ud800&password=x", "application/x-www-form-urlencoded; charset=unicode_escape"),
        (b"email=%ED%A0%80&name=%ED%A0%80&password=%ED%A0%80", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_form_that_is_not_utf_8_is_refused_everywhere(site: Site, path: str, body: bytes, kind: str) -> None:
    if path == "details":
        await site.accept_notice()
    url = "/sign-in" if path == "sign-in" else f"{site.link}/{path}"
    response = await site.client.post(url, data=body, headers={"Content-Type": kind}, allow_redirects=False)
    assert response.status == 400


async def test_a_form_may_say_that_it_is_utf_8(site: Site) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    body = f"email={demo.EMAIL}&password={PASSWORD}"
    response = await site.client.post("/sign-in", data=body, headers=headers, allow_redirects=False)
    assert response.status == 303


async def test_a_form_that_is_half_sent_is_not_waited_for_longer_than_its_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "READ_TIMEOUT_S", 0.2)
    assert site.client.port is not None
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    head = "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    writer.write(f"{head}Content-Length: 100\r\n\r\nemail=a".encode())
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"</html>")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    assert b"did not arrive in time" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_half_sent_head_is_not_held_open(site: Site, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(serving, "IDLE_TIMEOUT_S", 0.3)
    app = web.Application()
    runner = serving.runner_of(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [400, 403, 405, 408, 413, 429, 503])
async def test_below_a_candidates_link_every_error_is_a_candidates_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    errors = {400: web.HTTPBadRequest, 403: web.HTTPForbidden, 408: web.HTTPRequestTimeout}
    errors |= {429: web.HTTPTooManyRequests, 503: web.HTTPServiceUnavailable}

    def refused(*_: object, **__: object) -> None:
        if status == 405:
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        if status == 413:
            raise web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2)
        raise errors[status]

    monkeypatch.setattr("web.candidate.before_start.page", refused)
    monkeypatch.setattr("web.sign_in.page", refused)
    theirs = await site.get(f"{site.link}/notice")
    page = await theirs.text()
    assert theirs.status == status
    assert 'class="candidate' in page
    assert "recruiter.css" not in page
    assert "<h1>" in page and "<code>" not in page
    assert 'class="candidate' not in await (await site.get("/sign-in")).text()


async def test_the_access_log_holds_no_token(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    token = site.link.removeprefix("/i/")
    with caplog.at_level(logging.DEBUG):
        for path in ("", "/notice", "/takes/abc", "/nowhere"):
            await site.get(site.link + path)
        for prefix in ("/%69/", "/%2569/", "/%2Fi%2F", "/x?next=%2Fi%2F", "/"):
            await site.get(URL(prefix + token, encoded=True))
            await site.get(URL(prefix + "".join(f"%{ord(sign):02X}" for sign in token), encoded=True))
    lines = [RedactingFormatter("%(message)s").format(record) for record in caplog.records]
    assert len(lines) >= 14
    assert not [line for line in lines if token in unquote(unquote(unquote(line)))]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET /i/abc/notice 200", "GET /i/…/notice 200"),
        ("GET /i/abc 200", "GET /i/… 200"),
        ("'/i/abc'", "'/i/…'"),
        ("http://x/i/abc?y=1", "http://x/i/…?y=1"),
        ("next=%2Fi%2Fabc", "next=%2Fi%2F…"),
        ("/interviews/abc", "/interviews/abc"),
        ("/%69/abc", "/%69/…"),
        ("%252Fi%252fabc", "%252Fi%252f…"),
        ("x" * 42, "x" * 42),
        (f"a {'x' * 43} b", "a … b"),
        (f"a {'%78' * 43} b", "a … b"),
        (f"a {'%25252578' * 43} b", "a … b"),
        ("/interviews/0123456789abcdef0123456789abcdef", "/interviews/0123456789abcdef0123456789abcdef"),
    ],
)
def test_tokens_are_cut_out_of_any_line(text: str, redacted: str) -> None:
    assert redact(text) == redacted


def test_a_line_made_to_be_slow_is_redacted_at_once() -> None:
    began = time.perf_counter()
    redact("/" + "%2525" * 20_000 + "/" + "%25" * 20_000 + "x" * 42)
    assert time.perf_counter() - began < 1


async def test_the_server_says_when_it_is_well(site: Site) -> None:
    assert await (await site.get("/healthz")).text() == "ok\n"
    await site.app[DATABASE].close()
    assert (await site.get("/healthz")).status == 500


async def test_static_files_are_cached_for_ever_under_their_hash(site: Site) -> None:
    files = site.app[STATIC]
    fresh = await site.get(files.url("css/tokens.css"))
    assert fresh.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert fresh.headers["Content-Type"] == "text/css; charset=utf-8"
    old = await site.get("/static/0000000000000000/css/tokens.css")
    assert old.headers["Cache-Control"] == "no-cache"
    assert await old.read() == await fresh.read()


@pytest.mark.parametrize("name", ["../settings.py", "..%2Fsettings.py", "css/../../cli.py", "vendor/CHECKSUMS", "css"])
async def test_nothing_but_static_files_is_served(site: Site, name: str) -> None:
    response = await site.get(f"/static/{site.app[STATIC].tree_hash}/{name}")
    assert response.status == 404


def test_every_route_is_in_one_table_once() -> None:
    routes = [(method, path) for method, path, _ in (*ANYONE, *WITH_THE_LINK, *SIGNED_IN)]
    assert len(set(routes)) == len(routes)
    assert all(path.startswith("/i/{token}") for _, path, _ in WITH_THE_LINK)
