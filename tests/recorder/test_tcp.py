"""ICE-TCP on a worker's real port: what is framed arrives as a datagram does, and nobody holds more than a share."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aioice import stun

from recorder import tcp
from recorder.messages import Connect, Connected, Disconnect, PeerId, Restart
from recorder.tcp import (
    FRAMES_A_READ_COSTS,
    FRAMES_A_TICK,
    IDLE_US,
    MOST_STRANGERS_NEARBY,
    STRANGER_BYTES,
    STRANGER_FRAMES_A_TICK,
    STRANGER_US,
    UNREAD_US,
    WRITE_BYTES,
    Connection,
)
from recorder.udp import SLOT_BYTES, SPARE_SLOT, Packet
from tests.recorder.offers import CHROMIUM
from tests.recorder.test_reconnect import check as nominate
from tests.recorder.test_reconnect import credentials, renewed
from tests.recorder.test_udp import Bench, check

MEDIA = b"\x80\x60" + bytes(60)


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


class Client:
    """A TCP client with a blocking mind of its own, on the test's loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @property
    def name(self) -> tuple[str, int]:
        host, port = self.writer.get_extra_info("sockname")
        return host, port

    def send(self, *frames: bytes) -> None:
        self.writer.write(framed(*frames))

    async def frame(self) -> bytes:
        async with asyncio.timeout(5):
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            return await self.reader.readexactly(size)

    async def closed(self, seconds: float = 5) -> bool:
        """Whether the worker closes it within that time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(4096):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class TcpBench(Bench):
    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder, **settings)
        self.clients: list[Client] = []

    @property
    def tcp(self) -> tcp.TcpPort:
        return self.worker.roster.tcp

    def stop_the_clock(self) -> None:
        """From now on the test ticks by itself. Before any client comes."""
        for timer in self.worker._timers:
            timer.cancel()

    async def client(self, source: str = "127.0.0.1") -> Client:
        streams = await asyncio.open_connection("127.0.0.1", self.worker.udp.port, local_addr=(source, 0))
        self.clients.append(Client(*streams))
        return self.clients[-1]

    async def known(self) -> tuple[Client, tuple[str, str]]:
        """A client whose check named a peer, and that peer's credentials."""
        ours, client = await self.connect(), await self.client()
        client.send(check(*ours))
        await client.frame()
        return client, ours

    @property
    def accepted(self) -> Connection:
        (found,) = self.tcp._connections
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[TcpBench]:
    found = TcpBench(tmp_path)
    await found.worker.start()
    yield found
    for client in found.clients:
        await client.close()
    found.socket.close()
    await found.worker.stop()
    assert found.count("errors") == 0
    assert found.count("tcp_open") == 0


async def test_a_signed_check_is_answered_in_a_frame_with_the_address_it_came_from(bench: TcpBench) -> None:
    ours, client = await bench.connect(), await bench.client()
    message = check(*ours)
    for byte in framed(message)[:60]:  # however it is cut
        client.writer.write(bytes([byte]))
        await client.writer.drain()
    client.writer.write(framed(message)[60:] + framed(b"", check(*ours)))
    for _ in range(2):
        reply = stun.parse_message(await client.frame())
        assert reply.attributes["XOR-MAPPED-ADDRESS"] == client.name
        assert reply.check_message_integrity(ours[1].encode())
    (peer,) = bench.worker._peers.values()
    assert peer.reach.route is bench.accepted


async def test_tcp_has_the_number_of_the_udp_port_and_stands_after_it_in_the_answer(bench: TcpBench) -> None:
    reply = await bench.worker.call(Connect(PeerId("peer"), CHROMIUM))
    assert isinstance(reply, Connected)
    lines = [line.split() for line in reply.answer_sdp.splitlines() if line.startswith("a=candidate:")]
    kinds = [line[2] for line in lines[: len(lines) // 2]]
    assert kinds == ["udp"] * (len(kinds) // 2) + ["tcp"] * (len(kinds) // 2) and kinds
    assert {line[5] for line in lines} == {str(bench.worker.udp.port)}
    assert all(line[6:] == ["typ", "host", "tcptype", "passive"] for line in lines if line[2] == "tcp")


async def test_media_and_dtls_of_a_known_connection_reach_its_peer(bench: TcpBench) -> None:
    client, _ = await bench.known()
    (peer,) = bench.worker._peers.values()
    seen: list[tuple[bytes, int]] = []

    def media(packets: list[Packet]) -> None:
        for slot, size, _, _ in packets:
            start = slot * SLOT_BYTES
            seen.append((bytes(bench.worker.udp.block[start : start + size]), slot))

    bench.worker.udp.routes[bench.accepted.key] = media
    client.send(MEDIA, MEDIA + bytes(1400), b"\x16\xfe\xfd" + bytes(50))
    await bench.until(lambda: len(seen) == 2 and peer._task is not None)
    assert [found[0] for found in seen] == [MEDIA, MEDIA + bytes(1400)]
    assert {found[1] for found in seen} == {SPARE_SLOT}, "the slot that no datagram is read into"


async def test_before_a_signed_check_nothing_else_is_listened_to(bench: TcpBench) -> None:
    for nonsense in (MEDIA, b"\x16\xfe\xfd" + bytes(50), b"\x41" * 20, b"GET / HTTP/1.1\r\n\r\n"):
        client = await bench.client()
        client.send(nonsense)
        assert await client.closed()
    raw = await bench.client()
    raw.writer.write(b"GET / HTTP/1.1\r\n\r\n")  # read as a length of 18245
    assert await raw.closed()
    assert bench.worker.udp.routes == {}


@pytest.mark.parametrize("length", [1, 1501, 65535])
async def test_a_frame_of_a_length_that_no_datagram_has_ends_the_connection(bench: TcpBench, length: int) -> None:
    client, _ = await bench.known()
    client.writer.write(struct.pack("!H", length))
    assert await client.closed()
    assert bench.count("bad_size") == 1
    await bench.until(lambda: bench.worker.udp.routes == {})
    (peer,) = bench.worker._peers.values()
    assert peer.reach.route is None, "its end is known at once"


async def test_a_stranger_is_closed_after_seconds_and_after_a_few_thousand_bytes(bench: TcpBench) -> None:
    bench.stop_the_clock()
    ours = await bench.connect()
    waiting, talking = await bench.client(), await bench.client()
    waiting.writer.write(framed(check(*ours))[:-1])  # all but the last byte
    wrong = check(ours[0], "wrong" * 5)
    talking.send(*[wrong] * (STRANGER_BYTES // len(wrong) + 1))
    assert await talking.closed()
    await bench.until(lambda: bench.count("tcp_open") == 1)
    now_us = 10**15
    for after_us in (0, STRANGER_US):
        bench.tcp.tick(now_us + after_us)
    assert bench.count("tcp_open") == 1
    bench.tcp.tick(now_us + STRANGER_US + 1)
    assert await waiting.closed()
    assert bench.count("tcp_thrown_out") == 2


async def test_a_known_connection_stays_until_it_is_silent_for_long_or_its_peer_is_gone(bench: TcpBench) -> None:
    bench.stop_the_clock()
    client, ours = await bench.known()
    now_us = 10**15
    for after_us in (0, STRANGER_US + 1, IDLE_US):
        bench.tcp.tick(now_us + after_us)
    assert bench.count("tcp_open") == 1
    client.send(check(*ours))
    await client.frame()
    bench.tcp.tick(now_us + IDLE_US + 1)
    assert bench.count("tcp_open") == 1
    bench.tcp.tick(now_us + 2 * IDLE_US + 2)
    assert await client.closed()
    again = await bench.client()
    again.send(check(*ours))
    await again.frame()
    await bench.worker.call(Disconnect(PeerId("peer")))
    assert await again.closed()


async def test_strangers_of_one_address_are_few_and_those_of_another_get_in(bench: TcpBench) -> None:
    ours = await bench.connect()
    crowd = [await bench.client() for _ in range(MOST_STRANGERS_NEARBY + 5)]
    await bench.until(lambda: bench.count("tcp_refused") == 5)
    assert bench.count("tcp_open") == MOST_STRANGERS_NEARBY
    elsewhere = await bench.client("127.0.0.2")
    elsewhere.send(check(*ours))
    await elsewhere.frame()
    crowd[0].send(check(*ours))  # known, it counts no more
    await crowd[0].frame()
    late = await bench.client()
    late.send(check(*ours))
    await late.frame()


async def test_the_oldest_stranger_makes_room_for_the_newest(bench: TcpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MOST_STRANGERS", 3)
    ours = await bench.connect()
    known = await bench.client()
    known.send(check(*ours))
    await known.frame()
    crowd = [await bench.client() for _ in range(4)]
    assert await crowd[0].closed()
    await bench.until(lambda: bench.count("tcp_open") == 4)
    crowd[3].send(check(*ours))
    await crowd[3].frame()
    known.send(check(*ours))
    await known.frame()


async def test_who_sends_more_frames_than_it_may_is_not_read_until_the_next_tick(bench: TcpBench) -> None:
    bench.stop_the_clock()
    client, _ = await bench.known()
    seen = bench.count("tcp_frames")
    most = FRAMES_A_TICK + tcp.READ_BYTES // len(framed(MEDIA)) + 1
    client.send(*[MEDIA] * (3 * FRAMES_A_TICK))
    await bench.until(lambda: bench.accepted._paused)
    assert FRAMES_A_TICK <= bench.count("tcp_frames") - seen <= most
    for _ in range(3):
        bench.tcp.tick(10**15)
        await asyncio.sleep(0.05)
    await bench.until(lambda: bench.count("tcp_frames") - seen >= 3 * FRAMES_A_TICK)


async def test_who_dribbles_bytes_is_read_seldom_and_many_reads_end_in_one_turn(
    bench: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.stop_the_clock()
    await bench.known()
    turns: list[int] = []
    monkeypatch.setattr(bench.worker.roster, "after_turn", lambda: turns.append(1))
    connection = bench.accepted
    bench.tcp.tick(10**15)
    bench.worker.udp.turn()
    bench.worker.udp.hurry(10.0)
    turns.clear()
    before_reads = connection._read_bytes
    begun = connection._frames_left
    for _ in range(begun):  # a byte at a time, without a wait between
        if connection._paused:
            break
        connection._rest = b""
        connection.buffer_updated(1)
    assert connection._paused
    assert connection._read_bytes - before_reads == begun // FRAMES_A_READ_COSTS
    assert turns == []
    await bench.until(lambda: bool(turns))
    assert turns == [1] and bench.tcp._turn is None
    bench.worker.udp.hurry(0.005)
    connection.buffer_updated(1)
    assert bench.tcp._turn is None, "the socket's own turn is due as soon"


async def test_a_stranger_who_dribbles_is_read_far_less_often(bench: TcpBench) -> None:
    bench.stop_the_clock()
    await bench.client()
    await bench.until(lambda: len(bench.tcp._connections) == 1)
    (stranger,) = bench.tcp._connections
    reads = 0
    while not stranger._paused:
        stranger._rest = b""
        stranger.buffer_updated(1)
        reads += 1
    assert reads == STRANGER_FRAMES_A_TICK // FRAMES_A_READ_COSTS
    bench.tcp.tick(time.monotonic_ns() // 1000)
    assert not stranger._paused and stranger._frames_left == STRANGER_FRAMES_A_TICK
    stranger.believed()
    assert stranger._frames_left == FRAMES_A_TICK
    stranger._frames_left = 7
    stranger.believed()
    assert stranger._frames_left == 7, "each further check would let it go on"


async def test_feedback_for_a_client_that_does_not_read_is_dropped_and_then_its_connection(bench: TcpBench) -> None:
    bench.stop_the_clock()
    now_us = 10**15
    ours, deaf = await bench.connect(), socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    with contextlib.closing(deaf):
        await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", bench.worker.udp.port))
        deaf.send(framed(check(*ours)))
        (peer,) = bench.worker._peers.values()
        await bench.until(lambda: peer.reach.route is not None)
        route = bench.accepted
        assert route._transport is not None
        bench.tcp.tick(now_us)
        for _ in range(5000):
            peer.reach.send(bytes(1200))
            assert route._transport.get_write_buffer_size() <= WRITE_BYTES + 1202
        await bench.until(lambda: bench.count("tcp_unsent") > 1000)
        bench.tcp.tick(now_us + UNREAD_US)
        assert bench.count("tcp_open") == 1
        bench.tcp.tick(now_us + UNREAD_US + 1)
        await bench.until(lambda: peer.reach.route is None)
        assert bench.count("tcp_open") == 0


async def test_any_bytes_raise_nothing(bench: TcpBench) -> None:
    ours = await bench.connect()
    chance = random.Random(11)
    for number in range(60):
        client = await bench.client(f"127.0.0.{chance.randrange(2, 250)}")
        if number % 2:
            client.send(check(*ours))
        for _ in range(50):
            first = chance.choice((0, 1, 22, 23, 64, 100, 128, 144, 191, 255))
            frame = bytes([first]) + chance.randbytes(chance.randrange(0, 1400))
            client.writer.write(framed(frame) if chance.random() < 0.97 else chance.randbytes(300))
        await client.close()
    await bench.until(lambda: bench.count("tcp_open") == 0 and bench.worker.udp.routes == {})
    assert bench.count("errors") == 0 and bench.count("live_peers") == 1


async def test_an_ice_restart_goes_on_by_a_new_connection_and_the_old_one_may_end(bench: TcpBench) -> None:
    client, _ = await bench.known()
    (peer,) = bench.worker._peers.values()
    before = peer.reach.route
    reply = await bench.worker.call(Restart(PeerId("peer"), renewed(CHROMIUM)))
    assert isinstance(reply, Connected)
    ours, again = credentials(reply.answer_sdp), await bench.client()
    again.send(nominate(ours, "5ZcD"))
    await again.frame()
    after = peer.reach.route
    assert after is not before and after is not None
    await client.close()
    await bench.until(lambda: bench.count("tcp_open") == 1)
    assert peer.reach.route is after and list(bench.worker._peers.values()) == [peer]
    again.send(nominate(ours, "5ZcD"))
    await again.frame()


async def test_another_peers_check_takes_no_connection_that_is_in_use(bench: TcpBench) -> None:
    client, _ = await bench.known()
    (first,) = bench.worker._peers.values()
    first.last_media_us = 2**62
    theirs = await bench.connect("other")
    client.send(check(*theirs))
    await bench.until(lambda: bench.worker._peers[PeerId("other")].counters.refused_checks == 1)
    assert bench.worker.roster.routes.owner(bench.accepted.key) is first


async def test_a_fault_behind_a_frame_is_counted_and_ends_no_more_than_its_peer(tmp_path: Path) -> None:
    bench = TcpBench(tmp_path)
    await bench.worker.start()
    escaped: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
    client, _ = await bench.known()
    await bench.connect("other")

    def fault(*_: object) -> None:
        raise ZeroDivisionError

    bench.worker.udp.routes[bench.accepted.key] = fault
    client.send(MEDIA)
    assert await client.closed()
    await bench.until(lambda: bench.count("live_peers") == 1 and bench.count("tcp_open") == 0)
    assert bench.count("errors") == 1
    bench.worker.roster._records.hand_on = fault  # type: ignore[method-assign]
    again = await bench.client()
    again.send(MEDIA)
    assert await again.closed()
    await bench.until(lambda: bench.count("errors") >= 2)
    assert escaped == []
    await client.close()
    await again.close()
    bench.socket.close()
    await bench.worker.stop()
