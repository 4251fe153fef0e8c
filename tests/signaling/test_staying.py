"""A recording whose connection changes: the same take goes on, and nothing under it is replaced by mistake."""

from __future__ import annotations

import asyncio

import pytest

from recorder.messages import OfferProblem, PeerState
from signaling.messages import Answer, Error, Offer, Restart, Stop, TakeOver
from tests.signaling.room import OPEN, Room, until


async def test_after_a_reload_an_offer_goes_on_with_the_same_take(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    await room.leave(page)
    room.recorders.everybody(PeerState.STALLED)
    room.recorders.outage()
    page = await room.join("tab-two-2")
    assert page.question(OPEN).state == "recording" and page.question(OPEN).stalled
    await room.offer(page)
    first, second = room.recorders.connected
    assert room.recorders.joined == [(take_id, second)]
    await until(lambda: room.recorders.disconnected == [first])
    room.recorders.outage_over(50_000)
    await room.settled()
    assert page.errors == []
    assert not page.question(OPEN).stalled and page.question(OPEN).remaining_ms == 50_000
    assert (await room.kept_answer()).attempts_used == 1
    await room.ask(page, Stop(room.questions[OPEN]))
    await until(lambda: room.recorders.stopped == [take_id])
    room.recorders.ending()
    room.recorders.finish()
    await room.settled()
    assert page.question(OPEN).state == "draft"
    assert await room.ledger() == [
        "reveal", "countdown", "recording", "outage", "outage_ended", "saving", "draft",
    ]  # fmt: skip


async def test_a_page_is_told_how_long_the_recording_waits_for_it(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    assert page.question(OPEN).outage_left_ms is None
    room.recorders.outage(since_ms=1_500)
    await room.settled()
    assert page.question(OPEN).outage_left_ms == 88_500
    room.recorders.progress(1_000, stalled=True)  # told once a second, whatever arrives
    page = await room.join()
    assert page.question(OPEN).stalled and page.question(OPEN).outage_left_ms == 88_500
    room.recorders.outage_over(50_000)
    await room.settled()
    assert page.question(OPEN).outage_left_ms is None


async def test_an_outage_and_its_end_are_in_the_ledger_once_however_often_they_are_said(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    room.recorders.outage_over(59_000)  # of one that a server before this one heard of
    for _ in range(2):
        room.recorders.outage()
    for _ in range(2):
        room.recorders.outage_over(50_000)
    room.recorders.outage()
    await room.settled()
    assert (await room.ledger())[-3:] == ["outage", "outage_ended", "outage"]
    assert page.question(OPEN).stalled


async def test_an_offer_after_the_peer_is_gone_goes_on_too_and_a_take_over_by_a_press(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    room.camera_gone()
    await room.ask(page, Offer("v=0", 2))
    await until(lambda: page.state.media == "live")
    other = await room.join("tab-two-2")
    assert other.state.elsewhere
    await room.ask(other, TakeOver())
    await room.offer(other)
    assert [take for take, _ in room.recorders.joined] == [take_id, take_id]
    assert other.question(OPEN).state == "recording"


async def test_an_answer_to_an_offer_of_before_the_recording_began_does_not_replace_its_connection(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    room.recorders.hold_offers = asyncio.Event()
    await room.ask(page, Offer("v=0", 2))
    await room.record(page)
    (first,) = room.recorders.connected
    room.recorders.hold_offers.set()
    await until(lambda: page.errors)
    assert page.errors == ["take_running"]
    await until(lambda: list(room.recorders.peers) == [first])
    await room.ask(page, Offer("v=0", 3))
    await until(lambda: any(isinstance(tell, Answer) and tell.number == 3 for tell in page.told))
    assert len(room.recorders.joined) == 1


async def test_a_recording_with_a_picture_does_not_go_on_without_one(room: Room) -> None:
    await room.furnish(audio_only=True)
    page = await room.with_camera()
    await room.record(page)
    room.recorders.audio_only = True
    await room.ask(page, Offer("v=0", 2))
    await until(lambda: page.errors)
    assert page.errors == ["video_required"]
    assert page.question(OPEN).state == "recording"
    assert not (await room.kept()).invitation.audio_only


@pytest.mark.parametrize("recording", [True, False])
async def test_a_restart_keeps_the_connection_and_carries_its_number(room: Room, recording: bool) -> None:
    await room.furnish()
    page = await room.with_camera()
    if recording:
        await room.record(page)
    else:
        await room.count_down(page)
    await room.ask(page, Restart("v=0 again", 2))
    await until(lambda: isinstance(page.told[-1], Answer))
    assert page.told[-1] == Answer("answer to v=0 again", 2)
    assert room.recorders.restarted == room.recorders.connected
    assert room.recorders.disconnected == [] and page.errors == []


async def test_a_restart_of_a_connection_that_is_gone_or_anothers_is_refused(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    await room.ask(page, Restart("v=0", 1))
    await room.offer(page)
    room.recorders.peers.clear()  # the recorder freed it, and the word of it is on its way
    await room.ask(page, Restart("v=0", 2))
    await until(lambda: len(page.errors) == 2)
    assert page.errors == ["connection_gone", "connection_gone"]
    assert [tell.number for tell in page.told if isinstance(tell, Error)] == [1, 2]
    await until(lambda: page.state.media == "none")

    await room.offer(page)
    await room.record(page)
    await room.leave(page)
    room.recorders.outage()
    other = await room.join("tab-two-2")
    await room.ask(other, Restart("v=0", 1))
    assert other.errors == ["connection_gone"]


async def test_a_restart_that_the_recorder_refuses_leaves_the_connection_as_it_is(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    room.recorders.refuse_offer = OfferProblem.MALFORMED
    await room.ask(page, Restart("v=0", 2))
    await until(lambda: page.errors)
    assert page.errors == ["offer_malformed"]
    assert page.state.media == "live"


async def test_a_recording_of_sound_alone_is_told_as_one_while_it_waits_for_a_connection(room: Room) -> None:
    await room.furnish(audio_only=True)
    room.recorders.audio_only = True
    page = await room.with_camera()
    await room.record(page)
    room.camera_gone()
    await room.settled()
    assert page.state.media == "none" and page.state.audio_only
    page = await room.join("tab-two-2")
    assert page.state.audio_only, "so that Continue asks for the microphone alone"


async def test_an_answer_reaches_the_tab_that_asked_on_the_socket_it_has_by_now(room: Room) -> None:
    await room.furnish()
    before = await room.join()
    for number, ask in ((1, Offer("v=0", 1)), (2, Restart("v=0", 2))):
        room.recorders.hold_offers = asyncio.Event()
        await room.ask(before, ask)
        after = await room.join(before.tab)
        assert before.closed == "superseded"
        room.recorders.hold_offers.set()
        await until(lambda: Answer("answer to v=0", number) in after.told)  # noqa: B023
        await until(lambda: after.state.media == "live")  # noqa: B023
        await room.leave(before)
        before = after
    assert (before.errors, len(room.recorders.peers), room.recorders.disconnected) == ([], 1, [])


async def test_an_answer_for_a_tab_that_another_took_the_place_of_is_dropped(room: Room) -> None:
    await room.furnish()
    page = await room.join()
    room.recorders.hold_offers = asyncio.Event()
    await room.ask(page, Offer("v=0", 1))
    other = await room.join("tab-two-2")
    room.recorders.hold_offers.set()
    await until(lambda: room.recorders.connected and room.recorders.disconnected == room.recorders.connected)
    assert (other.errors, other.state.media) == ([], "none")
    assert not any(isinstance(tell, Answer) for tell in other.told)
