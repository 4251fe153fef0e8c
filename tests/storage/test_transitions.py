"""An invitation's status: what moves it, what does not, and that of several that race one wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import interviews, invitations
from storage.database import Database
from storage.errors import InterviewEnded, NotFound, NoticeNotAccepted
from storage.expiry import CLOSING_GRACE_MS
from storage.schema import invitations as invitations_table
from storage.states import AnswerState, InvitationStatus, TakeState
from tests.storage.world import (
    HOUR_MS,
    NOW_MS,
    World,
    answer_everything,
    furnish,
    keep_take,
    start_interview,
)


async def status_of(conn: AsyncConnection, world: World) -> InvitationStatus:
    return (await invitations.get(conn, world.invitation.id)).status


async def accept(conn: AsyncConnection, world: World) -> None:
    await invitations.accept_notice(conn, world.invitation.id, notice_id=world.privacy.id, now_ms=NOW_MS)


def test_the_table_of_transitions_is_the_products() -> None:
    onward = {status.value: {each.value for each in after} for status, after in invitations.ALLOWED.items()}
    assert onward == {
        "pending": {"in_progress", "expired", "cancelled"},
        "in_progress": {"completed", "expired", "cancelled"},
        "completed": set(),
        "expired": set(),
        "cancelled": set(),
    }


async def test_starting_makes_one_hidden_answer_for_each_question_in_their_order(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answers = await start_interview(conn, world, now_ms=NOW_MS + 5)
        assert [each.question for each in answers] == world.version.questions
        assert {each.state for each in answers} == {AnswerState.HIDDEN}
        assert {(each.revision, each.attempts_used, each.credits_candidate) for each in answers} == {(0, 0, 0)}
        invitation = await invitations.get(conn, world.invitation.id)
        assert (invitation.status, invitation.started_at_ms) == (InvitationStatus.IN_PROGRESS, NOW_MS + 5)


async def test_starting_twice_starts_once(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await start_interview(conn, world)
        assert not await invitations.start(conn, world.invitation.id, NOW_MS + 1)
        assert len((await interviews.load(conn, world.invitation.id)).answers) == 3


async def test_nothing_starts_before_the_privacy_notice_was_accepted(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await invitations.accept_notice(conn, world.invitation.id, notice_id=world.cookie.id, now_ms=NOW_MS)
    async with database.write() as conn:
        with pytest.raises(NoticeNotAccepted):
            await invitations.start(conn, world.invitation.id, NOW_MS)
    async with database.read() as conn:
        assert await status_of(conn, world) is InvitationStatus.PENDING
        assert (await interviews.load(conn, world.invitation.id)).answers == []


async def test_nothing_starts_from_the_expiry_on(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        await accept(conn, world)
        assert not await invitations.start(conn, world.invitation.id, NOW_MS + HOUR_MS)
        assert await invitations.start(conn, world.invitation.id, NOW_MS + HOUR_MS - 1)


async def test_what_does_not_exist_does_not_move(database: Database) -> None:
    async with database.write() as conn:
        assert not await invitations.start(conn, "nothing", NOW_MS)
        assert not await invitations.complete(conn, "nothing", NOW_MS)
        assert not await invitations.cancel(conn, "nothing", reason="", now_ms=NOW_MS)
        assert not await invitations.expire(conn, "nothing", NOW_MS)


async def test_completing_submits_drafts_and_missed_answers_for_good(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, optional = await start_interview(conn, world)
        draft, take = await keep_take(conn, first)
        missed = replace(second, state=AnswerState.MISSED)
        assert await interviews.save(conn, missed, from_revision=0)
        assert await invitations.complete(conn, world.invitation.id, NOW_MS + 9 * HOUR_MS)
        after = await interviews.load(conn, world.invitation.id)
        assert after.invitation.status is InvitationStatus.COMPLETED
        assert after.invitation.completed_at_ms == after.invitation.ended_at_ms == NOW_MS + 9 * HOUR_MS
        assert [each.state for each in after.answers] == [
            AnswerState.SUBMITTED,
            AnswerState.SUBMITTED,
            AnswerState.HIDDEN,
        ]
        assert after.answers[0].revision == draft.revision + 1
        # C3: from here on nothing can change.
        for answer in after.answers:
            removed = replace(answer, state=AnswerState.SEEN, take_id=None)
            assert not await interviews.save(conn, removed, from_revision=answer.revision)
        gone = replace(take, state=TakeState.DISCARDED)
        assert not await interviews.save_take(conn, gone, TakeState.KEPT)
        with pytest.raises(InterviewEnded):
            await interviews.add_take(conn, take_id="t", answer_id=optional.id, now_ms=NOW_MS)
        assert await interviews.load(conn, world.invitation.id) == after


async def test_a_required_question_left_open_keeps_an_interview_from_completing(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        await keep_take(conn, first)
        for state in (AnswerState.HIDDEN, AnswerState.THINKING, AnswerState.SEEN, AnswerState.FAILED):
            current = (await interviews.load(conn, world.invitation.id)).answers[1]
            assert await interviews.save(conn, replace(current, state=state), from_revision=current.revision)
            assert not await invitations.complete(conn, world.invitation.id, NOW_MS)
        current = (await interviews.load(conn, world.invitation.id)).answers[1]
        await keep_take(conn, current)
        assert await invitations.complete(conn, world.invitation.id, NOW_MS)
        assert second.id == current.id


@pytest.mark.parametrize("busy", [AnswerState.COUNTDOWN, AnswerState.RECORDING, AnswerState.SAVING])
async def test_an_answer_on_its_way_keeps_an_interview_from_completing(database: Database, busy: AnswerState) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, optional = await start_interview(conn, world)
        await keep_take(conn, first)
        await keep_take(conn, second)
        assert await interviews.save(conn, replace(optional, state=busy), from_revision=0)
        assert not await invitations.complete(conn, world.invitation.id, NOW_MS)


async def test_a_draft_without_a_kept_take_keeps_an_interview_from_completing(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        await keep_take(conn, first)
        _, take = await keep_take(conn, second)
        assert await interviews.save_take(conn, replace(take, state=TakeState.FAILED), TakeState.KEPT)
        assert not await invitations.complete(conn, world.invitation.id, NOW_MS)


async def test_a_pending_interview_is_never_completed(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, questions=(False,))
        assert not await invitations.complete(conn, world.invitation.id, NOW_MS)


async def test_sending_stays_possible_until_the_interview_closes_and_not_after(database: Database) -> None:
    closes = NOW_MS + HOUR_MS + CLOSING_GRACE_MS
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        await answer_everything(conn, await start_interview(conn, world))
        assert not await invitations.expire(conn, world.invitation.id, closes - 1)
        assert not await invitations.complete(conn, world.invitation.id, closes)
        assert await invitations.complete(conn, world.invitation.id, closes - 1)
        assert not await invitations.expire(conn, world.invitation.id, closes)


async def test_an_interview_does_not_expire_while_a_take_runs(database: Database) -> None:
    much_later = NOW_MS + 100 * HOUR_MS
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        answers = await start_interview(conn, world)
        take = await interviews.add_take(conn, take_id="take", answer_id=answers[0].id, now_ms=NOW_MS)
        for before, after in (
            (TakeState.COUNTDOWN, TakeState.RECORDING),
            (TakeState.RECORDING, TakeState.SAVING),
            (TakeState.SAVING, TakeState.KEPT),
        ):
            assert not await invitations.expire(conn, world.invitation.id, much_later)
            assert await interviews.save_take(conn, replace(take, state=after, ended_at_ms=much_later), before)
        assert not await invitations.expire(conn, world.invitation.id, much_later + CLOSING_GRACE_MS - 1)
        assert await invitations.expire(conn, world.invitation.id, much_later + CLOSING_GRACE_MS)


async def test_a_pending_invitation_expires_at_once_and_one_without_expiry_never(database: Database) -> None:
    async with database.write() as conn:
        dated = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        dateless = await furnish(conn, name="Southwind")
        assert await invitations.overdue(conn, NOW_MS + HOUR_MS - 1) == []
        assert await invitations.overdue(conn, NOW_MS + HOUR_MS) == [dated.invitation.id]
        assert await invitations.overdue(conn, NOW_MS + HOUR_MS, limit=0) == []
        assert not await invitations.expire(conn, dated.invitation.id, NOW_MS + HOUR_MS - 1)
        assert await invitations.expire(conn, dated.invitation.id, NOW_MS + HOUR_MS)
        assert not await invitations.expire(conn, dateless.invitation.id, NOW_MS + 10**12)


async def test_a_cancelled_invitation_keeps_its_reason_and_when(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await start_interview(conn, world)
        assert await invitations.cancel(conn, world.invitation.id, reason="The job is filled.", now_ms=NOW_MS + 7)
        assert not await invitations.cancel(conn, world.invitation.id, reason="again", now_ms=NOW_MS + 8)
        found = await invitations.get(conn, world.invitation.id)
        assert (found.cancel_reason, found.ended_at_ms, found.completed_at_ms) == (
            "The job is filled.",
            NOW_MS + 7,
            None,
        )


async def test_a_running_take_of_a_cancelled_interview_can_still_be_settled_but_no_new_one_begins(
    database: Database,
) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        take = await interviews.add_take(conn, take_id="take", answer_id=first.id, now_ms=NOW_MS)
        recording = replace(first, state=AnswerState.RECORDING, next_take_id=take.id)
        assert await interviews.save(conn, recording, from_revision=0)
        assert await invitations.cancel(conn, world.invitation.id, reason="", now_ms=NOW_MS)
        assert await interviews.save_take(conn, replace(take, state=TakeState.ABANDONED), TakeState.COUNTDOWN)
        settled = replace(recording, state=AnswerState.SEEN, next_take_id=None)
        assert await interviews.save(conn, settled, from_revision=1)
        with pytest.raises(InterviewEnded):
            await interviews.add_take(conn, take_id="another", answer_id=second.id, now_ms=NOW_MS)
        with pytest.raises(NotFound):
            await interviews.add_take(conn, take_id="another", answer_id="nothing", now_ms=NOW_MS)


Move = Callable[[AsyncConnection, str], Awaitable[bool]]
LATE_MS = NOW_MS + HOUR_MS + CLOSING_GRACE_MS - 1


async def start(conn: AsyncConnection, invitation_id: str) -> bool:
    return await invitations.start(conn, invitation_id, NOW_MS)


async def complete(conn: AsyncConnection, invitation_id: str) -> bool:
    return await invitations.complete(conn, invitation_id, LATE_MS)


async def cancel(conn: AsyncConnection, invitation_id: str) -> bool:
    return await invitations.cancel(conn, invitation_id, reason="", now_ms=LATE_MS)


async def expire(conn: AsyncConnection, invitation_id: str) -> bool:
    return await invitations.expire(conn, invitation_id, LATE_MS + HOUR_MS)


async def race(database: Database, invitation_id: str, moves: list[Move]) -> list[bool]:
    """All at once, each in a transaction of its own; half of them through another process's connections."""
    other = Database(database.path)
    await other.open()
    barrier = asyncio.Barrier(len(moves))

    async def run(number: int, move: Move) -> bool:
        await barrier.wait()
        async with (database, other)[number % 2].write() as conn:
            return await move(conn, invitation_id)

    try:
        return await asyncio.gather(*(run(number, move) for number, move in enumerate(moves)))
    finally:
        await other.close()


async def test_of_two_that_start_at_once_exactly_one_does(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await accept(conn, world)
    assert sorted(await race(database, world.invitation.id, [start, start])) == [False, True]
    async with database.read() as conn:
        assert len((await interviews.load(conn, world.invitation.id)).answers) == 3


@pytest.mark.parametrize("moves", [[complete, cancel], [complete, expire], [cancel, expire], [complete, complete]])
async def test_of_ends_that_race_exactly_one_happens(database: Database, moves: list[Move]) -> None:
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        await answer_everything(conn, await start_interview(conn, world))
    won = await race(database, world.invitation.id, moves * 4)
    assert won.count(True) == 1
    async with database.read() as conn:
        ends = {
            complete: InvitationStatus.COMPLETED,
            cancel: InvitationStatus.CANCELLED,
            expire: InvitationStatus.EXPIRED,
        }
        assert await status_of(conn, world) is ends[(moves * 4)[won.index(True)]]


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "answered"},
        {"status": "completed", "started_at_ms": NOW_MS, "ended_at_ms": NOW_MS},
        {"status": "in_progress"},
        {"status": "expired"},
        {"ended_at_ms": NOW_MS},
    ],
)
async def test_the_database_itself_refuses_a_status_that_contradicts_its_times(
    database: Database, broken: dict[str, object]
) -> None:
    async with database.write() as conn:
        await furnish(conn)
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await conn.execute(update(invitations_table).values(**broken))
