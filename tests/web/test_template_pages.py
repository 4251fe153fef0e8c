"""Templates in the browser (R1–R9): made, edited, published, told apart when two do it at once; nothing is lost."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientResponse

from storage import events, invitations, jobs, template_drafts, template_list, templates
from storage.templates import TemplateVersion
from tests.web.world import Site, text_of
from web import demo
from web.keys import DATABASE
from web.recruiter.templates import PAGE_ROWS

Pairs = list[tuple[str, str]]


@dataclass
class Draft:
    """What a browser holds of the editor: its form, as it was sent by the server."""

    path: str
    pairs: Pairs = field(default_factory=list)

    def set(self, name: str, value: str) -> Draft:
        self.pairs = [(key, value if key == name else old) for key, old in self.pairs]
        assert name in dict(self.pairs), name
        return self

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]


def form_of(page: str, path: str) -> Draft:
    """The fields of the editor's form as a browser would post them."""
    shown = re.sub(r"<template.*?</template>", "", page, flags=re.DOTALL)
    main = shown[shown.index('id="draft"') : shown.index("</form>", shown.index('id="draft"'))]
    beside = "".join(re.findall(r'<select form="draft".*?</select>|<input form="draft"[^>]*>', shown, flags=re.DOTALL))
    pairs: Pairs = []
    control = re.compile(r"<input[^>]*>|<textarea[^>]*>.*?</textarea>|<select[^>]*>.*?</select>", re.DOTALL)
    for found in control.findall(main + beside):
        name = re.search(r' name="([^"]+)"', found)
        assert name is not None, found
        if found.startswith("<textarea"):
            value = found[found.index(">") + 1 : found.rindex("<")]
        elif found.startswith("<select"):
            chosen = re.search(r'value="([^"]*)" selected', found) or re.search(r'value="([^"]*)"', found)
            assert chosen is not None
            value = chosen[1]
        elif 'type="checkbox"' in found and " checked" not in found:
            continue
        else:
            typed = re.search(r' value="([^"]*)"', found)
            value = typed[1] if typed else ""
        pairs.append((name[1], html.unescape(value)))
    return Draft(path, pairs)


async def created(site: Site, name: str = "Second talk") -> str:
    """The path of a new template's editor."""
    response = await site.post("/templates", {"name": name})
    assert response.status == 303
    return response.headers["Location"].split("?")[0]


async def opened(site: Site, path: str) -> Draft:
    response = await site.get(path)
    assert response.status == 200
    return form_of(await response.text(), path)


async def press(site: Site, draft: Draft, action: str = "save") -> ClientResponse:
    return await site.client.post(draft.path, data=[*draft.pairs, ("action", action)], allow_redirects=False)


async def with_question(site: Site, path: str, text: str = "Why us?") -> Draft:
    """The editor after "Add question" and its text."""
    response = await press(site, await opened(site, path), "add-question")
    assert response.status == 303
    draft = (await opened(site, path)).set("text-1", text)
    return draft


async def version_of(site: Site, path: str) -> TemplateVersion:
    async with site.app[DATABASE].read() as conn:
        newest = (await template_drafts.versions(conn, path.rsplit("/", 1)[1]))[0]
        return await templates.version(conn, newest.id)


async def kinds_of(site: Site, path: str) -> list[str]:
    async with site.app[DATABASE].read() as conn:
        found = await events.for_subject(
            conn, site.invitation.organisation_id, "template", path.rsplit("/", 1)[1], limit=20
        )
    return [event.kind for event in reversed(found)]


async def demos_path(site: Site) -> str:
    async with site.app[DATABASE].read() as conn:
        return f"/templates/{(await templates.version(conn, site.invitation.version_id)).template_id}"


async def test_the_list_shows_each_template_with_its_facts(site: Site) -> None:
    await site.sign_in()
    await created(site)
    page = text_of(await (await site.get("/templates")).text())
    for words in (
        "First conversation",
        "Support engineer",
        "Published",
        "3 · 7 min",
        "Version 1",
        "Second talk",
        "Draft",
    ):
        assert words in page


async def test_an_empty_list_says_what_templates_are_and_offers_the_first(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    page = await (await site.get("/templates")).text()
    assert "No templates yet" in page
    assert "Name of your first template" in page
    assert "First conversation</a>" not in page


async def test_long_lists_come_in_pages(site: Site) -> None:
    async with site.app[DATABASE].write() as conn:
        for number in range(PAGE_ROWS):
            await templates.create(
                conn,
                organisation_id=site.invitation.organisation_id,
                name=f"Template {number:03}",
                now_ms=site.clock.now_ms + number + 1,
            )
    await site.sign_in()
    first = await (await site.get("/templates")).text()
    assert first.count('class="row-link"') == PAGE_ROWS
    older = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
    second = await (await site.get(older)).text()
    assert "First conversation" in second
    assert second.count('class="row-link"') == 1


async def test_a_template_is_made_by_its_name_with_the_usual_details(site: Site) -> None:
    await site.sign_in()
    path = await created(site, "  Second \t talk ")
    version = await version_of(site, path)
    assert version.template_name == "Second talk"
    assert [field["label"] for field in version.details_fields] == ["Full name", "E-mail address", "Telephone"]
    assert await kinds_of(site, path) == ["template.created"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "bell \x07"])
async def test_a_name_that_cannot_be_is_refused_beside_its_field_and_kept(site: Site, name: str) -> None:
    await site.sign_in()
    response = await site.post("/templates", {"name": name})
    page = await response.text()
    assert response.status == 422
    assert 'id="new-mistake"' in page
    assert "".join(sign for sign in name.strip() if sign.isprintable()) in page


async def test_two_presses_of_create_make_one_template(site: Site) -> None:
    await site.sign_in()
    first, second = await asyncio.gather(*(site.post("/templates", {"name": "Twice"}) for _ in range(2)))
    assert sorted((first.status, second.status)) == [303, 422]
    async with site.app[DATABASE].read() as conn:
        found = await template_list.listing(conn, site.invitation.organisation_id)
    assert [line.name for line in found].count("Twice") == 1
    refused = first if first.status == 422 else second
    assert "There is a template with this name already" in await refused.text()


async def test_a_draft_is_edited_whole_and_comes_back_as_it_was_saved(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = await with_question(site, path)
    draft.set("name", 'Talk <b>"two"</b>').set("introduction", "Hello\n\nagain").set("instructions", "Be on time")
    draft.set("difficulty", "advanced").set("focus_area", "Bread & butter").set("duration_min", "12")
    draft.set("language", "fi").set("think-1", "other").set("think-other-1", "1 min 15 s").set("limit-1", "90")
    draft.set("retakes-1", "unlimited").pairs.append(("audio_only", "yes"))
    draft.pairs.remove(("required-1", "yes"))
    response = await press(site, draft)
    assert (response.status, response.headers["Location"]) == (303, f"{path}?done=saved")
    version = await version_of(site, path)
    assert (version.template_name, version.language, version.introduction) == (
        'Talk <b>"two"</b>',
        "fi",
        "Hello\n\nagain",
    )
    assert (version.difficulty, version.focus_area, version.duration_min) == ("advanced", "Bread & butter", 12)
    assert version.audio_only_allowed
    [question] = version.questions
    assert (question.text, question.think_s, question.limit_s, question.retakes, question.required) == (
        "Why us?",
        75,
        90,
        None,
        False,
    )
    again = await opened(site, path)
    assert again["name"] == 'Talk <b>"two"</b>'
    assert again["introduction"] == "Hello\n\nagain"
    assert again["think-1"] == "75"
    assert "<b>" not in await (await site.get(path)).text()


async def test_the_buttons_of_the_form_add_move_and_remove_without_a_script(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    await press(site, await with_question(site, path, "One"), "add-question")
    await press(site, (await opened(site, path)).set("text-2", "Two"), "add-question")
    response = await press(site, (await opened(site, path)).set("text-3", "Three"), "up:3")
    assert response.headers["Location"] == f"{path}#question-2"

    async def texts() -> list[str]:
        return [question.text for question in (await version_of(site, path)).questions]

    assert await texts() == ["One", "Three", "Two"]
    await press(site, await opened(site, path), "down:1")
    assert await texts() == ["Three", "One", "Two"]
    await press(site, await opened(site, path), "remove-question:2")
    assert await texts() == ["Three", "Two"]
    response = await press(site, await opened(site, path), "add-field")
    assert response.headers["Location"] == f"{path}#label-4"
    await press(site, (await opened(site, path)).set("label-4", "Shoe size"), "remove-field:1")
    labels = [field["label"] for field in (await version_of(site, path)).details_fields]
    assert labels == ["E-mail address", "Telephone", "Shoe size"]


async def test_a_mistake_is_said_beside_its_field_and_everything_typed_is_kept(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = await with_question(site, path, "A long question\nof two lines")
    draft.set("name", "").set("limit-1", "other").set("limit-other-1", "soon").set("introduction", "Typed")
    before = await version_of(site, path)
    response = await press(site, draft)
    page = await response.text()
    assert response.status == 422
    assert 'id="mistake-name"' in page
    assert 'aria-describedby="mistake-limit-1"' in page
    assert "2 things need another look" in text_of(page)
    assert form_of(page, path).pairs == draft.pairs
    assert await version_of(site, path) == before


async def test_a_question_added_beside_a_mistake_is_not_lost_either(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = (await with_question(site, path)).set("name", "")
    response = await press(site, draft, "add-question")
    again = form_of(await response.text(), path)
    assert response.status == 422
    assert again["text-1"] == "Why us?"
    assert again["text-2"] == ""


async def test_publishing_freezes_and_says_so(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    response = await press(site, await with_question(site, path), "publish")
    assert (response.status, response.headers["Location"]) == (303, f"{path}?done=published")
    words = text_of(await (await site.get(f"{path}?done=published")).text())
    assert "Version 1 is published" in words
    assert "attach it to a job" in words
    assert "by Alex Berg" in words
    assert "Edit as new draft" in words
    assert await kinds_of(site, path) == ["template.created", "template.published"]
    assert (await version_of(site, path)).published_at_ms == site.clock.now_ms


async def test_what_publishing_still_needs_is_said_and_the_draft_is_saved(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    response = await press(site, (await opened(site, path)).set("introduction", "Kept"), "publish")
    page = await response.text()
    assert response.status == 422
    assert "needs at least one question" in page
    version = await version_of(site, path)
    assert (version.published_at_ms, version.introduction) == (None, "Kept")
    # The page that came back saves on from there.
    assert (await press(site, form_of(page, path).set("introduction", "More"), "save")).status == 303
    response = await press(site, await with_question(site, path, " "), "publish")
    assert response.status == 422
    assert "Write the question, or remove it." in await response.text()


async def test_a_published_version_is_read_only_and_edited_as_a_new_draft(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    page = await (await site.get(path)).text()
    assert 'id="draft"' not in page
    assert (await site.post(f"{path}/draft")).status == 303
    assert (await site.post(f"{path}/draft")).status == 303
    page = text_of(await (await site.get(path)).text())
    assert "Draft of version 2" in page
    assert "Version 1 is published, and is sent until you publish this one." in page
    draft = (await opened(site, path)).set("text-1", "Something else?")
    assert (await press(site, draft, "publish")).status == 303
    async with site.app[DATABASE].read() as conn:
        kept = await templates.version(conn, site.invitation.version_id)
        [offer] = await templates.offered(conn, site.invitation.organisation_id)
        assert (await invitations.get(conn, site.invitation.id)).version_id == kept.id
    assert kept.questions[0].text.startswith("Tell us about a piece of work")
    assert offer.number == 2


async def test_of_two_who_publish_at_once_one_wins_and_the_other_keeps_what_was_typed(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    await press(site, await with_question(site, path))
    ours, theirs = await opened(site, path), await opened(site, path)
    ours.set("introduction", "Ours")
    theirs.set("introduction", "Theirs")
    first, second = await asyncio.gather(press(site, ours, "publish"), press(site, theirs, "publish"))
    assert sorted((first.status, second.status)) == [303, 409]
    told, typed = (first, "Ours") if first.status == 409 else (second, "Theirs")
    page = await told.text()
    assert "Version 1 was published while you were editing" in page
    assert "Alex Berg published it" in page
    again = form_of(page, path)
    assert again["introduction"] == typed
    assert (await kinds_of(site, path)).count("template.published") == 1
    # What the other had typed becomes the next draft, by a press that says so.
    assert "Save as new draft" in page
    assert (await press(site, again)).status == 303
    version = await version_of(site, path)
    assert (version.number, version.published_at_ms, version.introduction) == (2, None, typed)


async def test_publishing_twice_the_same_is_one_publication_and_no_alarm(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = await with_question(site, path)
    first, second = await asyncio.gather(press(site, draft, "publish"), press(site, draft, "publish"))
    assert {first.headers["Location"], second.headers["Location"]} == {f"{path}?done=published", f"{path}?done=already"}
    words = text_of(await (await site.get(f"{path}?done=already")).text())
    assert "was published already, by Alex Berg" in words
    assert (await kinds_of(site, path)).count("template.published") == 1


async def test_a_save_over_a_newer_draft_is_told_with_both_at_hand(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    mine, theirs = await opened(site, path), await opened(site, path)
    assert (await press(site, theirs.set("introduction", "Theirs"))).status == 303
    response = await press(site, mine.set("introduction", "Mine"))
    page = await response.text()
    assert response.status == 409
    assert "This draft was saved elsewhere after you opened it" in page
    assert f'href="{path}/preview" data-dialog' in page
    assert 'data-autosave="no"' in page
    assert (await version_of(site, path)).introduction == "Theirs"
    again = form_of(page, path)
    assert again["introduction"] == "Mine"
    assert (await press(site, again)).status == 303
    assert (await version_of(site, path)).introduction == "Mine"


async def test_a_draft_discarded_meanwhile_is_told_and_what_was_typed_starts_the_next(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    await site.post(f"{path}/draft")
    mine = (await opened(site, path)).set("introduction", "Mine")
    other = await opened(site, path)
    response = await site.post(f"{path}/discard", {"version": other["version"], "revision": other["revision"]})
    assert response.headers["Location"] == f"{path}?done=discarded"
    response = await press(site, mine)
    page = await response.text()
    assert response.status == 409
    assert "This draft was discarded while you were editing" in page
    assert (await press(site, form_of(page, path))).status == 303
    assert (await version_of(site, path)).introduction == "Mine"


async def test_a_draft_saved_meanwhile_is_not_discarded(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    await site.post(f"{path}/draft")
    old = await opened(site, path)
    await press(site, (await opened(site, path)).set("introduction", "Newer"))
    response = await site.post(f"{path}/discard", {"version": old["version"], "revision": old["revision"]})
    assert response.headers["Location"] == f"{path}?done=not-discarded"
    assert "The draft was not discarded" in await (await site.get(f"{path}?done=not-discarded")).text()
    assert (await version_of(site, path)).introduction == "Newer"
    new = await created(site)
    draft = await opened(site, new)
    await site.post(f"{new}/discard", {"version": draft["version"], "revision": draft["revision"]})
    assert (await version_of(site, new)).number == 1


async def test_the_page_saves_by_itself_and_is_answered_in_short(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = await with_question(site, path)
    response = await press(site, draft, "autosave")
    saved = await response.json()
    assert response.status == 200
    assert saved == {"version": draft["version"], "revision": int(draft["revision"]) + 1, "minutes": 3, "missing": []}
    # An answer that was lost on the way: the same again is no conflict.
    assert (await (await press(site, draft, "autosave")).json())["revision"] == saved["revision"]
    response = await press(site, draft.set("name", ""), "autosave")
    assert (response.status, await response.json()) == (422, {"mistakes": {"name": "A template needs a name."}})
    response = await press(site, draft.set("name", "Other"), "autosave")
    assert (response.status, await response.json()) == (409, {"conflict": "changed"})
    site.forget_cookies()
    assert (await press(site, draft, "autosave")).status == 303


async def test_an_archived_template_is_offered_no_more_its_invitations_go_on_and_it_comes_back(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    response = await site.post(f"{path}/archive")
    undo = response.headers["Location"]
    page = await (await site.get(undo)).text()
    assert "is archived: it is offered no more" in text_of(page)
    assert f'action="{path}/restore"' in page
    assert "First conversation" in await (await site.get("/templates?archived")).text()
    async with site.app[DATABASE].read() as conn:
        assert await templates.offered(conn, site.invitation.organisation_id) == []
    words = text_of(await (await site.get(path)).text())
    assert "This template is offered no more" in words
    site.forget_cookies()
    await site.start()
    await site.sign_in()
    await site.post(f"{path}/archive")
    response = await site.post(f"{path}/restore")
    assert response.headers["Location"] == f"{path}?done=restored"
    await site.post(f"{path}/restore")
    async with site.app[DATABASE].read() as conn:
        assert len(await templates.offered(conn, site.invitation.organisation_id)) == 1
    assert await kinds_of(site, path) == ["template.archived", "template.restored"]


async def test_what_was_typed_into_a_template_archived_meanwhile_is_saved_and_not_published(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    draft = (await with_question(site, path)).set("introduction", "Typed")
    await site.post(f"{path}/archive")
    response = await press(site, draft, "publish")
    assert response.headers["Location"] == f"{path}?done=archived"
    version = await version_of(site, path)
    assert (version.introduction, version.published_at_ms) == ("Typed", None)
    assert "Its draft is kept" in await (await site.get(path)).text()


async def test_jobs_are_attached_and_detached_on_the_page(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    async with site.app[DATABASE].write() as conn:
        cook = await jobs.create(
            conn, organisation_id=site.invitation.organisation_id, title="Cook", now_ms=site.clock.now_ms
        )
        [baker] = [
            job.id
            for job in await template_list.jobs_for(conn, path.rsplit("/", 1)[1], site.invitation.organisation_id)
            if job.attached
        ]
    page = await (await site.get(path)).text()
    assert f'value="{cook.id}"> <span>Cook' in page
    form = [("shown", cook.id), ("shown", baker), ("job", cook.id), ("job", "f" * 32)]
    response = await site.client.post(f"{path}/jobs", data=form, allow_redirects=False)
    assert response.headers["Location"] == f"{path}?done=jobs#jobs"
    async with site.app[DATABASE].read() as conn:
        offers = await templates.offered(conn, site.invitation.organisation_id)
    assert [offer.job_title for offer in offers] == ["Cook"]


async def test_the_preview_shows_what_the_candidate_will_see(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    for preview in (f"{path}/preview", f"/templates/versions/{site.invitation.version_id}/preview"):
        page = await (await site.get(preview)).text()
        words = text_of(page)
        assert "data-dialog-content" in page
        assert "Question 2 of 3 · 30 s to think · up to 90 s to answer · 2 retakes" in words
        assert "Thank you for your interest in Meadow Studio" in words
        assert "3 questions, at most 7 min together" in words
        assert "About 7 min" in words
    await site.post(f"{path}/draft")
    draft = (await opened(site, path)).set("text-1", "Only in the draft?")
    assert (await press(site, draft, "preview")).headers["Location"] == f"{path}/preview"
    assert "Only in the draft?" in await (await site.get(f"{path}/preview")).text()


async def test_another_organisations_template_does_not_exist(site: Site) -> None:
    await site.sign_in()
    path = await demos_path(site)
    site.forget_cookies()
    await site.sign_in(email=await site.another_organisations_recruiter())
    for got in (path, f"{path}/preview", f"/templates/versions/{site.invitation.version_id}/preview"):
        assert (await site.get(got)).status == 404
    for posted in ("", "/draft", "/discard", "/archive", "/restore", "/jobs"):
        assert (await site.post(f"{path}{posted}", {"name": "Mine"})).status == 404
    assert (
        "First conversation</strong>" not in await (await site.get(f"/templates?undo={path.rsplit('/', 1)[1]}")).text()
    )
    assert await kinds_of(site, path) == []


async def test_a_form_without_its_version_and_revision_changes_nothing(site: Site) -> None:
    await site.sign_in()
    path = await created(site)
    before = await version_of(site, path)
    for pairs in ([], [("version", before.id)], [("version", before.id), ("revision", "-1"), ("name", "X")]):
        response = await site.client.post(path, data=pairs, allow_redirects=False)
        assert response.status == 422  # no language: this is not our form
    full = (await opened(site, path)).set("revision", "99").set("name", "X")
    assert (await press(site, full)).status == 409
    assert await version_of(site, path) == before


async def test_signed_out_people_are_asked_to_sign_in_and_brought_back(site: Site) -> None:
    path = await demos_path(site)
    response = await site.get(path)
    assert response.status == 303
    assert response.headers["Location"].startswith("/sign-in")
    response = await site.sign_in(email=demo.EMAIL, wanted=path)
    assert response.headers["Location"] == path
