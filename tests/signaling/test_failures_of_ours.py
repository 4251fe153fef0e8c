"""What goes wrong on our side costs the candidate nothing, is tried again with a pause, and ends."""

from __future__ import annotations

import asyncio
import errno
import threading

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

import storage.recordings
from recorder.messages import (
    EndReason,
    NeverStarted,
    OfferProblem,
    PeerState,
    TakeId,
    TakeStarted,
    Verdict,
    WorkerUnavailable,
)
from signaling import hub, record
from signaling.messages import Confirm, Offer, Record, Restart, Reveal, Send, Stop
from signaling.surroundings import NoConsequences
from storage import interviews, invitations
from storage.invitations import Invitation
from storage.recordings import Recordings
from storage.states import AnswerState, InvitationStatus
from tests.signaling.room import OPEN, OPTIONAL, TIMED, FakePage, Room, until


class Unreadable:
    """Stands in for `record.load` while the database cannot be read."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, *_: object) -> object:
        self.asked += 1
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))


async def test_a_recorder_that_dies_in_think_time_and_stays_away_charges_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    room.recorders.die()
    await room.pass_time(30_000)
    await room.pass_time(60_000)
    assert page.question(TIMED).wait_left_ms == 60_000
    room.recorders.trouble = WorkerUnavailable("down")
    await room.ask(page, Offer("v=0", 2))
    await until(lambda: page.errors == ["recorder_unavailable"])
    await room.pass_time(60_000)
    assert page.question(TIMED).state == "thinking"
    assert page.question(TIMED).attempts_left == 1
    assert await room.ledger(TIMED) == ["reveal", "think", "wait", "wait", "wait"]
    room.recorders.trouble = None
    await room.offer(page)
    await until(lambda: page.question(TIMED).state == "countdown")


async def test_a_recorder_that_is_full_charges_nothing_but_a_page_that_does_not_try_again_is_charged(
    room: Room,
) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    room.camera_gone()
    room.recorders.refuse_offer = OfferProblem.BUSY
    await room.ask(page, Offer("v=0", 2))
    await until(lambda: page.errors == ["recorder_busy"])
    for _ in range(2):
        await room.pass_time(60_000)
    assert page.question(TIMED).state == "thinking"
    await room.pass_time(60_000)
    assert page.question(TIMED).notice == "wait_missed"


async def test_a_page_that_keeps_trying_a_full_recorder_is_never_charged_and_goes_on_when_there_is_room(
    room: Room,
) -> None:
    await room.furnish()
    page = await room.with_camera()
    before = page.question(TIMED).attempts_left
    await room.ask(page, Reveal(room.questions[TIMED]))
    room.camera_gone()
    room.recorders.refuse_offer = OfferProblem.BUSY
    for number in range(2, 12):
        await room.ask(page, Offer("v=0", number))
        await until(lambda: len(page.errors) == number - 1)  # noqa: B023
        await room.pass_time(30_000)
    assert set(page.errors) == {"recorder_busy"}
    assert (page.question(TIMED).state, page.question(TIMED).attempts_left) == ("thinking", before)
    room.recorders.refuse_offer = None
    await room.ask(page, Offer("v=0", 12))
    await until(lambda: page.question(TIMED).state == "countdown")


async def test_offers_without_end_are_refused_before_they_reach_the_recorder(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    burst = room.hub.limits.offers_burst
    for number in range(1, burst + 1):
        await room.ask(page, Offer("v=0", number))
        await until(lambda: len(room.recorders.connected) == number)  # noqa: B023
    await room.ask(page, Restart("v=0", burst + 1))
    await room.ask(page, Offer("v=0", burst + 2))
    await until(lambda: page.errors == ["busy", "busy"])
    assert (len(room.recorders.connected), room.recorders.restarted) == (burst, [])
    await room.pass_time(2_000)
    await room.ask(page, Offer("v=0", burst + 3))
    await until(lambda: len(room.recorders.connected) == burst + 1)


async def test_who_leaves_and_comes_back_has_no_more_offers_than_before(room: Room) -> None:
    await room.furnish()
    room.recorders.refuse_offer = OfferProblem.MALFORMED
    asked, burst = 0, room.hub.limits.offers_burst
    refused: list[str] = []
    for visit in range(4):
        page = await room.join(f"tab-visit-{visit}")
        for _ in range(burst // 2):
            asked += 1
            await room.ask(page, Offer("v=0", asked))
            await until(lambda: len(page.errors) + len(refused) == asked)  # noqa: B023
        refused += page.errors
        await room.leave(page)
        await until(lambda: room.hub.live == 0)
    assert refused == ["offer_malformed"] * burst + ["busy"] * burst


async def test_a_page_whose_own_offer_is_no_good_is_charged_for_the_wait(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    room.recorders.die()
    room.recorders.refuse_offer = OfferProblem.NO_VIDEO_CODEC
    await room.ask(page, Offer("v=0", 2))
    await until(lambda: page.errors == ["no_video_codec"])
    await room.pass_time(30_000)
    await room.pass_time(60_000)
    assert page.question(TIMED).state == "missed"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
async def test_a_passing_fault_of_the_disk_never_destroys_a_good_answer(
    room: Room, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    page = await answered(room)

    def failing(*_: object) -> object:
        raise OSError(code, "for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(storage.recordings, "_open", failing)
        await room.ask(page, Send())
        await until(lambda: page.state.sending == "refused")
    assert page.state.sending_problems == ["unchecked"]
    assert [question.state for question in page.state.questions[:2]] == ["draft", "draft"]
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")


async def answered(room: Room) -> FakePage:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    return page


async def test_one_check_runs_at_a_time_ends_when_it_is_not_wanted_and_keeps_no_recording_waiting(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await answered(room)
    await room.ask(page, Reveal(room.questions[OPTIONAL]))
    running, most = 0, 0
    count = threading.Lock()

    def slow(_: object, __: str, ___: object, given_up: object) -> bool:
        nonlocal running, most
        with count:
            running += 1
            most = max(most, running)
        assert callable(given_up)
        for _turn in range(2_000):
            if given_up():
                break
            threading.Event().wait(0.005)
        with count:
            running -= 1
        return True

    monkeypatch.setattr(Recordings, "verify", slow)
    for _ in range(12):
        await room.ask(page, Send())
        assert page.state.sending == "checking"
        await until(lambda: running)
        await room.count_down(page, OPTIONAL)  # a folder is made while recordings are read
        room.recorders.never(NeverStarted.CANCELLED)
        await room.settled()
        await until(lambda: not running)
    checks = [task for task in asyncio.all_tasks() if "Submission._check" in repr(task.get_coro())]
    assert checks == []
    assert most == 1
    assert page.errors == []


async def test_a_session_that_failed_is_begun_anew_as_soon_as_the_database_can_be_read(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BEGIN_ANEW_S", (0.01,))
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    unreadable = Unreadable()
    with monkeypatch.context() as patch:
        patch.setattr(record, "load", unreadable)
        with monkeypatch.context() as once:
            once.setattr("signaling.session.view.state", broken)
            await room.ask(page, Reveal(room.questions[TIMED]))
            room.recorders.outage()
            await until(lambda: page.closed == "restarting")
        room.recorders.finish(say=False)
        await until(lambda: unreadable.asked > 5)
    await until_state(room, AnswerState.DRAFT)
    assert (await room.kept_answer()).take_id == take_id


async def until_state(room: Room, state: AnswerState) -> None:
    async with asyncio.timeout(10):
        while (await room.kept_answer()).state is not state:
            await asyncio.sleep(0.01)


async def test_a_take_that_ended_unheard_is_found_when_its_session_begins(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    await room.restart(start=False)
    room.recorders.finish(say=False)
    page = await room.join()
    await until(lambda: page.question(OPEN).state == "draft")


async def test_a_reload_that_cannot_be_read_is_done_when_it_can(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await room.furnish()
    page = await room.join()
    async with room.database.write() as conn:
        await invitations.cancel(conn, room.invitation_id, reason="filled", now_ms=room.clock.wall_ms())
    with monkeypatch.context() as patch:
        patch.setattr(record, "load", Unreadable())
        await room.hub.end(room.invitation_id)
        await room.settled()
    assert page.closed is None
    assert room.hub.live == 1
    await room.pass_time(2_100)
    assert page.state.status == "cancelled"
    assert page.closed == "ended"


async def test_a_stop_of_our_own_that_does_not_arrive_is_tried_again_with_a_pause(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    asked: list[TakeId] = []

    async def unavailable(take_id: TakeId) -> None:
        asked.append(take_id)
        raise WorkerUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(room.recorders, "stop_take", unavailable)
        async with room.database.write() as conn:
            await invitations.cancel(conn, room.invitation_id, reason="filled", now_ms=room.clock.wall_ms())
        await room.hub.end(room.invitation_id)
        for ms, expected in ((0, 1), (1_000, 1), (1_100, 2), (1_000, 2), (1_100, 3)):
            await room.pass_time(ms)
            for _ in range(20):
                await room.settled()
            assert len(asked) == expected
    await room.pass_time(2_100)
    await until(lambda: room.recorders.stopped)


async def test_an_event_that_is_written_late_keeps_its_own_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    write, fails = record.write, [True]

    async def failing(*args: object) -> object:
        if fails[0]:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        return await write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(record, "write", failing)
    ended_ms = room.clock.now_ms
    room.recorders.ending(EndReason.LIMIT)
    await room.settled()
    room.clock.now_ms += 30_000
    fails[0] = False
    await room.pass_time(0)
    answer = await room.kept_answer()
    assert answer.state is AnswerState.SAVING
    async with room.database.read() as conn:
        last = (await interviews.ledger(conn, answer.id))[-1]
    assert (last.kind, last.at_ms) == ("saving", ended_ms)


async def test_an_adopted_worker_that_repeats_itself_charges_and_tells_nothing_twice(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    started_ms = room.clock.now_ms
    await room.restart()
    room.hub.on_recorder_event(TakeStarted(take_id, started_ms, 60_000))
    page = await room.join()
    before, entries = await room.kept_answer(), await room.ledger()
    room.clock.now_ms += 10_000
    room.recorders.outage(since_ms=5_000)
    await room.settled()
    left_ms = page.question(OPEN).remaining_ms
    for _ in range(3):
        room.hub.on_recorder_event(TakeStarted(take_id, started_ms, 60_000))
        room.recorders.everybody(PeerState.LIVE)
    room.clock.now_ms += 5_000
    await room.ask(page, Record(room.questions[TIMED]))
    page = await room.join(page.tab)
    shown = page.question(OPEN)
    assert (shown.stalled, shown.remaining_ms) == (True, left_ms)
    kept = await room.kept_answer()
    assert kept.attempts_used == before.attempts_used == 1
    assert await room.ledger() == [*entries, "outage"]
    assert (await room.kept_take(take_id)).started_at_ms == started_ms


async def test_a_deliberate_stop_within_a_second_does_not_switch_the_think_clock_off_for_free(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page, TIMED)
    await room.ask(page, Stop(room.questions[TIMED]))
    room.recorders.ending()
    room.recorders.finish(verdict=Verdict.FAILED)
    await room.settled()
    assert (page.question(TIMED).state, page.question(TIMED).attempts_left) == ("missed", 0)


async def test_a_start_that_is_heard_of_late_is_in_the_ledger_at_its_own_time(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.count_down(page)
    started_ms = room.clock.now_ms
    room.clock.now_ms += 4_000
    room.hub.on_recorder_event(TakeStarted(take_id, started_ms, 60_000))
    await room.settled()
    answer = await room.kept_answer()
    async with room.database.read() as conn:
        last = (await interviews.ledger(conn, answer.id))[-1]
    assert (last.kind, last.at_ms) == ("recording", started_ms)


async def test_a_recording_starts_while_every_checker_reads_recordings_back(room: Room) -> None:
    page = await answered(room)
    reading, done = threading.Event(), threading.Event()

    def slow(*_: object) -> bool:
        reading.set()
        return done.wait(10)

    around = room.hub._around
    for _ in range(hub.DISK_THREADS * 2):
        around.checkers.submit(slow)
    await until(reading.is_set)
    await room.ask(page, Reveal(room.questions[OPTIONAL]))
    await room.count_down(page, OPTIONAL)
    done.set()


async def test_a_team_that_cannot_be_told_keeps_nobody_from_sending(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def half_done(_: object, conn: AsyncConnection, invitation: Invitation, now_ms: int) -> None:
        await invitations.mark_sent(conn, invitation.id, now_ms)
        raise ZeroDivisionError("a defect in telling the team")

    monkeypatch.setattr(NoConsequences, "completed", half_done)
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    await room.ask(page, Confirm())
    assert page.state.status == "completed"
    kept = await room.kept()
    assert kept.invitation.status is InvitationStatus.COMPLETED
    assert kept.invitation.sent_at_ms is None, "what had been written of it is undone"
    assert "a defect in telling the team" in caplog.text
