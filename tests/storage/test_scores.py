"""R28 in the database: one score a person and question, of completed interviews alone."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import invitations, scores, users
from storage.database import Database
from storage.errors import NotCompleted, NotFound
from storage.schema import scores as scores_table
from storage.scores import OVERALL
from storage.states import Role
from storage.users import User
from tests.storage.world import NOW_MS, World, answer_everything, furnish, invite, start_interview


async def completed(conn: AsyncConnection, world: World) -> str:
    await answer_everything(conn, await start_interview(conn, world))
    assert await invitations.complete(conn, world.invitation.id, NOW_MS)
    return world.invitation.id


async def colleague(conn: AsyncConnection, world: World, name: str) -> User:
    return await users.create(
        conn,
        organisation_id=world.organisation.id,
        email=f"{name}@northwind.example",
        name=name,
        role=Role.REVIEWER,
        password_hash="x",
        now_ms=NOW_MS,
    )


async def test_each_person_gives_one_score_a_question_and_one_for_the_whole(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview = await completed(conn, world)
        maya = await colleague(conn, world, "Maya")
        for question, value in ((2, 4), (OVERALL, 5)):
            assert await scores.give(conn, interview, user_id=maya.id, question=question, value=value, now_ms=NOW_MS)
        assert await scores.give(conn, interview, user_id=world.recruiter.id, question=2, value=1, now_ms=NOW_MS + 1)
        found = await scores.of_invitation(conn, interview)
    assert [(each.question, each.user_name, each.value) for each in found] == [
        (OVERALL, "Maya", 5),
        (2, "Maya", 4),
        (2, "Robin", 1),
    ]


async def test_another_value_replaces_the_first_and_the_same_again_changes_nothing(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview, mine = await completed(conn, world), world.recruiter.id
        assert await scores.give(conn, interview, user_id=mine, question=1, value=2, now_ms=NOW_MS)
        assert await scores.give(conn, interview, user_id=mine, question=1, value=3, now_ms=NOW_MS + 1)
        assert not await scores.give(conn, interview, user_id=mine, question=1, value=3, now_ms=NOW_MS + 2)
        [only] = await scores.of_invitation(conn, interview)
    assert (only.value, only.at_ms) == (3, NOW_MS + 1)


async def test_a_score_can_be_taken_back_once(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview, mine = await completed(conn, world), world.recruiter.id
        await scores.give(conn, interview, user_id=mine, question=1, value=2, now_ms=NOW_MS)
        assert await scores.take_back(conn, interview, user_id=mine, question=1)
        assert not await scores.take_back(conn, interview, user_id=mine, question=1)
        assert await scores.of_invitation(conn, interview) == []


async def test_an_interview_that_is_not_completed_is_not_scored(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        mine = world.recruiter.id
        for _ in ("pending", "in progress", "cancelled"):
            with pytest.raises(NotCompleted):
                await scores.give(conn, world.invitation.id, user_id=mine, question=1, value=2, now_ms=NOW_MS)
            with pytest.raises(NotCompleted):
                await scores.take_back(conn, world.invitation.id, user_id=mine, question=1)
            if not await invitations.cancel(conn, world.invitation.id, reason="", now_ms=NOW_MS):
                break
        assert await conn.scalar(select(scores_table.c.value)) is None


@pytest.mark.parametrize("question", [4, -1, 1000])
async def test_a_question_the_interview_has_not_is_not_scored(database: Database, question: int) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview = await completed(conn, world)
        with pytest.raises(NotFound):
            await scores.give(conn, interview, user_id=world.recruiter.id, question=question, value=3, now_ms=NOW_MS)


@pytest.mark.parametrize("value", [0, 6, -1])
async def test_a_value_that_is_no_score_is_refused_here_and_by_the_table(database: Database, value: int) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview = await completed(conn, world)
        with pytest.raises(ValueError, match="1 to 5"):
            await scores.give(conn, interview, user_id=world.recruiter.id, question=1, value=value, now_ms=NOW_MS)
        row = {"invitation_id": interview, "user_id": world.recruiter.id, "question": 1, "value": value, "at_ms": 1}
        with pytest.raises(IntegrityError):
            await conn.execute(scores_table.insert().values(row))


async def test_two_presses_at_once_leave_one_score(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview = await completed(conn, world)

    async def press() -> bool:
        async with database.write() as conn:
            return await scores.give(conn, interview, user_id=world.recruiter.id, question=1, value=4, now_ms=NOW_MS)

    assert sorted(await asyncio.gather(press(), press())) == [False, True]
    async with database.read() as conn:
        assert len(await scores.of_invitation(conn, interview)) == 1


async def test_the_card_of_a_candidate_knows_their_completed_interviews_alone(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        interview = await completed(conn, world)
        await invite(conn, world.organisation.id, world.application.id, world.version.id)
        elsewhere = await furnish(conn, name="Elsewhere")
        candidate = world.application.candidate_id
        [only] = await scores.completed_of_candidate(conn, world.organisation.id, candidate)
        assert (only.invitation_id, only.questions, only.job_title) == (interview, 3, "Baker")
        assert await scores.completed_of_candidate(conn, elsewhere.organisation.id, candidate) == []
        assert await scores.of_invitations(conn, []) == []
