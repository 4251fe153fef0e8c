"""Datagrams nobody should send, to a worker's real socket: counted, and nothing else."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from aioice import stun

from recorder import roster
from recorder.messages import (
    Arm,
    CallProblem,
    Connect,
    Connected,
    Disconnect,
    Done,
    Event,
    OfferProblem,
    PeerChanged,
    PeerId,
    PeerState,
    Refused,
    Stop,
    TakeId,
)
from recorder.pace import WAKE_NEEDY_S, WAKE_S, Pace
from recorder.phases import Phase
from recorder.roster import CONNECTS_WITHIN_US, GIVES_WAY_AFTER_US, WAKE_CONNECTING_S
from recorder.take import Take
from recorder.udp import SPARE_SLOT, Packet, UdpPort
from recorder.worker import TICK_S, Worker, WorkerSettings, _next_look_s
from tests.recorder.offers import CHROMIUM


class Bench:
    """A worker in this process, a socket to shoot at it from, and what it said."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.events: list[Event] = []
        self.folder = folder
        self.worker = Worker(
            WorkerSettings(
                number=0, version="test", port=0, recordings_dir=str(folder),
                **{"min_free_disk_bytes": 0, **settings},  # type: ignore[arg-type]
            ),
            self.events.append,
        )  # fmt: skip
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, ("127.0.0.1", self.worker.udp.port))

    def count(self, name: str) -> int:
        return self.worker.counters()[name]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)

    async def connect(self, peer: str = "peer") -> tuple[str, str]:
        """Our ufrag and password of a new peer."""
        reply = await self.worker.call(Connect(PeerId(peer), CHROMIUM))
        assert isinstance(reply, Connected)
        lines = dict(
            line[2:].split(":", 1) for line in reply.answer_sdp.splitlines() if line[:7] in ("a=ice-u", "a=ice-p")
        )
        return lines["ice-ufrag"], lines["ice-pwd"]


def check(ufrag: str, password: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:4ZcD"
    message.add_message_integrity(password.encode())
    return bytes(message)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    await found.worker.start()
    yield found
    found.socket.close()
    await found.worker.stop()


async def test_empty_and_oversized_datagrams_are_counted_and_dropped(bench: Bench) -> None:
    bench.send(b"", b"\x80", bytes(1501), b"\x80" * 9000)
    await bench.until(lambda: bench.count("bad_size") == 4)
    assert bench.count("errors") == 0


async def test_media_and_dtls_from_an_unknown_address_are_dropped(bench: Bench) -> None:
    bench.send(b"\x80\x60" + bytes(100), b"\x16\xfe\xfd" + bytes(50), b"\x80\xc8" + bytes(40))
    await bench.until(lambda: bench.count("unknown_sender") == 3)
    assert bench.count("errors") == 0


async def test_the_socket_is_read_often_while_someone_waits_and_rarely_otherwise(bench: Bench) -> None:
    roster, udp = bench.worker.roster, bench.worker.udp
    await bench.connect()
    assert udp.wake_every_s == WAKE_CONNECTING_S
    (peer,) = roster.peers.values()
    peer.become(PeerState.LIVE)
    roster.tick(time.monotonic_ns() // 1000)
    udp.turn()
    assert udp.wake_every_s == WAKE_S
    track = peer.tracks[0]
    for sequence in (1, 3):
        track.receive(b"\x10\x00", sequence, 0, 1, time.monotonic_ns() // 1000, -1)
    roster.needy.add(peer)
    udp.turn()
    assert udp.wake_every_s == WAKE_NEEDY_S, "a packet is missing"
    track.flush()
    peer.ask_again(time.monotonic_ns() // 1_000_000)
    udp.turn()
    assert udp.wake_every_s == WAKE_S


@pytest.mark.parametrize(
    ("room", "shortest_s", "longest_s"), [(184, WAKE_NEEDY_S, WAKE_NEEDY_S), (7281, WAKE_S, WAKE_S)]
)
def test_turns_out_of_rhythm_let_no_more_wait_than_the_kernel_has_room_for(
    room: int, shortest_s: float, longest_s: float
) -> None:
    """Twenty streams of 205 packets a second: in 200 ms they are more than the room a kernel gives by default."""
    pace = Pace(100.0)
    now_s, came = 100.0, 0
    for number in range(200):
        now_s += 0.001 if number % 3 else pace.pause_s(room) + 0.0005
        found = int((now_s - 100.0) * 20 * 205) - came
        came += found
        pace.note(found, now_s)
        if number > 2:
            assert shortest_s <= pace.pause_s(room) <= longest_s, number
    for _ in range(3):
        now_s += WAKE_S
        pace.note(0, now_s)
    assert pace.pause_s(room) == WAKE_S, "nothing comes any more"
    pace.note(room, now_s + 0.001)
    assert pace.pause_s(room) < WAKE_S, "a burst counts at once"
    pace = Pace(100.0)
    pace.note(room, 102.0)
    assert pace.pause_s(room) < WAKE_S, "after a stall nobody knows how many the kernel dropped"


async def test_a_turn_right_after_a_full_one_begins_no_long_pause(bench: Bench) -> None:
    await bench.connect()
    bench.worker.roster._connecting = False
    udp = bench.worker.udp
    udp.room = 184
    udp.turn()
    bench.send(*[b"\x80\x60" + bytes(100)] * 200)
    udp.turn()
    assert udp.wake_every_s < WAKE_S
    udp.turn()
    assert udp.wake_every_s < WAKE_S


async def test_takes_are_looked_at_after_what_came_while_the_loop_stalled(bench: Bench) -> None:
    ufrag, password = await bench.connect()
    bench.send(check(ufrag, password))
    await bench.until(lambda: bool(bench.worker.udp.routes))
    for timer in bench.worker._timers:
        timer.cancel()
    (key,) = bench.worker.udp.routes
    heard: list[str] = []
    bench.worker.udp.routes[key] = lambda packets: heard.append("media")

    def media() -> None:
        bench.worker.roster._connecting = False
        bench.worker.udp.hurry(10.0)
        heard.clear()
        bench.send(b"\x80\x60" + bytes(100))

    take_id = TakeId("take")
    media()
    await bench.worker.call(Arm(take_id, PeerId("peer"), str(bench.folder / "x"), 60_000, 1000, 1 << 20))
    assert heard == ["media"], "an order looks at every take"
    take = bench.worker._takes[take_id]
    take.tick = lambda now_us: heard.append("tick")  # type: ignore[method-assign]
    media()
    time.sleep(0.03)
    await bench.until(lambda: "tick" in heard)
    assert heard[0] == "media"
    media()
    take.end = lambda reason, now_us: heard.append("end")  # type: ignore[method-assign]
    await bench.worker.call(Stop(take_id))
    assert heard[:2] == ["media", "end"]
    del take.tick, take.end


async def test_a_take_near_its_limit_is_not_looked_at_all_the_time_while_an_outage_lasts(bench: Bench) -> None:
    await bench.connect()
    (peer,) = bench.worker._peers.values()
    order = Arm(TakeId("take"), PeerId("peer"), str(bench.folder / "x"), 60_000, 1000, 1 << 20)
    take = Take(order, peer, bench.worker._writer, bench.events.append, lambda take: None, 0, lambda: 0)
    take.phase = Phase.RECORDING
    take._clock.start(1_000_000)
    assert _next_look_s(take, 1_998_000) == pytest.approx(0.002)
    assert take._clock.begins_outage(3_500_000, 1_998_000)
    assert _next_look_s(take, 3_500_000) == TICK_S


async def test_a_fault_in_one_of_the_shared_timers_is_counted_and_ends_none_of_them(bench: Bench) -> None:
    for name in ("faulty", "other"):
        await bench.connect(name)
    faulty, other = bench.worker._peers.values()
    roster = bench.worker.roster
    asked: list[object] = []

    def fault(*_: object) -> None:
        raise ZeroDivisionError

    faulty.ask_again = fault  # type: ignore[method-assign]
    other.ask_again = asked.append  # type: ignore[method-assign]
    roster.needy = dict.fromkeys((faulty, other))  # type: ignore[assignment]
    roster.udp.wake_every_s = 0.0
    roster.after_turn()
    roster.needy = set()
    assert len(asked) == 1 and roster.udp.wake_every_s > 0 and bench.count("errors") == 1
    assert faulty.state is PeerState.GONE and other.state is PeerState.CONNECTING
    looked: list[object] = []
    roster.tcp.tick = fault  # type: ignore[method-assign]
    bench.worker._tick_takes = lambda: looked.append(1)  # type: ignore[method-assign]
    await bench.until(lambda: len(looked) >= 2)
    assert bench.count("errors") >= 3 and not bench.worker._timers[0].done()


async def test_who_does_not_get_through_is_waited_for_with_less_haste_after_seconds(bench: Bench) -> None:
    ours = await bench.connect()
    (peer,) = bench.worker._peers.values()
    roster, udp = bench.worker.roster, bench.worker.udp
    for after_us, pause_s in ((0, WAKE_CONNECTING_S), (CONNECTS_WITHIN_US, WAKE_NEEDY_S)):
        roster.tick(peer.born_us + after_us)
        udp.turn()
        assert udp.wake_every_s == pause_s
    bench.send(check(*ours))
    await bench.until(lambda: peer.reach.route is not None)
    reached_us = peer.reach.reached_us
    assert reached_us >= peer.born_us
    heard_us = peer.reach.heard_us
    bench.send(check(*ours))
    await bench.until(lambda: peer.reach.heard_us > heard_us)
    assert peer.reach.reached_us == reached_us, "the first check counts: a later one wins no time"
    peer.reach.reached_us = peer.born_us + CONNECTS_WITHIN_US  # it was late
    for after_us, pause_s in ((CONNECTS_WITHIN_US, WAKE_CONNECTING_S), (2 * CONNECTS_WITHIN_US, WAKE_NEEDY_S)):
        roster.tick(peer.born_us + after_us)
        udp.turn()
        assert udp.wake_every_s == pause_s, "its handshake comes now, or hardly at all"


def kernel_name(udp: UdpPort, sender: socket.socket) -> bytes:
    """As the kernel writes the sender's address where it tells of a datagram."""
    host, port = sender.getsockname()
    if udp.family.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host)
    mapped = bytes(10) + b"\xff\xff" + socket.inet_aton(host)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + mapped + bytes(4)


async def test_packets_of_several_senders_reach_each_in_its_order(bench: Bench) -> None:
    heard: dict[str, list[tuple[int, int]]] = {"one": [], "two": []}
    senders = {name: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for name in heard}
    udp = bench.worker.udp
    for name, sender in senders.items():
        sender.bind(("127.0.0.1", 0))

        def hear(packets: list[Packet], name: str = name) -> None:
            if any(head[2] == 6 for _, _, _, head in packets):
                raise RuntimeError("of this sender alone")
            heard[name] += [(head[2], size) for _, size, _, head in packets]

        udp.routes[kernel_name(udp, sender)] = hear
    before_us = time.monotonic_ns() // 1000
    for number in range(6):
        for sender in senders.values():
            sender.sendto(bytes([0x80, 0x60, 0, number]) + bytes(100 + number), ("127.0.0.1", udp.port))
    udp.turn()
    assert heard["one"] == heard["two"] == [(number, 104 + number) for number in range(6)]
    slot, size, arrival_us, head = udp.spare(b"\x90" + bytes(50), before_us)
    assert (slot, size, arrival_us, head[0]) == (SPARE_SLOT, 51, before_us, 0x90)
    assert udp.lengths[SPARE_SLOT] == 51
    senders["one"].sendto(bytes([0x80, 0x60, 0, 6]) + bytes(100), ("127.0.0.1", udp.port))
    senders["two"].sendto(bytes([0x80, 0x60, 0, 7]) + bytes(100), ("127.0.0.1", udp.port))
    udp.turn()
    assert bench.count("errors") == 1 and heard["two"][-1] == (7, 104)
    for sender in senders.values():
        sender.close()


async def test_a_check_for_nobody_is_counted(bench: Bench) -> None:
    bench.send(check("0xNobody", "p" * 24))
    await bench.until(lambda: bench.count("unknown_check") == 1)


async def test_a_signed_check_is_answered_and_one_with_a_wrong_password_is_not(bench: Bench) -> None:
    ufrag, password = await bench.connect()
    wrong, right = check(ufrag, "wrong" * 5), check(ufrag, password)
    bench.send(wrong, right)
    received: list[bytes] = []

    def readable() -> bool:
        try:
            received.append(bench.socket.recv(2000))
        except BlockingIOError:
            return False
        return True

    await bench.until(readable)
    reply = stun.parse_message(received[0])
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == bench.socket.getsockname()
    assert reply.check_message_integrity(password.encode())
    assert reply.transaction_id == stun.parse_message(right).transaction_id
    (peer,) = bench.worker._peers.values()
    assert peer.counters.refused_checks == 1
    assert not readable(), "the other got no answer"


async def test_garbage_of_every_kind_and_from_a_known_address_raises_nothing(bench: Bench) -> None:
    ufrag, password = await bench.connect()
    bench.send(check(ufrag, password))
    await bench.until(lambda: bool(bench.worker.udp.routes))
    chance = random.Random(7)
    sent = 0
    for _ in range(60):
        for _ in range(50):
            first = chance.choice((0, 1, 22, 23, 64, 100, 128, 144, 191, 255))
            bench.send(bytes([first]) + chance.randbytes(chance.randrange(1, 1400)))
        sent += 50
        await bench.until(lambda wanted=sent: bench.count("datagrams") >= wanted)
    assert bench.count("errors") == 0
    assert bench.count("live_peers") == 1


async def test_a_flood_of_checks_costs_no_more_than_its_share(bench: Bench) -> None:
    ufrag, password = await bench.connect()
    message = check(ufrag, password)
    bench.send(*[message] * 500)
    await bench.until(lambda: bench.count("datagrams") >= 500)
    (peer,) = bench.worker._peers.values()
    assert peer.counters.refused_checks >= 300


async def test_an_unreadable_offer_is_refused_and_a_full_worker_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_live=1)
    await bench.worker.start()
    reply = await bench.worker.call(Connect(PeerId("a"), "nonsense"))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.NO_MEDIA
    await bench.connect("b")
    reply = await bench.worker.call(Connect(PeerId("c"), CHROMIUM))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.BUSY
    assert isinstance(await bench.worker.call(Disconnect(PeerId("b"))), Done)
    await bench.until(lambda: bench.count("live_peers") == 0)
    assert PeerChanged(PeerId("b"), PeerState.GONE, "disconnected") in bench.events
    await bench.connect("c")
    bench.socket.close()
    await bench.worker.stop()


async def test_who_does_not_get_connected_leaves_a_full_worker_to_the_next_and_who_is_connected_does_not(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, max_live=2)
    await bench.worker.start()
    for name in ("connected", "stuck"):
        await bench.connect(name)
    connected, stuck = bench.worker._peers.values()
    connected._keys = SimpleNamespace(protect_control=lambda packet: None)  # type: ignore[assignment]
    for peer in (connected, stuck):
        peer.born_us -= GIVES_WAY_AFTER_US
    await bench.connect("next")
    assert PeerChanged(PeerId("stuck"), PeerState.GONE, "made room") in bench.events
    reply = await bench.worker.call(Connect(PeerId("too soon"), CHROMIUM))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.BUSY
    await bench.until(lambda: bench.count("live_peers") == 2)
    bench.socket.close()
    await bench.worker.stop()


async def test_no_more_than_so_many_are_in_the_middle_of_connecting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "MOST_CONNECTING", 3)
    bench = Bench(tmp_path)
    await bench.worker.start()
    for number in range(3):
        await bench.connect(f"peer-{number}")
    reply = await bench.worker.call(Connect(PeerId("fourth"), CHROMIUM))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.BUSY
    bench.socket.close()
    await bench.worker.stop()


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (Arm(TakeId("t"), PeerId("nobody"), "/tmp/x", 0, 1000, 1), CallProblem.UNKNOWN_PEER),
        (Arm(TakeId("../t"), PeerId("peer"), "/tmp/x", 0, 1000, 1), CallProblem.MALFORMED),
        (Arm(TakeId("t"), PeerId("peer"), "relative", 0, 1000, 1), CallProblem.MALFORMED),
        (Arm(TakeId("t"), PeerId("peer"), "/tmp/x", -1, 1000, 1), CallProblem.MALFORMED),
        (Arm(TakeId("t"), PeerId("peer"), "/tmp/x", 0, 0, 1), CallProblem.MALFORMED),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(bench: Bench, order: Arm, problem: CallProblem) -> None:
    await bench.connect()
    reply = await bench.worker.call(order)
    assert isinstance(reply, Refused) and reply.problem == problem


async def test_a_peer_records_one_take_at_a_time(bench: Bench) -> None:
    await bench.connect()
    folder = str(bench.folder / "x")
    order = Arm(TakeId("first"), PeerId("peer"), folder, 0, 1000, 1 << 20)
    assert isinstance(await bench.worker.call(order), Done)
    reply = await bench.worker.call(order)
    assert isinstance(reply, Refused) and reply.problem == CallProblem.DUPLICATE_TAKE
    reply = await bench.worker.call(Arm(TakeId("second"), PeerId("peer"), folder, 0, 1000, 1 << 20))
    assert isinstance(reply, Refused) and reply.problem == CallProblem.PEER_BUSY
    assert isinstance(await bench.worker.call(Stop(TakeId("first"))), Done)
    reply = await bench.worker.call(Stop(TakeId("first")))
    assert isinstance(reply, Refused) and reply.problem == CallProblem.UNKNOWN_TAKE


async def test_a_disk_that_is_too_full_takes_no_new_recording(tmp_path: Path) -> None:
    bench = Bench(tmp_path, min_free_disk_bytes=1 << 60)
    await bench.worker.start()
    await bench.connect()
    reply = await bench.worker.call(Arm(TakeId("t"), PeerId("peer"), str(tmp_path / "x"), 0, 1000, 1 << 20))
    assert isinstance(reply, Refused) and reply.problem == CallProblem.DISK_FULL
    bench.socket.close()
    await bench.worker.stop()
