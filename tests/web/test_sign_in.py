"""Signing in and out: who gets in, how cookies are marked, and how guessing is slowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from argon2 import PasswordHasher

from storage import logins, users
from tests.web.world import PASSWORD, PASSWORD_HASH, Client, NoRecorders, Site, StillClock, text_of
from web import demo, passwords
from web.app import compose
from web.attempts import pause_after, tallies_of
from web.data_folder import open_folder
from web.keys import DATABASE
from web.passwords import MOST_WAITING, Passwords, PasswordsBusy
from web.settings import Settings, SignIn
from web.sign_in import local_path

Elsewhere = Callable[[str], None]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Lets what is asked from then on come from the address named."""

    def move(address: str) -> None:
        monkeypatch.setattr("web.sign_in.client_address", lambda request, proxies: address)

    return move


PAGES = ["/", "/interviews", "/interviews/abc", "/interviews/abc/takes/def", "/account/logins"]


@pytest.mark.parametrize("path", PAGES)
async def test_whoever_is_signed_out_is_sent_to_the_sign_in_page(site: Site, path: str) -> None:
    response = await site.get(path)
    assert response.status == 303
    assert response.headers["Location"].startswith("/sign-in?next=/")


async def test_after_signing_in_people_are_back_at_the_page_they_wanted(site: Site) -> None:
    sent = await site.get(f"/interviews/{site.invitation.id}?answer=2")
    form = await site.client.get(sent.headers["Location"])
    wanted = f"/interviews/{site.invitation.id}?answer=2"
    assert f'name="next" value="{wanted}"' in await form.text()
    response = await site.sign_in(wanted=wanted)
    assert (response.status, response.headers["Location"]) == (303, wanted)
    assert (await site.get(wanted)).status == 200


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\\b", "evil", "/a\nb", "javascript:1", ""],
)
async def test_nobody_is_sent_to_another_site(site: Site, wanted: str) -> None:
    assert local_path(wanted) == "/interviews"
    response = await site.sign_in(wanted=wanted)
    assert response.headers["Location"] == "/interviews"


async def test_the_login_cookie_is_for_this_site_and_out_of_scripts_reach(site: Site) -> None:
    response = await site.sign_in()
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("greenroom_login=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


async def test_over_https_the_cookie_is_secure_and_bound_to_the_host(
    settings: Settings, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    secure = settings.model_copy(update={"base_url": "https://hire.example"})
    folder = open_folder(settings.data_dir)
    app = compose(secure, folder, NoRecorders(), StillClock())
    client = await aiohttp_client(app)
    await app[DATABASE].migrate()
    await demo.prepare(
        app[DATABASE], folder.secret, password=PASSWORD, password_hash=PASSWORD_HASH, now_ms=StillClock().now_ms
    )
    response = await client.post("/sign-in", data={"email": demo.EMAIL, "password": PASSWORD}, allow_redirects=False)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-greenroom_login=")
    assert "Secure" in cookie
    assert "Strict-Transport-Security" in response.headers


async def test_a_wrong_password_shows_the_form_again_with_the_address_kept(site: Site) -> None:
    response = await site.sign_in(password="wrong", wanted="/account/logins")
    page = await response.text()
    assert response.status == 422
    assert "do not match" in page
    assert f'value="{demo.EMAIL}"' in page
    assert 'value="/account/logins"' in page
    assert "wrong" not in page
    assert "Set-Cookie" not in response.headers


async def test_an_unknown_account_is_answered_like_a_known_one(site: Site) -> None:
    known = await site.sign_in(password="wrong")
    unknown = await site.sign_in(email="nobody@example.com", password="wrong")
    assert unknown.status == known.status
    assert text_of(await unknown.text()) == text_of(await known.text())


async def test_an_unknown_account_costs_a_whole_verification(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    verified: list[str] = []
    real = Passwords._verify

    def counted(self: Passwords, stored_hash: str, password: str) -> bool:
        verified.append(stored_hash)
        return real(self, stored_hash, password)

    monkeypatch.setattr(Passwords, "_verify", counted)
    await site.sign_in(email="nobody@example.com")
    [stored] = verified
    assert stored.startswith("$argon2id$")


async def test_empty_fields_are_a_mistake_of_their_own(site: Site) -> None:
    response = await site.sign_in(password="")
    assert response.status == 422
    assert "Type your e-mail address and your password" in await response.text()


async def test_attempts_on_one_account_are_slowed_more_and_more(site: Site) -> None:
    for _ in range(3):
        assert (await site.sign_in(password="wrong")).status == 422
    refused = await site.sign_in()
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "2"
    assert "Wait 2 seconds" in await refused.text()
    site.clock.now_ms += 2001
    assert (await site.sign_in(password="wrong")).status == 422
    site.clock.now_ms += 2001
    assert (await site.sign_in()).headers["Retry-After"] == "4"


async def test_the_right_password_gets_in_after_the_pause_and_clears_the_account(site: Site) -> None:
    for _ in range(3):
        await site.sign_in(password="wrong")
    site.clock.now_ms += 2001
    assert (await site.sign_in()).status == 303
    assert (await site.sign_in(password="wrong")).status == 422
    assert (await site.sign_in()).status == 303


async def test_an_unknown_account_is_slowed_like_a_known_one(site: Site) -> None:
    for _ in range(3):
        await site.sign_in(email="nobody@example.com")
    assert (await site.sign_in(email=" Nobody@Example.com ")).status == 429


async def test_a_stranger_who_knows_an_account_does_not_keep_its_owner_out(site: Site, elsewhere: Elsewhere) -> None:
    elsewhere("203.0.113.66")
    for _ in range(60):
        assert (await site.sign_in(password="wrong")).status in {422, 429}
        site.clock.now_ms += 20_000
    assert (await site.sign_in()).status == 429
    elsewhere("198.51.100.7")
    assert (await site.sign_in()).status == 303


async def test_many_strangers_slow_an_account_for_seconds_only(site: Site, elsewhere: Elsewhere) -> None:
    for number in range(110):
        elsewhere(f"203.0.113.{number}")
        assert (await site.sign_in(password="wrong")).status == (422 if number < 100 else 429)
    elsewhere("198.51.100.7")
    refused = await site.sign_in()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    site.clock.now_ms += 2001
    assert (await site.sign_in()).status == 303


async def test_where_the_owner_is_signed_in_strangers_elsewhere_slow_nothing(site: Site, elsewhere: Elsewhere) -> None:
    elsewhere("198.51.100.7")
    await site.sign_in()
    for number in range(101):
        elsewhere(f"203.0.113.{number}")
        await site.sign_in(password="wrong")
    elsewhere("198.51.100.8")
    assert (await site.sign_in()).status == 429
    elsewhere("198.51.100.7")
    assert (await site.sign_in()).status == 303


async def test_failures_are_kept_in_a_bounded_number(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "FAILURES_KEPT", 5)
    async with site.app[DATABASE].write() as conn:
        for number in range(20):
            await logins.note_failure(conn, f"account:{number}", site.clock.now_ms)
        kept = [await logins.failures_since(conn, f"account:{number}", 0) for number in range(20)]
    assert kept == [0] * 14 + [1] * 6


async def test_an_address_with_a_character_that_cannot_be_shown_is_a_mistake_of_its_field(site: Site) -> None:
    response = await site.sign_in(email="al\0ex@example.com")
    page = await response.text()
    assert response.status == 422
    assert "had a character that cannot be shown" in page.split('id="email-mistake"')[1].split("</p>")[0]
    assert 'value="alex@example.com"' in page


async def test_one_address_that_tries_many_accounts_is_slowed(site: Site) -> None:
    for number in range(20):
        assert (await site.sign_in(email=f"guess{number}@example.com")).status == 422
    assert (await site.sign_in()).status == 429
    site.clock.now_ms += 2001
    assert (await site.sign_in()).status == 303


def test_the_pause_grows_and_is_bounded() -> None:
    tallies = tallies_of("a@example.com", "203.0.113.9", SignIn())
    pauses = [pause_after(failures, tallies.account_here) for failures in range(2, 14)]
    assert pauses == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert pause_after(100_000, tallies.account_here) == 300
    assert [pause_after(failures, tallies.everywhere) for failures in (99, 100, 101, 102, 1000)] == [0, 2, 4, 4, 4]


async def test_a_flood_of_attempts_is_refused_before_it_costs_anything() -> None:
    guard = Passwords()
    guard._waiting = MOST_WAITING
    with pytest.raises(PasswordsBusy):
        async with guard.turn():
            pass


async def test_signing_out_revokes_the_login_itself(site: Site) -> None:
    await site.sign_in()
    before = site.cookies()
    response = await site.post("/sign-out")
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert "greenroom_login" not in site.cookies()
    assert (await site.get("/interviews", cookies=before)).status == 303


async def test_a_login_ends_when_its_time_is_over(site: Site) -> None:
    await site.sign_in()
    site.clock.now_ms += 14 * 24 * 3600 * 1000 + 1
    assert (await site.get("/interviews")).status == 303


async def test_a_new_password_signs_out_everywhere(site: Site) -> None:
    await site.sign_in()
    async with site.app[DATABASE].write() as conn:
        user = await users.by_email(conn, demo.EMAIL)
        assert user is not None
        await users.set_password(conn, user.id, PASSWORD_HASH, site.clock.now_ms)
    assert (await site.get("/interviews")).status == 303


async def test_the_account_page_lists_logins_and_ends_them(site: Site) -> None:
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1"
    await site.post("/sign-in", {"email": demo.EMAIL, "password": PASSWORD}, headers={"User-Agent": phone})
    first = site.cookies()
    site.forget_cookies()
    site.clock.now_ms += 5000
    await site.sign_in()
    page = text_of(await (await site.get("/account/logins")).text())
    assert "Safari on iPhone" in page
    assert "This one" in page
    ended = await site.post("/account/logins", {"login": "others"})
    assert ended.headers["Location"] == "/account/logins?ended"
    assert (await site.get("/account/logins")).status == 200
    site.forget_cookies()
    assert (await site.get("/interviews", cookies=first)).status == 303


async def test_nobody_ends_anothers_login(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    theirs = site.cookies()
    site.forget_cookies()
    async with site.app[DATABASE].read() as conn:
        user = await users.by_email(conn, "eli@elsewhere.example")
        assert user is not None
        [login] = await logins.of_user(conn, user.id, site.clock.now_ms)
    await site.sign_in()
    await site.post("/account/logins", {"login": login.id})
    site.forget_cookies()
    assert (await site.get("/interviews", cookies=theirs)).status == 200


async def test_a_login_that_is_none_is_refused(site: Site) -> None:
    await site.sign_in()
    assert (await site.post("/account/logins", {"login": "../../etc"})).status == 400


def test_passwords_are_hashed_by_the_librarys_own_profile() -> None:
    hashed = passwords.hashed(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert not PasswordHasher().check_needs_rehash(hashed)


@pytest.mark.parametrize("password", ["short", "x" * 513])
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(passwords.PasswordUnfit):
        passwords.check_new(password)


def test_a_generated_password_can_be_set_and_never_repeats() -> None:
    made = {passwords.generated() for _ in range(50)}
    assert len(made) == 50
    for each in made:
        passwords.check_new(each)
