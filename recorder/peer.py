"""One browser's transport: credentials, addresses, keys, its tracks, and the feedback it gets.

Media arrives by `media`, the hot path; everything periodic is called by the worker's
shared timers, since a timer per peer costs more than the work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Protocol

from recorder import rtcp, rtp
from recorder.address import Address
from recorder.dtls import Certificate, Handshake, HandshakeFailed, Slots, SrtpKeys
from recorder.ice import CheckRefused, Credentials, answer_check
from recorder.messages import PeerId, PeerState
from recorder.sdp import Offer
from recorder.track import KEY_REPEAT_MS, FrameListener, Track
from recorder.transport_cc import TransportFeedback
from recorder.udp import SLOT_BYTES, UdpPort

log = logging.getLogger(__name__)

LIVE_WITHIN_US = 1_000_000
GONE_AFTER_US = 30_000_000
CONNECT_WITHIN_US = 30_000_000
NO_MEDIA_US = 120_000_000
"""Connectivity checks alone keep a place for this long."""
MOST_RESTARTS = 20
REPORT_EVERY_MS = 1_000
MOST_ADDRESSES = 8
MOST_STREAMS = 32
"""Each SSRC costs memory in libsrtp; a browser uses four, six after a change of camera."""
PACKETS_A_TICK = 2_000
CHECKS_A_TICK = 20
KEY_ASK_EVERY_MS = 300
"""Chromium ignores a second request within 300 ms."""


class Home(Protocol):
    """What a peer needs of its worker."""

    udp: UdpPort
    slots: Slots
    certificate: Certificate
    needy: set[Peer]
    """Peers with packets missing: they are looked at after every turn of the socket."""

    def peer_changed(self, peer: Peer) -> None: ...

    def wants_handshake(self, peer: Peer) -> None:
        """Its first DTLS record is here; `peer.shake_hands` is called when it is its turn."""


@dataclass(slots=True)
class PeerCounters:
    """Datagrams of this peer that came to nothing, and what we asked for."""

    forged: int = 0
    malformed: int = 0
    over_rate: int = 0
    unknown_type: int = 0
    refused_checks: int = 0
    nacks: int = 0
    plis: int = 0


class Peer:
    """`state` follows from what arrives: live while every track does, stalled after 1 s, gone after 30 s."""

    def __init__(
        self, peer_id: PeerId, offer: Offer, credentials: Credentials, home: Home, max_bitrate_bps: int
    ) -> None:
        self.peer_id = peer_id
        self.offer = offer
        self.credentials = credentials
        self.state = PeerState.CONNECTING
        self.detail = ""
        self.counters = PeerCounters()
        self.video: Track | None = None
        self.audio: Track | None = None
        self.last_media_us = 0
        self._home = home
        self._max_bitrate_bps = max_bitrate_bps
        self._born_us = self._heard_us = time.monotonic_ns() // 1000
        self._address: Address | None = None
        self._local = b""
        self._nominated_key = b""
        self._asked_for_hands = False
        self._keys_of_addresses: list[bytes] = []
        self._keys: SrtpKeys | None = None
        self._block = home.udp.block
        self._ssrc = int.from_bytes(credentials.password.encode()[:4], "big")
        self._types: dict[int, tuple[Track, bool]] = {}
        self._streams: dict[int, tuple[Track, bool]] = {}
        self._heard_of: set[int] = set()
        self._retired: set[int] = set()
        self._transport_id = offer.transport_id
        self._level_id = 0
        self._feedback = TransportFeedback(self._ssrc)
        self._packets_left = PACKETS_A_TICK
        self._checks_left = CHECKS_A_TICK
        self._next_report_ms = 0
        for item in offer.tracks:
            track = Track(item)
            if item.kind == "video":
                self.video = track
            else:
                self.audio = track
                self._level_id = item.level_id
            self._types[item.payload_type] = (track, False)
            if item.rtx_type:
                self._types[item.rtx_type] = (track, True)
        self.tracks = [track for track in (self.video, self.audio) if track is not None]
        self._handshake = Handshake(home.certificate, offer.fingerprints, self._send, self._said_goodbye)
        self._task: asyncio.Task[None] | None = None

    # Connecting.

    def check(self, message: bytes, sender: Address, local: bytes, key: bytes) -> None:
        """A connectivity check that names us: answered, and its address believed, if it is signed."""
        if self._checks_left <= 0:
            self.counters.refused_checks += 1
            return
        self._checks_left -= 1
        try:
            found = answer_check(message, self.credentials, self.offer.ufrag, sender)
        except CheckRefused as error:
            self.counters.refused_checks += 1
            log.debug("a check of peer %s was refused: %s", self.peer_id, error)
            return
        self._heard_us = time.monotonic_ns() // 1000
        udp = self._home.udp
        owner = getattr(udp.routes.get(key), "__self__", None)
        if isinstance(owner, Peer) and owner is not self and self._heard_us - owner.last_media_us < LIVE_WITHIN_US:
            self.counters.refused_checks += 1  # an address in use is not taken over
            return
        udp.send(found.reply, sender, local)
        if found.nominated or self._address is None:
            self._address, self._local, self._nominated_key = sender, local, key
        if key in self._keys_of_addresses:
            self._keys_of_addresses.remove(key)
        self._keys_of_addresses.append(key)
        udp.routes[key] = self.media
        if len(self._keys_of_addresses) > MOST_ADDRESSES:
            self._forget(next(item for item in self._keys_of_addresses if item != self._nominated_key))

    def _forget(self, key: bytes) -> None:
        """Gives an address up, unless another peer has it by now."""
        self._keys_of_addresses.remove(key)
        if self._home.udp.routes.get(key) == self.media:
            del self._home.udp.routes[key]

    def record(self, record: bytes) -> None:
        """A DTLS record from one of our addresses."""
        self._handshake.feed(record)
        if not self._asked_for_hands:
            self._asked_for_hands = True
            self._home.wants_handshake(self)

    def shake_hands(self) -> None:
        if self._task is None and self.state is not PeerState.GONE:
            self._task = asyncio.get_running_loop().create_task(self._connect(), name=f"peer {self.peer_id}")

    async def _connect(self) -> None:
        try:
            self._keys = await self._handshake.run(self._home.slots)
        except HandshakeFailed as error:
            log.info("peer %s: no DTLS: %s", self.peer_id, error)
            self.become(PeerState.GONE, "dtls")
            return
        except Exception:  # OpenSSL on hostile records: it ends this peer and no other
            log.exception("peer %s: the handshake failed", self.peer_id)
            self.become(PeerState.GONE, "dtls")
            return
        for track in self.tracks:
            if track.video:
                self.request_key()

    @property
    def connected(self) -> bool:
        return self._keys is not None

    def _send(self, datagram: bytes) -> None:
        if self._address is not None:
            self._home.udp.send(datagram, self._address, self._local)

    def _send_control(self, packet: bytes) -> None:
        if self._keys is not None:
            protected = self._keys.protect_control(packet)
            if protected is not None:
                self._send(protected)

    def _said_goodbye(self) -> None:
        self.become(PeerState.GONE, "closed")

    def become(self, state: PeerState, detail: str = "") -> None:
        if self.state is not state and self.state is not PeerState.GONE:
            self.state, self.detail = state, detail
            self._home.peer_changed(self)

    # Media: the hot path.

    def media(self, slot: int, size: int, arrival_ns: int) -> None:
        """One SRTP or SRTCP packet in the worker's slot."""
        keys = self._keys
        if keys is None:
            return
        if self._packets_left <= 0:
            self.counters.over_rate += 1
            return
        self._packets_left -= 1
        start = slot * SLOT_BYTES
        block = self._block
        if 191 < block[start + 1] < 224:  # RFC 5761 §4
            self._control(slot, size, arrival_ns)
            return
        size = keys.receive(slot, size)
        if size < 0:
            self.counters.forged += 1
            return
        try:
            kind, marker, sequence, timestamp, ssrc, begin, end, transport, level = rtp.parse(
                block, start, size, self._transport_id, self._level_id
            )
        except rtp.Malformed:
            self.counters.malformed += 1
            return
        if transport >= 0:
            self._feedback.note(transport, arrival_ns)
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._new_stream(kind, ssrc)
            if stream is None:
                return
        track, again = stream
        arrival_us = arrival_ns // 1000
        self.last_media_us = arrival_us
        payload = bytes(block[begin:end])
        if again:
            track.receive_again(payload, timestamp, marker, arrival_us)
        elif kind == track.offer.payload_type:
            track.receive(payload, sequence, timestamp, marker, arrival_us, 127 - level if level >= 0 else -1)
        else:
            self.counters.unknown_type += 1
            return
        if track.reorder.missing:
            self._home.needy.add(self)

    def _new_stream(self, kind: int, ssrc: int) -> tuple[Track, bool] | None:
        """An SSRC heard first: its payload type says which track it is, or it is a change of one."""
        if ssrc in self._retired:  # late packets of before a change
            return None
        self._heard_of.add(ssrc)
        if len(self._heard_of) > MOST_STREAMS:
            self.become(PeerState.GONE, "too many streams")
            return None
        found = self._types.get(kind)
        if found is None:
            self.counters.unknown_type += 1
            return None
        track, again = found
        if not again:
            track.restart(ssrc)
        for old in [key for key, value in self._streams.items() if value == found]:
            del self._streams[old]
            self._retired.add(old)
        self._streams[ssrc] = found
        return found

    def _control(self, slot: int, size: int, arrival_ns: int) -> None:
        if self._keys is None:
            return
        size = self._keys.receive_control(slot, size)
        if size < 0:
            self.counters.forged += 1
            return
        start = slot * SLOT_BYTES
        try:
            reports = rtcp.parse(self._block[start : start + size])
        except rtcp.Malformed:
            self.counters.malformed += 1
            return
        for report in reports:
            if isinstance(report, rtcp.SenderReport):
                for track in self.tracks:
                    if track.ssrc == report.ssrc:
                        track.sender_report(report, arrival_ns // 1000)

    # What the worker's timers call.

    def ask_again(self, now_ms: int) -> None:
        """Requests what is missing, after each turn of the socket."""
        missing = False
        for track in self.tracks:
            if not track.reorder.missing:
                continue
            missing = True
            if not track.video and "nack" not in track.offer.feedback:
                continue
            wanted = track.reorder.requests(now_ms)
            if wanted:
                self.counters.nacks += 1
                self._send_control(rtcp.nack(self._ssrc, track.ssrc, wanted))
        if not missing:
            self._home.needy.discard(self)

    def request_key(self) -> None:
        """A picture loss indication, unless one is on its way."""
        track = self.video
        now_ms = time.monotonic_ns() // 1_000_000
        if track is None or not track.ssrc or now_ms - track.key_asked_ms < KEY_ASK_EVERY_MS:
            return
        track.key_asked_ms = now_ms
        self.counters.plis += 1
        self._send_control(rtcp.pli(self._ssrc, track.ssrc))

    def tick(self, now_us: int) -> None:
        """Every 100 ms: feedback out, losses given up, the state judged."""
        now_ms = now_us // 1000
        self._packets_left, self._checks_left = PACKETS_A_TICK, CHECKS_A_TICK
        self._judge(now_us)
        if self._keys is None:
            return
        for track in self.tracks:
            if track.reorder.missing:
                track.expire(now_ms)
        video = self.video
        if video is not None and video.needs_key and now_ms - video.key_asked_ms >= KEY_REPEAT_MS:
            self.request_key()
        messages = self._feedback.messages((video or self.tracks[0]).ssrc)
        if now_ms >= self._next_report_ms:
            self._next_report_ms = now_ms + REPORT_EVERY_MS
            receptions = [found for track in self.tracks if (found := track.reception(now_us)) is not None]
            messages.insert(0, rtcp.receiver_report(self._ssrc, receptions))
            if not self._transport_id:
                messages.append(rtcp.remb(self._ssrc, self._max_bitrate_bps, [track.ssrc for track in self.tracks]))
        for message in messages:
            self._send_control(message)

    def _judge(self, now_us: int) -> None:
        last = max(self.last_media_us, self._heard_us)
        if now_us - last > GONE_AFTER_US or now_us - max(self.last_media_us, self._born_us) > NO_MEDIA_US:
            self.become(PeerState.GONE, "silent")
        elif self._keys is None and now_us - self._born_us > CONNECT_WITHIN_US:
            self.become(PeerState.GONE, "never connected")
        elif any(track.counters.restarts > MOST_RESTARTS for track in self.tracks):
            self.become(PeerState.GONE, "too many restarts")
        elif not self.last_media_us:
            return
        elif all(now_us - track.last_arrival_us <= LIVE_WITHIN_US for track in self.tracks):
            self.become(PeerState.LIVE)
        elif self.state is PeerState.LIVE:
            self.become(PeerState.STALLED)

    def listen(self, listener: FrameListener | None) -> None:
        """Sends every whole frame to `listener` from now on; None: to nobody."""
        for track in self.tracks:
            track.listener = listener

    def figures(self) -> dict[str, int]:
        """This peer's share of the worker's counters; `frames` are whole pictures."""
        found = dict.fromkeys(("frames", "packets", "packets_lost", "packets_recovered"), 0)
        for track in self.tracks:
            if track.video:
                found["frames"] += track.counters.frames
            found["packets"] += track.counters.packets
            found["packets_lost"] += track.lost
            found["packets_recovered"] += track.recovered
        return found | {"forged": self.counters.forged, "nacks": self.counters.nacks, "plis": self.counters.plis}

    async def close(self) -> None:
        """Frees the addresses, says goodbye, ends the handshake."""
        for key in list(self._keys_of_addresses):
            self._forget(key)
        self._home.needy.discard(self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._handshake.close()
