"""An authenticated peer that sends what no browser would: its packets reach every parser, and hurt only itself."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from recorder.dtls import Certificate, Slots, SrtpKeys
from recorder.ice import Credentials
from recorder.messages import PeerId, PeerState
from recorder.peer import MOST_PACKETS_AT_ONCE, MOST_RESTARTS, PACKETS_A_REFILL, Peer
from recorder.reach import GRACE_US
from recorder.routes import QUIET_US, Routes, UdpRoute
from recorder.rtcp import receiver_report
from recorder.rtp import HEAD
from recorder.sdp import read_offer
from recorder.streams import MOST_STREAMS
from recorder.track import Track
from recorder.udp import LENGTH_AT, MMSGHDR_BYTES, SLOT_BYTES, new_block
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
            block=new_block(1), lengths=[0], routes={}, sent=[], send=lambda *given: self.udp.sent.append(given)
        )
        self.routes = Routes(self.udp.routes)
        self.slots: Any = None
        self.certificate = CERTIFICATE
        self.needy: set[Peer] = set()
        self.changes: list[PeerState] = []

    def peer_changed(self, peer: Peer) -> None:
        self.changes.append(peer.state)

    def peer(self) -> Peer:
        made = Peer(PeerId("peer"), read_offer(CHROMIUM, ("vp8",)), OURS, self, 2_500_000)
        believed = lambda pointer, size: 0  # noqa: E731
        made._keys = SimpleNamespace(  # type: ignore[assignment]
            unprotect=believed, unprotect_control=believed, pointers=[None], sizes=[None],
            protect_control=lambda packet: packet,
        )  # fmt: skip
        return made

    def way(self, key: bytes) -> UdpRoute:
        return UdpRoute(self.udp, key, HERE, b"")

    def deliver(self, peer: Peer, packet: bytes, now_us: int | None = None) -> None:
        self.udp.block[: len(packet)] = packet
        self.udp.lengths[0] = len(packet)
        arrival_us = now_us if now_us is not None else time.monotonic_ns() // 1000
        peer.media([(0, len(packet), arrival_us, HEAD.unpack_from(self.udp.block))])


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


@pytest.mark.parametrize("kind", ["reports", "mis-padded"])
async def test_authentic_packets_of_endless_senders_end_their_peer_whatever_is_in_them(home: Home, kind: str) -> None:
    """Real SRTP: libsrtp keeps something of each sender before anybody reads what was sent."""
    secret = bytes(range(30))
    inbound, sender = (
        Session(Policy(secret, ssrc_type=way, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80))
        for way in (Policy.SSRC_ANY_INBOUND, Policy.SSRC_ANY_OUTBOUND)
    )
    home.udp.headers = bytearray(101 * MMSGHDR_BYTES)
    home.udp.lengths = memoryview(home.udp.headers).cast("I")[LENGTH_AT // 4 :: MMSGHDR_BYTES // 4]
    home.udp.block = new_block(101)
    peer = home.peer()
    peer._keys = SrtpKeys(inbound, sender, Slots(home.udp))
    packets = []
    for slot in range(100):
        if kind == "reports":
            made = sender.protect_rtcp(receiver_report(slot + 1, []))
        else:
            made = sender.protect(b"\xa0" + packet(VIDEO, 1, 1, slot + 1, bytes(20))[1:])
        start = slot * SLOT_BYTES
        home.udp.block[start : start + len(made)] = made
        home.udp.lengths[slot] = len(made)
        packets.append((slot, len(made), time.monotonic_ns() // 1000, HEAD.unpack_from(home.udp.block, start)))
    peer.media(packets)
    assert (peer.state, peer.detail) == (PeerState.GONE, "too many streams")
    assert len(peer._streams._heard_of) == MOST_STREAMS + 1, "the rest of the turn is not looked at"
    peer.media(packets[:1])
    assert peer.counters.received_bytes == sum(size for _, size, _, _ in packets)


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


async def test_a_flood_is_cut_at_what_a_stall_may_let_arrive_and_then_at_the_rate_of_a_refill(home: Home) -> None:
    peer = home.peer()
    assert peer.video is not None
    for number in range(MOST_PACKETS_AT_ONCE + 500):
        home.deliver(peer, packet(VIDEO, number, 0, 1))
    assert peer.counters.over_rate == 500
    assert peer.video.counters.packets == MOST_PACKETS_AT_ONCE
    for _ in range(5):
        peer.refill()
        for number in range(PACKETS_A_REFILL + 100):
            home.deliver(peer, packet(VIDEO, MOST_PACKETS_AT_ONCE + number, 0, 1))
    assert peer.counters.over_rate == 1000
    assert peer.video.counters.packets == MOST_PACKETS_AT_ONCE + 5 * PACKETS_A_REFILL


async def test_a_high_bitrate_may_have_as_many_packets_as_it_needs(home: Home) -> None:
    peer = Peer(PeerId("peer"), read_offer(CHROMIUM, ("vp8",)), OURS, home, 20_000_000)
    a_refill_at_1200_bytes = 20_000_000 / 8 / 1200 / 5
    assert peer._packets_a_refill >= 4 * a_refill_at_1200_bytes


async def test_a_retransmission_that_comes_too_late_restarts_nothing(home: Home) -> None:
    peer = home.peer()
    assert peer.video is not None
    for number in range(3000):
        if number % PACKETS_A_REFILL == 0:
            peer.refill()
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
    peer.reach.route = home.way(b"here")
    peer.ask_again(now // 1000 + 20)
    (asked,) = [given[0] for given in home.udp.sent if given[0][1] == 205]
    assert asked[12:16] == b"\x00\x03\x00\x00"
    home.deliver(peer, packet(RTX, 1, 9000, 9, b"\x00\x03" + b"\x10\x00"), now + 30_000)
    assert not video.reorder.held and not video.reorder.missing
    assert video.recovered == 1 and video.counters.retransmitted == 1


async def test_the_nominated_address_outlives_many_others_and_one_in_use_is_not_taken_over(home: Home) -> None:
    first, second = home.peer(), home.peer()
    message = check(OURS.ufrag, OURS.password)
    now_us = time.monotonic_ns() // 1000
    first.check(message, home.way(b"nominated"), now_us)
    for number in range(8):
        first.check(message, home.way(b"other-%d" % number), now_us)
    assert home.udp.routes[b"nominated"] == first.media
    assert len(home.udp.routes) == 8
    first.last_media_us = now_us
    second.check(message, home.way(b"nominated"), now_us)
    assert home.routes.owner(b"nominated") is first
    first.last_media_us = 0
    second.check(message, home.way(b"nominated"), now_us)
    assert home.udp.routes[b"nominated"] == second.media
    await first.close()
    assert home.udp.routes == {b"nominated": second.media}
    await second.close()


async def test_an_address_that_its_peer_does_not_use_any_more_is_taken_over_though_it_sends_from_another(
    home: Home,
) -> None:
    first, second = home.peer(), home.peer()
    message = check(OURS.ufrag, OURS.password)
    now_us = time.monotonic_ns() // 1000

    def sends(key: bytes, number: int) -> None:
        """As the socket does: by the handler of the address."""
        held = packet(VIDEO, number, number * 3000, 1)
        home.udp.block[: len(held)] = held
        home.udp.lengths[0] = len(held)
        home.udp.routes[key]([(0, len(held), now_us, HEAD.unpack_from(home.udp.block))])

    for key in (b"before", b"now"):
        first.check(message, home.way(key), now_us)
    for step in range(1, 6):  # both are in use: a packet between any two checks
        sends(b"before", 2 * step)
        sends(b"now", 2 * step + 1)
        second.check(message, home.way(b"before"), now_us)
        assert home.routes.owner(b"before") is first
        now_us += QUIET_US // 2
    sends(b"now", 20)
    second.check(message, home.way(b"before"), now_us)
    assert home.routes.owner(b"before") is first, "that it is quiet is known only after a second"
    now_us += QUIET_US
    sends(b"now", 21)
    assert now_us - first.last_media_us < QUIET_US
    second.check(message, home.way(b"before"), now_us)
    assert home.udp.routes == {b"before": second.media, b"now": first.media}
    await first.close()
    await second.close()
    assert home.udp.routes == {}


async def test_when_the_nominated_way_ends_the_last_checked_of_the_others_serves(home: Home) -> None:
    peer = home.peer()
    now_us = time.monotonic_ns() // 1000
    ways = {key: home.way(key) for key in (b"one", b"two", b"nominated", b"three")}
    for key, way in ways.items():
        signed = nominate if key == b"nominated" else lambda ufrag, password, _: check(ufrag, password)
        peer.check(signed(OURS.ufrag, OURS.password, "4ZcD"), way, now_us)
    assert peer.reach.route is ways[b"nominated"]
    peer.reach.lost(b"two")
    assert peer.reach.route is ways[b"nominated"] and b"two" not in home.udp.routes
    peer.reach.lost(b"nominated")
    assert peer.reach.route is ways[b"three"]
    peer.reach.lost(b"three")
    peer.reach.lost(b"one")
    peer.reach.lost(b"one")
    assert peer.reach.route is None and home.udp.routes == {}
    await peer.close()


def nominate(ufrag: str, password: str, theirs: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:{theirs}"
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


async def test_the_credentials_before_a_restart_end_soon_after_the_browser_nominated_with_the_new_ones(
    home: Home,
) -> None:
    peer = home.peer()
    now_us = time.monotonic_ns() // 1000
    old, new = nominate(OURS.ufrag, OURS.password, "4ZcD"), nominate("0xNext", "q" * 24, "5ZcD")
    assert peer.reach.restart(Credentials("0xNext", "q" * 24), "5ZcD") == []
    for _ in range(40):  # the answer may take its time
        now_us += 1_000_000
        assert peer.reach.outdated(now_us) == []
    peer.check(old, home.way(b"old"), now_us)
    assert peer.counters.refused_checks == 0
    peer.check(new, home.way(b"new"), now_us)
    assert peer.reach.outdated(now_us) == []
    peer.check(old, home.way(b"old"), now_us + GRACE_US - 1)
    assert peer.reach.outdated(now_us + GRACE_US - 1) == [] and peer.counters.refused_checks == 0
    assert peer.reach.outdated(now_us + GRACE_US) == [OURS.ufrag]
    peer.check(old, home.way(b"old"), now_us + GRACE_US)
    assert peer.counters.refused_checks == 1
    peer.check(new, home.way(b"new"), now_us + GRACE_US)
    assert peer.counters.refused_checks == 1 and peer.reach.ufrags == ["0xNext"]
    await peer.close()
