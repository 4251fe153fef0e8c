"""Which page counts: the newest, and a live recording's own until somebody presses or its media stop."""

from __future__ import annotations

import asyncio

import pytest

from recorder.messages import EndReason, PeerState
from signaling.messages import Offer, Stop, TakeOver
from tests.signaling.room import OPEN, FakePage, Room, until


async def test_after_a_reload_the_recording_is_shown_stalled_and_can_be_stopped_and_kept(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    await room.leave(page)
    room.recorders.everybody(PeerState.STALLED)
    room.recorders.outage()
    page = await room.join("tab-two-2")
    assert not page.state.elsewhere
    assert page.question(OPEN).state == "recording"
    assert page.question(OPEN).stalled
    assert "stop" in page.question(OPEN).actions
    await room.ask(page, Stop(room.questions[OPEN]))
    await until(lambda: room.recorders.stopped == [take_id])
    room.recorders.ending()
    room.recorders.finish()
    await room.settled()
    assert page.question(OPEN).state == "draft"
    await room.offer(page)
    await until(lambda: len(room.recorders.peers) == 1)


async def test_the_newest_tab_wins_and_the_older_one_is_told(room: Room) -> None:
    await room.furnish()
    old = await room.with_camera()
    new = await room.join("tab-two-2")
    assert old.superseded
    assert old.closed == "superseded"
    assert not new.state.elsewhere
    assert new.state.media == "none"
    await until(lambda: not room.recorders.peers)


async def test_a_live_recording_is_taken_over_only_by_a_press(room: Room) -> None:
    await room.furnish()
    old = await room.with_camera()
    await room.record(old)
    new = await room.join("tab-two-2")
    assert new.state.elsewhere
    assert [question.actions for question in new.state.questions] == [[], [], []]
    await room.ask(new, Stop(room.questions[OPEN]))
    await room.ask(new, Offer("v=0", 1))
    assert new.errors == ["recording_elsewhere", "recording_elsewhere"]
    assert old.closed is None
    await room.ask(new, TakeOver())
    assert old.closed == "superseded"
    assert not new.state.elsewhere
    assert new.question(OPEN).state == "recording"
    await room.ask(new, TakeOver())
    assert new.errors[-1] == "nothing_to_take_over"


async def test_a_recording_whose_socket_dropped_is_not_taken_over_without_a_press(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    await room.leave(page)
    other = await room.join("tab-two-2")
    assert other.state.elsewhere
    await room.ask(other, Stop(room.questions[OPEN]))
    assert other.errors == ["recording_elsewhere"]
    again = await room.join(page.tab)
    assert not again.state.elsewhere
    assert "stop" in again.question(OPEN).actions
    assert other.state.elsewhere
    await room.leave(again)
    assert other.state.elsewhere, "its camera is still recorded"
    await room.ask(other, TakeOver())
    assert not other.state.elsewhere
    assert "stop" in other.question(OPEN).actions


@pytest.mark.parametrize("how", ["stalled", "outage", "gone", "finished"])
async def test_a_waiting_tab_moves_up_when_the_recording_tab_and_its_media_are_gone(room: Room, how: str) -> None:
    await room.furnish()
    old = await room.with_camera()
    await room.record(old)
    new = await room.join("tab-two-2")
    await room.leave(old)
    assert new.state.elsewhere
    match how:
        case "stalled":
            room.recorders.everybody(PeerState.STALLED)
        case "outage":
            room.recorders.outage()
        case "gone":
            room.camera_gone()
        case _:
            room.recorders.ending(EndReason.LIMIT)
            room.recorders.finish(reason=EndReason.LIMIT)
    await until(lambda: not new.state.elsewhere)


async def test_a_countdown_is_not_taken_over_without_a_press_either(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.count_down(page)
    await room.leave(page)
    assert (await room.join("tab-two-2")).state.elsewhere


async def test_the_same_page_on_a_new_socket_goes_on_in_the_middle_of_a_recording(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.record(page)
    again = await room.join(page.tab)
    assert not page.superseded
    assert again.question(OPEN).state == "recording"
    assert again.state.media == "live"
    assert not again.state.elsewhere


async def moved_up(room: Room) -> tuple[FakePage, FakePage]:
    """The recording tab, whose network is away, and another that counts meanwhile though nobody pressed in it."""
    await room.furnish()
    old = await room.with_camera()
    await room.record(old)
    new = await room.join("tab-two-2")
    await room.leave(old)
    room.recorders.everybody(PeerState.STALLED)
    room.recorders.outage()
    await until(lambda: not new.state.elsewhere)
    return old, new


@pytest.mark.parametrize("gone", [False, True])
async def test_a_recording_tab_that_comes_back_has_its_seat_again(room: Room, gone: bool) -> None:
    old, new = await moved_up(room)
    if gone:
        room.camera_gone()
        await room.settled()
    again = await room.join(old.tab)
    assert not again.state.elsewhere and "stop" in again.question(OPEN).actions
    assert new.state.elsewhere and not new.superseded
    await room.ask(new, TakeOver())
    assert not new.state.elsewhere and again.superseded


async def test_a_tab_that_only_looks_on_does_not_get_the_seat_by_coming_again(room: Room) -> None:
    _, new = await moved_up(room)
    third = await room.join("tab-three-3")
    assert third.state.elsewhere and not new.state.elsewhere


@pytest.mark.parametrize("press", [TakeOver(), Offer("v=0", 1)])
async def test_a_tab_in_which_somebody_pressed_keeps_the_recording(room: Room, press: TakeOver | Offer) -> None:
    if isinstance(press, TakeOver):
        await room.furnish()
        old = await room.with_camera()
        await room.record(old)
        new = await room.join("tab-two-2")
    else:
        old, new = await moved_up(room)
        room.recorders.hold_offers = asyncio.Event()
    await room.ask(new, press)
    again = await room.join(old.tab)
    assert again.state.elsewhere and not new.state.elsewhere
    if room.recorders.hold_offers is not None:
        room.recorders.hold_offers.set()
    await room.settled()
    assert new.errors == []
