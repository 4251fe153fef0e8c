"""The list of candidates: search, filters, pages, selection; adding somebody, and every way to type it wrong."""

from __future__ import annotations

import re
from html import unescape

import pytest
from aiohttp import ClientResponse

from storage import candidate_list, candidates, events, jobs
from storage.candidate_list import CandidatePage, CandidateState
from storage.candidates import Candidate
from storage.jobs import Job
from storage.states import Role, Stage
from tests.web.world import START_MS, Site, text_of
from web.keys import DATABASE
from web.recruiter.candidates import PAGE_ROWS
from web.recruiter.typed_lines import LONGEST_NAME

HOUR_MS = 3_600_000


async def add(site: Site, name: str, email: str, now_ms: int = START_MS) -> Candidate:
    async with site.app[DATABASE].write() as conn:
        organisation_id = site.invitation.organisation_id
        return await candidates.create(conn, organisation_id=organisation_id, name=name, email=email, now_ms=now_ms)


async def job_of(site: Site, title: str = "Support engineer") -> Job:
    async with site.app[DATABASE].read() as conn:
        return next(each for each in await jobs.open_ones(conn, site.invitation.organisation_id) if each.title == title)


async def listed(site: Site, q: str = "") -> CandidatePage:
    async with site.app[DATABASE].read() as conn:
        organisation_id = site.invitation.organisation_id
        return await candidate_list.page(conn, organisation_id, now_ms=site.clock.now_ms, q=q, limit=100)


async def text(response: ClientResponse) -> str:
    return text_of(await response.text())


def ids(page: str) -> list[str]:
    return re.findall(r'name="candidate" value="([0-9a-f]{32})"', page)


async def test_a_row_shows_name_address_job_stage_and_where_the_interview_stands(site: Site) -> None:
    await site.sign_in()
    site.clock.now_ms += 3 * HOUR_MS
    page = await (await site.get("/candidates")).text()
    shown = text_of(page)
    for words in ("Robin Lindgren", "robin.lindgren@example.com", "Support engineer", "Invited", "3 h ago"):
        assert words in shown
    [robin] = ids(page)
    assert f'href="/candidates/{robin}"' in page
    assert f'href="/send?candidate={robin}" data-dialog' in page
    assert "1 candidate." in shown


async def test_without_candidates_the_page_says_what_they_are_and_offers_the_first(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    page = await (await site.get("/candidates")).text()
    assert "No candidates yet" in page
    assert 'href="/candidates/new"' in page
    assert "Robin" not in page


@pytest.mark.parametrize("q", ["asa", "ÖBERG", "Asa.Oberg@EXAMPLE", "oberg åsa"])
async def test_search_finds_without_accents_and_case(site: Site, q: str) -> None:
    await add(site, "Åsa Öberg", "asa.oberg@example.org")
    await site.sign_in()
    page = await (await site.get("/candidates", params={"q": q})).text()
    assert "Åsa Öberg" in page
    assert "Robin Lindgren" not in page
    assert "1 candidate found" in page


async def test_a_search_that_finds_nobody_says_so_and_keeps_what_was_typed(site: Site) -> None:
    await site.sign_in()
    page = await (await site.get("/candidates", params={"q": '"><b>nobody', "state": "active"})).text()
    assert "Nobody found" in page
    assert "<b>nobody" not in page
    assert 'value="&#34;&gt;&lt;b&gt;nobody"' in page


async def test_filters_find_whom_they_name_and_keep_the_search(site: Site) -> None:
    nobody = await add(site, "Nora Nix", "nora@example.org")
    await site.sign_in()
    for state in CandidateState:
        page = await (await site.get("/candidates", params={"state": state})).text()
        assert ("Robin Lindgren" in page) == (state is CandidateState.INVITED)
        assert (nobody.id in ids(page)) == (state is CandidateState.NOT_INVITED)
    page = unescape(await (await site.get("/candidates", params={"q": "robin", "state": "invited"})).text())
    assert 'href="/candidates?q=robin&state=completed"' in page
    unknown = await (await site.get("/candidates", params={"state": "nonsense"})).text()
    assert len(ids(unknown)) == 2


async def test_an_invitation_past_its_end_is_expired_in_list_and_filter_before_the_sweep(site: Site) -> None:
    kim = await site.invite(name="Kim Ek", expires_at_ms=START_MS + HOUR_MS)
    await site.sign_in()
    for now_ms, state in ((START_MS, "invited"), (START_MS + HOUR_MS, "expired")):
        site.clock.now_ms = now_ms
        page = await (await site.get("/candidates", params={"state": state})).text()
        assert kim.candidate_name in page
    assert "Expired" in text_of(page)


async def test_long_lists_come_in_pages_without_gaps_or_repeats(site: Site) -> None:
    for number in range(PAGE_ROWS + 5):
        await add(site, f"Person {number:03}", f"p{number}@example.org", START_MS + 1 + number // 4)
    await site.sign_in()
    first = await (await site.get("/candidates?q=example.org")).text()
    older = unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
    assert older.startswith("/candidates?q=example.org&before=")
    second = await (await site.get(older)).text()
    assert (len(ids(first)), len(ids(second))) == (PAGE_ROWS, 5)
    assert not set(ids(first)) & set(ids(second))
    assert 'rel="next"' not in second
    assert "Newest" in second


@pytest.mark.parametrize("key", ["x", "1-", "9" * 40 + "-" + "a" * 32, "1-'; DROP TABLE"])
async def test_a_key_that_is_none_shows_the_first_page(site: Site, key: str) -> None:
    await site.sign_in()
    page = await (await site.get("/candidates", params={"before": key})).text()
    assert "Robin Lindgren" in page


async def test_the_selection_is_a_form_that_works_without_scripts(site: Site) -> None:
    await site.sign_in()
    page = await (await site.get("/candidates")).text()
    assert 'formmethod="get" formaction="/send"' in page
    assert 'formmethod="get" formaction="/candidates/move"' in page


async def test_a_candidate_is_added_with_a_job_and_it_is_in_their_activity(site: Site) -> None:
    await site.sign_in()
    job = await job_of(site)
    response = await site.post("/candidates", {"name": " Kim Ek ", "email": "kim@example.org", "job": job.id})
    assert response.status == 303
    [row] = (await listed(site, "kim")).rows
    assert response.headers["Location"] == f"/candidates/{row.id}?done=added"
    assert (row.name, row.email, row.state) == ("Kim Ek", "kim@example.org", CandidateState.NOT_INVITED)
    assert [(each.title, each.stage) for each in row.jobs] == [("Support engineer", Stage.NEW)]
    async with site.app[DATABASE].read() as conn:
        written = await events.for_candidate(conn, site.invitation.organisation_id, row.id)
    assert [event.kind for event in written] == ["application.created", "candidate.created"]
    assert all(event.actor.startswith("user:") for event in written)
    profile = await text(await site.get(response.headers["Location"]))
    assert "Candidate added." in profile


@pytest.mark.parametrize(
    ("email", "mistake"),
    [
        ("", "Type an e-mail address"),
        ("kim", "not an e-mail address"),
        ("kim@", "not an e-mail address"),
        ("kim@localhost", "no dot in it"),
        ("kim@example.org, lee@example.org", "before the @"),
        ("kim@exa mple.org", "after the @"),
        ("kim@example.org\nBcc: all@example.org", "cannot be shown"),
        (f"{'k' * 300}@example.org", "at most 254 fit"),
    ],
)
async def test_an_address_that_is_none_is_said_beside_its_field_and_nothing_typed_is_lost(
    site: Site, email: str, mistake: str
) -> None:
    await site.sign_in()
    job = await job_of(site)
    response = await site.post("/candidates", {"name": "Kim Ek", "email": email, "job": job.id})
    page = await response.text()
    assert response.status == 422
    assert mistake in unescape(page.split('id="email-mistake"')[1].split("</p>")[0])
    assert 'value="Kim Ek"' in page
    assert 'aria-describedby="email-mistake"' in page
    assert f'<option value="{job.id}" selected>' in page
    assert len((await listed(site)).rows) == 1


@pytest.mark.parametrize(
    ("name", "shown", "mistake"),
    [
        ("", "", "Type the candidate's name"),
        ("Kim\nBcc: all@example.org", "Kim Bcc: all@example.org", "cannot be shown"),
        ("Kim\r\nEk", "Kim Ek", "cannot be shown"),
        ("Kim\x00Ek", "Kim Ek", "cannot be shown"),
        ("Kim\u202eEk", "Kim Ek", "cannot be shown"),
        ("K" * (LONGEST_NAME + 1), "K" * (LONGEST_NAME + 1), "at most 200 fit"),
    ],
)
async def test_a_name_that_is_no_line_is_said_beside_its_field(site: Site, name: str, shown: str, mistake: str) -> None:
    await site.sign_in()
    response = await site.post("/candidates", {"name": name, "email": "kim@example.org"})
    page = unescape(await response.text())
    assert response.status == 422
    assert mistake in page.split('id="name-mistake"')[1].split("</p>")[0]
    assert f'name="name" type="text" value="{shown}"' in page
    assert 'value="kim@example.org"' in page
    assert len((await listed(site)).rows) == 1


@pytest.mark.parametrize(
    "name", ['=HYPERLINK("http://evil.example")', "+1", "-2", "@SUM(A1)", "<script>alert(1)</script>", "می\u200cخواهم"]
)
async def test_a_formula_or_markup_in_a_name_is_text_like_any_other(site: Site, name: str) -> None:
    await site.sign_in()
    response = await site.post("/candidates", {"name": name, "email": "kim@example.org"})
    assert response.status == 303
    [row] = (await listed(site, "kim@example")).rows
    assert row.name == name
    for path in ("/candidates", response.headers["Location"], f"/candidates/{row.id}/edit"):
        page = await (await site.get(path)).text()
        assert name in unescape(page)
        assert "<script>alert" not in page


async def test_an_address_that_somebody_has_says_whose_it_is_with_a_link(site: Site) -> None:
    await site.sign_in()
    response = await site.post("/candidates", {"name": "R. L.", "email": "ROBIN.Lindgren@example.com"})
    page = await response.text()
    [robin] = (await listed(site)).rows
    assert response.status == 422
    assert f'<a href="/candidates/{robin.id}" dir="auto">Robin Lindgren</a>' in page
    assert 'value="R. L."' in page
    assert 'value="ROBIN.Lindgren@example.com"' in page


async def test_the_same_address_in_another_organisation_is_nobodys_business(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    response = await site.post("/candidates", {"name": "Robin", "email": "robin.lindgren@example.com"})
    assert response.status == 303


async def test_a_job_that_is_closed_or_not_ours_is_refused_beside_its_field(site: Site) -> None:
    await site.sign_in()
    async with site.app[DATABASE].write() as conn:
        made = await jobs.create(conn, organisation_id=site.invitation.organisation_id, title="Past", now_ms=START_MS)
        await jobs.close(conn, made.id, organisation_id=made.organisation_id, now_ms=START_MS)
    for job_id in (made.id, "0" * 32):
        form = {"name": "Kim", "email": "kim@example.org", "job": job_id}
        response = await site.post("/candidates", form)
        assert response.status == 422
        assert "Choose one of the open jobs." in await response.text()
    assert len((await listed(site)).rows) == 1


async def test_chosen_candidates_move_in_a_job_and_who_was_not_in_it_is_added(site: Site) -> None:
    kim = await add(site, "Kim Ek", "kim@example.org")
    await site.sign_in()
    rows = {row.name: row.id for row in (await listed(site)).rows}
    chosen = [("candidate", rows["Robin Lindgren"]), ("candidate", kim.id), ("candidate", kim.id)]
    form = await text(await site.get("/candidates/move", params=chosen))
    assert "Move 2 candidates" in form
    job = await job_of(site)
    body = [*chosen, ("job", job.id), ("to", "shortlist")]
    response = await site.client.post("/candidates/move", data=body, allow_redirects=False)
    assert response.headers["Location"] == f"/jobs/{job.id}?done=moved&count=2&to=shortlist"
    assert "2 candidates moved to Shortlist." in await text(await site.get(response.headers["Location"]))
    for row in (await listed(site)).rows:
        assert [each.stage for each in row.jobs] == [Stage.SHORTLIST]


async def test_moving_without_a_job_keeps_the_selection_and_says_what_is_missing(site: Site) -> None:
    await site.sign_in()
    [robin] = (await listed(site)).rows
    response = await site.post("/candidates/move", {"candidate": robin.id, "job": "", "to": "review"})
    page = await response.text()
    assert response.status == 422
    assert "Choose one of the open jobs" in page
    assert ids(page) == [robin.id]
    assert '<option value="review" selected>' in page
    assert "Nobody was chosen" in await text(await site.get("/candidates/move"))


PATHS = ("/candidates", "/candidates/new", "/candidates/move", "/jobs", "/jobs/new")


@pytest.mark.parametrize("path", PATHS)
async def test_signed_out_leads_to_the_sign_in_page_and_a_reviewer_to_403(site: Site, path: str) -> None:
    response = await site.get(path)
    assert (response.status, response.headers["Location"]) == (303, f"/sign-in?next={path}")
    await site.sign_in()
    assert (await site.get(path)).status == 200
    async with site.app[DATABASE].write() as conn:
        await conn.exec_driver_sql("UPDATE users SET role = ?", (Role.REVIEWER,))
    assert (await site.get(path)).status == 403
    if path in {"/candidates", "/candidates/move", "/jobs"}:
        assert (await site.post(path)).status == 403
