"""The socket itself, with a real client: reload, second tab, garbage, floods, and pages that do not read."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient

from recorder.messages import PeerState
from signaling import endpoint
from signaling.endpoint import SocketPage
from signaling.messages import CloseCode, Error, Media, Sending, State
from signaling.rate import Buckets, TokenBucket
from tests.signaling.fake_clock import FakeClock
from tests.signaling.room import OPEN, Room, until

Connect = Callable[[], Awaitable[ClientWebSocketResponse]]


@pytest.fixture
async def connect(room: Room, aiohttp_client: Any) -> Connect:
    async def live(request: web.Request) -> web.WebSocketResponse:
        return await endpoint.live(request, room.hub, room.invitation_id)

    app = web.Application()
    app.router.add_get("/live", live)
    client: TestClient[Any, Any] = await aiohttp_client(app)

    async def opened() -> ClientWebSocketResponse:
        return await client.ws_connect("/live")

    return opened


async def hear(socket: ClientWebSocketResponse, kind: str, **content: object) -> dict[str, Any]:
    """The next message of this type with this content; others are passed over."""
    while True:
        frame = await socket.receive(timeout=10)
        assert frame.type is WSMsgType.TEXT, f"closed with {socket.close_code} while waiting for {kind}"
        message: dict[str, Any] = json.loads(frame.data)
        if message["type"] == kind and all(message[key] == value for key, value in content.items()):
            return message


async def closed(socket: ClientWebSocketResponse) -> int | None:
    while (await socket.receive(timeout=10)).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        pass
    return socket.close_code


async def hello(connect: Connect, tab: str = "tab-one-1") -> ClientWebSocketResponse:
    socket = await connect()
    await socket.send_json({"type": "hello", "tab": tab})
    return socket


async def test_a_whole_answer_over_the_socket(room: Room, connect: Connect) -> None:
    await room.furnish()
    socket = await hello(connect)
    state = await hear(socket, "state")
    assert "Secret" not in json.dumps(state)
    question = state["questions"][OPEN]["id"]
    await socket.send_json({"type": "offer", "sdp": "v=0", "number": 41})
    answer = await hear(socket, "answer")
    assert (answer["sdp"], answer["number"]) == ("answer to v=0", 41)
    await hear(socket, "state", media="live")
    await socket.send_json({"type": "reveal", "question": question})
    await socket.send_json({"type": "record", "question": question})
    await until(lambda: room.recorders.armed)
    room.recorders.start()
    room.recorders.progress(1_000)
    assert (await hear(socket, "progress"))["safe_ms"] == 900
    await socket.send_json({"type": "stop", "question": question})
    await until(lambda: room.recorders.stopped)
    room.recorders.ending()
    room.recorders.finish()
    while (state := await hear(socket, "state", active=None))["questions"][OPEN]["state"] != "draft":
        pass
    assert state["questions"][OPEN]["take"]["verdict"] == "good"
    await socket.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("garbage", "not_json"),
        ("[]", "not_object"),
        ('{"type": "shutdown"}', "unknown_type"),
        ('{"type": "record"}', "missing_field"),
        ('{"type": "record", "question": "q", "attempts": 9}', "unknown_field"),
        ('{"type": "record", "question": 1}', "wrong_field"),
        ('{"type": "hello", "tab": "tab-one-1"}', "hello_twice"),
        ("x" * 70_000, "too_large"),
        (b"\x00\x01", "not_text"),
    ],
)
async def test_what_is_no_ask_gets_an_error_that_names_it_and_the_socket_stays(
    room: Room, connect: Connect, frame: str | bytes, code: str
) -> None:
    await room.furnish()
    socket = await hello(connect)
    before = await hear(socket, "state")
    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
    error = await hear(socket, "error")
    assert error["code"] == code
    await socket.close()
    again = await hello(connect)
    assert (await hear(again, "state"))["questions"] == before["questions"]
    await again.close()


async def test_nothing_is_answered_before_hello(room: Room, connect: Connect) -> None:
    await room.furnish()
    socket = await connect()
    for ask, number in (("send", {}), ("offer", {"sdp": "v=0", "number": 7}), ("restart", {"sdp": "v=0", "number": 8})):
        await socket.send_json({"type": ask, **number})
        error = await hear(socket, "error", about=ask)
        assert (error["code"], error["number"]) == ("hello_first", number.get("number"))
    await socket.send_json({"type": "hello", "tab": "tab-one-1"})
    await hear(socket, "state")
    await socket.close()


async def test_of_the_frames_that_a_socket_is_refused_one_is_in_the_log_and_in_one_line(
    room: Room, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="signaling")
    await room.furnish()
    socket = await connect()
    for _ in range(3):
        await socket.send_json({"type": "x\n2026-01-01 ERROR forged"})
        await hear(socket, "error", code="unknown_type")
    await socket.close()
    [said] = [each.getMessage() for each in caplog.records if "a frame was refused" in each.getMessage()]
    assert said.endswith(r"unknown_type: 'x\n2026-01-01 ERROR forged'")


async def test_a_frame_beyond_all_measure_closes_the_socket(room: Room, connect: Connect) -> None:
    await room.furnish()
    socket = await hello(connect)
    await hear(socket, "state")
    await socket.send_str("x" * 300_000)
    assert await closed(socket) == 1009


async def test_a_flood_closes_the_socket_with_a_code_of_its_own(room: Room, connect: Connect) -> None:
    await room.furnish()
    socket = await hello(connect)
    await hear(socket, "state")
    for _ in range(room.hub.limits.asks_burst + 5):
        await socket.send_json({"type": "send"})
    await hear(socket, "error", code="flood")
    assert await closed(socket) == 4008


async def test_a_flood_is_one_from_however_many_sockets_it_comes(room: Room, connect: Connect) -> None:
    await room.furnish()
    for _ in range(room.hub.limits.asks_burst // 10):
        socket = await hello(connect)
        for _ in range(9):
            await socket.send_json({"type": "send"})
            await hear(socket, "error", code="not_complete")
        await socket.close()
    assert await closed(await hello(connect)) == 4008
    room.clock.now_ms += 1_000
    socket = await hello(connect)
    await hear(socket, "state")
    await socket.close()


async def test_a_second_tab_closes_the_first_with_its_code(room: Room, connect: Connect) -> None:
    await room.furnish()
    first = await hello(connect)
    await hear(first, "state")
    second = await hello(connect, "tab-two-2")
    await hear(second, "state")
    await hear(first, "superseded")
    assert await closed(first) == 4009
    await second.close()


async def test_a_recording_is_taken_over_by_a_press(room: Room, connect: Connect) -> None:
    await room.furnish()
    page = await room.with_camera("tab-zero")
    await room.record(page)
    second = await hello(connect, "tab-two-2")
    await hear(second, "state", elsewhere=True)
    await second.send_json({"type": "take_over"})
    state = await hear(second, "state", elsewhere=False)
    assert state["questions"][OPEN]["state"] == "recording"
    assert page.closed == "superseded"
    await second.close()


async def test_a_reload_in_the_middle_of_an_answer_finds_it_recording(room: Room, connect: Connect) -> None:
    await room.furnish()
    page = await room.with_camera("tab-zero")
    await room.record(page)
    await room.leave(page)
    socket = await hello(connect, "tab-two-2")
    assert (await hear(socket, "state"))["elsewhere"] is True
    room.recorders.everybody(PeerState.STALLED)
    state = await hear(socket, "state", elsewhere=False)
    assert state["questions"][OPEN]["state"] == "recording"
    await socket.close()


async def test_a_socket_that_is_gone_frees_its_place(room: Room, connect: Connect) -> None:
    await room.furnish()
    for _ in range(room.hub.limits.sockets_per_invitation + 2):
        socket = await hello(connect)
        await hear(socket, "state")
        await socket.close()
    await until(lambda: room.hub.live == 0)


async def test_too_many_sockets_of_one_interview_are_turned_away(room: Room, connect: Connect) -> None:
    await room.furnish()
    sockets = [await connect() for _ in range(room.hub.limits.sockets_per_invitation)]
    assert await closed(await connect()) == 4008
    for socket in sockets:
        await socket.close()


async def test_a_page_that_never_says_hello_is_closed(room: Room, connect: Connect) -> None:
    await room.furnish()
    room.hub.limits = replace(room.hub.limits, hello_s=0.05)
    assert await closed(await connect()) == 4011


async def test_a_stopping_server_says_that_it_will_be_back(room: Room, connect: Connect) -> None:
    await room.furnish()
    socket = await hello(connect)
    await hear(socket, "state")
    await room.hub.stop()
    assert await closed(socket) == 1012
    assert await closed(await hello(connect)) == 1012


async def test_the_end_of_an_interview_closes_the_socket_after_its_last_state(room: Room, connect: Connect) -> None:
    await room.furnish(expires_in_ms=1_000)
    socket = await hello(connect)
    await hear(socket, "state")
    await room.pass_time(601_000)
    await hear(socket, "state", status="expired")
    assert await closed(socket) == 4010


class NeverRead:
    """A socket whose other side reads nothing."""

    def __init__(self) -> None:
        self.code = 0

    async def send_str(self, _: str) -> None:
        await asyncio.Event().wait()

    async def close(self, *, code: int, message: bytes) -> None:
        self.code = code


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


EMPTY = State("in_progress", Media.NONE, False, False, None, None, Sending.IDLE, [], False, [])


async def test_a_page_that_does_not_read_is_cut_off_and_costs_no_memory(room: Room) -> None:
    limits = replace(room.hub.limits, write_s=0.05, outbox=8)
    transport = Transport()
    page = SocketPage(NeverRead(), limits)  # type: ignore[arg-type]
    writing = asyncio.create_task(page.write(transport))  # type: ignore[arg-type]
    page.tell(EMPTY)
    await asyncio.sleep(0)  # the writer is at it now, and will not come back
    for _ in range(1_000):
        page.tell(EMPTY)
    assert page.closing
    await asyncio.wait_for(writing, 5)
    assert transport.aborted


async def test_an_outbox_that_is_full_ends_with_the_code_for_it(room: Room) -> None:
    socket = NeverRead()
    page = SocketPage(socket, replace(room.hub.limits, outbox=8))  # type: ignore[arg-type]
    for _ in range(9):
        page.tell(EMPTY)
    page.tell(Error("busy", "…"))
    await asyncio.wait_for(page.write(None), 5)
    assert socket.code == 4011
    assert page.closing
    page.close(CloseCode.ENDED)


def test_tokens_come_back_with_time_and_never_beyond_the_burst() -> None:
    clock = FakeClock()
    bucket = TokenBucket(clock, burst=3, per_s=2.0)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now_ms += 1_000
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.now_ms += 3_600_000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_bucket_is_kept_for_each_name_until_it_is_full_again() -> None:
    clock = FakeClock()
    buckets = Buckets(clock, burst=2, per_s=1.0, most=3)
    assert [buckets.take(name) for name in ("one", "one", "two", "one")] == [True, True, True, False]
    clock.now_ms += 1_999
    assert (buckets.take("two"), len(buckets)) == (True, 2)
    clock.now_ms += 1
    assert (buckets.take("three"), len(buckets)) == (True, 2), "one is full again"
    clock.now_ms += 3_600_000
    assert (buckets.take("one"), len(buckets)) == (True, 1)


def test_of_more_names_than_are_kept_the_one_used_longest_ago_is_forgotten() -> None:
    buckets = Buckets(FakeClock(), burst=1, per_s=0.5, most=2)
    assert [buckets.take(name) for name in ("one", "two", "one", "three")] == [True, True, False, True]
    assert [buckets.take(name) for name in ("one", "two")] == [False, True]
    assert len(buckets) == 2
