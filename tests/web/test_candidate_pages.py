"""The candidate's way from the link to the receipt: its order, its forms, and what opening a link must not do."""

from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from signaling.relays import turn_credential
from storage import events, invitations, organisations
from storage.schema import NoticeKind
from storage.states import AnswerState, InvitationStatus
from tests.web.world import START_MS, Site, text_of
from web import demo
from web.keys import DATABASE, HUB

DAY_MS = 24 * 3600 * 1000


async def change_text(site: Site, kind: NoticeKind, text: str) -> None:
    owner = site.invitation.organisation_id
    async with site.app[DATABASE].write() as conn:
        await organisations.add_notice(
            conn, organisation_id=owner, kind=kind, language="en", text=text, now_ms=START_MS
        )


async def test_the_link_leads_to_the_notice_first(site: Site) -> None:
    response = await site.get(site.link)
    assert (response.status, response.headers["Location"]) == (303, f"{site.link}/notice")


@pytest.mark.parametrize("step", ["details", "introduction", "interview", "receipt"])
async def test_no_step_is_open_before_the_notice_is_accepted(site: Site, step: str) -> None:
    response = await site.get(f"{site.link}/{step}")
    assert (response.status, response.headers["Location"]) == (303, f"{site.link}/notice")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_the_link_changes_nothing_as_mail_scanners_do(site: Site, method: str) -> None:
    before = await site.interview()
    for path in ("", "/notice", "/details", "/introduction", "/start", "/interview", "/receipt"):
        await site.client.request(method, site.link + path)
    assert await site.interview() == before
    async with site.app[DATABASE].read() as conn:
        assert await invitations.consents(conn, site.invitation.id) == []
        subject = (site.invitation.organisation_id, "invitation", site.invitation.id)
        assert await events.for_subject(conn, *subject) == []


async def test_the_notice_must_be_ticked(site: Site) -> None:
    unticked = await site.notice_ticked()
    del unticked["privacy"]
    response = await site.post(f"{site.link}/notice", unticked)
    assert response.status == 422
    assert "Tick the box to go on" in await response.text()
    assert "Set-Cookie" not in response.headers


async def test_accepting_the_notice_stores_both_texts_with_version_language_and_time(site: Site) -> None:
    site.clock.now_ms += 1234
    await site.accept_notice()
    async with site.app[DATABASE].read() as conn:
        accepted = await invitations.consents(conn, site.invitation.id)
    assert {(each.kind, each.version, each.language, each.at_ms) for each in accepted} == {
        (NoticeKind.PRIVACY, 1, "en", START_MS + 1234),
        (NoticeKind.COOKIE, 1, "en", START_MS + 1234),
    }


async def test_accepting_again_on_another_device_keeps_the_first_consent(site: Site) -> None:
    await site.accept_notice()
    site.forget_cookies()
    site.clock.now_ms += 60_000
    assert (await site.get(site.link)).headers["Location"] == f"{site.link}/notice"
    await site.accept_notice()
    async with site.app[DATABASE].read() as conn:
        accepted = await invitations.consents(conn, site.invitation.id)
    assert [each.at_ms for each in accepted] == [START_MS, START_MS]
    assert (await site.get(site.link)).headers["Location"] == f"{site.link}/details"


async def test_a_new_text_is_a_new_version_and_the_old_consent_stays(site: Site) -> None:
    await site.accept_notice()
    await change_text(site, NoticeKind.PRIVACY, "Another text.")
    async with site.app[DATABASE].read() as conn:
        accepted = await invitations.consents(conn, site.invitation.id)
    assert {each.version for each in accepted} == {1}


@pytest.mark.parametrize("kind", list(NoticeKind))
async def test_a_consent_names_a_text_that_was_shown(site: Site, kind: NoticeKind) -> None:
    stale = await site.notice_ticked()
    await change_text(site, kind, "We now keep less.")
    for form in (stale, {"privacy": "yes"}, {**stale, "privacy_notice": "\0"}):
        response = await site.post(f"{site.link}/notice", form)
        page = text_of(await response.text())
        assert response.status == 422
        assert "We now keep less." in page
        assert "changed this text while it was open here" in page
        assert "Set-Cookie" not in response.headers
    async with site.app[DATABASE].read() as conn:
        assert await invitations.consents(conn, site.invitation.id) == []
    await site.accept_notice()
    async with site.app[DATABASE].read() as conn:
        accepted = await invitations.consents(conn, site.invitation.id)
    assert {each.kind: each.version for each in accepted} == {
        NoticeKind.PRIVACY: 2 if kind is NoticeKind.PRIVACY else 1,
        NoticeKind.COOKIE: 2 if kind is NoticeKind.COOKIE else 1,
    }


async def test_the_device_cookie_belongs_to_this_link_alone(site: Site) -> None:
    response = await site.post(f"{site.link}/notice", await site.notice_ticked())
    cookie = response.headers["Set-Cookie"]
    parts = {part.strip() for part in cookie.split(";")}
    assert cookie.startswith("greenroom_device=")
    assert {"HttpOnly", "SameSite=Lax", f"Path={site.link}"} <= parts


async def test_a_device_cookie_opens_no_other_invitation(site: Site) -> None:
    await site.accept_notice()
    mark = site.cookies()
    other = site.link_of(await site.invite())
    site.forget_cookies()
    response = await site.get(f"{other}/details", cookies=mark)
    assert response.headers["Location"] == f"{other}/notice"


async def test_the_details_are_prefilled_with_what_is_known(site: Site) -> None:
    await site.accept_notice()
    page = await (await site.get(f"{site.link}/details")).text()
    assert 'value="Robin Lindgren"' in page
    assert f'value="{demo.CANDIDATE_EMAIL}"' in page
    assert 'autocomplete="name"' in page


async def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(site: Site) -> None:
    await site.accept_notice()
    typed = {"name": " ", "email": "robin@nowhere", "phone": "<b>call me</b>"}
    response = await site.post(f"{site.link}/details", typed)
    page = await response.text()
    assert response.status == 422
    assert "Full name is required." in page
    assert "This is not an e-mail address." in page
    assert "This is not a telephone number." in page
    assert 'value="robin@nowhere"' in page
    assert 'value="&lt;b&gt;call me&lt;/b&gt;"' in page
    assert (await site.interview()).invitation.details == {}


async def test_a_character_that_cannot_be_shown_is_a_mistake_beside_its_field_and_left_out(site: Site) -> None:
    await site.accept_notice()
    typed = {"name": "Ro\0bin", "email": "robin@example.com", "phone": "+358 40 123 4567"}
    response = await site.post(f"{site.link}/details", typed)
    page = await response.text()
    assert response.status == 422
    assert 'value="Robin"' in page
    assert "had a character that cannot be shown" in page.split('id="mistake-name"')[1].split("</p>")[0]
    assert 'value="+358 40 123 4567"' in page
    assert "\0" not in page
    assert (await site.interview()).invitation.details == {}


async def test_details_that_are_right_are_saved_and_lead_on(site: Site) -> None:
    await site.accept_notice()
    typed = {"name": "Robin  Lindgren", "email": "robin@example.com", "phone": "+358 40 123 4567", "admin": "yes"}
    response = await site.post(f"{site.link}/details", typed)
    assert (response.status, response.headers["Location"]) == (303, site.link)
    assert (await site.get(site.link)).headers["Location"] == f"{site.link}/introduction"
    saved = (await site.interview()).invitation.details
    assert saved == {"name": "Robin Lindgren", "email": "robin@example.com", "phone": "+358 40 123 4567"}
    page = await (await site.get(f"{site.link}/details")).text()
    assert 'value="+358 40 123 4567"' in page


async def test_a_form_that_is_too_large_is_refused(site: Site) -> None:
    await site.accept_notice()
    response = await site.post(f"{site.link}/details", {"name": "x" * 70_000})
    assert response.status == 413
    assert "That is too large" in await response.text()


async def test_the_introduction_tells_the_times_of_the_questions_and_not_the_questions(site: Site) -> None:
    await site.accept_notice()
    await site.fill_details()
    page = await (await site.get(f"{site.link}/introduction")).text()
    assert "3 questions" in page
    assert "We make quiet tools" in page
    for question, *_ in demo._QUESTIONS:
        assert question[:20] not in page


async def test_start_makes_the_interview_active_once(site: Site) -> None:
    answers = await site.start()
    assert [answer.state for answer in answers] == [AnswerState.HIDDEN] * 3
    assert (await site.interview()).invitation.status is InvitationStatus.IN_PROGRESS
    again = await site.post(f"{site.link}/start")
    assert (again.status, again.headers["Location"]) == (303, f"{site.link}/interview")


async def test_start_needs_notice_and_details(site: Site) -> None:
    assert (await site.post(f"{site.link}/start")).headers["Location"] == f"{site.link}/notice"
    await site.accept_notice()
    assert (await site.post(f"{site.link}/start")).headers["Location"] == f"{site.link}/details"
    assert (await site.interview()).invitation.status is InvitationStatus.PENDING


async def test_a_start_that_fails_says_so_and_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.accept_notice()
    await site.fill_details()

    async def refuse(invitation_id: str) -> bool:
        return False

    monkeypatch.setattr(site.app[HUB], "start_interview", refuse)
    response = await site.post(f"{site.link}/start")
    assert response.status == 409
    assert "could not be started" in await response.text()


async def test_two_presses_on_start_both_lead_to_the_interview(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.accept_notice()
    await site.fill_details()
    hub = site.app[HUB]
    start_interview = hub.start_interview

    async def another_was_faster(invitation_id: str) -> bool:
        assert await start_interview(invitation_id)
        return await start_interview(invitation_id)

    monkeypatch.setattr(hub, "start_interview", another_was_faster)
    response = await site.post(f"{site.link}/start")
    assert (response.status, response.headers["Location"]) == (303, f"{site.link}/interview")


async def test_a_press_on_start_that_a_cancellation_overtook_leads_to_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.accept_notice()
    await site.fill_details()

    async def cancelled_meanwhile(invitation_id: str) -> bool:
        async with site.app[DATABASE].write() as conn:
            await invitations.cancel(conn, invitation_id, reason="", now_ms=START_MS)
        return False

    monkeypatch.setattr(site.app[HUB], "start_interview", cancelled_meanwhile)
    response = await site.post(f"{site.link}/start")
    assert (response.status, response.headers["Location"]) == (303, site.link)


async def test_the_interview_page_may_use_the_camera_and_shows_no_question(site: Site) -> None:
    await site.start()
    response = await site.get(f"{site.link}/interview")
    page = await response.text()
    assert response.status == 200
    assert "camera=(self), microphone=(self)" in response.headers["Permissions-Policy"]
    assert f'data-live-path="{site.link}/live"' in page
    assert "proud of" not in page


TURN = {"ice_servers": [{"urls": ["turn:turn.example.com"], "secret": "hush-hush", "lifetime_s": 600}]}


@pytest.mark.parametrize("settings", [TURN], indirect=True)
async def test_a_turn_server_is_named_on_the_socket_alone_and_only_where_the_notice_was_accepted(site: Site) -> None:
    await site.start()
    page = await (await site.get(f"{site.link}/interview")).text()
    assert 'data-relays="yes"' in page
    assert "hush" not in page and "turn.example.com" not in page
    origin = {"Origin": str(site.client.make_url("/")).rstrip("/")}
    async with site.client.ws_connect(f"{site.link}/live", headers=origin) as socket:
        await socket.send_json({"type": "hello", "tab": "tab-one-1"})
        assert (await socket.receive_json(timeout=10))["type"] == "state"
        await socket.send_json({"type": "relays"})
        told = await socket.receive_json(timeout=10)
    [server] = told["servers"]
    assert (told["type"], server["urls"]) == ("ice_servers", ["turn:turn.example.com"])
    assert server["username"].startswith(f"{START_MS // 1000 + 600}:")
    assert server["credential"] == turn_credential("hush-hush", server["username"])
    site.forget_cookies()
    with pytest.raises(WSServerHandshakeError):
        await site.client.ws_connect(f"{site.link}/live", headers=origin)


async def test_without_a_turn_server_the_page_asks_for_none(site: Site) -> None:
    await site.start()
    assert 'data-relays="no"' in await (await site.get(f"{site.link}/interview")).text()


async def test_other_pages_may_not_use_the_camera(site: Site) -> None:
    response = await site.get(f"{site.link}/notice")
    assert "camera=(), microphone=()" in response.headers["Permissions-Policy"]


async def test_after_start_the_earlier_steps_lead_to_the_interview(site: Site) -> None:
    await site.start()
    for step in ("", "/notice", "/details", "/introduction", "/receipt"):
        assert (await site.get(site.link + step)).headers["Location"] == f"{site.link}/interview"
    typed = {"name": "Someone Else", "email": "else@example.com"}
    await site.post(f"{site.link}/details", typed)
    assert (await site.interview()).invitation.details["name"] == "Robin Lindgren"


async def test_after_sending_the_link_shows_the_receipt_and_nothing_can_change(site: Site) -> None:
    await site.complete()
    assert (await site.get(site.link)).headers["Location"] == f"{site.link}/receipt"
    page = text_of(await (await site.get(f"{site.link}/receipt")).text())
    assert "Your answers are with Meadow Studio" in page
    assert page.count("Received") >= 2
    assert "Missed" in page
    for path in ("start", "details", "notice"):
        response = await site.post(f"{site.link}/{path}", {"privacy": "yes", "name": "x"})
        assert response.headers["Location"] == f"{site.link}/receipt"
    assert (await site.get(f"{site.link}/interview")).headers["Location"] == f"{site.link}/receipt"


async def test_the_receipt_says_until_when_the_answers_are_kept_and_whom_to_ask(site: Site) -> None:
    await site.complete()
    page = text_of(await (await site.get(f"{site.link}/receipt")).text())
    assert "Kept Until you or Meadow Studio ask for its deletion; write to hiring@example.com" in page


async def test_the_receipt_is_shown_on_any_device(site: Site) -> None:
    await site.complete()
    site.forget_cookies()
    assert (await site.get(f"{site.link}/receipt")).status == 200


async def test_a_cancelled_link_says_so_and_whom_to_contact(site: Site) -> None:
    async with site.app[DATABASE].write() as conn:
        await invitations.cancel(conn, site.invitation.id, reason="filled", now_ms=START_MS)
    response = await site.get(site.link)
    page = text_of(await response.text())
    assert response.status == 410
    assert "This interview was cancelled" in page
    assert "Alex Berg" in page
    assert "hiring@example.com" in await response.text()
    assert (await site.get(f"{site.link}/notice")).headers["Location"] == site.link


async def test_an_expired_link_says_so_from_the_very_second_on(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + DAY_MS)
    link = site.link_of(invitation)
    site.clock.now_ms = START_MS + DAY_MS - 1
    assert (await site.get(link)).status == 303
    site.clock.now_ms = START_MS + DAY_MS
    response = await site.get(link)
    assert response.status == 410
    assert "This interview has expired" in await response.text()
    assert (await site.post(f"{link}/notice", {"privacy": "yes"})).headers["Location"] == link


async def test_a_running_interview_stays_open_ten_minutes_past_its_expiry(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + DAY_MS)
    link = site.link_of(invitation)
    await site.start(invitation)
    site.clock.now_ms = START_MS + DAY_MS + 10 * 60 * 1000 - 1
    assert (await site.get(f"{link}/interview")).status == 200
    site.clock.now_ms += 1
    assert (await site.get(link)).status == 410


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 42 + "%00", "..%2f..%2fetc", "é" * 43, "A" * 5000])
async def test_an_unknown_token_is_a_plain_404(site: Site, token: str) -> None:
    for path in ("", "/notice", "/interview", "/live", "/takes/abc", "/receipt"):
        response = await site.get(f"/i/{token}{path}")
        assert response.status == 404
        page = await response.text()
        assert "There is nothing at this address" in page
        assert "Meadow" not in page


async def test_a_link_of_an_earlier_generation_opens_nothing(site: Site) -> None:
    from web import links

    token = links.link_token(site.folder.secret, site.invitation.id, site.invitation.generation + 1)
    assert (await site.get(f"/i/{token}")).status == 404
