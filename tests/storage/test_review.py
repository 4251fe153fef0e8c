"""C24: drafts never reach a reviewer, by any query that reviewers have."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import fields, replace

import pytest
from sqlalchemy import update

from storage import interviews, invitations
from storage.database import Database
from storage.expiry import CLOSING_GRACE_MS
from storage.invitations import InterviewListRow
from storage.schema import answers as answers_table
from storage.schema import invitations as invitations_table
from storage.schema import takes as takes_table
from storage.states import AnswerState, InvitationStatus, TakeState
from tests.storage.world import HOUR_MS, NOW_MS, furnish, invite, keep_take, start_interview


async def test_a_reviewer_sees_what_was_submitted_what_was_missed_and_what_was_left_open(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        _, take = await keep_take(conn, first)
        assert await interviews.save(conn, replace(second, state=AnswerState.MISSED), from_revision=0)
        assert await invitations.complete(conn, world.invitation.id, NOW_MS)
        shown = await interviews.submitted(conn, world.invitation.id)
        assert [each.question for each in shown] == world.version.questions
        assert [(each.take, each.missed) for each in shown] == [(take, False), (None, True), (None, False)]
        assert await interviews.submitted_take(conn, world.invitation.id, take.id) == take


async def test_the_draft_of_an_interview_in_progress_reaches_no_reviewer(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, *_ = await start_interview(conn, world)
        _, take = await keep_take(conn, first)
        assert await interviews.submitted(conn, world.invitation.id) == []
        assert await interviews.submitted_take(conn, world.invitation.id, take.id) is None


@pytest.mark.parametrize("end", ["cancelled", "expired"])
async def test_the_drafts_of_an_interview_that_ended_otherwise_reach_no_reviewer(database: Database, end: str) -> None:
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        takes = [(await keep_take(conn, answer))[1] for answer in await start_interview(conn, world)]
        if end == "cancelled":
            assert await invitations.cancel(conn, world.invitation.id, reason="", now_ms=NOW_MS)
        else:
            assert await invitations.expire(conn, world.invitation.id, NOW_MS + HOUR_MS + CLOSING_GRACE_MS)
        assert await interviews.submitted(conn, world.invitation.id) == []
        for take in takes:
            assert await interviews.submitted_take(conn, world.invitation.id, take.id) is None


async def test_takes_that_were_replaced_or_failed_reach_no_reviewer(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, questions=(True,))
        (answer,) = await start_interview(conn, world)
        answer, replaced = await keep_take(conn, answer)
        failed = await interviews.add_take(conn, take_id="failed", answer_id=answer.id, now_ms=NOW_MS)
        assert await interviews.save_take(conn, replace(failed, state=TakeState.FAILED), TakeState.COUNTDOWN)
        _, last = await keep_take(conn, answer)
        assert await invitations.complete(conn, world.invitation.id, NOW_MS)
        # Even if nobody has come round to discarding the one before.
        assert (await interviews.submitted(conn, world.invitation.id))[0].take == last
        for other in (replaced.id, failed.id):
            assert await interviews.submitted_take(conn, world.invitation.id, other) is None


async def test_a_take_is_not_shown_under_another_invitation(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, questions=(True,))
        other = await invite(conn, world.organisation.id, world.application.id, world.version.id)
        for invitation in (world.invitation, other):
            (answer,) = await start_interview(conn, world, invitation=invitation)
            _, take = await keep_take(conn, answer)
            assert await invitations.complete(conn, invitation.id, NOW_MS)
        assert await interviews.submitted_take(conn, other.id, take.id) == take
        assert await interviews.submitted_take(conn, world.invitation.id, take.id) is None


async def test_what_does_not_exist_shows_nothing(database: Database) -> None:
    async with database.read() as conn:
        assert await interviews.submitted(conn, "nothing") == []
        assert await interviews.submitted_take(conn, "nothing", "nothing") is None


def test_a_row_of_the_list_has_no_room_for_an_answer() -> None:
    names = {field.name for field in fields(InterviewListRow)}
    assert not names & {"answers", "takes", "take_id", "details", "file"}


async def test_a_take_is_shown_only_if_all_of_completed_submitted_and_kept_hold(database: Database) -> None:
    """Whatever rows there are, even such as our own code never writes together: every combination."""
    async with database.write() as conn:
        world = await furnish(conn, questions=(True,))
        (answer,) = await start_interview(conn, world)
        _, take = await keep_take(conn, answer)
        shown_in = []
        for status, answer_state, take_state, held in itertools.product(
            InvitationStatus, AnswerState, TakeState, (take.id, None)
        ):
            completed = status is InvitationStatus.COMPLETED
            ended = status not in invitations.OPEN
            await conn.execute(update(takes_table).values(state=take_state))
            await conn.execute(update(answers_table).values(state=answer_state, take_id=held, next_take_id=take.id))
            await conn.execute(
                update(invitations_table).values(
                    status=status,
                    ended_at_ms=NOW_MS if ended else None,
                    completed_at_ms=NOW_MS if completed else None,
                )
            )
            shown = await interviews.submitted(conn, world.invitation.id)
            found = await interviews.submitted_take(conn, world.invitation.id, take.id)
            assert len(shown) == (1 if completed else 0)
            assert [each.take for each in shown if each.take] == ([found] if found else [])
            if found:
                shown_in.append((status, answer_state, take_state, held))
        assert shown_in == [(InvitationStatus.COMPLETED, AnswerState.SUBMITTED, TakeState.KEPT, take.id)]


async def test_a_reviewer_who_looks_during_the_sending_sees_nothing_or_everything(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        for answer in await start_interview(conn, world):
            await keep_take(conn, answer)

    async def send() -> None:
        async with database.write() as conn:
            assert await invitations.complete(conn, world.invitation.id, NOW_MS)

    async def look() -> int:
        async with database.read() as conn:
            return sum(each.take is not None for each in await interviews.submitted(conn, world.invitation.id))

    *seen, _ = await asyncio.gather(*(look() for _ in range(12)), send())
    assert set(seen) <= {0, 3}
    assert await look() == 3
