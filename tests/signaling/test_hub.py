"""Many sessions, strangers' events, and the bounds of both."""

from __future__ import annotations

from dataclasses import replace

from recorder.messages import NeverStarted, PeerChanged, PeerId, PeerState, TakeId, TakeNotStarted, TakeProgress
from signaling.messages import Confirm, Record, Send
from signaling.recording import TakeClock
from storage import events
from tests.signaling.room import OPEN, TIMED, FakePage, Room, until


async def test_events_of_peers_and_takes_that_nobody_knows_change_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    before = await room.kept()
    room.hub.on_recorder_event(PeerChanged(PeerId("stranger"), PeerState.LIVE))
    room.hub.on_recorder_event(TakeProgress(TakeId("stranger"), 1, 1, 1, 1, 1))
    room.hub.on_recorder_event(TakeNotStarted(TakeId("stranger"), NeverStarted.NO_SOUND))
    await room.answer(page)
    assert page.errors == []
    assert (await room.kept()).answers[TIMED] == before.answers[TIMED]


async def test_a_repeated_result_changes_nothing(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.answer(page)
    revision = (await room.kept_answer()).revision
    room.recorders.finish(take_id)
    await room.answer(page, TIMED)
    assert (await room.kept_answer()).revision == revision
    assert f"{take_id}.webm" in room.files()


async def test_a_full_server_turns_a_page_away_with_come_back_later(room: Room) -> None:
    await room.furnish()
    room.hub.limits = replace(room.hub.limits, sessions=0)
    page = FakePage("tab-one-1")
    assert room.hub.attach(room.invitation_id, page) is None
    assert page.closed == "restarting"


async def test_an_unknown_invitation_closes_its_page_and_leaves_no_session(room: Room) -> None:
    await room.furnish()
    page = FakePage("tab-one-1")
    assert room.hub.attach("0" * 32, page) is not None
    await until(lambda: page.closed == "restarting" and room.hub.live == 0)


async def test_more_asks_than_a_session_can_hold_are_refused_as_busy(room: Room) -> None:
    await room.furnish()
    page = FakePage("tab-one-1")
    session = room.hub.attach(room.invitation_id, page)
    assert session is not None
    for _ in range(room.hub.limits.asks_waiting + 3):
        session.ask(page, Record(room.questions[OPEN]))
    await room.settled()
    assert page.errors.count("busy") == 3
    assert page.errors.count("not_revealed") == room.hub.limits.asks_waiting


async def test_an_overflowing_inbox_loses_no_take(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    take_id = await room.record(page)
    for _ in range(room.hub.limits.events_waiting):
        room.hub.on_recorder_event(PeerChanged(room.recorders.connected[-1], PeerState.LIVE))
    room.recorders.finish()
    await until(lambda: page.closed == "restarting")
    page = await room.join("tab-two-2")
    await until(lambda: page.question(OPEN).state == "draft")
    assert (await room.kept_answer()).take_id == take_id


async def test_start_and_completion_are_in_the_events(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    await room.ask(page, Confirm())
    organisation_id = (await room.kept()).invitation.organisation_id
    async with room.database.read() as conn:
        found = await events.for_subject(conn, organisation_id, "invitation", room.invitation_id)
    assert [event.kind for event in found] == ["invitation.completed", "invitation.started"]
    assert found[0].detail == {"submitted": 2, "missed": 0}
    assert found[0].actor == f"candidate:{room.invitation_id}"
    assert (await room.ledger())[-1] == "submitted"


def test_the_shown_clock_of_a_take_stands_still_while_it_is_halted_and_never_goes_below_zero() -> None:
    clock = TakeClock()
    assert clock.left_ms(0.0) is None
    clock.run(10_000, 0.0)
    assert clock.left_ms(4.0) == 6_000
    clock.halt(4.0, since_ms=1_000)
    clock.halt(6.0, since_ms=9_000)
    assert (clock.left_ms(50.0), clock.stalled) == (7_000, True)
    clock.run(7_000, 50.0)
    assert (clock.left_ms(60.0), clock.stalled) == (0, False)
    clock.clear()
    assert clock.left_ms(60.0) is None
