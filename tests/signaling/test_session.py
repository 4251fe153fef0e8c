"""One live interview: pages ask, the recorder tells, the database is the truth."""

from __future__ import annotations

import asyncio

from recorder.messages import OfferProblem
from signaling.messages import Answer, Confirm, Error, Offer, Record, Remove, Reveal, Send, Stop
from storage import invitations
from storage.states import AnswerState, InvitationStatus, TakeState
from tests.signaling.room import OPEN, OPTIONAL, TIMED, Room, until


async def test_an_answer_goes_from_hidden_to_draft_and_is_in_the_database_and_on_disk(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    assert page.question(OPEN).text is None
    take_id = await room.answer(page)
    shown = page.question(OPEN)
    assert shown.text == "Secret question 1?"
    assert shown.take is not None
    assert shown.take.url == f"takes/{take_id}"
    assert shown.attempts_left == 1
    kept = await room.kept_answer()
    assert (kept.state, kept.take_id, kept.attempts_used) == (AnswerState.DRAFT, take_id, 1)
    assert (await room.kept_take(take_id)).state is TakeState.KEPT
    assert f"{take_id}.webm" in room.files()
    assert await room.ledger() == ["reveal", "countdown", "recording", "saving", "draft"]


async def test_before_start_a_page_is_told_nothing_and_may_do_nothing(room: Room) -> None:
    await room.furnish(start=False)
    page = await room.join()
    assert page.state.status == "pending"
    assert page.state.questions == []
    for ask in (Reveal(room.questions[0]), Record(room.questions[0]), Offer("v=0", 1), Send(), Confirm()):
        await room.ask(page, ask)
    assert page.errors == ["not_started"] * 5
    assert await room.hub.start_interview(room.invitation_id)
    await room.settled()
    assert page.state.status == "in_progress"
    assert [question.text for question in page.state.questions] == [None, None, None]
    assert not await room.hub.start_interview(room.invitation_id)


async def test_the_think_clock_ends_in_a_countdown_though_the_page_says_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    assert page.question(TIMED).think_left_ms == 30_000
    await room.pass_time(30_000)
    await until(lambda: room.recorders.armed)
    assert page.question(TIMED).state == "countdown"
    assert page.question(TIMED).countdown_left_ms == 3_000
    assert room.recorders.armed[0].limit_ms == 60_000


async def test_a_tab_closed_during_think_time_gains_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[TIMED]))
    await room.leave(page)
    room.camera_gone()
    await room.pass_time(30_000)
    assert (await room.kept_answer(TIMED)).waited
    await room.pass_time(60_000)
    assert (await room.kept_answer(TIMED)).state is AnswerState.MISSED
    page = await room.join("tab-two-2")
    assert page.question(TIMED).notice == "wait_missed"
    assert await room.ledger(TIMED) == ["reveal", "think", "wait", "charge", "missed"]


async def test_the_remaining_time_stands_still_in_an_outage(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    await room.pass_time(10_000)
    room.recorders.progress(10_000)
    await room.settled()
    await room.pass_time(5_000)
    room.recorders.outage(since_ms=1_000)
    await room.settled()
    assert page.question(OPEN).stalled
    assert page.question(OPEN).remaining_ms == 46_000
    await room.pass_time(20_000)
    page = await room.join(page.tab)
    assert page.question(OPEN).remaining_ms == 46_000
    room.recorders.outage_over(46_000)
    await room.settled()
    assert not page.question(OPEN).stalled
    assert await room.ledger() == ["reveal", "countdown", "recording", "outage", "outage_ended"]


async def test_progress_is_told_and_not_written(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    revision = (await room.kept_answer()).revision
    for second in range(1, 4):
        room.recorders.progress(second * 1_000)
    await room.settled()
    assert [each.elapsed_ms for each in page.progress] == [1_000, 2_000, 3_000]
    assert (await room.kept_answer()).revision == revision


async def test_a_retake_replaces_the_take_and_deletes_the_old_files(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    first = await room.answer(page)
    second = await room.answer(page)
    await until(lambda: f"{first}.webm" not in room.files())
    assert f"{second}.webm" in room.files()
    assert (await room.kept_take(first)).state is TakeState.DISCARDED
    assert page.question(OPEN).attempts_left == 0
    await room.ask(page, Record(room.questions[OPEN]))
    await room.ask(page, Remove(room.questions[OPEN]))
    assert page.errors == ["no_attempts_left", "last_take"]


async def test_a_removed_take_is_deleted_and_not_refunded(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.answer(page)
    await room.ask(page, Remove(room.questions[OPEN]))
    await until(lambda: not any(name.startswith(take_id) for name in room.files()))
    assert page.question(OPEN).state == "seen"
    assert page.question(OPEN).attempts_left == 1


async def test_everything_is_sent_and_confirmed_in_two_presses(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Send())
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    await room.ask(page, Confirm())
    assert page.errors == ["not_complete", "not_checked"]
    assert page.state.can_send
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    await room.ask(page, Confirm())
    assert page.state.status == "completed"
    assert page.closed == "ended"
    kept = await room.kept()
    assert kept.invitation.status is InvitationStatus.COMPLETED
    assert [a.state for a in kept.answers] == [AnswerState.SUBMITTED, AnswerState.SUBMITTED, AnswerState.HIDDEN]
    await until(lambda: room.hub.live == 0)
    late = await room.join("tab-two-2")
    assert late.state.status == "completed"
    assert late.closed == "ended"


async def test_a_take_damaged_on_disk_is_not_sent_but_credited(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    damaged = await room.answer(page, TIMED)
    (room.recordings.folder(room.invitation_id) / f"{damaged}.webm").write_bytes(b"something else")
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "refused")
    assert page.state.sending_problems == [f"damaged:{room.questions[TIMED]}"]
    assert page.question(TIMED).notice == "take_damaged"
    assert page.question(TIMED).attempts_left == 1
    await room.answer(page, TIMED)
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")


async def test_a_change_after_the_check_takes_the_confirm_away(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    await room.ask(page, Reveal(room.questions[OPTIONAL]))
    assert page.state.sending == "idle"
    await room.ask(page, Confirm())
    assert page.errors == ["not_checked"]


async def test_an_offer_without_what_we_record_is_refused_with_its_own_code(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    refused: list[str] = []
    for problem in OfferProblem:
        room.recorders.refuse_offer = problem
        page.told.clear()
        await room.ask(page, Offer("v=0", 1))
        await until(lambda: page.errors)
        refused += page.errors
    assert refused == [
        "offer_malformed", "no_video_codec", "no_audio_codec", "no_media", "not_secure", "recorder_busy",
    ]  # fmt: skip
    assert page.state.media == "none"


async def test_audio_only_is_refused_unless_the_template_allows_it(room: Room) -> None:
    await room.furnish()
    room.recorders.audio_only = True
    page = await room.join()
    await room.ask(page, Offer("v=0", 1))
    await until(lambda: page.errors)
    assert page.errors == ["video_required"]
    await until(lambda: room.recorders.disconnected == room.recorders.connected)


async def test_audio_only_is_noted_where_the_template_allows_it(room: Room) -> None:
    await room.furnish(audio_only=True)
    room.recorders.audio_only = True
    page = await room.with_camera()
    assert page.state.audio_only
    assert (await room.kept()).invitation.audio_only


async def test_a_new_offer_replaces_the_peer_but_never_in_a_countdown(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.offer(page)
    await until(lambda: len(room.recorders.connected) == 2 and len(room.recorders.disconnected) == 1)
    first, second = room.recorders.connected
    assert room.recorders.disconnected == [first]
    await room.count_down(page)
    await room.ask(page, Offer("v=0", 1))
    assert page.errors == ["take_running"]
    assert list(room.recorders.peers) == [second]
    room.recorders.start()
    await room.ask(page, Offer("v=0", 1))
    assert page.errors == ["take_running"]


async def test_of_many_offers_at_once_only_the_newest_is_kept(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    room.recorders.hold_offers = asyncio.Event()
    for _ in range(4):
        await room.ask(page, Offer("v=0", 1))
    room.recorders.hold_offers.set()
    await until(lambda: page.state.media == "live")
    assert page.errors == ["offer_replaced"] * 3
    await until(lambda: len(room.recorders.peers) == 1)


async def test_each_answer_and_refusal_of_an_offer_carries_its_number(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    room.recorders.hold_offers = asyncio.Event()
    for number in (1, 2, 3):
        await room.ask(page, Offer("v=0", number))
    room.recorders.hold_offers.set()
    await until(lambda: page.state.media == "live")
    assert [tell.number for tell in page.told if isinstance(tell, Answer)] == [3]
    await room.count_down(page)
    await room.ask(page, Offer("v=0", 4))
    refused = [(tell.code, tell.number) for tell in page.told if isinstance(tell, Error)]
    assert refused == [("offer_replaced", 2), ("offer_replaced", 1), ("take_running", 4)]


async def test_from_the_expiry_nothing_starts_and_at_the_close_it_is_expired(room: Room) -> None:
    await room.furnish(expires_in_ms=100_000)
    page = await room.with_camera()
    await room.record(page)
    assert page.state.closing_ms is None
    await room.pass_time(110_000)
    assert page.state.closing_ms == 600_000
    room.recorders.ending()
    room.recorders.finish()
    await room.settled()
    await room.ask(page, Record(room.questions[OPEN]))
    assert page.errors == ["deadline_passed"]
    await room.pass_time(599_000)
    assert page.closed is None
    await room.pass_time(1_000)
    assert page.state.status == "expired"
    assert page.closed == "ended"
    assert (await room.kept()).invitation.status is InvitationStatus.EXPIRED


async def test_cancelling_stops_the_running_take_and_closes_the_page(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    async with room.database.write() as conn:
        assert await invitations.cancel(conn, room.invitation_id, reason="filled", now_ms=room.clock.wall_ms())
    await room.hub.end(room.invitation_id)
    assert page.state.status == "cancelled"
    assert page.closed == "ended"
    await until(lambda: room.recorders.stopped == [take_id])
    room.recorders.ending()
    room.recorders.finish()
    await until(lambda: room.hub.live == 0)
    assert (await room.kept_answer()).state is AnswerState.DRAFT


async def test_a_session_without_page_and_take_is_freed_with_its_peer(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.leave(page)
    assert room.hub.live == 1
    await room.pass_time(30_000)
    await until(lambda: room.hub.live == 0 and not room.recorders.peers)


async def test_forged_and_late_asks_change_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, TIMED)
    before = await room.kept()
    for ask in (
        Record(room.questions[TIMED]),
        Reveal(room.questions[TIMED]),
        Record("another candidate's question"),
        Stop(room.questions[OPEN]),
        Remove(room.questions[TIMED]),
        Record(room.questions[OPEN]),
        Confirm(),
    ):
        await room.ask(page, ask)
    assert page.errors == [
        "no_attempts_left",
        "already_revealed",
        "unknown_question",
        "nothing_to_stop",
        "last_take",
        "not_revealed",
        "not_checked",
    ]
    assert await room.kept() == before
