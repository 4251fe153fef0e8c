"""A browser on an injected clock: what it captured when is in each frame, so that a file can be held against it.

Its clocks of picture, sound and wall may each be wrong, its packets late and out of order. They go through a real
`Track`, take, muxer and `finish`.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.finish import finish
from recorder.messages import Arm, EndReason, Event, PeerId, TakeId, TakeResult
from recorder.mux import Writer
from recorder.opus import SILENCE
from recorder.phases import Phase
from recorder.rtcp import SenderReport
from recorder.sdp import TrackOffer
from recorder.take import Take
from recorder.track import Track
from tests.recorder.encoded_media import nal_units, packets_in, video

S = 1_000_000
TICK_US = 10_000
FRAME_US = 33_333
SOUND_US = 20_000
NTP_2026 = 4_000_000_000
TAKE = TakeId("take")


def _numbered(number: int) -> bytes:
    """Four octets that never look like a start code."""
    return bytes(0x80 | number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _number(octets: bytes) -> int:
    return sum((octet & 0x7F) << shift for octet, shift in zip(octets, (21, 14, 7, 0), strict=True))


@dataclass
class Clocks:
    """How a sender's clocks and its network are wrong; times in microseconds of its life, parts in a million."""

    picture_ppm: int = 0
    sound_ppm: int = 0
    wall_ppm: int = 0
    picture_rate: int = 90_000
    frame_us: int = FRAME_US
    sound_us: int = SOUND_US
    picture_late_us: int = 25_000
    sound_late_us: int = 5_000
    jitter_us: int = 0
    sound_from_us: int = 0
    reports_from_us: int = 0
    reports_until_us: int = 1 << 60
    sound_reports_from_us: int = 0
    wall_set: tuple[int, int] = (1 << 60, 0)
    """When the sender's wall clock is set, and by how much."""
    frozen: tuple[int, int] = (1 << 60, 1 << 60)
    """From when until when the browser stands still, and with it the timestamps of its sound, not of its picture."""
    sound_alone: bool = False
    """Whether only the microphone stands still then."""
    sound_lost: tuple[tuple[int, int], ...] = ()
    """When the browser loses sound of its own, and how much: whole packets, the timestamps go on as if it had not."""
    hurries_us: int = 0
    """How much sound it sends all at once when it goes on: the last it has, as if it had been captured then."""
    report_error_us: int = 0
    """How far each sound report may be wrong, either way, as those of a busy browser are."""


@dataclass
class Figures:
    """How far sound is from the picture of the same moment, per picture, in microseconds (positive: too late)."""

    apart_us: list[tuple[int, int]] = field(default_factory=list)
    """Of each picture: where it is in the file, and by how much sound is late there."""

    def p95_ms(self, from_us: int, until_us: int) -> float:
        found = [abs(apart) for at, apart in self.apart_us if from_us <= at < until_us]
        assert len(found) > 100, "too few pictures beside sound"
        return statistics.quantiles(found, n=20)[-1] / 1000


class Sender:
    """`run` until the take has ended, then `finished` for the file. The take's countdown is `before_us`.

    `network` says of each packet by how much later its copies come, none if it is lost; `repeats` names the tracks
    whose packets are sent again when they are asked for.
    """

    def __init__(
        self, folder: Path, writer: Writer, clocks: Clocks, *, seconds: int, codec: str = "vp8", before_us: int = 2 * S
    ) -> None:
        self.folder, self.clocks, self.codec = folder, clocks, codec
        self.now_us = 1000 * S
        self._began_us = self.now_us
        self.events: list[Event] = []
        self.video: Track | None = Track(
            TrackOffer("1", "video", codec, 96, 97, 90_000, 0, 0, {}, frozenset(("nack",)))
        )
        self.audio: Track | None = Track(TrackOffer("0", "audio", "opus", 111, 0, 48_000, 0, 3, {}, frozenset()))
        self.video.ssrc, self.audio.ssrc = 1, 2
        self.last_media_us = self.now_us
        self._random = random.Random(7)
        self._on_the_way: list[tuple[int, int, Any]] = []
        self._order = 0
        self._want_key = True
        self._sent = {"video": 0, "audio": 0, "video report": 0, "audio report": 0}
        self._pictures: list[int] = []  # when each was captured
        self._sounds: list[int] = []
        self._sequence = {"video": 65_000, "audio": 65_000}
        self._history: dict[tuple[str, int], tuple[bytes, int, int, int]] = {}
        self.network: Callable[[str, int, int], Iterable[int]] = lambda kind, sequence, at_us: (0,)
        self.repeats: tuple[str, ...] = ("video",)
        self.round_trip_us = 60_000
        self.tick_us = TICK_US
        self.asked = 0
        self._hurried = False
        self._sets: list[bytes] = []
        if codec == "h264":
            self._sets = [nal for nal in nal_units(video("h264")[0][0]) if nal[0] & 0x1F in (7, 8)]
        self.take = Take(
            Arm(TAKE, PeerId("peer"), str(folder), before_us // 1000, seconds * 1000, 1 << 30),
            self,
            writer,
            self.events.append,
            lambda take: None,
            self.now_us,
            lambda: self.now_us // 1000,
        )
        self.video.listener = self.audio.listener = self.take

    def request_key(self) -> None:
        self._want_key = True

    # What the sender does, on its true time since it began.

    def _send(self, until_us: int) -> None:
        clocks = self.clocks
        while (at := self._sent["video"] * clocks.frame_us * S // (S + clocks.picture_ppm)) <= until_us:
            if clocks.sound_alone or not clocks.frozen[0] <= at < clocks.frozen[1]:
                self._picture(at)
            self._sent["video"] += 1
        while (at := self._sent["audio"] * clocks.sound_us * S // (S + clocks.sound_ppm)) <= until_us:
            lost = any(from_us <= at < from_us + length_us for from_us, length_us in clocks.sound_lost)
            if at >= clocks.sound_from_us and not lost and not clocks.frozen[0] <= at < clocks.frozen[1]:
                self._hurry(at)
                self._sound(at)
            self._sent["audio"] += 1
        for kind, every_us, from_us in (("video", S, 0), ("audio", 5 * S, clocks.sound_reports_from_us)):
            while (at := self._sent[f"{kind} report"] * every_us + 400_000) <= until_us:
                self._sent[f"{kind} report"] += 1
                if clocks.frozen[0] <= at < clocks.frozen[1]:
                    continue
                if max(clocks.reports_from_us, from_us, clocks.sound_from_us) <= at < clocks.reports_until_us:
                    self._later(at + 5_000, (kind, self._report(kind, at)))

    def _later(self, at_us: int, what: object) -> None:
        self._order += 1
        heapq.heappush(self._on_the_way, (self._began_us + at_us, self._order, what))

    def rtp(self, kind: str, at_us: int) -> int:
        """The track's RTP timestamp of a moment, unwrapped."""
        clocks = self.clocks
        stood_us = max(0, min(at_us, clocks.frozen[1]) - clocks.frozen[0])
        if kind == "audio" and stood_us:
            at_us -= stood_us - (clocks.hurries_us if at_us >= clocks.frozen[1] else 0)
        if kind == "audio":
            at_us -= sum(max(0, min(at_us - from_us, length_us)) for from_us, length_us in clocks.sound_lost)
        rate, ppm = (clocks.picture_rate, clocks.picture_ppm) if kind == "video" else (48_000, clocks.sound_ppm)
        return (1 << 32) - 20_000 + at_us * (S + ppm) // S * rate // S

    def _report(self, kind: str, at_us: int) -> SenderReport:
        clocks = self.clocks
        set_at_us, by_us = clocks.wall_set
        wall_us = at_us * (S + clocks.wall_ppm) // S + (by_us if at_us >= set_at_us else 0)
        wrong_us = self._random.randint(-clocks.report_error_us, clocks.report_error_us) if kind == "audio" else 0
        ntp = (NTP_2026 << 32) + ((wall_us + wrong_us) << 32) // S
        return SenderReport(1 if kind == "video" else 2, ntp, self.rtp(kind, at_us) & 0xFFFFFFFF)

    def _picture(self, at_us: int) -> None:
        key, self._want_key = self._want_key, False
        number = _numbered(len(self._pictures))
        self._pictures.append(at_us)
        if self.codec == "vp8":
            head = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" if key else b"\x01\x00\x00"
            picture_id = len(self._pictures) & 0x7FFF
            payloads = [b"\x90\x80" + (0x8000 | picture_id).to_bytes(2, "big") + head + number]
        else:
            payloads = [*self._sets, b"\x65\x88" + number] if key else [b"\x41\x9a" + number]
        late_us = self.clocks.picture_late_us + self._random.randint(0, self.clocks.jitter_us)
        for payload in payloads:
            marker = int(payload is payloads[-1])
            self._packet("video", payload, at_us, late_us, marker)

    def _sound(self, at_us: int) -> None:
        head = b"\xfc" if self.clocks.sound_us == SOUND_US else b"\x1c"  # 20 or 60 ms
        payload = head + _numbered(len(self._sounds))
        self._sounds.append(at_us)
        self._packet(
            "audio", payload, at_us, self.clocks.sound_late_us + self._random.randint(0, self.clocks.jitter_us), 1
        )

    def _hurry(self, at_us: int) -> None:
        """The first sound after the freeze: what it hurries through arrives before it, five times as fast."""
        if self._hurried or at_us < self.clocks.frozen[1]:
            return
        self._hurried = True
        count = self.clocks.hurries_us // SOUND_US
        for number in range(count):
            timestamp = self.rtp("audio", at_us) - (count - number) * 960 & 0xFFFFFFFF
            self._sequence["audio"] = self._sequence["audio"] + 1 & 0xFFFF
            packet = (SILENCE, self._sequence["audio"], timestamp, 1)
            self._later(at_us - (count - number) * SOUND_US // 5, ("audio", *packet))

    def _packet(self, kind: str, payload: bytes, at_us: int, late_us: int, marker: int) -> None:
        self._sequence[kind] = self._sequence[kind] + 1 & 0xFFFF
        timestamp = self.rtp(kind, at_us) & 0xFFFFFFFF
        packet = (payload, self._sequence[kind], timestamp, marker)
        self._history[kind, packet[1]] = packet
        for more_us in self.network(kind, packet[1], at_us):
            self._later(at_us + late_us + more_us, (kind, *packet))

    def _answer(self, kind: str, track: Track) -> None:
        """What is asked for is sent again, as RTX, if this sender does so."""
        for sequence in track.reorder.requests(self.now_us // 1000):
            self.asked += 1
            payload, number, timestamp, marker = self._history[kind, sequence & 0xFFFF]
            for more_us in self.network(f"{kind} again", number, self.now_us - self._began_us):
                arrival_us = self.now_us - self._began_us + self.round_trip_us + more_us
                self._later(arrival_us, (f"{kind} again", number.to_bytes(2, "big") + payload, timestamp, marker))

    # What the worker does.

    def run(self) -> None:
        assert self.video is not None and self.audio is not None
        next_ms = 0
        while self.take.phase is not Phase.DONE:
            self.now_us += self.tick_us
            self._send(self.now_us - self._began_us)
            while self._on_the_way and self._on_the_way[0][0] <= self.now_us:
                arrival_us, _, (kind, *what) = heapq.heappop(self._on_the_way)
                track = self.video if kind.startswith("video") else self.audio
                if isinstance(what[0], SenderReport):
                    track.sender_report(what[0], arrival_us)
                    continue
                self.last_media_us = arrival_us
                if kind.endswith("again"):
                    track.receive_again(*what, arrival_us)
                else:
                    track.receive(*what, arrival_us, 90)
            for kind in self.repeats:
                self._answer(kind, self.video if kind == "video" else self.audio)
            if self.now_us // 1000 >= next_ms:
                next_ms = self.now_us // 1000 + 100
                self.video.expire(self.now_us // 1000)
                self.audio.expire(self.now_us // 1000)
                self._wait_for_the_writer()
                if self.video.needs_key:
                    self.request_key()
            self.take.tick(self.now_us)

    def _wait_for_the_writer(self) -> None:
        """Simulated minutes pass in seconds: the queue of the mux is bounded for real ones."""
        mux = self.take.mux
        while mux is not None and len(mux._pending) > 2000:
            mux._writer.wake()
            time.sleep(0.001)

    def finished(self) -> tuple[TakeResult, Path]:
        assert self.take.mux is not None
        closed = self.take.mux.close().result(30)
        assert closed.fault is None, closed
        self.facts = self.take.facts(closed.written, self.take.elapsed_us(self.now_us) // 1000, self.now_us // 1000)
        result = finish(self.folder, TAKE, self.facts, closed.lock)
        return result, self.folder / result.file

    def numbers(self, media: Path, kind: str) -> list[int]:
        """Which of the sender's frames are in the file, in its order; -1 for silence that nobody sent."""
        found = packets_in(media, kind)
        if kind == "video":
            return [_number(payload[-4:]) for _, payload, _ in found]
        return [-1 if payload == SILENCE else _number(payload[1:5]) for _, payload, _ in found]

    def figures(self, media: Path) -> Figures:
        """Each picture in the file beside the sound of the same moment."""
        sounds = [
            (pts_us - self._sounds[_number(payload[1:5])], pts_us)
            for pts_us, payload, _ in packets_in(media, "audio")
            if payload != SILENCE
        ]
        places = [pts_us for _, pts_us in sounds]
        found = Figures()
        for pts_us, payload, _ in packets_in(media, "video"):
            captured_us = self._pictures[_number(payload[-4:])]
            if places[0] - SOUND_US <= pts_us <= places[-1] + SOUND_US:
                beside = sounds[min(bisect.bisect_left(places, pts_us), len(places) - 1)]
                found.apart_us.append((pts_us, beside[0] - (pts_us - captured_us)))
        return found

    @property
    def reason(self) -> EndReason:
        return self.take.end_reason


def steps(places: list[int]) -> Iterator[int]:
    return (after - before for before, after in itertools.pairwise(places))
