"""An authenticated peer that sends what no browser would: its packets reach every parser, and hurt only itself."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.dtls import Certificate
from recorder.ice import Credentials
from recorder.messages import PeerId, PeerState
from recorder.peer import MOST_PACKETS_AT_ONCE, MOST_RESTARTS, PACKETS_A_TICK, Peer
from recorder.sdp import read_offer
from recorder.streams import MOST_STREAMS
from recorder.track import Track
from tests.recorder.offers import CHROMIUM
from tests.recorder.test_udp import check

CERTIFICATE = Certificate()
OURS = Credentials("0xOurs", "p" * 24)
VIDEO, RTX, AUDIO = 96, 97, 111
HERE = ("127.0.0.1", 4000)


class Home:
    """A worker's place for peers, with the keys left out: what is put in a slot arrives as if unprotected."""

    def __init__(self) -> None:
        self.udp: Any = SimpleNamespace(
            block=bytearray(1536), routes={}, sent=[], send=lambda *given: self.udp.sent.append(given)
        )
        self.slots: Any = None
        self.certificate = CERTIFICATE
        self.needy: set[Peer] = set()
        self.changes: list[PeerState] = []

    def peer_changed(self, peer: Peer) -> None:
        self.changes.append(peer.state)

    def peer(self) -> Peer:
        made = Peer(PeerId("peer"), read_offer(CHROMIUM, ("vp8",)), OURS, self, 2_500_000)
        same = lambda slot, size: size  # noqa: E731
        made._keys = SimpleNamespace(receive=same, receive_control=same, protect_control=lambda packet: packet)  # type: ignore[assignment]
        return made

    def deliver(self, peer: Peer, packet: bytes, now_us: int | None = None) -> None:
        self.udp.block[: len(packet)] = packet
        peer.media(0, len(packet), (now_us * 1000) if now_us is not None else time.monotonic_ns())


def packet(kind: int, sequence: int, timestamp: int, ssrc: int, payload: bytes = b"\x10\x00", marker: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, marker << 7 | kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


@pytest.fixture
async def home() -> Home:
    return Home()


async def test_any_bytes_behind_an_rtp_header_reach_the_parsers_and_raise_nothing(home: Home) -> None:
    peer = home.peer()
    chance = random.Random(3)
    for number in range(4000):
        if number % 500 == 0:
            peer.tick(time.monotonic_ns() // 1000)
        kind = chance.choice((VIDEO, RTX, AUDIO, AUDIO, VIDEO, 102, 0, 127))
        first = chance.choice((0x80, 0x90, 0xA0, 0xB1, 0x8F))
        header = bytes([first, chance.choice((0, 128)) | kind]) + chance.randbytes(2)
        ssrc = struct.pack("!I", chance.choice((1, 2, 3)))
        home.deliver(peer, header + chance.randbytes(4) + ssrc + chance.randbytes(chance.randrange(0, 1200)))
        home.deliver(peer, bytes([0x81, chance.randrange(192, 224)]) + chance.randbytes(chance.randrange(2, 200)))
    assert peer.counters.malformed > 0
    for track in peer.tracks:
        assert len(track.reorder.held) <= 2048 and len(track.reorder.missing) <= 2048


@given(st.binary(min_size=2, max_size=400))
def test_any_bytes_at_all_raise_nothing(data: bytes) -> None:
    async def work() -> None:
        home = Home()
        home.deliver(home.peer(), data)

    asyncio.run(work())


async def test_a_peer_of_endless_streams_is_ended(home: Home) -> None:
    peer = home.peer()
    for ssrc in range(MOST_STREAMS + 2):
        home.deliver(peer, packet(VIDEO, 1, 1, ssrc + 1))
    assert (peer.state, peer.detail) == (PeerState.GONE, "too many streams")


async def test_many_packets_of_a_type_that_was_not_negotiated_are_counted_and_end_nothing(home: Home) -> None:
    peer = home.peer()
    for number in range(200):
        home.deliver(peer, packet(102, number, number, 77))
    assert peer.counters.unknown_type == 200
    assert peer.state is PeerState.CONNECTING


async def test_a_peer_that_jumps_and_jumps_is_ended(home: Home) -> None:
    peer = home.peer()
    for number in range(MOST_RESTARTS + 3):
        home.deliver(peer, packet(VIDEO, 60000 - 3000 * (number % 2), number, 1))
    peer.tick(time.monotonic_ns() // 1000)
    assert (peer.state, peer.detail) == (PeerState.GONE, "too many restarts")


async def test_a_flood_is_cut_at_what_a_stall_may_let_arrive_and_then_at_the_rate_of_a_tick(home: Home) -> None:
    peer = home.peer()
    assert peer.video is not None
    for number in range(MOST_PACKETS_AT_ONCE + 500):
        home.deliver(peer, packet(VIDEO, number, 0, 1))
    assert peer.counters.over_rate == 500
    assert peer.video.counters.packets == MOST_PACKETS_AT_ONCE
    for _ in range(5):
        peer.tick(time.monotonic_ns() // 1000)
        for number in range(PACKETS_A_TICK + 100):
            home.deliver(peer, packet(VIDEO, MOST_PACKETS_AT_ONCE + number, 0, 1))
    assert peer.counters.over_rate == 1000
    assert peer.video.counters.packets == MOST_PACKETS_AT_ONCE + 5 * PACKETS_A_TICK


async def test_a_high_bitrate_may_have_as_many_packets_as_it_needs(home: Home) -> None:
    peer = Peer(PeerId("peer"), read_offer(CHROMIUM, ("vp8",)), OURS, home, 20_000_000)
    a_tick_at_1200_bytes = 20_000_000 / 8 / 1200 / 10
    assert peer._packets_a_tick >= 4 * a_tick_at_1200_bytes


async def test_a_retransmission_that_comes_too_late_restarts_nothing(home: Home) -> None:
    peer = home.peer()
    assert peer.video is not None
    for number in range(3000):
        if number % PACKETS_A_TICK == 0:
            peer.tick(time.monotonic_ns() // 1000)
        home.deliver(peer, packet(VIDEO, number, number * 3000, 1))
    home.deliver(peer, packet(RTX, 1, 300, 9, b"\x00\x64" + b"\x10\x00"))
    assert peer.video.counters.restarts == 0
    assert peer.video.reorder.expected is not None and peer.video.reorder.late == 1


async def test_a_lost_packet_is_asked_for_and_its_retransmission_completes_the_order(home: Home) -> None:
    peer = home.peer()
    video = peer.video
    assert isinstance(video, Track)
    now = time.monotonic_ns() // 1000
    for number in (1, 2, 4, 5):
        home.deliver(peer, packet(VIDEO, number, number * 3000, 1), now)
    assert peer in home.needy
    peer.reach.address = HERE
    peer.ask_again(now // 1000 + 20)
    (asked,) = [given[0] for given in home.udp.sent if given[0][1] == 205]
    assert asked[12:16] == b"\x00\x03\x00\x00"
    home.deliver(peer, packet(RTX, 1, 9000, 9, b"\x00\x03" + b"\x10\x00"), now + 30_000)
    assert not video.reorder.held and not video.reorder.missing
    assert video.recovered == 1 and video.counters.retransmitted == 1


async def test_the_nominated_address_outlives_many_others_and_one_in_use_is_not_taken_over(home: Home) -> None:
    first, second = home.peer(), home.peer()
    message = check(OURS.ufrag, OURS.password)
    first.check(message, HERE, b"", b"nominated")
    for number in range(8):
        first.check(message, HERE, b"", b"other-%d" % number)
    assert home.udp.routes[b"nominated"] == first.media
    assert len(home.udp.routes) == 8
    first.last_media_us = time.monotonic_ns() // 1000
    second.check(message, HERE, b"", b"nominated")
    assert home.udp.routes[b"nominated"] == first.media
    first.last_media_us = 0
    second.check(message, HERE, b"", b"nominated")
    assert home.udp.routes[b"nominated"] == second.media
    await first.close()
    assert home.udp.routes == {b"nominated": second.media}
    await second.close()
