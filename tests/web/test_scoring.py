"""R28: scores on the review page, by its plain forms and by its parts."""

from __future__ import annotations

import pytest

from storage import invitations, scores
from storage.scores import OVERALL, Score
from storage.states import Role
from tests.web.review_world import PART, colleague, happened, page
from tests.web.world import Site, text_of
from web.keys import DATABASE


def scores_of(site: Site) -> str:
    return f"/interviews/{site.invitation.id}/scores"


async def given(site: Site) -> list[Score]:
    async with site.app[DATABASE].read() as conn:
        return await scores.of_invitation(conn, site.invitation.id)


async def test_a_score_is_given_by_the_plain_form_and_shown_on_the_page(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    response = await site.post(scores_of(site), {"question": "2", "answer": "2", "value": "4"})
    assert response.status == 303
    assert response.headers["Location"] == f"/interviews/{site.invitation.id}?answer=2#rate-2"
    html = await page(site, answer="2")
    assert 'id="rate-2-4" name="value" value="4" autocomplete="off" checked' in html
    assert "Mean 4.0" in text_of(html)
    assert await happened(site, "score.given") == [{"question": 2, "value": 4}]


async def test_the_script_gets_the_part_of_one_question_and_its_new_mean(site: Site) -> None:
    await site.complete()
    maya = await colleague(site, "Maya Lind")
    async with site.app[DATABASE].write() as conn:
        await scores.give(conn, site.invitation.id, user_id=maya.id, question=1, value=2, now_ms=1)
    await site.sign_in()
    response = await site.post(scores_of(site), {"question": "1", "answer": "1", "value": "5"}, headers=PART)
    part = await response.text()
    assert response.status == 200
    assert "<html" not in part
    assert part.lstrip().startswith('<form class="rate" id="rate-1"')
    assert 'hx-target="#mean-1"' in part
    words = text_of(part)
    for said in ("Saved", "Mean 3.5", "Maya Lind 2", "You 5"):
        assert said in words


async def test_a_score_is_taken_back_and_a_second_time_harms_nothing(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    await site.post(scores_of(site), {"question": "0", "value": "3"})
    assert [(each.question, each.value) for each in await given(site)] == [(OVERALL, 3)]
    for _ in range(2):
        response = await site.post(scores_of(site), {"question": "0", "value": ""}, headers=PART)
        assert "Taken back" in await response.text()
    assert await given(site) == []
    assert [each["value"] for each in await happened(site, "score.given")] == [3, None]


async def test_the_button_of_the_form_outweighs_its_row_of_values(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    await site.post(scores_of(site), {"question": "1", "value": "3"})
    body = "question=1&value=3&value="
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await site.client.post(scores_of(site), data=body, headers=kind, allow_redirects=False)
    assert response.status == 303
    assert await given(site) == []


async def test_two_presses_of_the_same_value_are_one_score_and_one_event(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    for _ in range(2):
        await site.post(scores_of(site), {"question": "1", "value": "4"})
    assert len(await given(site)) == 1
    assert len(await happened(site, "score.given")) == 1


@pytest.mark.parametrize(
    "form",
    [
        {"question": "1", "value": "6"},
        {"question": "1", "value": "0"},
        {"question": "1", "value": "4.5"},
        {"question": "1", "value": "٤"},
        {"question": "x", "value": "4"},
        {"question": "-1", "value": "4"},
        {"value": "4"},
    ],
)
async def test_what_no_form_of_ours_sends_is_refused(site: Site, form: dict[str, str]) -> None:
    await site.complete()
    await site.sign_in()
    assert (await site.post(scores_of(site), form)).status == 400
    assert await given(site) == []


async def test_a_question_that_is_not_there_is_not_scored(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    assert (await site.post(scores_of(site), {"question": "4", "value": "4"})).status == 404


async def test_an_interview_that_is_not_completed_is_not_scored_and_shows_no_scores(site: Site) -> None:
    await site.sign_in()
    for act in ("pending", "in progress", "cancelled"):
        if act == "in progress":
            await site.start()
        if act == "cancelled":
            async with site.app[DATABASE].write() as conn:
                assert await invitations.cancel(conn, site.invitation.id, reason="", now_ms=site.clock.now_ms)
        assert (await site.post(scores_of(site), {"question": "1", "value": "4"})).status == 404
        assert 'class="rate"' not in await page(site)
    assert await given(site) == []


async def test_who_is_signed_out_is_sent_to_the_sign_in_page(site: Site) -> None:
    await site.complete()
    response = await site.post(scores_of(site), {"question": "1", "value": "4"})
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert await given(site) == []


async def test_another_organisation_scores_nothing(site: Site) -> None:
    await site.complete()
    await site.sign_in(email=await site.another_organisations_recruiter())
    assert (await site.post(scores_of(site), {"question": "1", "value": "4"})).status == 404


async def test_a_reviewer_scores_the_interviews_of_their_jobs_alone(site: Site) -> None:
    await site.complete()
    other = await site.invite()
    await site.complete(other)
    reviewer = await colleague(site, "Rui", Role.REVIEWER, assigned=site.invitation)
    await site.sign_in(reviewer.email)
    assert (await site.post(scores_of(site), {"question": "1", "value": "4"})).status == 303
    html = await page(site)
    assert "/candidates/" not in html.split("<main")[1]
    for path in (f"/interviews/{other.id}", f"/interviews/{other.id}/scores"):
        response = await (site.post(path, {"question": "1", "value": "4"}) if "scores" in path else site.get(path))
        assert response.status == 404
    assert [each.user_name for each in await given(site)] == ["Rui"]


async def test_everybodys_scores_are_shown_with_names_that_are_never_markup(site: Site) -> None:
    await site.complete()
    evil = await colleague(site, "<b>Eve</b>")
    async with site.app[DATABASE].write() as conn:
        await scores.give(conn, site.invitation.id, user_id=evil.id, question=1, value=2, now_ms=1)
    await site.sign_in()
    html = await page(site)
    assert "<b>Eve</b>" not in html
    assert "&lt;b&gt;Eve&lt;/b&gt;" in html
