"""R29: comments on the review page: kept as typed, posted once, at a moment, edited, deleted, brought back."""

from __future__ import annotations

import re

import pytest

from storage import comments
from storage.comments import TEXT_LIMIT, Comment
from storage.ids import new_id
from storage.states import Role
from tests.web.review_world import PART, colleague, comment_form, happened, page
from tests.web.world import Site, text_of
from web.keys import DATABASE


def comments_of(site: Site) -> str:
    return f"/interviews/{site.invitation.id}/comments"


async def posted(site: Site) -> list[Comment]:
    async with site.app[DATABASE].read() as conn:
        return await comments.posted(conn, site.invitation.id)


async def post(site: Site, question: int = 1, **typed: str) -> str:
    """Posts a comment and gives its id."""
    form = await comment_form(site, question, **typed)
    assert (await site.post(comments_of(site), form)).status == 303
    return form["comment"]


async def test_a_comment_at_a_moment_is_posted_and_links_to_the_moment(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site, 2, text="Here.\nExactly here.", moment="0:06")
    response = await site.post(comments_of(site), form)
    assert response.status == 303
    assert response.headers["Location"] == f"/interviews/{site.invitation.id}?answer=2#said-2"
    html = await page(site, answer="2")
    assert 'href="?answer=2&amp;at=6" data-seek="6"' in html
    assert 'data-moment="6"' in html
    assert "Here.\nExactly here." in html
    [only] = await posted(site)
    assert (only.question, only.moment_ms, only.author) == (2, 6000, "Alex Berg")
    assert await happened(site, "comment.posted") == [{"question": 2, "comment": form["comment"]}]


async def test_the_link_of_a_moment_begins_there_without_a_script(site: Site) -> None:
    takes = await site.complete()
    await site.sign_in()
    html = await page(site, answer="2", at="6")
    assert f'takes/{takes[1].id}#t=6"' in html
    assert f"takes/{takes[0].id}#t=" not in html
    for odd in ("x", "-1", "9" * 9, "²"):
        assert "#t=" not in await page(site, answer="2", at=odd)


async def test_a_form_sent_twice_is_one_comment(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site)
    for _ in range(2):
        assert (await site.post(comments_of(site), form)).status == 303
    assert len(await posted(site)) == 1
    assert len(await happened(site, "comment.posted")) == 1


async def test_other_words_in_a_form_that_was_posted_are_a_comment_of_their_own(site: Site) -> None:
    """The form is open in two tabs, or one went back to it: what was typed there is not lost without a word."""
    await site.complete()
    await site.sign_in()
    form = await comment_form(site)
    await site.post(comments_of(site), form)
    for _ in range(2):
        assert (await site.post(comments_of(site), {**form, "text": "Also brave."})).status == 303
    assert (await site.post(comments_of(site), {**form, "moment": "0:02"})).status == 303
    said = {(each.text, each.moment_ms) for each in await posted(site)}
    assert said == {("Calm.", None), ("Also brave.", None), ("Calm.", 2000)}
    await site.post(f"{comments_of(site)}/{form['comment']}/delete")
    for _ in range(2):
        assert (await site.post(comments_of(site), form)).status == 303
    again = await posted(site)
    assert sorted(each.text for each in again) == ["Also brave.", "Calm.", "Calm."], "after it was deleted, too"
    told = [detail["comment"] for detail in await happened(site, "comment.posted")]
    assert sorted(told) == sorted({form["comment"], *(each.id for each in again)})


async def test_what_is_typed_is_kept_for_its_author_alone(site: Site) -> None:
    await site.complete()
    maya = await colleague(site, "Maya")
    await site.sign_in()
    form = await comment_form(site, text="Half a th", moment="0:03")
    response = await site.post(f"{comments_of(site)}/draft", form)
    assert (response.status, await response.text()) == (204, "")
    again = await page(site)
    assert "Half a th</textarea>" in again
    assert 'name="moment" value="0:03"' in again
    assert form["comment"] in again
    assert "Draft kept" in again
    assert await posted(site) == []
    site.forget_cookies()
    await site.sign_in(maya.email)
    assert "Half a th" not in await page(site)


async def test_a_draft_that_is_late_does_not_come_back_after_posting(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site)
    await site.post(comments_of(site), form)
    late = await site.post(f"{comments_of(site)}/draft", {**form, "text": "Cal"})
    assert late.status == 409, "and does not say that it was kept"
    html = await page(site)
    assert "Cal</textarea>" not in html
    assert [each.text for each in await posted(site)] == ["Calm."]


async def test_a_draft_with_half_a_moment_keeps_its_words(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site, text="Half", moment="0:")
    assert (await site.post(f"{comments_of(site)}/draft", form)).status == 204
    assert "Half</textarea>" in await page(site)


@pytest.mark.parametrize(
    ("typed", "mistake"),
    [
        ({"text": "   \n "}, "Write your comment first."),
        ({"text": "x" * (TEXT_LIMIT + 1)}, "Shorten it to 4,000."),
        ({"moment": "soon"}, "like 0:42"),
        ({"moment": "0:75"}, "like 0:42"),
        ({"moment": "0:08"}, "The recording ends before that moment."),
    ],
)
async def test_a_mistake_stands_beside_its_field_and_nothing_typed_is_lost(
    site: Site, typed: dict[str, str], mistake: str
) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site, **typed)
    whole = await site.post(comments_of(site), form)
    part = await site.post(comments_of(site), form, headers=PART)
    for response in (whole, part):
        html = await response.text()
        assert response.status == 422
        assert mistake in html
        assert 'aria-invalid="true"' in html
        assert f"{form['text'].strip()}</textarea>" in html
        assert f'name="moment" value="{form["moment"]}"' in html
        assert form["comment"] in html
    assert await posted(site) == []


async def test_a_moment_where_nothing_was_recorded_is_a_mistake(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    assert 'id="say-at-3"' not in await page(site)
    response = await site.post(comments_of(site), await comment_form(site, 3, moment="0:01"))
    assert response.status == 422
    assert await posted(site) == []


async def test_the_script_gets_an_empty_form_and_the_comments(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    form = await comment_form(site, text="Good.")
    response = await site.post(comments_of(site), form, headers=PART)
    part = await response.text()
    assert response.status == 200
    assert "<html" not in part
    assert part.lstrip().startswith('<form class="say" id="say-1"')
    assert 'hx-target="#said-1" hx-swap="outerMorph"' in part
    fresh, said = part.split("<template")
    assert form["comment"] not in fresh
    assert "Good." not in fresh
    assert "Good." in said


async def test_texts_are_never_markup_and_control_characters_are_left_out(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    await post(site, text="<script>alert(1)</script>\r\n=SUM(A1)\0\x07 👩‍👩‍👧")
    html = await page(site)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\n=SUM(A1) 👩‍👩‍👧" in html


async def test_ones_own_comment_is_edited_and_says_so(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    comment_id = await post(site)
    path = f"{comments_of(site)}/{comment_id}"
    response = await site.post(path, {"text": "Calmer.", "answer": "1"})
    assert (response.status, response.headers["Location"].split("?")[1]) == (303, "answer=1#said-1")
    assert "· edited" in text_of(await page(site))
    part = await (await site.post(path, {"text": "Calmest.", "answer": "1"}, headers=PART)).text()
    assert part.lstrip().startswith('<div class="said" id="said-1">')
    assert "Calmest." in part


@pytest.mark.parametrize("headers", [{}, PART])
async def test_an_edit_that_is_refused_keeps_what_was_typed(site: Site, headers: dict[str, str]) -> None:
    await site.complete()
    await site.sign_in()
    comment_id = await post(site)
    long = "y" * (TEXT_LIMIT + 1)
    response = await site.post(f"{comments_of(site)}/{comment_id}", {"text": long}, headers=headers)
    html = await response.text()
    assert response.status == 422
    assert f"{long}</textarea>" in html
    assert '<details class="amend" open>' in html
    assert [each.text for each in await posted(site)] == ["Calm."]


async def test_a_deleted_comment_is_gone_for_all_and_can_be_brought_back_on_the_page(site: Site) -> None:
    await site.complete()
    maya = await colleague(site, "Maya")
    await site.sign_in()
    comment_id = await post(site)
    response = await site.post(f"{comments_of(site)}/{comment_id}/delete", {"answer": "1"})
    assert response.status == 303
    undo = re.sub("#.*", "", response.headers["Location"])
    assert undo.endswith(f"?answer=1&deleted={comment_id}")
    after = await (await site.get(undo)).text()
    assert "Comment deleted." in after
    assert "Calm." not in after
    site.forget_cookies()
    await site.sign_in(maya.email)
    for path in (undo, f"/interviews/{site.invitation.id}"):
        other = await (await site.get(path)).text()
        assert "Comment deleted." not in other
        assert "Calm." not in other
    site.forget_cookies()
    await site.sign_in()
    part = await site.post(f"{comments_of(site)}/{comment_id}/restore", headers=PART)
    assert "Calm." in await part.text()
    assert [each.text for each in await posted(site)] == ["Calm."]
    told = {"question": 1, "comment": comment_id}
    assert await happened(site, "comment.deleted") == [told]
    assert await happened(site, "comment.restored") == [told]


async def test_a_comment_that_was_deleted_is_not_edited(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    comment_id = await post(site)
    await site.post(f"{comments_of(site)}/{comment_id}/delete")
    assert (await site.post(f"{comments_of(site)}/{comment_id}", {"text": "Again"})).status == 404


async def test_colleagues_neither_edit_nor_delete_what_is_not_theirs_but_an_admin_deletes(site: Site) -> None:
    await site.complete()
    maya = await colleague(site, "Maya")
    admin = await colleague(site, "Ada", Role.ADMIN)
    await site.sign_in(maya.email)
    comment_id = await post(site)
    paul = await colleague(site, "Paul")
    site.forget_cookies()
    await site.sign_in(paul.email)
    for ending in ("", "/delete", "/restore"):
        assert (await site.post(f"{comments_of(site)}/{comment_id}{ending}", {"text": "Mine"})).status == 404
    assert "/delete" not in (await page(site)).split('id="said-1"')[1].split("</form>")[0]
    site.forget_cookies()
    await site.sign_in(admin.email)
    assert (await site.post(f"{comments_of(site)}/{comment_id}", {"text": "Mine"})).status == 404
    assert (await site.post(f"{comments_of(site)}/{comment_id}/delete")).status == 303
    assert await posted(site) == []


@pytest.mark.parametrize("ending", ["", "/draft"])
@pytest.mark.parametrize("wrong", [{"comment": "x"}, {"comment": ""}, {"question": "one"}, {"question": ""}])
async def test_what_no_form_of_ours_sends_is_refused(site: Site, ending: str, wrong: dict[str, str]) -> None:
    await site.complete()
    await site.sign_in()
    form = {"comment": new_id(), "question": "1", "text": "Calm."} | wrong
    assert (await site.post(comments_of(site) + ending, form)).status == 400


@pytest.mark.parametrize("ending", ["", "/draft"])
async def test_nothing_is_written_on_an_interview_that_is_not_completed_or_a_question_not_there(
    site: Site, ending: str
) -> None:
    await site.sign_in()
    form = {"comment": new_id(), "question": "1", "text": "Calm."}
    assert (await site.post(comments_of(site) + ending, form)).status == 404
    await site.complete()
    assert (await site.post(comments_of(site) + ending, {**form, "question": "7"})).status == 404
    assert await posted(site) == []


async def test_another_organisation_and_a_reviewer_of_other_jobs_write_and_read_nothing(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    comment_id = await post(site)
    strangers = [
        await site.another_organisations_recruiter(),
        (await colleague(site, "Rui", Role.REVIEWER)).email,
    ]
    for email in strangers:
        site.forget_cookies()
        await site.sign_in(email)
        form = {"comment": new_id(), "question": "1", "text": "Mine"}
        for ending in ("", "/draft", f"/{comment_id}", f"/{comment_id}/delete", f"/{comment_id}/restore"):
            assert (await site.post(comments_of(site) + ending, form)).status == 404
        assert (await site.get(f"/interviews/{site.invitation.id}")).status == 404
    assert [each.text for each in await posted(site)] == ["Calm."]


async def test_a_comment_is_found_only_below_its_own_interview(site: Site) -> None:
    await site.complete()
    other = await site.invite()
    await site.complete(other)
    await site.sign_in()
    comment_id = await post(site)
    assert (await site.post(f"/interviews/{other.id}/comments/{comment_id}/delete")).status == 404
    assert len(await posted(site)) == 1


async def test_a_full_interview_says_so_and_keeps_the_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comments, "COMMENTS_LIMIT", 1)
    await site.complete()
    await site.sign_in()
    await post(site)
    form = await comment_form(site, text="One more")
    response = await site.post(comments_of(site), form)
    assert response.status == 422
    assert "as many comments as it can hold" in await response.text()
    assert "One more</textarea>" in await response.text()
    assert (await site.post(f"{comments_of(site)}/draft", form)).status == 422
