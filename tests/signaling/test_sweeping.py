"""Discarded recordings leave the disk, however often it takes."""

from __future__ import annotations

import pytest

from recorder.messages import NeverStarted, Verdict
from signaling.hub import Hub
from signaling.messages import Record, Remove, Reveal, Send
from signaling.surroundings import Surroundings
from signaling.sweeping import LEAVE_ALONE_MS, sweep
from storage.recordings import Recordings
from storage.states import TakeState
from tests.signaling.room import OPEN, TIMED, Room, until


def around(hub: Hub) -> Surroundings:
    return hub._around


def broken(*_: object) -> int:
    raise OSError(5, "Input/output error")


async def left_behind(room: Room, monkeypatch: pytest.MonkeyPatch) -> str:
    """A removed take whose files could not be deleted."""
    page = await room.with_camera()
    take_id = await room.answer(page)
    with monkeypatch.context() as patch:
        patch.setattr(Recordings, "discard", broken)
        await room.ask(page, Remove(room.questions[OPEN]))
        await room.hub.stop()
    assert f"{take_id}.webm" in room.files()
    return take_id


async def test_files_that_could_not_be_deleted_are_deleted_at_the_next_start(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    take_id = await left_behind(room, monkeypatch)
    room.clock.now_ms += LEAVE_ALONE_MS + 1
    await room.restart()
    await until(lambda: not any(name.startswith(take_id) for name in room.files()))
    assert (await room.kept_take(take_id)).state is TakeState.DISCARDED


async def test_a_sweep_tries_again_until_the_files_are_gone_and_then_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.furnish()
    take_id = await left_behind(room, monkeypatch)
    room.clock.now_ms += LEAVE_ALONE_MS + 1
    await room.restart(start=False)
    with monkeypatch.context() as patch:
        patch.setattr(Recordings, "discard", broken)
        assert await sweep(around(room.hub)) == 0
    assert await sweep(around(room.hub)) == 1
    assert not any(name.startswith(take_id) for name in room.files())
    assert await sweep(around(room.hub)) == 0


async def test_what_is_kept_held_damaged_or_new_is_not_swept(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    kept = await room.answer(page, OPEN)
    damaged = await room.answer(page, TIMED)
    path = room.recordings.folder(room.invitation_id) / f"{damaged}.webm"
    path.write_bytes(b"something else")
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "refused")
    assert (await room.kept_take(damaged)).state is TakeState.FAILED
    running = await room.record(page, TIMED)
    room.clock.now_ms += LEAVE_ALONE_MS + 1
    assert await sweep(around(room.hub)) == 0
    assert {f"{kept}.webm", f"{damaged}.webm"} <= room.files()
    room.recorders.finish(running, verdict=Verdict.FAILED)
    await room.settled()
    assert (await room.kept_take(running)).state is TakeState.FAILED
    assert await sweep(around(room.hub)) == 1
    assert f"{running}.json" not in room.files()


async def test_a_take_that_was_just_abandoned_is_left_alone(room: Room) -> None:
    await room.furnish()
    page = await room.with_camera()
    await room.ask(page, Reveal(room.questions[OPEN]))
    await room.ask(page, Record(room.questions[OPEN]))
    await until(lambda: room.recorders.armed)
    room.recorders.never(NeverStarted.NO_KEY_FRAME)
    await room.settled()
    assert await sweep(around(room.hub)) == 0
    room.clock.now_ms += LEAVE_ALONE_MS + 1
    assert await sweep(around(room.hub)) == 1
