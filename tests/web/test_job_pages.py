"""Jobs: list, board, moves, settings, adding candidates; and the profile of a candidate."""

from __future__ import annotations

import re
from html import unescape

import pytest
from aiohttp import ClientResponse

from storage import candidates, events, job_members, job_templates, jobs, pipeline, templates, users
from storage.ids import new_id
from storage.jobs import Job
from storage.pipeline import BOARD_CARDS
from storage.states import Role, Stage
from tests.web.test_candidate_list_pages import add, ids, job_of, listed, text
from tests.web.world import PASSWORD_HASH, START_MS, Site
from web.keys import DATABASE

HOUR_MS = 3_600_000


async def reviewer(site: Site, name: str) -> str:
    async with site.app[DATABASE].write() as conn:
        made = await users.create(
            conn,
            organisation_id=site.invitation.organisation_id,
            email=f"{new_id()}@example.com",
            name=name,
            role=Role.REVIEWER,
            password_hash=PASSWORD_HASH,
            now_ms=START_MS,
        )
    return made.id


async def totals(site: Site, job: Job) -> dict[Stage, int]:
    async with site.app[DATABASE].read() as conn:
        found = await pipeline.totals(conn, job.organisation_id, job.id)
    return {stage: count for stage, count in found.items() if count}


async def post_pairs(site: Site, path: str, *pairs: tuple[str, str]) -> ClientResponse:
    return await site.client.post(path, data=list(pairs), allow_redirects=False)


async def kinds_of(site: Site, job: Job) -> list[str]:
    async with site.app[DATABASE].read() as conn:
        return [event.kind for event in await events.for_subject(conn, job.organisation_id, "job", job.id)]


async def test_a_job_is_made_and_its_empty_board_says_what_comes_next(site: Site) -> None:
    await site.sign_in()
    response = await site.post("/jobs", {"title": "=Head baker"})
    assert response.status == 303
    page = await text(await site.get(response.headers["Location"]))
    for words in ("=Head baker", "Job made.", "No candidates in this job yet", "offers no published template"):
        assert words in page
    job = await job_of(site, "=Head baker")
    assert await kinds_of(site, job) == ["job.created"]


@pytest.mark.parametrize(
    ("title", "mistake"), [("  ", "Type the job's title"), ("A\nB", "cannot be shown"), ("x" * 201, "at most 200 fit")]
)
async def test_a_title_that_is_none_is_said_beside_its_field(site: Site, title: str, mistake: str) -> None:
    await site.sign_in()
    job = await job_of(site)
    for path in ("/jobs", f"/jobs/{job.id}"):
        response = await site.post(path, {"title": title})
        page = unescape(await response.text())
        assert response.status == 422
        assert mistake in page.split('id="title-mistake"')[1].split("</p>")[0]
        assert f'value="{" ".join(title.split())}"' in page
    assert (await job_of(site)).title == "Support engineer"


async def test_the_list_shows_open_jobs_with_their_stages_and_closed_ones_apart(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    page = await text(await site.get("/jobs"))
    assert "Support engineer" in page
    assert re.search(r"New Interview Review Shortlist Hired Rejected All", page)
    assert (await site.post(f"/jobs/{job.id}/close")).headers["Location"] == f"/jobs/{job.id}?done=closed"
    assert "No open jobs" in await text(await site.get("/jobs"))
    assert "Support engineer" in await text(await site.get("/jobs?closed"))
    assert "Open job again" in await text(await site.get(f"/jobs/{job.id}"))
    await site.post(f"/jobs/{job.id}/close")
    await site.post(f"/jobs/{job.id}/reopen")
    await site.post(f"/jobs/{job.id}", {"title": "Support lead"})
    await site.post(f"/jobs/{job.id}", {"title": "Support lead"})
    assert "Support lead" in await text(await site.get("/jobs"))
    assert await kinds_of(site, job) == ["job.renamed", "job.reopened", "job.closed"]


async def test_the_board_shows_each_candidate_in_their_stage_with_the_state_of_their_interview(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    job = await job_of(site)
    page = await (await site.get(f"/jobs/{job.id}")).text()
    columns = re.findall(r'<section class="column" aria-labelledby="stage-(\w+)"', page)
    assert columns == list(Stage)
    shown = re.sub(r"\s+", " ", page)
    assert "Robin Lindgren" in shown
    assert "Completed" in shown
    assert f'href="/interviews/{site.invitation.id}"' in page
    assert 'formmethod="get" formaction="/send"' in page


async def test_chosen_cards_are_moved_with_the_exact_count_and_their_events(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    kim = await add(site, "Kim Ek", "kim@example.org")
    await post_pairs(site, f"/jobs/{job.id}/candidates", ("candidate", kim.id))
    chosen = [("candidate", each) for each in ids(await (await site.get(f"/jobs/{job.id}")).text())]
    assert len(chosen) == 2
    for count in (2, 0):
        response = await post_pairs(site, f"/jobs/{job.id}/move", *chosen, ("to", "shortlist"))
        assert response.headers["Location"] == f"/jobs/{job.id}?done=moved&count={count}&to=shortlist"
    assert await totals(site, job) == {Stage.SHORTLIST: 2}
    async with site.app[DATABASE].read() as conn:
        [moved, *_] = await events.for_candidate(conn, job.organisation_id, kim.id)
    assert moved.detail == {"from": "new", "to": "shortlist", "job": "Support engineer"}
    page = await text(await site.get(f"/jobs/{job.id}?done=moved&count=2&to=shortlist"))
    assert "2 candidates moved to Shortlist." in page


async def test_moving_nobody_or_nowhere_changes_nothing(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    before = await totals(site, job)
    nobody = await post_pairs(site, f"/jobs/{job.id}/move", ("to", "review"))
    assert "Nobody was chosen" in await text(await site.get(nobody.headers["Location"]))
    [robin] = (await listed(site)).rows
    assert (await post_pairs(site, f"/jobs/{job.id}/move", ("candidate", robin.id), ("to", "x"))).status == 400
    assert await totals(site, job) == before


async def test_a_long_stage_has_a_page_of_its_own_in_pages(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    async with site.app[DATABASE].write() as conn:
        for number in range(60):
            made = await candidates.create(
                conn,
                organisation_id=job.organisation_id,
                name=f"Person {number}",
                email=f"p{number}@example.org",
                now_ms=START_MS,
            )
            await candidates.apply(conn, made.id, job.id, now_ms=START_MS + number, stage=Stage.REVIEW)
    board = await (await site.get(f"/jobs/{job.id}")).text()
    assert f'<a href="/jobs/{job.id}?stage=review">All 60 in Review</a>' in board
    assert len(ids(board)) <= BOARD_CARDS * len(Stage)
    first = await (await site.get(f"/jobs/{job.id}?stage=review")).text()
    older = unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
    second = await (await site.get(older)).text()
    assert (len(ids(first)), len(ids(second))) == (50, 10)
    assert not set(ids(first)) & set(ids(second))


async def test_somebody_new_is_added_from_the_board_and_typed_mistakes_are_kept(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    path = f"/jobs/{job.id}/candidates"
    wrong = await site.post(path, {"name": "Kim Ek", "email": "kim@example"})
    page = await wrong.text()
    assert wrong.status == 422
    assert 'id="email-mistake"' in page
    assert 'value="Kim Ek"' in page
    right = await site.post(path, {"name": "Kim Ek", "email": "kim@example.org"})
    assert right.headers["Location"] == f"/jobs/{job.id}?done=added&count=1"
    [kim] = (await listed(site, "kim")).rows
    assert [each.title for each in kim.jobs] == ["Support engineer"]


async def test_an_address_somebody_has_offers_to_add_them_instead(site: Site) -> None:
    kim = await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    job = await job_of(site)
    response = await site.post(f"/jobs/{job.id}/candidates", {"name": "K", "email": "KIM@example.org"})
    page = await response.text()
    assert response.status == 422
    assert f'<a href="/candidates/{kim.id}" dir="auto">Kim Ek</a>' in page
    assert "Add Kim Ek to this job instead" in page
    for count in (1, 0):
        added = await post_pairs(site, f"/jobs/{job.id}/candidates", ("candidate", kim.id))
        assert added.headers["Location"] == f"/jobs/{job.id}?done=added&count={count}"


async def test_known_candidates_are_searched_and_ticked(site: Site) -> None:
    kim = await add(site, "Kím Ek", "kim@example.org")
    await site.sign_in()
    job = await job_of(site)
    page = await (await site.get(f"/jobs/{job.id}/candidates", params={"q": "kim"})).text()
    assert ids(page) == [kim.id]
    every = await text(await site.get(f"/jobs/{job.id}/candidates"))
    assert "in this job already" in every
    nobody = await site.post(f"/jobs/{job.id}/candidates")
    assert nobody.status == 422
    assert "Tick whom you want to add." in await nobody.text()


async def test_a_search_is_kept_beside_a_mistake(site: Site) -> None:
    await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    job = await job_of(site)
    page = await (await site.get(f"/jobs/{job.id}/candidates?q=kim+e%26")).text()
    assert f'action="/jobs/{job.id}/candidates?q=kim%20e%26"' in page
    again = await (await site.post(f"/jobs/{job.id}/candidates?q=kim", {})).text()
    assert 'name="q" value="kim"' in again
    assert "Tick whom you want to add." in again
    assert "Robin Lindgren" not in again


async def test_nobody_is_added_to_a_closed_job(site: Site) -> None:
    kim = await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    job = await job_of(site)
    await site.post(f"/jobs/{job.id}/close")
    for form in ({"candidate": kim.id}, {"name": "Lee", "email": "lee@example.org"}):
        response = await site.post(f"/jobs/{job.id}/candidates", form)
        assert response.status == 422
        page = await response.text()
        assert "This job is closed" in page
        assert "Type an e-mail address" not in page, "what was not asked is no mistake"
        assert form.get("email", "") in page
    profile = await site.post(f"/candidates/{kim.id}/applications", {"job": job.id})
    assert "has been closed meanwhile" in await text(await site.get(profile.headers["Location"]))
    assert len((await listed(site)).rows) == 2
    assert (await listed(site, "kim")).rows[0].jobs == []
    assert 'formaction="/send"' not in await (await site.get(f"/jobs/{job.id}")).text()


async def test_the_settings_choose_templates_and_reviewers(site: Site) -> None:
    riina, sam = await reviewer(site, "Riina"), await reviewer(site, "Sam")
    await site.sign_in()
    job = await job_of(site)
    async with site.app[DATABASE].write() as conn:
        draft = await templates.create(conn, organisation_id=job.organisation_id, name="Second", now_ms=START_MS)
        first = (await templates.version(conn, site.invitation.version_id)).template_id
    page = await text(await site.get(f"/jobs/{job.id}?tab=settings"))
    for words in ("First conversation version 1", "Second not published yet", "Riina", "Sam"):
        assert words in page
    await post_pairs(site, f"/jobs/{job.id}/templates", ("template", first), ("template", draft.template_id))
    saved = await post_pairs(site, f"/jobs/{job.id}/members", ("member", riina), ("member", sam))
    assert "Reviewers saved." in await text(await site.get(saved.headers["Location"]))
    await post_pairs(site, f"/jobs/{job.id}/members", ("member", riina))
    async with site.app[DATABASE].read() as conn:
        offered = await job_templates.of_job(conn, job.organisation_id, job.id)
        assert [each.attached for each in offered] == [True, True]
        assert [each.id for each in await job_members.of_job(conn, job.id)] == [riina]
    await post_pairs(site, f"/jobs/{job.id}/templates")
    assert "offers no published template" in await text(await site.get(f"/jobs/{job.id}"))
    assert (await post_pairs(site, f"/jobs/{job.id}/members", ("member", "0" * 32))).status == 404
    assert (await post_pairs(site, f"/jobs/{job.id}/templates", ("template", "0" * 32))).status == 404


async def test_what_is_offered_no_more_since_the_page_was_made_is_left_out_and_the_rest_saved(site: Site) -> None:
    riina, sam = await reviewer(site, "Riina"), await reviewer(site, "Sam")
    await site.sign_in()
    job = await job_of(site)
    async with site.app[DATABASE].write() as conn:
        kept = await templates.create(conn, organisation_id=job.organisation_id, name="Kept", now_ms=START_MS)
        gone = await templates.create(conn, organisation_id=job.organisation_id, name="Gone", now_ms=START_MS)
        await templates.archive(conn, gone.template_id, organisation_id=job.organisation_id, now_ms=START_MS)
        await users.disable(conn, sam, organisation_id=job.organisation_id, now_ms=START_MS)
    ticked = (("template", kept.template_id), ("template", gone.template_id))
    assert (await post_pairs(site, f"/jobs/{job.id}/templates", *ticked)).status == 303
    assert (await post_pairs(site, f"/jobs/{job.id}/members", ("member", riina), ("member", sam))).status == 303
    async with site.app[DATABASE].read() as conn:
        offered = await job_templates.of_job(conn, job.organisation_id, job.id)
        assert [each.name for each in offered if each.attached] == ["Kept"]
        assert [each.id for each in await job_members.of_job(conn, job.id)] == [riina]


async def test_the_profile_shows_who_they_are_their_jobs_and_three_tabs(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    [robin] = (await listed(site)).rows
    page = await (await site.get(f"/candidates/{robin.id}")).text()
    assert '<a href="mailto:robin.lindgren@example.com">' in page
    assert f'href="/send?candidate={robin.id}" data-dialog' in page
    assert "Completed" in page
    assert "accepted the privacy notice" in page
    interviews = await (await site.get(f"/candidates/{robin.id}?tab=interviews")).text()
    assert f'href="/interviews/{site.invitation.id}"' in interviews
    assert "2 of 3 answered" in interviews
    assert "First conversation" in await text(await site.get(f"/candidates/{robin.id}?tab=scores"))


async def test_a_profile_without_anything_offers_what_comes_first(site: Site) -> None:
    kim = await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    page = await text(await site.get(f"/candidates/{kim.id}?tab=interviews"))
    assert "No interview has been sent to Kim Ek yet." in page
    assert "Not in the pipeline of any job yet." in page


async def test_a_stage_is_changed_on_the_profile_and_leads_back_there(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    [robin] = (await listed(site)).rows
    moved = await site.post(f"/jobs/{job.id}/move", {"candidate": robin.id, "to": "hired", "back": "profile"})
    assert moved.headers["Location"] == f"/candidates/{robin.id}?done=moved"
    assert await totals(site, job) == {Stage.HIRED: 1}
    again = await site.post(f"/jobs/{job.id}/move", {"candidate": robin.id, "to": "hired", "back": "profile"})
    assert "in that stage already" in await text(await site.get(again.headers["Location"]))
    assert "from Interview to Hired" in await text(await site.get(moved.headers["Location"]))


async def test_a_candidate_is_added_to_another_job_once(site: Site) -> None:
    await site.sign_in()
    [robin] = (await listed(site)).rows
    await site.post("/jobs", {"title": "Porter"})
    porter = await job_of(site, "Porter")
    for _ in range(2):
        response = await site.post(f"/candidates/{robin.id}/applications", {"job": porter.id})
        assert response.headers["Location"] == f"/candidates/{robin.id}?done=applied"
    assert await totals(site, porter) == {Stage.NEW: 1}
    assert (await site.post(f"/candidates/{robin.id}/applications", {"job": "0" * 32})).status == 404


async def test_name_and_address_are_changed_and_mistakes_lose_nothing(site: Site) -> None:
    kim = await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    wrong = await site.post(f"/candidates/{kim.id}", {"name": "Kim Berg", "email": "robin.lindgren@example.com"})
    page = await wrong.text()
    assert wrong.status == 422
    assert "This is already the address of" in page
    assert 'value="Kim Berg"' in page
    for _ in range(2):
        right = await site.post(f"/candidates/{kim.id}", {"name": "Kim Berg", "email": "KIM@example.org"})
        assert right.headers["Location"] == f"/candidates/{kim.id}?done=saved"
    [row] = (await listed(site, "berg")).rows
    assert (row.name, row.email) == ("Kim Berg", "KIM@example.org")
    async with site.app[DATABASE].read() as conn:
        written = await events.for_candidate(conn, site.invitation.organisation_id, kim.id)
    assert [event.kind for event in written] == ["candidate.edited"]


async def test_another_organisations_jobs_and_candidates_are_404(site: Site) -> None:
    job = await job_of(site)
    [robin] = (await listed(site)).rows
    before = await totals(site, job)
    await site.sign_in(email=await site.another_organisations_recruiter())
    for path in (
        f"/jobs/{job.id}",
        f"/jobs/{job.id}?tab=settings",
        f"/jobs/{job.id}/candidates",
        f"/candidates/{robin.id}",
        f"/candidates/{robin.id}/edit",
    ):
        assert (await site.get(path)).status == 404, path
    form = {"title": "Mine", "name": "Mine", "email": "m@example.org", "candidate": robin.id, "to": "hired"}
    for path in ("", "/close", "/reopen", "/members", "/templates", "/move", "/candidates"):
        assert (await site.post(f"/jobs/{job.id}{path}", form)).status == 404, path
    for path in ("", "/applications"):
        assert (await site.post(f"/candidates/{robin.id}{path}", {**form, "job": job.id})).status == 404, path
    assert (await site.post("/candidates/move", {**form, "job": job.id})).status == 422
    assert await totals(site, job) == before
    async with site.app[DATABASE].read() as conn:
        assert await jobs.get(conn, job.id) == job


async def test_somebody_of_another_organisation_cannot_be_added_to_our_job(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    await site.post("/jobs", {"title": "Theirs"})
    [robin] = (await listed(site)).rows
    page = await (await site.get("/jobs")).text()
    theirs = re.findall(r'class="row-link" href="/jobs/([0-9a-f]{32})"', page)[0]
    assert (await post_pairs(site, f"/jobs/{theirs}/candidates", ("candidate", robin.id))).status == 404
    assert "Move 1 candidate" not in await text(await site.get(f"/candidates/move?candidate={robin.id}"))
