"""RTP timestamps of sound and picture to microseconds on one take's timeline.

Pure: every time is a parameter. `arrival_us` is one monotonic clock for all
tracks. A `Timeline` lives as long as its track, so that sender reports from
before a take count, and is started anew with each take. It neither slews
drift nor fills gaps; those who write frames do the latter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

STEP_US: Final = 1_000
"""Timestamps rise by at least this much: the tick of WebM's clock."""
JUMP_US: Final = 3_000_000
SMOOTH_US: Final = 1_000_000
REPORT_TOLERANCE_US: Final = 500_000
_NEVER_MAPPED: Final = 0xFFFFFFFF


class SyncSource(StrEnum):
    """What sound was aligned with picture by."""

    SENDER_REPORT = "sender_report"
    ARRIVAL = "arrival"


class Alignment(NamedTuple):
    """Where on the take's timeline a sample of sound belongs, and how that is known."""

    at_us: int
    source: SyncSource


class _Report(NamedTuple):
    rtp: int
    ntp_us: int
    arrival_us: int


class Timeline:
    """One track's clock. `last_us` is -1 before the first.

    `jumps` counts absurd timestamp jumps for as long as the track lives, across
    starts: a take reports the difference between its end and its beginning.
    """

    __slots__ = (
        "_anchor_arrival",
        "_anchor_rtp",
        "_anchor_us",
        "_floor_us",
        "_last_arrival",
        "_last_rtp",
        "_rate",
        "_report",
        "_start_arrival",
        "_start_us",
        "jumps",
        "last_us",
        "started",
    )

    def __init__(self, clock_rate: int) -> None:
        if clock_rate <= 0:
            raise ValueError("the clock rate must be positive")
        self._rate = clock_rate
        self._report: _Report | None = None
        self.started = False
        self.jumps = 0
        self.last_us = -1
        self._anchor_rtp = self._anchor_us = self._anchor_arrival = 0
        self._last_rtp = self._last_arrival = self._floor_us = 0
        self._start_us = self._start_arrival = 0

    def start(self, rtp: int, arrival_us: int, at_us: int = 0) -> None:
        """From now on the sample `rtp`, which arrived at `arrival_us`, is at `at_us` on the take's timeline."""
        self.started = True
        self.last_us = -1
        self._floor_us = at_us
        self._anchor_rtp = self._last_rtp = rtp
        self._anchor_us = at_us
        self._anchor_arrival = self._last_arrival = self._start_arrival = arrival_us
        self._start_us = at_us

    def pts_us(self, rtp: int, arrival_us: int) -> int:
        """Where `rtp` is on the take's timeline; each call's answer is above the one before.

        A timestamp that leaps away from its arrival, or a clock that runs ahead
        of it, is placed by arrival, and the ones after it follow from there. A
        burst after a stall is late, not absurd: it keeps its timestamps.
        """
        if not self.started:
            raise RuntimeError("the timeline was not started")
        step_us = (rtp - self._last_rtp) * 1_000_000 // self._rate
        arrival_step_us = arrival_us - self._last_arrival
        self._last_rtp = rtp
        self._last_arrival = arrival_us
        at_us = self._anchor_us + (rtp - self._anchor_rtp) * 1_000_000 // self._rate
        by_arrival_us = self._start_us + arrival_us - self._start_arrival
        leaps = not 0 <= step_us <= SMOOTH_US and abs(step_us - arrival_step_us) > JUMP_US
        if leaps or at_us - by_arrival_us > JUMP_US:
            self.jumps += 1
            at_us = by_arrival_us
            self._anchor_rtp = rtp
            self._anchor_us = at_us
            self._anchor_arrival = arrival_us
        if at_us < self._floor_us:
            at_us = self._floor_us
        self._floor_us = at_us + STEP_US
        self.last_us = at_us
        return at_us

    def sender_report(self, rtp: int, ntp: int, arrival_us: int) -> bool:
        """Remembers what a sender report says (RFC 3550 §6.4.1); False if it is not to be believed.

        `rtp` is 32 bits as received, `ntp` 64-bit fixed point (§4).
        """
        if rtp & 0xFFFFFFFF == _NEVER_MAPPED or ntp <= 0:
            return False
        report = _Report(rtp & 0xFFFFFFFF, ntp * 1_000_000 >> 32, arrival_us)
        if self.started and not self._believable(report, self._last_rtp, self._last_arrival):
            return False
        self._report = report
        return True

    def forget_report(self) -> None:
        """For a new SSRC: its timestamps have nothing to do with the old one's."""
        self._report = None

    def sent_us(self, rtp: int, arrival_us: int) -> int | None:
        """The sender's wall clock (NTP, microseconds) at `rtp`; None without a report that fits its arrival."""
        report = self._report
        if report is None or not self._believable(report, rtp, arrival_us):
            return None
        return report.ntp_us + self._since(report, rtp)

    def _since(self, report: _Report, rtp: int) -> int:
        """Microseconds of media from the report to `rtp`, the nearest way round 32 bits."""
        ticks = (rtp - report.rtp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        return ticks * 1_000_000 // self._rate

    def _believable(self, report: _Report, rtp: int, arrival_us: int) -> bool:
        drift_us = (arrival_us - report.arrival_us) - self._since(report, rtp)
        return abs(drift_us) <= REPORT_TOLERANCE_US

    @property
    def anchor(self) -> tuple[int, int, int]:
        """The sample the timeline hangs on: its RTP timestamp, its arrival, its place."""
        return self._anchor_rtp, self._anchor_arrival, self._anchor_us


def align(video: Timeline, audio: Timeline, audio_rtp: int, audio_arrival_us: int) -> Alignment:
    """Where on the take's timeline the sound sample `audio_rtp` belongs; `video` has been started.

    By sender reports when both tracks have one and what they say agrees with
    arrival within 500 ms; else by arrival. Negative for sound from before the picture.
    """
    video_rtp, video_arrival_us, video_at_us = video.anchor
    by_arrival_us = video_at_us + audio_arrival_us - video_arrival_us
    picture_us = video.sent_us(video_rtp, video_arrival_us)
    sound_us = audio.sent_us(audio_rtp, audio_arrival_us)
    if picture_us is not None and sound_us is not None:
        by_report_us = video_at_us + sound_us - picture_us
        if abs(by_report_us - by_arrival_us) <= REPORT_TOLERANCE_US:
            return Alignment(by_report_us, SyncSource.SENDER_REPORT)
    return Alignment(by_arrival_us, SyncSource.ARRIVAL)
