"""One received track: its packets in order, its losses asked for again, its frames whole.

Knows RTP and feedback, not files: frames go to whoever listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recorder.depacketize import Frame, for_codec
from recorder.reorder import Reorder
from recorder.rtcp import Reception, SenderReport
from recorder.rtp import Unwrapper
from recorder.sdp import TrackOffer
from recorder.timeline import Timeline

VIDEO_HOLD_MS = 1000
AUDIO_HOLD_MS = 500
SILENT_US = 1_000_000
"""After so long, what was sent meanwhile is not asked for: a part of it, recovered, would break an outage in two."""
KEY_REPEAT_MS = 500
"""While pictures wait for a key frame it is asked for this often."""
HARDLY_COMES_MS = 500
"""Missing for so long, a packet is still waited for, but a key frame is asked for that can end the hole."""

_Held = tuple[bytes, int, int, int, int]  # payload, marker, timestamp, arrival in us, level


class FrameListener(Protocol):
    """Hears every whole frame of a peer, in order within its track; `rtp` is unwrapped."""

    def video_frame(self, frame: Frame, rtp: int, arrival_us: int) -> None: ...

    def audio_frame(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        """`level` is the sender's claim, 0 (silent) to 127 (loudest), or -1."""

    def track_restarted(self, kind: str) -> None:
        """The timestamps of this track begin anew."""


@dataclass(slots=True)
class TrackCounters:
    """Packets and frames since the track began."""

    packets: int = 0
    frames: int = 0
    key_frames: int = 0
    retransmitted: int = 0
    lost: int = 0
    """Given up before the last restart; see `Track.lost`."""
    recovered: int = 0
    restarts: int = 0


class Track:
    """`timeline` outlives takes, so that sender reports before a take count in it."""

    def __init__(self, offer: TrackOffer) -> None:
        self.offer = offer
        self.kind = offer.kind
        self.video = offer.kind == "video"
        self.ssrc = 0
        self.timeline = Timeline(offer.clock_rate)
        self.counters = TrackCounters()
        self.listener: FrameListener | None = None
        self.last_arrival_us = 0
        self.key_asked_ms = -10_000
        self.key_arrived_ms = 0
        self._depacketizer = for_codec(offer.codec, offer.parameters.get("sprop-parameter-sets", ""))
        self._push = self._depacketizer.push
        self._report: SenderReport | None = None
        self._report_arrival_us = 0
        self._expected_before = self._received_before = 0
        self._begin(0)

    def _begin(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self._sequence = Unwrapper(16)
        self._timestamp = Unwrapper(32)
        self.reorder: Reorder[_Held] = Reorder(VIDEO_HOLD_MS if self.video else AUDIO_HOLD_MS)
        self._first_sequence: int | None = None
        self._counted_from = self.counters.packets
        self._expected_before = self._received_before = 0
        self._report = None

    def restart(self, ssrc: int) -> None:
        """The sender changed its SSRC: everything counts anew, pictures wait for a key frame."""
        if self.ssrc:
            self.counters.restarts += 1
            self.counters.lost += self.reorder.given_up
            self.counters.recovered += self.reorder.recovered
            self.flush()
            self._depacketizer.reset()
            self.timeline.forget_reports()
            if self.listener is not None:
                self.listener.track_restarted(self.kind)
        self._begin(ssrc)

    def receive(self, payload: bytes, sequence: int, timestamp: int, marker: int, arrival_us: int, level: int) -> None:
        """One packet of this track as it arrived; the numbers are the header's own."""
        counters = self.counters
        counters.packets += 1
        reorder = self.reorder
        expected = reorder.expected
        if (
            expected is not None
            and sequence == expected & 0xFFFF
            and not reorder.held
            and arrival_us - self.last_arrival_us <= SILENT_US
        ):  # in its turn, as nearly all are
            self.last_arrival_us = arrival_us
            self._sequence.last = expected
            reorder.expected = expected + 1
            frame = self._push(payload, expected, marker == 1)
            if frame is not None:
                self._hand_on(frame, timestamp, arrival_us, level)
            return
        unwrapped = self._sequence.unwrap(sequence)
        silent = arrival_us - self.last_arrival_us > SILENT_US
        if silent and reorder.expected is not None and unwrapped > reorder.expected:
            for number, held in reorder.skip_to(unwrapped):
                self._deliver(number, *held)
        self.last_arrival_us = arrival_us
        if self._first_sequence is None:
            self._first_sequence = unwrapped
        restarts = reorder.restarts
        released = reorder.push(unwrapped, (payload, marker, timestamp, arrival_us, level), arrival_us // 1000)
        if reorder.restarts != restarts:
            counters.restarts += 1
            self._depacketizer.reset()
            self._timestamp = Unwrapper(32)
            self._first_sequence = unwrapped
            self._counted_from = counters.packets - 1
            self._sequence.last = unwrapped
            if self.listener is not None:
                self.listener.track_restarted(self.kind)
        for number, held in released:
            self._deliver(number, *held)

    def receive_again(self, payload: bytes, timestamp: int, marker: int, arrival_us: int) -> None:
        """An RTX packet (RFC 4588 §4): the original's sequence number leads its payload."""
        if len(payload) < 2 or self.reorder.expected is None:
            return
        sequence = payload[0] << 8 | payload[1]
        if len(payload) > 2:
            self.counters.retransmitted += 1
        if self._sequence.unwrap(sequence) < self.reorder.expected:  # too late: it was given up
            self.reorder.late += 1
            return
        self.receive(payload[2:], sequence, timestamp, marker, arrival_us, -1)

    def expire(self, now_ms: int) -> None:
        """Gives up packets missed for longer than the hold."""
        for number, held in self.reorder.expire(now_ms):
            self._deliver(number, *held)

    def flush(self) -> None:
        """Releases what is held, with its holes: no more is waited for."""
        for number, held in self.reorder.flush():
            self._deliver(number, *held)

    def _deliver(self, sequence: int, payload: bytes, marker: int, timestamp: int, arrival_us: int, level: int) -> None:
        frame = self._push(payload, sequence, marker == 1)
        if frame is not None:
            self._hand_on(frame, timestamp, arrival_us, level)

    def _hand_on(self, frame: Frame, timestamp: int, arrival_us: int, level: int) -> None:
        if not frame.whole:
            return
        rtp = self._timestamp.unwrap(timestamp)
        self.counters.frames += 1
        listener = self.listener
        if self.video:
            if self.timeline.unsure:
                self.timeline.observe(rtp, arrival_us)
            if frame.key:
                self.counters.key_frames += 1
                self.key_arrived_ms = arrival_us // 1000
            if listener is not None:
                listener.video_frame(frame, rtp, arrival_us)
        elif listener is not None:
            listener.audio_frame(frame, rtp, arrival_us, level)

    @property
    def needs_key(self) -> bool:
        """Pictures cannot be used until a key frame comes."""
        return self.video and self._depacketizer.needs_key

    def wants_key(self, now_ms: int) -> bool:
        """Whether to ask for a key frame now: one is needed, or soon will be, and none was asked for since."""
        if self.needs_key:
            return now_ms - self.key_asked_ms >= KEY_REPEAT_MS
        if not self.video or not self.reorder.missing:
            return False
        missed_ms = self.reorder.missed_after(self.key_asked_ms)
        return missed_ms is not None and now_ms - missed_ms >= HARDLY_COMES_MS

    @property
    def lost(self) -> int:
        """Packets given up."""
        return self.counters.lost + self.reorder.given_up

    @property
    def recovered(self) -> int:
        """Packets that came after they were asked for again."""
        return self.counters.recovered + self.reorder.recovered

    def sender_report(self, report: SenderReport, arrival_us: int) -> None:
        self._report, self._report_arrival_us = report, arrival_us
        self.timeline.sender_report(report.rtp, report.ntp, arrival_us)

    def reception(self, now_us: int) -> Reception | None:
        """A report block since the last one (RFC 3550 §6.4.1, §A.3); None before the first packet."""
        if self._first_sequence is None or self._sequence.last is None:
            return None
        expected = self._sequence.last - self._first_sequence + 1
        received = self.counters.packets - self._counted_from
        expected_now, received_now = expected - self._expected_before, received - self._received_before
        self._expected_before, self._received_before = expected, received
        lost_now = expected_now - received_now
        fraction = max(0, min(255, (lost_now << 8) // expected_now)) if expected_now > 0 else 0
        report = self._report
        return Reception(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=expected - received,
            highest_sequence=self._sequence.last,
            jitter=0,
            last_sr=report.middle_ntp if report else 0,
            delay_65536=(now_us - self._report_arrival_us) * 65536 // 1_000_000 if report else 0,
        )
