"""One browser's transport: credentials, addresses, keys, its tracks, and the feedback it gets.

Media arrives by `media`, the hot path; everything periodic is called by the worker's
shared timers, since a timer per peer costs more than the work.
"""

from __future__ import annotations

import asyncio
import logging
import time

from recorder import rtcp, rtp
from recorder.dtls import Handshake, HandshakeFailed, SrtpKeys
from recorder.home import Home, PeerCounters
from recorder.ice import Credentials
from recorder.messages import OfferProblem, OfferRefused, PeerId, PeerState
from recorder.reach import Reach
from recorder.routes import Route
from recorder.rtp import HEAD, PLAIN_FLAGS
from recorder.sdp import Offer, transport_bps
from recorder.streams import Streams
from recorder.track import FrameListener, Track
from recorder.transport_cc import TransportFeedback
from recorder.udp import SLOT_BYTES, Packet

log = logging.getLogger(__name__)

LIVE_WITHIN_US = 1_000_000
GONE_AFTER_US = 30_000_000
CONNECT_WITHIN_US = 30_000_000
NO_MEDIA_US = 120_000_000
"""Connectivity checks alone keep a place for this long."""
MOST_RESTARTS = 20
REPORT_EVERY_MS = 1_000
PACKETS_A_REFILL = 600
MOST_PACKETS_AT_ONCE = 2_000
"""What a stall of a second, on either side, lets arrive together."""
BITS_A_PACKET_AND_REFILL = 10_000
"""Of the agreed bitrate: four times as many packets as it needs, where that is more than PACKETS_A_REFILL."""
KEY_ASK_EVERY_MS = 300
"""Chromium ignores a second request within 300 ms."""


class Peer:
    """`state` follows from what arrives: live while every track does, stalled after 1 s, gone after 30 s."""

    def __init__(
        self, peer_id: PeerId, offer: Offer, credentials: Credentials, home: Home, max_bitrate_bps: int
    ) -> None:
        self.peer_id = peer_id
        self.offer = offer
        self.born_us = time.monotonic_ns() // 1000
        self.reach = Reach(credentials, offer.ufrag, home.routes, self, self.media, self.born_us)
        self.state, self.detail = PeerState.CONNECTING, ""
        self.counters = PeerCounters()
        self.video: Track | None = None
        self.audio: Track | None = None
        self.last_media_us = 0
        self._home = home
        self._transport_bps = transport_bps(max_bitrate_bps)
        self._keys: SrtpKeys | None = None
        self._block, self._lengths = home.udp.block, home.udp.lengths
        self._ssrc = int.from_bytes(credentials.password.encode()[:4], "big")
        self._streams = Streams()
        self._by_ssrc = self._streams.by_ssrc
        self._transport_id = offer.transport_id
        self._level_id = 0
        self._feedback = TransportFeedback(self._ssrc)
        self._packets_a_refill = max(PACKETS_A_REFILL, max_bitrate_bps // BITS_A_PACKET_AND_REFILL)
        self._packets_left, self._next_report_ms = MOST_PACKETS_AT_ONCE, 0
        for item in offer.tracks:
            track = Track(item)
            if item.kind == "video":
                self.video = track
            else:
                self.audio = track
                self._level_id = item.level_id
            self._streams.expect(item, track)
        self.tracks = [track for track in (self.video, self.audio) if track is not None]
        self._handshake = Handshake(home.certificate, offer.fingerprints, self.reach.send, self._said_goodbye)
        self._task: asyncio.Task[None] | None = None

    # Connecting.

    def check(self, message: bytes, route: Route, now_us: int) -> None:
        """A connectivity check that names us: answered, and the way it came by believed, if it is signed."""
        owner = self._home.routes.owner(route.key)
        taken = (
            isinstance(owner, Peer)
            and owner is not self
            and now_us - owner.last_media_us < LIVE_WITHIN_US
            and not self._home.routes.quiet(route.key, now_us)
        )
        if not self.reach.check(message, route, now_us, taken=taken):
            self.counters.refused_checks += 1

    def restart(self, offer: Offer, credentials: Credentials) -> list[str]:
        """An ICE restart of this very connection; the ufrags that are ours no more.

        Raises OfferRefused for an offer of another: other keys, other tracks.
        """
        kinds = [[(item.mid, item.codec, item.payload_type) for item in each.tracks] for each in (self.offer, offer)]
        if set(offer.fingerprints) != set(self.offer.fingerprints) or kinds[0] != kinds[1]:
            raise OfferRefused(OfferProblem.MALFORMED, "not an offer of this connection")
        return self.reach.restart(credentials, offer.ufrag)

    def record(self, record: bytes) -> None:
        """A DTLS record by one of our ways, in its turn; the first begins the handshake."""
        self._handshake.feed(record)
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

    def _send_control(self, packet: bytes) -> None:
        if self._keys is not None:
            protected = self._keys.protect_control(packet)
            if protected is not None:
                self.reach.send(protected)

    def _said_goodbye(self) -> None:
        self.become(PeerState.GONE, "closed")

    def become(self, state: PeerState, detail: str = "") -> None:
        if self.state is not state and self.state is not PeerState.GONE:
            self.state, self.detail = state, detail
            self._home.peer_changed(self)

    # Media: the hot path.

    def media(self, packets: list[Packet]) -> None:
        """What came in one turn, SRTP and SRTCP in the worker's slots. One loop, and one call a packet: see `udp`.

        The header is read from the clear text that SRTP authenticates, so what it says holds once `unprotect` does.
        """
        keys = self._keys
        if keys is None or self.state is PeerState.GONE:
            return
        if len(packets) > self._packets_left:
            self.counters.over_rate += len(packets) - self._packets_left
            packets = packets[: self._packets_left]
        self._packets_left -= len(packets)
        self.counters.received_bytes += sum([packet[1] for packet in packets])
        unprotect, pointers, sizes = keys.unprotect, keys.pointers, keys.sizes
        block, lengths, by_ssrc = self._block, self._lengths, self._by_ssrc
        heard: list[tuple[int, int]] = []
        for slot, size, arrival_us, (first, second, sequence, timestamp, ssrc, extension, elements) in packets:
            if 191 < second < 224:  # RFC 5761 §4
                if not self._control(slot, timestamp, arrival_us):  # the sender's SSRC is where RTP has a timestamp
                    return
                continue
            if unprotect(pointers[slot], sizes[slot]):
                self.counters.forged += 1
                continue
            size = lengths[slot]
            stream = by_ssrc.get(ssrc)
            if stream is None or stream.kind != second & 0x7F or first != PLAIN_FLAGS or size < HEAD.size:
                if not self._unusual(slot, size, ssrc, arrival_us):
                    return
                continue
            shape_extension, mask, pattern, payload_at, transport_shift, level_shift = stream.shape
            if extension != shape_extension or elements & mask != pattern:
                if not self._unusual(slot, size, ssrc, arrival_us):
                    return
                continue
            if transport_shift >= 0:
                heard.append((elements >> transport_shift & 0xFFFF, arrival_us))
            start = slot * SLOT_BYTES
            stream.track.receive(
                block[start + payload_at : start + size],
                sequence,
                timestamp,
                second >> 7,
                arrival_us,
                127 - (elements >> level_shift & 0x7F) if level_shift >= 0 else -1,
            )
            self.last_media_us = arrival_us
        if heard:
            self._feedback.note(heard)
        for track in self.tracks:
            if track.reorder.missing:
                self._home.needy.add(self)

    def _unusual(self, slot: int, size: int, ssrc: int, arrival_us: int) -> bool:
        """A packet laid out unlike the one before it, sent again, or of a new stream; False when it ended the peer."""
        if self._streams.too_many_with(ssrc):
            self.become(PeerState.GONE, "too many streams")
            return False
        start = slot * SLOT_BYTES
        try:
            kind, marker, sequence, timestamp, ssrc, begin, end, transport, level = rtp.parse(
                self._block, start, size, self._transport_id, self._level_id
            )
        except rtp.Malformed:
            self.counters.malformed += 1
            return True
        if transport >= 0:
            self._feedback.note([(transport, arrival_us)])
        stream = self._by_ssrc.get(ssrc) or self._streams.begin(kind, ssrc)
        if stream is None:
            self.counters.unknown_type += not self._streams.negotiated(kind)
            return True
        self.last_media_us = arrival_us
        payload = bytes(self._block[begin:end])
        track = stream.track
        if stream.again:
            track.receive_again(payload, timestamp, marker, arrival_us)
        elif kind != stream.kind:
            self.counters.unknown_type += 1
        else:
            if size >= HEAD.size:
                stream.learn(HEAD.unpack_from(self._block, start), self._transport_id, self._level_id)
            track.receive(payload, sequence, timestamp, marker, arrival_us, 127 - level if level >= 0 else -1)
        return True

    def _control(self, slot: int, ssrc: int, arrival_us: int) -> bool:
        """An RTCP packet; False when it ended the peer."""
        keys = self._keys
        if keys is None or keys.unprotect_control(keys.pointers[slot], keys.sizes[slot]):
            self.counters.forged += 1
            return True
        if self._streams.too_many_with(ssrc):
            self.become(PeerState.GONE, "too many streams")
            return False
        start = slot * SLOT_BYTES
        try:
            reports = rtcp.parse(self._block[start : start + self._lengths[slot]])
        except rtcp.Malformed:
            self.counters.malformed += 1
            return True
        for report in reports:
            if isinstance(report, rtcp.SenderReport):
                for track in self.tracks:
                    if track.ssrc == report.ssrc:
                        track.sender_report(report, arrival_us)
        return True

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

    def refill(self) -> None:
        """Every 200 ms: what it may send."""
        self._packets_left = min(self._packets_left + self._packets_a_refill, MOST_PACKETS_AT_ONCE)
        self.reach.refill()

    def tick(self, now_us: int) -> None:
        """Every 200 ms, or 100 while packets are missing: feedback out, losses given up, the state judged."""
        now_ms = now_us // 1000
        self._judge(now_us)
        if self._keys is None:
            return
        for track in self.tracks:
            if track.reorder.missing:
                track.expire(now_ms)
        video = self.video
        if video is not None and video.wants_key(now_ms):
            self.request_key()
        messages = self._feedback.messages((video or self.tracks[0]).ssrc)
        if now_ms >= self._next_report_ms:
            self._next_report_ms = now_ms + REPORT_EVERY_MS
            receptions = [found for track in self.tracks if (found := track.reception(now_us)) is not None]
            messages.insert(0, rtcp.receiver_report(self._ssrc, receptions))
            if not self._transport_id:
                messages.append(rtcp.remb(self._ssrc, self._transport_bps, [track.ssrc for track in self.tracks]))
        for message in messages:
            self._send_control(message)

    def _judge(self, now_us: int) -> None:
        last = max(self.last_media_us, self.reach.heard_us)
        if now_us - last > GONE_AFTER_US or now_us - max(self.last_media_us, self.born_us) > NO_MEDIA_US:
            self.become(PeerState.GONE, "silent")
        elif self._keys is None and now_us - self.born_us > CONNECT_WITHIN_US:
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
        counters = self.counters
        return found | {name: getattr(counters, name) for name in ("forged", "over_rate", "nacks", "plis")}

    async def close(self) -> None:
        """Frees its ways, says goodbye, ends the handshake."""
        self.reach.close()
        self._home.needy.discard(self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._handshake.close()
