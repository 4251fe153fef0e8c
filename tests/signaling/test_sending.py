"""What takes the checked answers from the confirm, and what does not."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from signaling.messages import Confirm, Send
from storage import interviews, looks, transitions
from storage.recordings import Recordings
from storage.states import InvitationStatus
from tests.signaling.fake_clock import NOW_MS
from tests.signaling.room import OPEN, OPTIONAL, TIMED, FakePage, Room, until

DAY_MS = 86_400_000


async def answered(room: Room) -> FakePage:
    await room.furnish(expires_in_ms=DAY_MS)
    page = await room.with_camera()
    await room.answer(page, OPEN)
    await room.answer(page, TIMED)
    return page


async def extend(room: Room, days: int) -> None:
    """As a recruiter does it, in another part of the server."""
    async with room.database.write() as conn:
        later_ms = NOW_MS + days * DAY_MS
        assert await transitions.extend(conn, room.invitation_id, expires_at_ms=later_ms, now_ms=room.clock.wall_ms())
    room.hub.changed(room.invitation_id)
    await room.settled()


async def test_a_later_deadline_leaves_the_check_and_the_confirm_as_they_are(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await answered(room)
    go_on = threading.Event()
    monkeypatch.setattr(Recordings, "verify", lambda *_: go_on.wait(10))
    await room.ask(page, Send())
    await extend(room, 2)
    assert page.state.sending == "checking"
    go_on.set()
    await until(lambda: page.state.sending != "checking")
    told = len(page.told)
    await extend(room, 3)
    assert (page.state.sending, len(page.told)) == ("ready", told + 1)
    await room.ask(page, Confirm())
    assert page.errors == []
    assert (await room.kept()).invitation.status is InvitationStatus.COMPLETED


async def test_what_a_look_found_is_told_and_leaves_the_confirm_as_it_is(room: Room) -> None:
    page = await answered(room)
    take_id = (await room.kept_answer(TIMED)).take_id
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    async with room.database.write() as conn:
        assert await looks.note_look(conn, take_id or "", ["silent"], {}, room.clock.wall_ms())
    room.hub.changed(room.invitation_id)
    await room.settled()
    shown = page.question(TIMED).take
    assert shown is not None
    assert (shown.verdict, shown.reasons, page.state.sending) == ("usable", ["silent"], "ready")


async def test_an_answer_that_changed_in_the_database_takes_the_confirm_away(room: Room) -> None:
    page = await answered(room)
    await room.ask(page, Send())
    await until(lambda: page.state.sending == "ready")
    answer = await room.kept_answer(OPTIONAL)
    async with room.database.write() as conn:
        assert await interviews.save(conn, replace(answer, free_countdowns=1), from_revision=answer.revision)
    room.hub.changed(room.invitation_id)
    await room.settled()
    assert page.state.sending == "idle"
    await room.ask(page, Confirm())
    assert page.errors == ["not_checked"]
