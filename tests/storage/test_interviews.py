"""Answers, takes and the ledger of a running interview."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from storage import interviews, invitations
from storage.answers import LEDGER_LIMIT
from storage.database import Database
from storage.errors import NotFound, ShapeBroken
from storage.schema import takes as takes_table
from storage.states import AnswerState, InvitationStatus, TakeState
from storage.takes import TAKES_LIMIT
from tests.storage.world import NOW_MS, furnish, invite, keep_take, start_interview


async def test_an_interview_has_no_answers_before_start(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        found = await interviews.load(conn, world.invitation.id)
        assert (found.invitation, found.answers, found.takes) == (world.invitation, [], {})
        assert found.take_ended_at_ms is None
        with pytest.raises(NotFound):
            await interviews.load(conn, "nothing")


async def test_every_field_of_an_answer_comes_back_as_it_was_saved(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[1]
        old = await interviews.add_take(conn, take_id="old", answer_id=answer.id, now_ms=NOW_MS)
        new = await interviews.add_take(conn, take_id="new", answer_id=answer.id, now_ms=NOW_MS + 1)
        changed = replace(
            answer,
            state=AnswerState.COUNTDOWN,
            revision=1,
            attempts_used=2,
            credits_candidate=1,
            think_ends_at_ms=NOW_MS + 30_000,
            waited=True,
            wait_ends_at_ms=NOW_MS + 60_000,
            take_id=old.id,
            next_take_id=new.id,
            notice="credited_worker",
            before=AnswerState.DRAFT,
            credits_kept=3,
            free_countdowns=51,
            free_countdown_at_ms=NOW_MS + 1,
            outage_at_ms=NOW_MS + 2,
        )
        assert await interviews.save(conn, changed, from_revision=0)
        found = await interviews.load(conn, world.invitation.id)
        assert found.answers[1] == changed
        assert found.takes == {"old": old, "new": new}


async def test_an_answer_is_saved_from_the_revision_it_was_read_at_only(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]
        assert await interviews.save(conn, replace(answer, state=AnswerState.SEEN), from_revision=0)
        assert not await interviews.save(conn, replace(answer, state=AnswerState.MISSED), from_revision=0)
        assert await interviews.save(conn, replace(answer, state=AnswerState.FAILED), from_revision=1)
        after = (await interviews.load(conn, world.invitation.id)).answers[0]
        assert (after.state, after.revision) == (AnswerState.FAILED, 2)


async def test_of_tasks_that_save_the_same_answer_one_wins(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]

    async def save(attempts: int) -> bool:
        async with database.write() as conn:
            return await interviews.save(conn, replace(answer, attempts_used=attempts), from_revision=0)

    won = await asyncio.gather(*(save(attempts) for attempts in range(1, 11)))
    assert won.count(True) == 1
    async with database.read() as conn:
        after = (await interviews.load(conn, world.invitation.id)).answers[0]
    assert (after.attempts_used, after.revision) == (won.index(True) + 1, 1)


async def test_an_answer_cannot_hold_the_take_of_another(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        _, take = await keep_take(conn, second)
    for stolen in (replace(first, take_id=take.id), replace(first, next_take_id=take.id)):
        with pytest.raises(IntegrityError):
            async with database.write() as conn:
                await interviews.save(conn, stolen, from_revision=0)


async def test_every_field_of_a_take_comes_back_as_it_was_saved(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]
        take = await interviews.add_take(conn, take_id="take", answer_id=answer.id, now_ms=NOW_MS)
        assert (take.state, take.created_at_ms) == (TakeState.COUNTDOWN, NOW_MS)
        finished = replace(
            take,
            state=TakeState.KEPT,
            started_at_ms=NOW_MS + 3_000,
            ended_at_ms=NOW_MS + 63_000,
            end_reason="limit",
            verdict="usable",
            reasons=["gap", "loss"],
            file="take.webm",
            media_type="video/webm",
            size_bytes=5_000_000_000,
            duration_ms=60_000,
            sha256="0" * 64,
            poster="take.jpg",
            waveform="take.waveform.json",
            recovered=True,
            sidecar={"gaps": [{"at_ms": 5, "ms": 1200}], "codec": "vp8"},
        )
        assert await interviews.save_take(conn, finished, TakeState.COUNTDOWN)
        assert await interviews.take(conn, "take") == finished
        assert await interviews.take_with_invitation(conn, "take") == (finished, world.invitation.id)
        assert (await interviews.load(conn, world.invitation.id)).take_ended_at_ms == NOW_MS + 63_000
        assert await interviews.take(conn, "nothing") is None
        assert await interviews.take_with_invitation(conn, "nothing") is None


async def test_a_take_is_saved_from_the_state_it_was_read_in_only(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]
        take = await interviews.add_take(conn, take_id="take", answer_id=answer.id, now_ms=NOW_MS)
        assert await interviews.save_take(conn, replace(take, state=TakeState.RECORDING), TakeState.COUNTDOWN)
        assert not await interviews.save_take(conn, replace(take, state=TakeState.ABANDONED), TakeState.COUNTDOWN)
        found = await interviews.take(conn, "take")
        assert found is not None and found.state is TakeState.RECORDING


async def test_takes_that_wait_for_a_recorder_are_found_with_their_invitations(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, third = await start_interview(conn, world)
        await keep_take(conn, third)
        later = await interviews.add_take(conn, take_id="later", answer_id=first.id, now_ms=NOW_MS + 2)
        sooner = await interviews.add_take(
            conn, take_id="sooner", answer_id=second.id, now_ms=NOW_MS + 1, state=TakeState.RECORDING
        )
        waiting = (TakeState.COUNTDOWN, TakeState.RECORDING, TakeState.SAVING)
        assert await interviews.takes_in(conn, waiting) == [
            (sooner, world.invitation.id),
            (later, world.invitation.id),
        ]
        assert await interviews.takes_in(conn, waiting, limit=1) == [(sooner, world.invitation.id)]
        assert await interviews.takes_in(conn, ()) == []
        assert TAKES_LIMIT == 1000


async def test_invitations_with_running_clocks_are_found_by_status(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answers = await start_interview(conn, world)
        for answer in answers[1:]:
            assert await interviews.save(conn, replace(answer, state=AnswerState.THINKING), from_revision=0)
        thinking = (AnswerState.THINKING,)

        async def found(status: InvitationStatus) -> list[str]:
            return await interviews.invitations_with_answers_in(conn, thinking, status=status)

        assert await found(InvitationStatus.IN_PROGRESS) == [world.invitation.id]
        assert await invitations.cancel(conn, world.invitation.id, reason="", now_ms=NOW_MS)
        assert await found(InvitationStatus.IN_PROGRESS) == []
        assert await found(InvitationStatus.CANCELLED) == [world.invitation.id]


async def test_a_candidate_plays_back_own_kept_takes_only(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        other = await invite(conn, world.organisation.id, world.application.id, world.version.id)
        mine = await start_interview(conn, world)
        theirs = await start_interview(conn, world, invitation=other)
        _, kept = await keep_take(conn, mine[0])
        _, foreign = await keep_take(conn, theirs[0])
        assert await interviews.own_take(conn, world.invitation.id, kept.id) == kept
        assert await interviews.own_take(conn, world.invitation.id, foreign.id) is None
        assert await interviews.own_take(conn, world.invitation.id, "nothing") is None
        discarded = replace(kept, state=TakeState.DISCARDED)
        assert await interviews.save_take(conn, discarded, TakeState.KEPT)
        assert await interviews.own_take(conn, world.invitation.id, kept.id) is None


async def test_the_ledger_keeps_the_order_of_writing_and_comes_in_bounded_pieces(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        await interviews.write_ledger(conn, second.id, NOW_MS, "reveal")
        for number in range(LEDGER_LIMIT + 2):
            await interviews.write_ledger(conn, first.id, NOW_MS, "outage", {"number": number})
        piece = await interviews.ledger(conn, first.id)
        rest = await interviews.ledger(conn, first.id, after=piece[-1].sequence)
        assert [entry.detail["number"] for entry in piece + rest] == list(range(LEDGER_LIMIT + 2))
        assert (len(piece), len(rest)) == (LEDGER_LIMIT, 2)
        (reveal,) = await interviews.ledger(conn, second.id)
        assert (reveal.kind, reveal.at_ms, reveal.detail) == ("reveal", NOW_MS, {})


@pytest.mark.parametrize("limit", [7, LEDGER_LIMIT, 10 * LEDGER_LIMIT])
async def test_a_ledger_of_any_length_is_read_whole_page_by_page(database: Database, limit: int) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, _ = await start_interview(conn, world)
        for number in range(2 * LEDGER_LIMIT):
            await interviews.write_ledger(conn, first.id, NOW_MS, "countdown", {"number": number})
        await interviews.write_ledger(conn, second.id, NOW_MS, "reveal")
        await interviews.write_ledger(conn, first.id, NOW_MS, "charge", {"number": -1})
        pages = [page async for page in interviews.ledger_pages(conn, first.id, limit=limit)]
        assert all(0 < len(page) <= min(limit, LEDGER_LIMIT) for page in pages)
        read = [entry.detail["number"] for page in pages for entry in page]
        assert read == [*range(2 * LEDGER_LIMIT), -1]


async def test_takes_that_nobody_wants_are_listed_until_their_files_are_gone(database: Database) -> None:
    states = {
        "a-discarded": (TakeState.DISCARDED, "good"),
        "b-abandoned": (TakeState.ABANDONED, ""),
        "c-failed": (TakeState.FAILED, "failed"),
        "d-lost": (TakeState.FAILED, ""),
        "e-damaged": (TakeState.FAILED, "good"),
        "f-kept": (TakeState.KEPT, "good"),
        "g-running": (TakeState.RECORDING, ""),
    }
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]
        for take_id, (state, verdict) in states.items():
            made = await interviews.add_take(conn, take_id=take_id, answer_id=answer.id, now_ms=NOW_MS)
            assert await interviews.save_take(conn, replace(made, state=state, verdict=verdict), TakeState.COUNTDOWN)

        async def listed(before_ms: int = NOW_MS + 1, after: str = "", limit: int = 10) -> list[str]:
            found = await interviews.unwanted_takes(conn, before_ms=before_ms, after=after, limit=limit)
            assert {invitation_id for _, invitation_id in found} <= {world.invitation.id}
            return [take_id for take_id, _ in found]

        unwanted = ["a-discarded", "b-abandoned", "c-failed", "d-lost"]
        assert await listed() == unwanted
        assert await listed(before_ms=NOW_MS) == []
        assert await listed(after="b-abandoned", limit=1) == ["c-failed"]
        assert await interviews.note_gone(conn, ["a-discarded", "c-failed"], NOW_MS) == 2
        assert await interviews.note_gone(conn, ["a-discarded"], NOW_MS) == 0
        assert await listed() == ["b-abandoned", "d-lost"]


@pytest.mark.parametrize("broken", [{"reasons": {"a": 1}}, {"reasons": [1]}, {"sidecar": ["x"]}])
async def test_a_take_whose_json_has_a_wrong_shape_is_not_believed(
    database: Database, broken: dict[str, object]
) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        answer = (await start_interview(conn, world))[0]
        _, take = await keep_take(conn, answer)
        await conn.execute(update(takes_table).values(**broken))
        with pytest.raises(ShapeBroken, match=f"takes.{next(iter(broken))}"):
            await interviews.take(conn, take.id)


async def test_the_ledgers_of_several_answers_come_whole_in_few_queries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.answers.LEDGER_LIMIT", 4)
    async with database.write() as conn:
        world = await furnish(conn)
        first, second, third = await start_interview(conn, world)
        for number in range(8):
            answer = (first, second)[number % 2]
            await interviews.write_ledger(conn, answer.id, NOW_MS + number, "reveal", {"n": number})
        found = await interviews.ledgers_of(conn, [first.id, second.id, third.id])
        one = await interviews.ledgers_of(conn, [second.id])
        assert await interviews.ledgers_of(conn, []) == {}
    assert [entry.detail["n"] for entry in found[first.id]] == [0, 2, 4, 6]
    assert [entry.detail["n"] for entry in found[second.id]] == [1, 3, 5, 7]
    assert found[third.id] == []
    assert one == {second.id: found[second.id]}
