"""What the hiring team sees: the list, the review page, recordings; and what it never sees."""

from __future__ import annotations

import re

import pytest

from storage import events, interviews, invitations
from storage.answers import LEDGER_LIMIT
from tests.web.world import START_MS, Site, text_of
from web import demo
from web.keys import DATABASE
from web.recruiter.interviews import PAGE_ROWS, parse_key
from web.recruiter.views import MOST_REMEMBERED, SAME_VIEW_MS, RecentViews

HOUR_MS = 3_600_000


async def logged(site: Site, kind: str) -> list[events.Event]:
    async with site.app[DATABASE].read() as conn:
        found = await events.for_subject(conn, site.invitation.organisation_id, "invitation", site.invitation.id)
    return [event for event in found if event.kind == kind]


async def test_the_list_shows_candidate_job_template_and_status(site: Site) -> None:
    await site.sign_in()
    site.clock.now_ms += 3 * HOUR_MS
    page = text_of(await (await site.get("/interviews")).text())
    for words in ("Robin Lindgren", "Support engineer", "First conversation", "Invited", "3 questions", "3 h ago"):
        assert words in page


async def test_the_list_shows_how_many_answers_were_sent(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    page = text_of(await (await site.get("/interviews")).text())
    assert "Completed" in page
    assert "2 of 3" in page


async def test_the_list_does_not_tell_how_many_drafts_there_are(site: Site) -> None:
    await site.start()
    await site.sign_in()
    before = text_of(await (await site.get("/interviews")).text())
    await site.keep_take(site.invitation, (await site.interview()).answers[0], b"x")
    assert text_of(await (await site.get("/interviews")).text()) == before
    assert "Active" in before
    assert " of 3" not in before
    async with site.app[DATABASE].write() as conn:
        assert await invitations.cancel(conn, site.invitation.id, reason="", now_ms=START_MS)
    assert " of 3" not in text_of(await (await site.get("/interviews")).text())


async def test_an_empty_list_says_what_interviews_are(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    page = text_of(await (await site.get("/interviews")).text())
    assert "No interviews yet" in page
    assert "Robin" not in page


async def test_long_lists_come_in_pages_without_gaps_or_repeats(site: Site) -> None:
    for number in range(PAGE_ROWS + 2):
        site.clock.now_ms += 1000
        await site.invite(name=f"Candidate {number:03}")
    await site.sign_in()
    first = await (await site.get("/interviews")).text()
    assert first.count('class="row-link"') == PAGE_ROWS
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = await (await site.get(older)).text()
    assert second.count('class="row-link"') == 3
    assert "Robin Lindgren" in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize("key", ["", "x", "1-", "-", "9" * 40 + "-" + "a" * 32, "١-" + "a" * 32, "1-'; DROP TABLE"])
def test_a_key_that_is_none_shows_the_first_page(key: str) -> None:
    assert parse_key(key) is None


async def test_a_draft_is_never_shown_only_the_status(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], b"secret draft")
    await site.sign_in()
    response = await site.get(f"/interviews/{site.invitation.id}")
    page = await response.text()
    assert response.status == 200
    assert "The interview is under way" in page
    assert take.id not in page
    assert "<video" not in page
    for ending in ("", "/poster", "/waveform"):
        assert (await site.get(f"/interviews/{site.invitation.id}/takes/{take.id}{ending}")).status == 404


async def test_a_draft_stays_unseen_after_the_interview_was_cancelled(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], b"secret draft")
    async with site.app[DATABASE].write() as conn:
        assert await invitations.cancel(conn, site.invitation.id, reason="", now_ms=START_MS)
    await site.sign_in()
    page = await (await site.get(f"/interviews/{site.invitation.id}")).text()
    assert "The invitation was cancelled" in page
    assert take.id not in page
    assert (await site.get(f"/interviews/{site.invitation.id}/takes/{take.id}")).status == 404


async def test_the_review_page_plays_what_was_sent_and_names_what_was_missed(site: Site) -> None:
    takes = await site.complete()
    await site.sign_in()
    page = await (await site.get(f"/interviews/{site.invitation.id}")).text()
    for take in takes:
        assert f'src="/interviews/{site.invitation.id}/takes/{take.id}"' in page
    words = text_of(page)
    assert "0:07" in words
    assert "Recording is good" in words
    assert "Missed" in words
    assert "Question missed: no attempt was left" in words
    assert "robin@example.com" in words


async def test_the_ledger_is_shown_whole_however_long(site: Site) -> None:
    await site.complete()
    answer = (await site.interview()).answers[0]
    async with site.app[DATABASE].write() as conn:
        for number in range(LEDGER_LIMIT + 20):
            await interviews.write_ledger(conn, answer.id, START_MS + number, "reveal", {})
    await site.sign_in()
    page = await (await site.get(f"/interviews/{site.invitation.id}")).text()
    assert page.split('id="shown-2"')[0].count("Question shown") == LEDGER_LIMIT + 20


async def test_a_step_of_the_ledger_has_the_time_at_which_it_happened(site: Site) -> None:
    await site.complete()
    answer = (await site.interview()).answers[0]
    async with site.app[DATABASE].write() as conn:
        began = {"at_ms": START_MS - 7_000, "attempts_used": 1}
        await interviews.write_ledger(conn, answer.id, START_MS, "recording", began)
        await interviews.write_ledger(conn, answer.id, START_MS, "draft", {"at_ms": "nonsense"})
    await site.sign_in()
    page = text_of(await (await site.get(f"/interviews/{site.invitation.id}")).text())
    assert "14:13:13 Recording began (attempt 1)" in page
    assert "14:13:20 Recording verified and kept" in page


async def test_the_sound_of_each_recording_is_drawn_for_the_eye_alone(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in()
    page = await (await site.get(f"/interviews/{site.invitation.id}")).text()
    place = f'<div class="waveform" data-waveform="/interviews/{site.invitation.id}/takes/{take.id}/waveform"'
    assert f'{place} aria-hidden="true" hidden>' in page
    assert page.count('class="waveform"') == 2


@pytest.mark.parametrize(("asked", "shown"), [("2", 2), ("3", 3), ("9", 1), ("x", 1), ("", 1), ("²", 1)])
async def test_a_question_can_be_chosen_by_its_link(site: Site, asked: str, shown: int) -> None:
    await site.complete()
    await site.sign_in()
    page = await (await site.get(f"/interviews/{site.invitation.id}", params={"answer": asked})).text()
    for number in (1, 2, 3):
        section = page.split(f'id="shown-{number}"')[1].split(">")[0]
        assert ("hidden" not in section) == (number == shown)


async def test_a_submitted_recording_plays_with_ranges_and_the_view_is_logged_once(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in()
    url = f"/interviews/{site.invitation.id}/takes/{take.id}"
    for start in (0, 100, 500):
        response = await site.get(url, headers={"Range": f"bytes={start}-"})
        assert response.status == 206
        assert response.headers["Content-Type"] == "video/webm"
        assert response.headers["Cache-Control"] == "private, no-store"
        assert await response.read() == (b"0123456789" * 100)[start:]
    [view] = await logged(site, "recording.opened")
    assert view.actor.startswith("user:")
    assert view.detail == {"take": take.id}


async def test_another_login_is_another_view(site: Site) -> None:
    take = (await site.complete())[0]
    for _ in range(2):
        site.forget_cookies()
        await site.sign_in()
        await site.get(f"/interviews/{site.invitation.id}/takes/{take.id}")
    assert len(await logged(site, "recording.opened")) == 2


async def test_looking_at_the_review_page_is_logged(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    await site.get(f"/interviews/{site.invitation.id}")
    assert len(await logged(site, "interview.viewed")) == 1


async def test_asking_for_the_head_only_is_no_view(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in()
    response = await site.client.head(f"/interviews/{site.invitation.id}/takes/{take.id}")
    assert response.status == 200
    assert await logged(site, "recording.opened") == []


async def test_poster_and_waveform_of_a_submitted_take(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in()
    url = f"/interviews/{site.invitation.id}/takes/{take.id}"
    assert (await site.get(f"{url}/poster")).headers["Content-Type"] == "image/jpeg"
    waveform = await site.get(f"{url}/waveform")
    assert (await waveform.json())["step_ms"] == 100


async def test_another_organisation_sees_nothing_of_it(site: Site) -> None:
    take = (await site.complete())[0]
    await site.sign_in(email=await site.another_organisations_recruiter())
    assert (await site.get(f"/interviews/{site.invitation.id}")).status == 404
    assert (await site.get(f"/interviews/{site.invitation.id}/takes/{take.id}")).status == 404


async def test_a_take_is_found_only_below_its_own_interview(site: Site) -> None:
    take = (await site.complete())[0]
    other = await site.invite()
    await site.complete(other)
    await site.sign_in()
    assert (await site.get(f"/interviews/{other.id}/takes/{take.id}")).status == 404


async def test_an_interview_that_does_not_exist_is_a_404(site: Site) -> None:
    await site.sign_in()
    response = await site.get("/interviews/0123456789abcdef0123456789abcdef")
    assert response.status == 404
    assert "Page not found" in await response.text()


async def test_text_of_candidates_is_never_markup(site: Site) -> None:
    await site.accept_notice()
    await site.post(f"{site.link}/details", {"name": "<script>alert(1)</script>", "email": "a@example.com"})
    await site.post(f"{site.link}/start")
    started = (await site.interview()).answers
    async with site.app[DATABASE].write() as conn:
        await interviews.write_ledger(conn, started[0].id, START_MS, "<script>", {})
    evil = await site.invite(name="<img src=x onerror=alert(1)>")
    await site.sign_in()
    listing = await (await site.get("/interviews")).text()
    review = await (await site.get(f"/interviews/{evil.id}")).text()
    for page in (listing, review):
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


async def test_the_rail_holds_only_what_exists(site: Site) -> None:
    await site.sign_in()
    page = await (await site.get("/interviews")).text()
    rail = page.split('<nav class="rail-nav"')[1].split("</nav>")[0]
    links = re.findall(r'href="([^"]+)"', rail)
    assert links == ["/interviews", "/candidates", "/jobs", "/templates", "/settings"]
    for link in (*links, "/notifications", "/account/logins"):
        response = await site.client.get(link)
        assert response.status == 200, link


async def test_the_start_page_is_the_list(site: Site) -> None:
    await site.sign_in()
    assert (await site.get("/")).headers["Location"] == "/interviews"
    assert demo.EMAIL in await (await site.get("/interviews")).text()


def test_one_view_is_counted_again_after_a_while() -> None:
    views = RecentViews()
    assert views.is_new("a", "take", 0)
    assert not views.is_new("a", "take", SAME_VIEW_MS - 1)
    assert views.is_new("b", "take", 1)
    assert views.is_new("a", "take", SAME_VIEW_MS)


def test_remembered_views_are_bounded() -> None:
    views = RecentViews()
    for number in range(MOST_REMEMBERED + 1):
        assert views.is_new("a", str(number), 0)
    assert views.is_new("a", "0", 1)
    assert not views.is_new("a", str(MOST_REMEMBERED), 1)
