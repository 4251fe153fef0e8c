"""Sending interviews, as recruiters do it: the form, its mistakes, its results; and pressing twice."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import ClientResponse
from sqlalchemy import func, select, update

from storage import candidates, invitations, jobs, sendings, template_offers, templates
from storage.candidates import Candidate
from storage.ids import new_id
from storage.invitation_list import Wanted
from storage.schema import invitations as invitations_table
from storage.schema import jobs as jobs_table
from storage.schema import mails, template_jobs, template_versions
from storage.schema import sendings as sendings_table
from storage.schema import templates as templates_table
from storage.sendings import Readiness
from storage.states import InvitationStatus
from tests.web.world import START_MS, Site, text_of
from web.keys import DATABASE
from web.recruiter import needs, send_form

HOUR_MS = 3_600_000


async def add(site: Site, *names: str, email: str | None = None) -> list[Candidate]:
    """New candidates, who have applied to nothing."""
    async with site.app[DATABASE].write() as conn:
        return [
            await candidates.create(
                conn,
                organisation_id=site.invitation.organisation_id,
                name=name,
                email=email or f"{name.casefold().replace(' ', '.')}@example.com",
                now_ms=site.clock.now_ms,
            )
            for name in names
        ]


async def offer(site: Site) -> str:
    async with site.app[DATABASE].read() as conn:
        return send_form.offer_value((await template_offers.offered(conn, site.invitation.organisation_id))[0])


def query(people: list[Candidate]) -> str:
    return "&".join(f"candidate={each.id}" for each in people)


async def filled(site: Site, people: list[Candidate], **typed: str) -> list[tuple[str, str]]:
    """The form as it is shown, with the first interview chosen and the rest typed."""
    page = await (await site.get(f"/send?{query(people)}")).text()
    hidden = re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', page)
    fields = {"offer": await offer(site), "day": "", "clock": "", **typed}
    return [*hidden, *fields.items()]


async def press(site: Site, form: list[tuple[str, str]]) -> ClientResponse:
    return await site.client.post("/send", data=form, allow_redirects=False)


async def invited(site: Site, candidate: Candidate) -> list[invitations.InterviewListRow]:
    async with site.app[DATABASE].read() as conn:
        return await invitations.listing(
            conn, site.invitation.organisation_id, wanted=Wanted(candidate_id=candidate.id), now_ms=site.clock.now_ms
        )


async def count(site: Site, table: object) -> int:
    async with site.app[DATABASE].read() as conn:
        return await conn.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[call-overload]


async def test_the_form_shows_what_can_be_sent_with_its_facts_and_a_preview(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    response = await site.get(f"/send?{query([kim])}")
    page = await response.text()
    words = text_of(page)
    assert response.status == 200
    for said in ("Send interview to Kim Ek", "First conversation", "Support engineer", "3 questions", "min", "UTC"):
        assert said in words
    assert "1 invitation will be sent." in words
    assert f'href="/templates/versions/{site.invitation.version_id}/preview"' in page
    assert page.count("checked") == 1  # there is one to choose, so it is chosen


async def test_one_candidate_is_sent_one_interview_and_the_page_says_so(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    response = await press(site, await filled(site, [kim], day="2026-10-01"))
    assert response.status == 303
    page = text_of(await (await site.get(response.headers["Location"])).text())
    for said in (
        "Interview sent to Kim Ek",
        "1 invitation was sent.",
        "Invited",
        "Queued",
        "1 October 2026, 23:59 (UTC)",
    ):
        assert said in page
    [made] = await invited(site, kim)
    assert made.status is InvitationStatus.PENDING
    assert made.expires_at_ms == 1_790_899_199_000
    async with site.app[DATABASE].read() as conn:
        whole = await invitations.get(conn, made.id)
        kinds = list(await conn.scalars(select(mails.c.kind).where(mails.c.invitation_id == made.id)))
    assert kinds == ["invitation"]
    assert (await site.get(site.link_of(whole))).status in {200, 303}  # the link that the mail will hold


async def test_a_bulk_sending_says_how_many_before_and_after(site: Site) -> None:
    await site.sign_in()
    people = await add(site, "Ann Ask", "Bo Berg", "Cy Dahl", "Di Ek")
    assert (await press(site, await filled(site, people[:1]))).status == 303
    [unreachable] = await add(site, "Ed Fors", email="ed@localhost")
    everyone = [*people, unreachable]
    before = text_of(await (await site.get(f"/send?{query(everyone)}")).text())
    assert "Send interview to 5 candidates" in before
    assert "3 of 5 invitations will be sent; 2 are left out." in before
    assert "Ann Ask has an open invitation to it" in before
    assert "Ed Fors has no e-mail address that mail can reach" in before
    response = await press(site, await filled(site, everyone))
    page = text_of(await (await site.get(response.headers["Location"])).text())
    assert "3 interviews sent" in page
    assert "3 of 5 candidates were invited; 2 left out." in page
    assert page.count("Skipped") == 1
    assert "Mail cannot reach this e-mail address." in page
    assert [len(await invited(site, each)) for each in everyone] == [1, 1, 1, 1, 0]


async def test_two_presses_send_once_and_show_the_same_result(site: Site) -> None:
    await site.sign_in()
    people = await add(site, "Ann Ask", "Bo Berg")
    form = await filled(site, people)
    said = await asyncio.gather(*(press(site, form) for _ in range(4)))
    assert {(each.status, each.headers["Location"]) for each in said} == {(303, said[0].headers["Location"])}
    assert "again" not in said[0].headers["Location"]
    assert [len(await invited(site, each)) for each in people] == [1, 1]
    assert await count(site, mails) == 2


async def test_a_repeat_after_a_crash_and_after_the_deadline_shows_what_was_done(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    form = await filled(site, [kim], day="2026-10-01")
    first = await press(site, form)
    site.clock.now_ms += 90 * 24 * HOUR_MS
    await site.sign_in()
    async with site.app[DATABASE].write() as conn:
        await conn.execute(update(templates_table).values(archived_at_ms=START_MS))
    repeated = await press(site, form)
    assert (repeated.status, repeated.headers["Location"]) == (303, first.headers["Location"])
    assert await count(site, mails) == 1


async def test_a_crash_in_the_middle_leaves_nothing_and_the_same_form_sends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.sign_in()
    people = await add(site, "Ann Ask", "Bo Berg")
    form = await filled(site, people)

    async def the_power_goes(*_: object, **__: object) -> None:
        raise RuntimeError("the power went away")

    with monkeypatch.context() as broken:
        broken.setattr("web.mail.post.Post.to_candidate", the_power_goes)
        assert (await press(site, form)).status == 500
    assert [await invited(site, each) for each in people] == [[], []]
    assert await count(site, sendings_table) == 0
    assert (await press(site, form)).status == 303
    assert [len(await invited(site, each)) for each in people] == [1, 1]


async def test_a_form_sent_before_with_other_choices_says_that_nothing_was_sent(site: Site) -> None:
    await site.sign_in()
    ann, bo = await add(site, "Ann Ask", "Bo Berg")
    form = await filled(site, [ann])
    await press(site, form)
    changed = [(name, bo.id if name == "candidate" else value) for name, value in form]
    response = await press(site, changed)
    page = text_of(await (await site.get(response.headers["Location"])).text())
    assert "nothing was sent again" in page
    assert await invited(site, bo) == []


@pytest.mark.parametrize(
    ("typed", "beside", "sentence"),
    [
        ({"day": "2026-09-20"}, "send-day-error", "This day has passed. It is 21 September 2026 now in UTC."),
        ({"day": "2026-09-21", "clock": "13:00"}, "send-clock-error", "This time has passed."),
        ({"clock": "13:00"}, "send-day-error", "Choose a date too"),
        ({"day": "soon"}, "send-day-error", "This is not a date."),
        ({"day": "2026-02-30"}, "send-day-error", "This is not a date."),
        ({"day": "2062-10-01"}, "send-day-error", "more than three years away"),
        ({"day": "2026-10-01", "clock": "25:00"}, "send-clock-error", "This is not a time."),
        ({"day": "2026-10-01", "clock": "١٢:٠٠"}, "send-clock-error", "This is not a time."),
    ],
)
async def test_a_deadline_that_is_none_is_refused_beside_its_field_and_nothing_typed_is_lost(
    site: Site, typed: dict[str, str], beside: str, sentence: str
) -> None:
    await site.sign_in()
    people = await add(site, "Ann Ask", "Bo Berg")
    form = await filled(site, people, **typed)
    response = await press(site, form)
    page = await response.text()
    assert response.status == 422
    assert sentence in text_of(page.split(f'id="{beside}"')[1].split("</p>")[0])
    for value in typed.values():
        assert f'value="{value}"' in page
    assert page.count('name="candidate"') == 2
    assert page.count("checked") == 1
    assert dict(form)["sending"] in page  # the same form: it can still be sent once only
    assert await count(site, mails) == 0


async def test_the_deadline_is_meant_in_the_organisations_zone_summer_or_winter(site: Site) -> None:
    async with site.app[DATABASE].write() as conn:
        from storage.schema import organisations

        await conn.execute(update(organisations).values(zone="Europe/Helsinki"))
    await site.sign_in()
    ann, bo, cy, di = await add(site, "Ann Ask", "Bo Berg", "Cy Dahl", "Di Ek")
    for who, day, clock, expected in (
        (ann, "2026-10-01", "12:00", 1_790_845_200_000),  # UTC+3
        (bo, "2026-12-01", "12:00", 1_796_119_200_000),  # UTC+2
        (cy, "2026-10-25", "03:30", 1_792_891_800_000),  # comes twice: the second one
        (di, "2026-10-25", "", 1_792_965_599_000),  # that day has 25 hours
    ):
        assert (await press(site, await filled(site, [who], day=day, clock=clock))).status == 303
        assert [row.expires_at_ms for row in await invited(site, who)] == [expected]
    response = await press(site, await filled(site, [ann], day="2027-03-28", clock="03:30"))
    assert response.status == 422
    assert "There is no 03:30 on that day" in await response.text()


@pytest.mark.parametrize("change", ["archived", "unattached", "closed"])
async def test_a_template_that_went_between_form_and_press_is_told_of(site: Site, change: str) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    form = await filled(site, [kim], day="2026-10-01")
    async with site.app[DATABASE].write() as conn:
        match change:
            case "archived":
                await conn.execute(update(templates_table).values(archived_at_ms=START_MS))
            case "unattached":
                await conn.execute(template_jobs.delete())
            case _:
                await conn.execute(update(jobs_table).values(closed_at_ms=START_MS))
    response = await press(site, form)
    page = text_of(await response.text())
    assert response.status == 422
    assert "Kim Ek" in page
    assert "This interview is not offered any more" in page
    assert 'value="2026-10-01"' in await response.text()
    assert await invited(site, kim) == []


async def test_a_template_archived_with_another_left_says_so_beside_the_choice(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    await another_offer(site)
    form = await filled(site, [kim], day="2026-10-01")
    async with site.app[DATABASE].write() as conn:
        chosen = dict(form)["offer"].partition(".")[2]
        of_version = select(template_versions.c.template_id).where(template_versions.c.id == chosen)
        await conn.execute(
            update(templates_table).where(templates_table.c.id.in_(of_version)).values(archived_at_ms=START_MS)
        )
    response = await press(site, form)
    page = await response.text()
    assert response.status == 422
    assert "is not offered any more" in text_of(page.split('id="offer-error"')[1].split("</p>")[0])
    assert 'value="2026-10-01"' in page


async def another_offer(site: Site) -> templates.TemplateVersion:
    organisation_id, now_ms = site.invitation.organisation_id, site.clock.now_ms
    async with site.app[DATABASE].write() as conn:
        job = await jobs.create(conn, organisation_id=organisation_id, title="Porter", now_ms=now_ms)
        draft = await templates.create(conn, organisation_id=organisation_id, name="Second talk", now_ms=now_ms)
        await templates.add_question(conn, draft.id, text="Why?", think_s=0, limit_s=60, retakes=0, now_ms=now_ms)
        await templates.publish(conn, draft.id, now_ms)
        await templates.attach(conn, draft.template_id, job.id)
    return draft


async def test_a_newer_version_published_meanwhile_is_shown_before_it_is_sent(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    form = await filled(site, [kim])
    async with site.app[DATABASE].write() as conn:
        version = await templates.version(conn, site.invitation.version_id)
        newer = new_id(START_MS)
        columns = [each for each in template_versions.c if each.name not in {"id", "number", "published_at_ms"}]
        row = (await conn.execute(select(*columns).where(template_versions.c.id == version.id))).mappings().one()
        await conn.execute(
            template_versions.insert().values({**row, "id": newer, "number": 2, "published_at_ms": START_MS + 1})
        )
    response = await press(site, form)
    page = await response.text()
    assert response.status == 422
    assert "A newer version of this template was published meanwhile" in page
    assert re.search(rf'value="[0-9a-f]{{32}}\.{newer}" required checked', page)
    assert await invited(site, kim) == []


async def test_nothing_chosen_is_asked_for(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    response = await press(site, await filled(site, [kim], offer=""))
    assert response.status == 422
    assert "Choose the interview to send." in await response.text()


async def test_somebody_elses_candidate_is_not_found_and_nothing_is_sent(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    form = await filled(site, [kim])
    await site.another_organisations_recruiter()
    async with site.app[DATABASE].write() as conn:
        theirs = await conn.scalar(select(jobs_table.c.organisation_id).where(jobs_table.c.organisation_id == "nobody"))
        assert theirs is None
        from storage.schema import users

        other = await conn.scalar(select(users.c.organisation_id).where(users.c.email == "eli@elsewhere.example"))
        assert other is not None
        eve = await candidates.create(conn, organisation_id=other, name="Eve", email="eve@example.com", now_ms=START_MS)
    assert (await site.get(f"/send?candidate={eve.id}")).status == 404
    assert (await press(site, [*form, ("candidate", eve.id)])).status == 404
    assert await invited(site, kim) == []


async def test_another_organisation_sees_no_results_and_sends_nothing_with_the_same_form(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    form = await filled(site, [kim])
    response = await press(site, form)
    await site.sign_in(email=await site.another_organisations_recruiter())
    assert (await site.get(response.headers["Location"])).status == 404
    assert (await press(site, form)).status in {404, 422}
    assert len(await invited(site, kim)) == 1


async def test_over_a_hundred_are_told_to_be_fewer(site: Site) -> None:
    await site.sign_in()
    people = await add(site, *(f"P{number:03}" for number in range(sendings.CANDIDATES_LIMIT + 1)))
    response = await site.get(f"/send?{query(people)}")
    assert response.status == 422
    assert "You chose 101 candidates. One sending takes 100 at most" in await response.text()
    form = [*await filled(site, people[:1]), *(("candidate", each.id) for each in people[1:])]
    assert (await press(site, form)).status == 422
    assert await count(site, mails) == 0
    response = await press(site, form[:-1])
    assert response.status == 303
    assert "100 interviews sent" in text_of(await (await site.get(response.headers["Location"])).text())


@pytest.mark.parametrize("path", ["/send", "/send?job=x"])
async def test_a_form_for_nobody_says_so(site: Site, path: str) -> None:
    await site.sign_in()
    response = await site.get(path)
    assert response.status == 422
    assert "Nobody is chosen" in await response.text()


@pytest.mark.parametrize(
    "broken", [[], [("sending", "x")], [("sending", "a" * 32), ("candidate", "'; DROP TABLE invitations")]]
)
async def test_what_no_form_of_ours_sends_is_refused(site: Site, broken: list[tuple[str, str]]) -> None:
    await site.sign_in()
    assert (await press(site, broken)).status == 400


async def test_a_job_asked_for_shows_its_interviews_alone_and_the_way_to_the_others(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    await another_offer(site)
    both = text_of(await (await site.get(f"/send?candidate={kim.id}")).text())
    assert "First conversation" in both
    assert "Second talk" in both
    async with site.app[DATABASE].read() as conn:
        porter = await conn.scalar(select(jobs_table.c.id).where(jobs_table.c.title == "Porter"))
    page = await (await site.get(f"/send?candidate={kim.id}&job={porter}")).text()
    assert "First conversation" not in page
    assert "Interview for Porter" in text_of(page)
    assert f'href="/send?candidate={kim.id}"' in page
    form = [(name, value) for name, value in await filled(site, [kim]) if name not in {"offer", "job"}]
    response = await press(site, [*form, ("offer", ""), ("job", porter or "")])
    assert "Interview for Porter" in text_of(await response.text())


async def test_what_sending_still_needs_is_said_with_a_link(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    page = await (await site.get("/interviews")).text()
    for link, sentence in (
        ("/jobs", "There is no open job."),
        ("/templates", "No interview template is published."),
        ("", "No mail server is set up"),
    ):
        assert sentence in page
        assert f'href="{link}"' in page or not link


def test_links_that_nobody_could_reach_are_warned_of_before_they_are_mailed() -> None:
    ready = Readiness(open_jobs=True, published_templates=True, attached=True)
    assert needs.missing(ready, mail_configured=True, admin=True) == []
    [need] = needs.missing(ready, mail_configured=True, admin=True, guessed_origin="http://localhost:8080")
    assert (need.sentence.split(",")[0], need.blocking) == ("Links in mails begin with http://localhost:8080", False)
    [need] = needs.missing(ready, mail_configured=False, admin=True, guessed_origin="http://localhost:8080")
    assert need.sentence.startswith("No mail server is set up")


async def test_a_job_without_a_published_template_says_what_to_do(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    async with site.app[DATABASE].write() as conn:
        empty = await jobs.create(conn, organisation_id=site.invitation.organisation_id, title="Cook", now_ms=START_MS)
    page = await (await site.get(f"/send?candidate={kim.id}&job={empty.id}")).text()
    assert "No published template is attached to Cook." in page
    assert f'href="/jobs/{empty.id}"' in page
    assert "First conversation" in page


async def test_names_are_text_and_never_markup(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, '<b onclick="x">=1+1</b>', email="kim@example.com")
    response = await press(site, await filled(site, [kim]))
    for path in (f"/send?{query([kim])}", response.headers["Location"], "/interviews"):
        page = await (await site.get(path)).text()
        assert "<b onclick" not in page
        assert "&lt;b onclick" in page


async def test_a_sending_moves_no_more_rows_than_it_names(site: Site) -> None:
    await site.sign_in()
    [kim] = await add(site, "Kim Ek")
    before = await count(site, invitations_table)
    await press(site, await filled(site, [kim]))
    assert await count(site, invitations_table) == before + 1


async def test_where_nobody_is_left_to_send_to_there_is_nothing_to_press(site: Site) -> None:
    await site.sign_in()
    page = await (await site.get(f"/send?candidate={site.invitation.candidate_id}")).text()
    assert "has an open invitation to it" in page
    form = page.split('<form method="post" action="/send">')[1].split("</form>")[0]
    assert 'type="submit"' not in form and "Go back" in form
