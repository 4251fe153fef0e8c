"""Recorders, disks and databases that fail, and servers that die: nothing is charged for it, nothing is guessed."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from recorder.messages import CallProblem, CallRefused, EndReason, NeverStarted, PeerState, Verdict, WorkerUnavailable
from signaling import orders, record
from signaling.messages import Record, Reveal, Send, Stop
from storage.states import AnswerState, TakeState
from tests.signaling.room import OPEN, TIMED, Room, until


async def test_a_recorder_that_does_not_answer_charges_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    room.recorders.trouble = WorkerUnavailable("gone")
    await room.ask(page, Reveal(room.questions[OPEN]))
    await room.ask(page, Record(room.questions[OPEN]))
    await until(lambda: page.question(OPEN).notice == "start_failed")
    assert page.question(OPEN).state == "seen"
    assert page.question(OPEN).attempts_left == 2
    room.recorders.trouble = None
    await room.answer(page)


async def test_a_full_disk_refuses_the_take_with_its_own_notice(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    room.recorders.trouble = CallRefused(CallProblem.DISK_FULL)
    await room.ask(page, Reveal(room.questions[OPEN]))
    await room.ask(page, Record(room.questions[OPEN]))
    await until(lambda: page.question(OPEN).notice == "disk_full")
    assert page.question(OPEN).attempts_left == 2


async def test_a_peer_that_the_recorder_does_not_know_is_not_live(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    room.recorders.peers.clear()
    await room.ask(page, Reveal(room.questions[OPEN]))
    await room.ask(page, Record(room.questions[OPEN]))
    await until(lambda: page.question(OPEN).notice == "connection_lost")
    assert page.state.media == "none"


async def test_a_start_order_that_times_out_is_given_up_and_the_late_take_is_stopped_and_discarded(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "CALL_TIMEOUT_S", 0.05)
    await room.furnish()
    page = await room.with_camera()
    arm = room.recorders.arm

    async def slow(order: object) -> None:
        await arm(order)  # type: ignore[arg-type]
        await asyncio.Event().wait()

    monkeypatch.setattr(room.recorders, "arm", slow)
    await room.ask(page, Reveal(room.questions[OPEN]))
    await room.ask(page, Record(room.questions[OPEN]))
    await until(lambda: page.question(OPEN).notice == "start_failed")
    take_id = room.recorders.last
    await until(lambda: room.recorders.stopped == [take_id])
    room.recorders.start(take_id)
    await until(lambda: room.recorders.stopped == [take_id, take_id])
    room.recorders.finish(take_id)
    await until(lambda: not room.files())
    assert (await room.kept_answer()).attempts_used == 0
    assert (await room.kept_take(take_id)).state is TakeState.ABANDONED


async def test_a_stop_that_does_not_arrive_is_said_and_can_be_pressed_again(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    room.recorders.trouble = WorkerUnavailable("busy")
    await room.ask(page, Stop(room.questions[OPEN]))
    await until(lambda: page.errors == ["recorder_unavailable"])
    assert page.question(OPEN).state == "recording"
    room.recorders.trouble = None
    await room.ask(page, Stop(room.questions[OPEN]))
    await until(lambda: room.recorders.stopped == [take_id])


async def test_a_killed_recorder_leaves_a_recovered_draft_and_gives_the_attempt_back(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page, TIMED)
    room.recorders.die()
    room.recorders.finish(verdict=Verdict.USABLE, reason=EndReason.WORKER_DIED, recovered=True)
    await room.settled()
    shown = page.question(TIMED)
    assert page.state.media == "none"
    assert shown.state == "draft"
    assert shown.take is not None
    assert shown.take.recovered
    assert shown.notice == "recovered"
    assert shown.attempts_left == 1
    await room.offer(page)
    await room.answer(page, TIMED)


async def test_a_take_that_no_event_tells_of_is_looked_for(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    room.recorders.finish(say=False)
    await room.pass_time(60_000 + 121_000)
    await until(lambda: page.question(OPEN).state == "draft")


async def test_a_take_that_a_worker_forgot_is_found_by_pressing_stop(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    room.recorders.forget_takes()
    await room.ask(page, Stop(room.questions[OPEN]))
    await until(lambda: page.question(OPEN).state == "seen")
    assert page.question(OPEN).notice == "failed_server"
    assert page.question(OPEN).attempts_left == 2


async def test_media_muted_to_earn_credits_earns_one(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    for expected in (1, 0):
        await room.record(page, TIMED)
        room.recorders.finish(verdict=Verdict.FAILED, reason=EndReason.OUTAGE)
        await room.settled()
        assert page.question(TIMED).attempts_left == expected
    assert page.question(TIMED).state == "missed"


class BrokenOnce:
    """Stands in for `record.write`: fails as a full disk does, then works."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.real = record.write

    async def __call__(self, *args: object) -> object:
        if self.left > 0:
            self.left -= 1
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        return await self.real(*args)  # type: ignore[arg-type]


async def test_an_ask_that_cannot_be_written_is_refused_and_changes_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    monkeypatch.setattr(record, "write", BrokenOnce(1))
    await room.ask(page, Reveal(room.questions[OPEN]))
    assert page.errors == ["server_fault"]
    assert page.question(OPEN).state == "hidden"
    await room.ask(page, Reveal(room.questions[OPEN]))
    assert page.question(OPEN).state == "seen"


async def test_an_event_that_cannot_be_written_is_kept_and_written_later_in_its_order(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    monkeypatch.setattr(record, "write", BrokenOnce(2))
    room.recorders.ending()
    room.recorders.finish()
    await room.settled()
    assert (await room.kept_answer()).state is AnswerState.RECORDING
    await room.pass_time(2_100)
    await room.pass_time(2_100)
    kept = await room.kept_answer()
    assert (kept.state, kept.take_id) == (AnswerState.DRAFT, take_id)
    assert await room.ledger() == ["reveal", "countdown", "recording", "saving", "draft"]


async def test_a_session_that_fails_closes_its_page_and_the_take_is_still_heard(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("signaling.session.view.state", broken)
        await room.ask(page, Reveal(room.questions[TIMED]))
        room.recorders.outage()
        await until(lambda: page.closed == "restarting")
    room.recorders.finish()
    page = await room.join("tab-two-2")
    await until(lambda: page.question(OPEN).state == "draft")


async def test_a_restarted_server_goes_on_with_a_take_that_a_worker_still_holds(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    await room.restart()
    assert page.closed == "restarting"
    assert (await room.kept_answer()).state is AnswerState.RECORDING
    page = await room.join()
    assert page.question(OPEN).state == "recording"
    room.recorders.progress(20_000)
    await room.settled()
    assert page.progress[-1].elapsed_ms == 20_000
    room.recorders.ending(EndReason.LIMIT)
    room.recorders.finish(reason=EndReason.LIMIT)
    await room.settled()
    assert page.question(OPEN).state == "draft"
    assert (await room.kept_answer()).take_id == take_id
    await room.offer(page)
    await room.answer(page)


async def test_a_restarted_server_finds_a_take_that_was_finished_meanwhile(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    await room.hub.stop()
    room.recorders.finish(say=False, reason=EndReason.ABANDONED_BY_SERVER)
    await room.restart()
    kept = await room.kept_answer()
    assert (kept.state, kept.take_id, kept.attempts_used) == (AnswerState.DRAFT, take_id, 0)
    page = await room.join()
    assert page.question(OPEN).notice == "ended_server"


async def test_a_restarted_server_credits_a_take_of_which_nothing_is_left(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page, TIMED)
    room.recorders.forget_takes()
    await room.restart()
    kept = await room.kept_answer(TIMED)
    assert (kept.state, kept.attempts_used, kept.next_take_id) == (AnswerState.SEEN, 0, None)
    assert (await room.kept_take(take_id)).state is TakeState.FAILED
    assert (await room.ledger(TIMED))[-2:] == ["failed", "credit"]


async def test_a_server_killed_between_the_decision_and_the_order_charges_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[OPEN]))
    monkeypatch.setattr(orders.Orders, "carry_out", lambda *_: None)
    await room.ask(page, Record(room.questions[OPEN]))
    assert (await room.kept_answer()).state is AnswerState.COUNTDOWN
    monkeypatch.undo()
    await room.restart()
    kept = await room.kept_answer()
    assert (kept.state, kept.attempts_used, kept.notice) == (AnswerState.SEEN, 0, "start_failed")


async def test_a_take_that_started_while_the_server_was_away_is_charged_when_it_is_heard_of(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.count_down(page)
    await room.hub.stop()
    room.recorders.start(say=False)
    await room.restart()
    page = await room.join()
    assert page.question(OPEN).state == "countdown"
    room.recorders.progress(2_000)
    await room.settled()
    assert page.question(OPEN).state == "recording"
    assert page.question(OPEN).remaining_ms == 58_000
    assert (await room.kept_answer()).attempts_used == 1


async def test_a_result_that_comes_before_the_server_has_settled_is_not_lost(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    await room.restart(start=False)
    room.recorders.finish(reason=EndReason.WORKER_DIED, recovered=True)
    await room.hub.start()
    await room.settled()
    kept = await room.kept_answer()
    assert (kept.state, kept.take_id, kept.attempts_used) == (AnswerState.DRAFT, take_id, 0)
    assert (await room.ledger()).count("draft") == 1


async def test_a_think_clock_that_ran_out_while_the_server_was_away_gets_its_wait_and_no_more(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    await room.hub.stop()
    room.clock.now_ms += 500_000
    await room.restart()
    await room.settled()
    kept = await room.kept_answer(TIMED)
    assert kept.state is AnswerState.THINKING
    assert kept.wait_ends_at_ms == room.clock.now_ms + 60_000
    await room.pass_time(60_000)
    assert (await room.kept_answer(TIMED)).state is AnswerState.MISSED


async def test_a_think_clock_survives_a_restart(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    room.clock.now_ms += 10_000
    await room.restart()
    page = await room.join()
    assert page.question(TIMED).think_left_ms == 20_000


async def test_a_countdown_that_the_recorder_gives_up_is_told(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.count_down(page)
    room.recorders.everybody(PeerState.GONE)
    room.recorders.never(NeverStarted.PEER_GONE)
    await room.settled()
    assert page.question(OPEN).notice == "connection_lost"
    assert page.state.media == "none"


async def test_a_disk_that_cannot_be_read_refuses_to_send_without_blaming_a_take(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)

    def broken(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(room.recordings, "verify", broken)
        await room.ask(page, Send())
        await until(lambda: page.state.sending == "refused")
    assert page.state.sending_problems == ["unchecked"]
    assert page.question(OPEN).state == "draft"
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
