"""Drafts, archiving, offers and the list of templates (R1–R8): nobody's work is lost, nothing published changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import event, update

from storage import invitations, jobs, template_drafts, template_list, templates
from storage.database import Database
from storage.errors import DraftChanged, NotFound, OnlyVersion, TooManyQuestions, VersionFrozen
from storage.schema import jobs as jobs_table
from storage.states import Difficulty, InvitationStatus
from storage.template_drafts import DraftContent, DraftQuestion, content_of
from storage.templates import TemplateVersion
from tests.storage.world import NOW_MS, World, furnish, invite


async def draft_of(database: Database, world: World) -> TemplateVersion:
    async with database.write() as conn:
        return await template_drafts.start(
            conn, world.version.template_id, organisation_id=world.organisation.id, now_ms=NOW_MS + 1
        )


async def save(database: Database, draft: TemplateVersion, content: DraftContent, revision: int) -> int:
    async with database.write() as conn:
        return await template_drafts.save(
            conn,
            draft.id,
            template_id=draft.template_id,
            from_revision=revision,
            content=content,
            now_ms=NOW_MS + 2,
        )


async def test_a_new_draft_begins_as_what_is_published_and_leaves_that_alone(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    assert (draft.number, draft.published_at_ms, draft.revision) == (2, None, 0)
    assert content_of(draft) == content_of(world.version)
    changed = replace(
        content_of(draft),
        name="Second talk",
        language="fi",
        introduction="Welcome",
        instructions="Find a quiet place",
        difficulty=Difficulty.ADVANCED,
        focus_area="Baking",
        duration_min=12,
        questions=(DraftQuestion("Only one?", 15, 90, None, False),),
    )
    assert await save(database, draft, changed, 0) == 1
    async with database.read() as conn:
        saved = await templates.version(conn, draft.id)
        before = await templates.version(conn, world.version.id)
    assert content_of(saved) == changed
    assert before == replace(world.version, template_name="Second talk")


async def test_starting_a_draft_twice_gives_the_same_one(database: Database, world: World) -> None:
    first = await draft_of(database, world)
    await save(database, first, replace(content_of(first), introduction="Mine"), 0)
    again = await draft_of(database, world)
    assert (again.id, again.introduction) == (first.id, "Mine")


async def test_two_who_start_a_draft_at_once_get_one(database: Database, world: World) -> None:
    drafts = await asyncio.gather(draft_of(database, world), draft_of(database, world))
    assert len({draft.id for draft in drafts}) == 1


async def test_a_save_over_somebody_elses_newer_draft_is_refused(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    theirs = replace(content_of(draft), introduction="Theirs")
    assert await save(database, draft, theirs, 0) == 1
    with pytest.raises(DraftChanged) as refused:
        await save(database, draft, replace(theirs, introduction="Mine"), 0)
    assert refused.value.revision == 1
    async with database.read() as conn:
        assert content_of(await templates.version(conn, draft.id)) == theirs


async def test_of_two_who_save_at_once_one_wins_and_the_other_is_told(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    contents = [replace(content_of(draft), introduction=words) for words in ("One", "Two")]
    outcomes = await asyncio.gather(
        *(save(database, draft, content, 0) for content in contents), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DraftChanged", "int"]


async def test_saving_what_is_there_already_is_no_conflict_and_no_change(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    content = replace(content_of(draft), introduction="Same")
    assert await save(database, draft, content, 0) == 1
    assert await save(database, draft, content, 0) == 1
    assert await save(database, draft, content, 1) == 1


async def test_a_published_or_discarded_draft_is_not_saved(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    async with database.write() as conn:
        await template_drafts.discard(conn, draft.id, template_id=draft.template_id, from_revision=0)
    with pytest.raises(NotFound):
        await save(database, draft, content_of(draft), 0)
    with pytest.raises(VersionFrozen):
        await save(database, world.version, content_of(draft), 0)


async def test_a_draft_is_saved_only_as_its_own_templates(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    with pytest.raises(NotFound):
        await save(database, replace(draft, template_id="another"), content_of(draft), 0)


async def test_only_a_draft_beside_a_published_version_is_discarded(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    async with database.write() as conn:
        with pytest.raises(VersionFrozen):
            await template_drafts.discard(conn, world.version.id, template_id=draft.template_id, from_revision=0)
        with pytest.raises(DraftChanged):
            await template_drafts.discard(conn, draft.id, template_id=draft.template_id, from_revision=7)
        new = await templates.create(conn, organisation_id=world.organisation.id, name="New", now_ms=NOW_MS)
        with pytest.raises(OnlyVersion):
            await template_drafts.discard(conn, new.id, template_id=new.template_id, from_revision=0)


async def test_a_draft_has_a_bounded_number_of_questions(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    many = (DraftQuestion("Why?", 0, 60, 0, True),) * (templates.QUESTIONS_LIMIT + 1)
    with pytest.raises(TooManyQuestions):
        await save(database, draft, replace(content_of(draft), questions=many), 0)


async def test_a_draft_of_another_organisations_template_cannot_be_started(database: Database, world: World) -> None:
    async with database.write() as conn:
        theirs = await furnish(conn, name="Southwind")
        with pytest.raises(NotFound):
            await template_drafts.start(
                conn, world.version.template_id, organisation_id=theirs.organisation.id, now_ms=NOW_MS
            )
        with pytest.raises(NotFound):
            await templates.get(conn, world.version.template_id, organisation_id=theirs.organisation.id)
        with pytest.raises(NotFound):
            await templates.own_version(conn, world.version.id, organisation_id=theirs.organisation.id)
        assert not await templates.archive(
            conn, world.version.template_id, organisation_id=theirs.organisation.id, now_ms=NOW_MS
        )


async def test_an_archived_template_is_offered_no_more_and_its_invitations_go_on(
    database: Database, world: World
) -> None:
    organisation_id, template_id = world.organisation.id, world.version.template_id
    async with database.write() as conn:
        assert [each.template_id for each in await templates.offered(conn, organisation_id)] == [template_id]
        assert await templates.archive(conn, template_id, organisation_id=organisation_id, now_ms=NOW_MS)
        assert not await templates.archive(conn, template_id, organisation_id=organisation_id, now_ms=NOW_MS)
        assert await templates.offered(conn, organisation_id) == []
        assert [line.id for line in await template_list.listing(conn, organisation_id)] == []
        assert [line.id for line in await template_list.listing(conn, organisation_id, archived=True)] == [template_id]
        invitation = await invitations.get(conn, world.invitation.id)
        assert (invitation.status, invitation.version_id) == (InvitationStatus.PENDING, world.version.id)
        assert await templates.restore(conn, template_id, organisation_id=organisation_id)
        assert not await templates.restore(conn, template_id, organisation_id=organisation_id)
        assert len(await templates.offered(conn, organisation_id)) == 1


async def test_the_newest_published_version_is_offered_and_an_invitation_keeps_its_own(
    database: Database, world: World
) -> None:
    draft = await draft_of(database, world)
    content = replace(
        content_of(draft),
        difficulty=Difficulty.INTRODUCTORY,
        focus_area="Bread",
        questions=content_of(draft).questions[:2],
    )
    await save(database, draft, content, 0)
    async with database.write() as conn:
        [offer] = await templates.offered(conn, world.organisation.id)
        assert (offer.version_id, offer.number, offer.questions) == (world.version.id, 1, 3)
        assert (offer.difficulty, offer.focus_area, offer.language) == (None, "", "en")
        assert offer.duration_min == templates.reckoned_minutes(world.version.questions) == 5
        await templates.publish(conn, draft.id, NOW_MS + 3)
        [offer] = await templates.offered(conn, world.organisation.id, job_id=world.job.id)
        assert (offer.version_id, offer.number, offer.questions) == (draft.id, 2, 2)
        assert (offer.difficulty, offer.focus_area) == (Difficulty.INTRODUCTORY, "Bread")
        assert (offer.job_id, offer.job_title) == (world.job.id, "Baker")
        assert (await invitations.get(conn, world.invitation.id)).version_id == world.version.id


async def test_a_recruiters_own_estimate_is_offered_as_it_is(database: Database, world: World) -> None:
    draft = await draft_of(database, world)
    await save(database, draft, replace(content_of(draft), duration_min=45), 0)
    async with database.write() as conn:
        await templates.publish(conn, draft.id, NOW_MS + 3)
        assert [each.duration_min for each in await templates.offered(conn, world.organisation.id)] == [45]


async def test_nothing_is_offered_for_a_closed_job_an_empty_template_or_another_organisation(
    database: Database, world: World
) -> None:
    async with database.write() as conn:
        theirs = await furnish(conn, name="Southwind")
        new = await templates.create(conn, organisation_id=world.organisation.id, name="New", now_ms=NOW_MS)
        await templates.attach(conn, new.template_id, world.job.id)
        assert [each.template_name for each in await templates.offered(conn, world.organisation.id)] == ["First talk"]
        assert await templates.offered(conn, world.organisation.id, job_id=theirs.job.id) == []
        await conn.execute(update(jobs_table).where(jobs_table.c.id == world.job.id).values(closed_at_ms=NOW_MS))
        assert await templates.offered(conn, world.organisation.id) == []


async def test_jobs_are_attached_and_detached_and_what_was_not_shown_stays(database: Database, world: World) -> None:
    organisation_id, template_id = world.organisation.id, world.version.template_id
    async with database.write() as conn:
        theirs = await furnish(conn, name="Southwind")
        cook = await jobs.create(conn, organisation_id=organisation_id, title="Cook", now_ms=NOW_MS)
        await template_list.set_jobs(
            conn, template_id, organisation_id=organisation_id, chosen={cook.id, theirs.job.id}, shown={cook.id}
        )
        found = await template_list.jobs_for(conn, template_id, organisation_id)
        assert [(job.title, job.attached) for job in found] == [("Baker", True), ("Cook", True)]
        await template_list.set_jobs(
            conn, template_id, organisation_id=organisation_id, chosen=set(), shown={cook.id, world.job.id}
        )
        assert not any(job.attached for job in await template_list.jobs_for(conn, template_id, organisation_id))


async def test_the_list_shows_what_is_published_and_whether_it_is_being_edited(
    database: Database, world: World
) -> None:
    async with database.write() as conn:
        await templates.create(conn, organisation_id=world.organisation.id, name="New", now_ms=NOW_MS + 1)
    draft = await draft_of(database, world)
    await save(database, draft, replace(content_of(draft), questions=()), 0)
    async with database.read() as conn:
        new, first = await template_list.listing(conn, world.organisation.id)
        [second] = await template_list.listing(conn, world.organisation.id, before=(new.created_at_ms, new.id))
        assert await template_list.by_name(conn, world.organisation.id, "New") == new.id
        assert await template_list.by_name(conn, world.organisation.id, "new ") is None
    assert (new.name, new.published, new.drafted, new.questions, new.job_titles) == ("New", None, True, 0, [])
    assert (first.published, first.drafted, first.questions, first.job_titles) == (1, True, 3, ["Baker"])
    assert second == first


@pytest.mark.parametrize("asked", ["offers", "listing", "page", "by name", "jobs", "versions"])
async def test_what_people_wait_for_is_found_by_an_index(database: Database, asked: str) -> None:
    statements: list[tuple[str, object]] = []
    async with database.write() as conn:
        world = await furnish(conn)
        await invite(conn, world.organisation.id, world.application.id, world.version.id)
    organisation_id, template_id = world.organisation.id, world.version.template_id
    async with database.read() as conn:
        sync = conn.sync_connection
        assert sync is not None
        event.listen(sync, "before_cursor_execute", lambda *seen: statements.append((seen[2], seen[3])))
        match asked:
            case "offers":
                await templates.offered(conn, organisation_id)
            case "listing":
                await template_list.listing(conn, organisation_id)
            case "page":
                await template_list.listing(conn, organisation_id, before=(NOW_MS + 1, "x"))
            case "by name":
                await template_list.by_name(conn, organisation_id, "New")
            case "jobs":
                await template_list.jobs_for(conn, template_id, organisation_id)
            case _:
                await template_drafts.versions(conn, template_id)
        assert 1 <= len(statements) <= 2
        for statement, parameters in list(statements):
            plan = (await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
            steps = [str(row[3]) for row in plan]
            assert [step for step in steps if step.startswith("SCAN") and "INDEX" not in step] == [], steps
