"""Jobs and their pipeline: columns, pages of a stage, moves with their events, and what each job offers."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates, events, job_templates, jobs, pipeline, templates
from storage.candidate_list import CandidateState
from storage.candidates import Application
from storage.database import Database
from storage.errors import NotFound
from storage.pipeline import BOARD_CARDS
from storage.states import Stage
from tests.storage.world import HOUR_MS, NOW_MS, World, furnish, invite

ACTOR = "user:robin"


async def applicants(conn: AsyncConnection, world: World, how_many: int, stage: Stage) -> list[Application]:
    made = []
    for number in range(how_many):
        candidate = await candidates.create(
            conn,
            organisation_id=world.organisation.id,
            name=f"{stage} {number:03}",
            email=f"{stage}{number}@example.org",
            now_ms=NOW_MS,
        )
        made.append(await candidates.apply(conn, candidate.id, world.job.id, now_ms=NOW_MS + number, stage=stage))
    return made


async def move(conn: AsyncConnection, world: World, ids: list[str], to: Stage) -> list[pipeline.Moved]:
    return await pipeline.move(
        conn,
        organisation_id=world.organisation.id,
        job_id=world.job.id,
        candidate_ids=ids,
        to=to,
        now_ms=NOW_MS + HOUR_MS,
        actor=ACTOR,
    )


async def test_the_board_has_every_stage_in_order_with_its_newest_and_its_total(
    database: Database, world: World
) -> None:
    async with database.write() as conn:
        await applicants(conn, world, BOARD_CARDS + 5, Stage.REVIEW)
        asked: list[str] = []
        sync = conn.sync_connection
        assert sync is not None
        event.listen(sync, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        columns = await pipeline.board(conn, world.organisation.id, world.job.id, now_ms=NOW_MS)
        assert len(asked) == 1
        totals = await pipeline.totals(conn, world.organisation.id, world.job.id)
    assert [column.stage for column in columns] == list(Stage)
    assert {column.stage: column.total for column in columns} == totals
    review = columns[list(Stage).index(Stage.REVIEW)]
    assert (review.total, len(review.cards)) == (BOARD_CARDS + 5, BOARD_CARDS)
    assert [card.name for card in review.cards[:2]] == ["review 034", "review 033"]
    assert [column.cards for column in columns[3:]] == [[], [], []]


async def test_a_stage_comes_page_by_page_each_once(database: Database, world: World) -> None:
    async with database.write() as conn:
        made = await applicants(conn, world, 25, Stage.HIRED)
        seen: list[str] = []
        before: tuple[int, str] | None = None
        while cards := await pipeline.in_stage(
            conn, world.organisation.id, world.job.id, Stage.HIRED, now_ms=NOW_MS, limit=10, before=before
        ):
            seen += [card.application_id for card in cards]
            before = (cards[-1].stage_at_ms, cards[-1].application_id)
    assert seen == [each.id for each in reversed(made)]


async def test_a_card_shows_the_invitation_to_this_job_and_not_to_another(database: Database, world: World) -> None:
    async with database.write() as conn:
        miller = await jobs.create(conn, organisation_id=world.organisation.id, title="Miller", now_ms=NOW_MS)
        await templates.attach(conn, world.version.template_id, miller.id)
        there = await candidates.apply(conn, world.application.candidate_id, miller.id, now_ms=NOW_MS)
        sent = await invite(
            conn, world.organisation.id, there.id, world.version.id, expires_at_ms=NOW_MS + 5, now_ms=NOW_MS + 1
        )

        async def card(job_id: str, now_ms: int) -> pipeline.Card:
            [only] = (await pipeline.board(conn, world.organisation.id, job_id, now_ms=now_ms))[0].cards
            return only

        here = await card(world.job.id, NOW_MS + 10)
        assert (here.state, here.invitation_id) == (CandidateState.INVITED, world.invitation.id)
        assert (await card(miller.id, NOW_MS + 4)).state is CandidateState.INVITED
        expired = await card(miller.id, NOW_MS + 5)
        assert (expired.state, expired.at_ms, expired.invitation_id) == (CandidateState.EXPIRED, NOW_MS + 5, sent.id)


async def test_a_move_writes_its_event_and_counts_only_who_was_elsewhere(database: Database, world: World) -> None:
    async with database.write() as conn:
        new = await applicants(conn, world, 2, Stage.NEW)
        review = await applicants(conn, world, 1, Stage.REVIEW)
        ids = [each.candidate_id for each in new + review]
        moved = await move(conn, world, ids, Stage.REVIEW)
        assert {each.application_id for each in moved} == {each.id for each in new}
        assert {each.origin for each in moved} == {Stage.NEW}
        assert await move(conn, world, ids, Stage.REVIEW) == []
        [written] = await events.for_candidate(conn, world.organisation.id, new[0].candidate_id)
        assert (written.kind, written.actor) == ("application.moved", ACTOR)
        assert written.detail == {"from": "new", "to": "review", "job": "Baker"}
        assert await events.for_candidate(conn, world.organisation.id, review[0].candidate_id) == []


async def test_nobody_moves_applicants_of_another_organisation_or_job(database: Database, world: World) -> None:
    async with database.write() as conn:
        theirs = await furnish(conn, name="Southwind")
        assert await move(conn, world, [theirs.application.candidate_id, "nobody"], Stage.HIRED) == []
        moved = await pipeline.move(
            conn,
            organisation_id=theirs.organisation.id,
            job_id=world.job.id,
            candidate_ids=[world.application.candidate_id],
            to=Stage.HIRED,
            now_ms=NOW_MS,
            actor=ACTOR,
        )
        assert moved == []
        assert (await pipeline.totals(conn, world.organisation.id, world.job.id))[Stage.NEW] == 1
        columns = await pipeline.board(conn, theirs.organisation.id, world.job.id, now_ms=NOW_MS)
        assert all(not column.cards for column in columns)


async def test_of_two_who_move_the_same_person_at_once_each_writes_what_it_did(
    database: Database, world: World
) -> None:
    async def one(to: Stage) -> list[pipeline.Moved]:
        async with database.write() as conn:
            return await move(conn, world, [world.application.candidate_id], to)

    first, second = await asyncio.gather(one(Stage.HIRED), one(Stage.REJECTED))
    assert (len(first), len(second)) == (1, 1)
    async with database.read() as conn:
        written = await events.for_candidate(conn, world.organisation.id, world.application.candidate_id)
        totals = await pipeline.totals(conn, world.organisation.id, world.job.id)
    path = [(each.detail["from"], each.detail["to"]) for each in reversed(written)]
    assert path[0][0] == "new" and path[0][1] == path[1][0]
    assert totals[Stage(path[1][1])] == 1


async def test_a_step_that_goes_by_itself_leaves_alone_whom_people_have_moved(database: Database, world: World) -> None:
    step = {"organisation_id": world.organisation.id, "application_id": world.application.id, "actor": "system"}
    async with database.write() as conn:
        assert await pipeline.advance(conn, **step, origin=Stage.NEW, to=Stage.INTERVIEW, now_ms=NOW_MS)
        assert not await pipeline.advance(conn, **step, origin=Stage.NEW, to=Stage.INTERVIEW, now_ms=NOW_MS)
        await move(conn, world, [world.application.candidate_id], Stage.SHORTLIST)
        assert not await pipeline.advance(conn, **step, origin=Stage.INTERVIEW, to=Stage.REVIEW, now_ms=NOW_MS)
        assert not await pipeline.advance(
            conn,
            organisation_id="another",
            application_id=world.application.id,
            origin=Stage.SHORTLIST,
            to=Stage.HIRED,
            now_ms=NOW_MS,
            actor="system",
        )


async def test_a_job_is_renamed_closed_and_opened_again_each_once(database: Database, world: World) -> None:
    organisation_id, job_id = world.organisation.id, world.job.id
    async with database.write() as conn:
        assert await jobs.rename(conn, job_id, organisation_id=organisation_id, title="Head baker")
        assert not await jobs.rename(conn, job_id, organisation_id=organisation_id, title="Head baker")
        assert not await jobs.rename(conn, job_id, organisation_id="another", title="Mine")
        assert not await jobs.close(conn, job_id, organisation_id="another", now_ms=NOW_MS)
        assert await jobs.close(conn, job_id, organisation_id=organisation_id, now_ms=NOW_MS)
        assert not await jobs.close(conn, job_id, organisation_id=organisation_id, now_ms=NOW_MS + 1)
        assert await jobs.open_ones(conn, organisation_id) == []
        [closed] = await jobs.listing(conn, organisation_id, closed=True)
        assert (closed.job.title, closed.job.closed_at_ms) == ("Head baker", NOW_MS)
        assert await jobs.listing(conn, organisation_id) == []
        assert await jobs.reopen(conn, job_id, organisation_id=organisation_id)
        assert not await jobs.reopen(conn, job_id, organisation_id=organisation_id)
        assert await jobs.by_id(conn, job_id, organisation_id="another") is None


async def test_the_list_of_jobs_counts_by_stage_in_two_queries(database: Database, world: World) -> None:
    async with database.write() as conn:
        await applicants(conn, world, 3, Stage.REVIEW)
        for number in range(5):
            title = f"Job {number}"
            await jobs.create(conn, organisation_id=world.organisation.id, title=title, now_ms=NOW_MS + 1 + number)
    async with database.read() as conn:
        asked: list[str] = []
        sync = conn.sync_connection
        assert sync is not None
        event.listen(sync, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        first = await jobs.listing(conn, world.organisation.id, limit=4)
        assert len(asked) == 2
        last = first[-1].job
        rest = await jobs.listing(conn, world.organisation.id, before=(last.created_at_ms, last.id))
    assert [row.job.title for row in first + rest] == ["Job 4", "Job 3", "Job 2", "Job 1", "Job 0", "Baker"]
    assert rest[-1].stages == {Stage.NEW: 1, Stage.REVIEW: 3}


async def test_a_job_offers_exactly_the_templates_chosen_and_keeps_archived_ones(
    database: Database, world: World
) -> None:
    organisation_id, job_id = world.organisation.id, world.job.id
    async with database.write() as conn:
        draft = await templates.create(conn, organisation_id=organisation_id, name="Another", now_ms=NOW_MS)
        both = [draft.template_id, world.version.template_id]
        assert await job_templates.set_templates(conn, organisation_id, job_id, both)
        assert not await job_templates.set_templates(conn, organisation_id, job_id, both)
        found = await job_templates.of_job(conn, organisation_id, job_id)
        assert [(each.name, each.number, each.attached) for each in found] == [
            ("Another", None, True),
            ("First talk", 1, True),
        ]
        archive = "UPDATE templates SET archived_at_ms = 1 WHERE id = ?"
        await conn.exec_driver_sql(archive, (world.version.template_id,))
        assert await job_templates.set_templates(conn, organisation_id, job_id, [])
        [kept] = [each for each in await job_templates.of_job(conn, organisation_id, job_id) if each.attached]
        assert (kept.name, kept.archived) == ("First talk", True)
        theirs = await furnish(conn, name="Southwind")
        for stranger in (theirs.version.template_id, "nothing"):
            with pytest.raises(NotFound):
                await job_templates.set_templates(conn, organisation_id, job_id, [stranger])
        with pytest.raises(NotFound):
            await job_templates.set_templates(conn, organisation_id, theirs.job.id, both)
