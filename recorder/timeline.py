"""RTP timestamps of sound or picture to microseconds on one take's timeline.

Pure: every time is a parameter. `arrival_us` is one monotonic clock for all
tracks. A `Timeline` lives as long as its track, so that sender reports from
before a take count, and is started anew with each take. It fills no gaps, and
knows no other track: `lipsync` holds two of them beside each other.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

STEP_US: Final = 1_000
"""Timestamps rise by at least this much: the tick of WebM's clock."""
JUMP_US: Final = 3_000_000
SMOOTH_US: Final = 1_000_000
REPORT_TOLERANCE_US: Final = 500_000
REPORTS_KEPT: Final = 5
"""Their median holds against one that was delayed on its way; 25 s of sound, in which 300 ppm are 8 ms."""
CLOCK_STEP_US: Final = 50_000
"""Two reports so far from the one before them tell of a sender whose wall clock was set; one alone is not believed."""
QUICKEST_OVER_US: Final = 5_000_000
SLEW_SHARE: Final = 50
"""Pictures are moved by at most 2 % of the time between them, which nobody sees."""
MEGAHERTZ: Final = 1_000_000
RATIO_FRAMES: Final = 10
RATIO_OVER_US: Final = 200_000
"""Frames that came all at once, after a stall of the network, say nothing of the sender's clock."""
UNSURE_AHEAD_US: Final = 500_000
_NEVER_MAPPED: Final = 0xFFFFFFFF


class _Report(NamedTuple):
    rtp: int
    ntp_us: int
    arrival_us: int


class _Quickest:
    """How far a track's timeline is ahead of its arrivals, by the quickest packet of the last five to ten seconds."""

    __slots__ = ("_before_us", "_since_us", "quickest_us", "until_us")

    def __init__(self) -> None:
        self._since_us = -1
        self.until_us = -1
        self.quickest_us = -1 << 62
        self._before_us: int | None = None

    def note(self, ahead_us: int, arrival_us: int) -> None:
        """For nothing unless this is the quickest, `quickest_us`, or the time is over, `until_us`."""
        if self._since_us < 0 or arrival_us >= self.until_us:
            self._before_us = self.quickest_us if self._since_us >= 0 else None
            self._since_us = arrival_us
            self.until_us = arrival_us + QUICKEST_OVER_US
            self.quickest_us = ahead_us
        elif ahead_us > self.quickest_us:
            self.quickest_us = ahead_us

    def shift(self, by_us: int) -> None:
        self.quickest_us += by_us
        if self._before_us is not None:
            self._before_us += by_us

    @property
    def ahead_us(self) -> int:
        return self.quickest_us if self._before_us is None else max(self.quickest_us, self._before_us)

    @property
    def empty(self) -> bool:
        return self._since_us < 0

    @property
    def sure(self) -> bool:
        """Whether it was listened for long enough."""
        return self._before_us is not None


class Timeline:
    """One track's clock. `last_us` is -1 before the first.

    `jumps` counts absurd timestamp jumps for as long as the track lives, across
    starts: a take reports the difference between its end and its beginning.
    `unsure` means that it is not known yet whether the sender's clock runs at
    its rate: `observe` wants to see the frames. `set_us` is the arrival of the
    first report that showed the sender's wall clock to have been set, or this
    track's clock to have stood still. `held_back` is to be set while what the network held back is placed.
    """

    __slots__ = (
        "_agreeing",
        "_anchor_rtp",
        "_anchor_us",
        "_floor_us",
        "_last_arrival",
        "_last_raw",
        "_last_rtp",
        "_looked",
        "_odd",
        "_quickest",
        "_rate",
        "_reports",
        "_slew_to_us",
        "_start_arrival",
        "_start_us",
        "held_back",
        "jumps",
        "last_us",
        "set_us",
        "slew_us",
        "started",
        "unsure",
    )

    def __init__(self, clock_rate: int) -> None:
        if clock_rate <= 0:
            raise ValueError("the clock rate must be positive")
        self._rate = clock_rate
        self._reports: deque[_Report] = deque(maxlen=REPORTS_KEPT)
        self._odd: _Report | None = None
        self._quickest = _Quickest()
        self._looked: tuple[int, int, int] | None = None
        self._agreeing = 0
        self.unsure = True
        self.started = False
        self.held_back = False
        self.jumps = 0
        self.last_us = -1
        self.set_us = -1
        self.slew_us = self._slew_to_us = 0
        self._anchor_rtp = self._anchor_us = 0
        self._last_rtp = self._last_arrival = self._last_raw = self._floor_us = 0
        self._start_us = self._start_arrival = 0

    @property
    def clock_rate(self) -> int:
        """Ticks a second, as negotiated or as found out."""
        return self._rate

    def observe(self, rtp: int, arrival_us: int) -> None:
        """Compares the first frames' timestamps with their arrival, and takes a clock of 1 MHz for what it is.

        iOS 18.4 and 18.5 send pictures so, 11.1 times too fast. Two looks of ten frames must agree before a rate
        other than the negotiated one is believed. Called with every frame while `unsure`.
        """
        if self._looked is None:
            self._looked = (rtp, arrival_us, 0)
            return
        first_rtp, first_arrival_us, count = self._looked
        count += 1
        self._looked = (first_rtp, first_arrival_us, count)
        over_us = arrival_us - first_arrival_us
        if count < RATIO_FRAMES or over_us < RATIO_OVER_US:
            return
        nominal = MEGAHERTZ / self._rate
        ratio = (rtp - first_rtp) * 1_000_000 / self._rate / over_us
        self._looked = (rtp, arrival_us, 0)
        if not nominal * 0.6 <= ratio <= nominal * 1.6:
            self.unsure = False
            return
        self._agreeing += 1
        if self._agreeing == 2:
            self.unsure = False
            self._rate = MEGAHERTZ
            if self.started:
                self._anchor_at(rtp, self._by_arrival(arrival_us))

    def start(self, rtp: int, arrival_us: int, at_us: int = 0) -> None:
        """From now on the sample `rtp`, which arrived at `arrival_us`, is at `at_us` on the take's timeline."""
        self.started = True
        self.last_us = -1
        self.slew_us = self._slew_to_us = 0
        self._floor_us = at_us
        self._last_rtp = rtp
        self._last_arrival = self._start_arrival = arrival_us
        self._last_raw = self._start_us = at_us
        self._anchor_at(rtp, at_us)

    def _anchor_at(self, rtp: int, at_us: int) -> None:
        self._anchor_rtp = rtp
        self._anchor_us = at_us
        self._quickest = _Quickest()

    def _by_arrival(self, arrival_us: int) -> int:
        return self._start_us + arrival_us - self._start_arrival

    def pts_us(self, rtp: int, arrival_us: int) -> int:
        """Where `rtp` is on the take's timeline; each call's answer is above the one before.

        A timestamp that leaps away from its arrival, or a clock that runs ahead
        of it, is placed by arrival, and the ones after it follow from there. A
        burst after a stall is late, not absurd: it keeps its timestamps. Of what
        is known to have been `held_back`, no step within the time since the one
        before is absurd, nor one towards its arrival.
        """
        if not self.started:
            raise RuntimeError("the timeline was not started")
        rate = self._rate
        step_us = (rtp - self._last_rtp) * 1_000_000 // rate
        raw_us = self._anchor_us + (rtp - self._anchor_rtp) * 1_000_000 // rate
        by_arrival_us = self._start_us + arrival_us - self._start_arrival
        gap_us = arrival_us - self._last_arrival
        smooth_us = max(SMOOTH_US, gap_us) if self.held_back else SMOOTH_US
        leaps = not 0 <= step_us <= smooth_us and abs(step_us - gap_us) > JUMP_US
        if leaps:  # unless it is back, the network having lost the rest of what it held back
            before_us = self._by_arrival(self._last_arrival)
            was_off_us = abs(self._last_raw - before_us)
            leaps = abs(raw_us - by_arrival_us) > (was_off_us if self.held_back else min(JUMP_US, was_off_us))
        self._last_rtp = rtp
        self._last_arrival = arrival_us
        if leaps or raw_us - by_arrival_us > JUMP_US:
            self.jumps += 1
            raw_us = by_arrival_us
            self._anchor_at(rtp, raw_us)
        ahead_us, quickest = raw_us - arrival_us, self._quickest
        if ahead_us > quickest.quickest_us or arrival_us >= quickest.until_us:
            quickest.note(ahead_us, arrival_us)
        if self.slew_us != self._slew_to_us:
            most_us = max(0, raw_us - self._last_raw) // SLEW_SHARE
            self.slew_us += max(-most_us, min(self._slew_to_us - self.slew_us, most_us))
        self._last_raw = raw_us
        at_us = raw_us + self.slew_us
        if at_us < self._floor_us:
            at_us = self._floor_us
        self._floor_us = at_us + STEP_US
        self.last_us = at_us
        return at_us

    def slew_to(self, later_us: int) -> None:
        """From now on timestamps move, slowly, to where they are `later_us` later than their own clock says."""
        self._slew_to_us = later_us

    def sender_report(self, rtp: int, ntp: int, arrival_us: int) -> bool:
        """Remembers what a sender report says (RFC 3550 §6.4.1); False if it is not to be believed.

        `rtp` is 32 bits as received, `ntp` 64-bit fixed point (§4).
        """
        if rtp & 0xFFFFFFFF == _NEVER_MAPPED or ntp <= 0:
            return False
        report = _Report(rtp & 0xFFFFFFFF, ntp * 1_000_000 >> 32, arrival_us)
        if self.started and not self._believable(report, self._last_rtp, self._last_arrival):
            return False
        odd, self._odd = self._odd, None
        if self._reports and not self._agree(self._reports[-1], report):
            if odd is None or not self._agree(odd, report):
                self._odd = report
                return True
            self._reports.clear()
            self._reports.append(odd)
            self._quickest = _Quickest()
            self.set_us = odd.arrival_us
        self._reports.append(report)
        return True

    def _agree(self, before: _Report, after: _Report) -> bool:
        return abs(after.ntp_us - before.ntp_us - self._since(before, after.rtp)) <= CLOCK_STEP_US

    def forget_reports(self) -> None:
        """For a new SSRC: its timestamps have nothing to do with the old one's."""
        self._reports.clear()
        self._odd = None

    def step(self, later_us: int, arrival_us: int, skipped_us: int) -> None:
        """The samples that arrived from then on are `later_us` later than their timestamps say, by those before.

        The next timestamps are placed `skipped_us` later.
        """
        ticks = later_us * self._rate // 1_000_000
        carried = [
            report._replace(rtp=report.rtp - ticks & 0xFFFFFFFF) if report.arrival_us < arrival_us else report
            for report in self._reports
        ]
        if self._odd is not None and self._odd.arrival_us < arrival_us:
            self._odd = self._odd._replace(rtp=self._odd.rtp - ticks & 0xFFFFFFFF)
        self._reports.clear()
        self._reports.extend(carried)
        if later_us > 0:
            self._quickest.shift(skipped_us - later_us)
        else:  # what was quick of late came after the step, or before: nobody knows
            self._quickest = _Quickest()
        self._anchor_us += skipped_us
        self._last_raw += skipped_us

    def sent_us(self, rtp: int, arrival_us: int, since_us: int = -1) -> int | None:
        """The sender's wall clock (NTP, microseconds) at `rtp`.

        None without a report that fits its arrival and came at or after `since_us`.
        """
        report = self._reports[-1] if self._reports else None
        if report is None or report.arrival_us < since_us or not self._believable(report, rtp, arrival_us):
            return None
        return report.ntp_us + self._since(report, rtp)

    def ahead_of_sender_us(self, since_us: int) -> int | None:
        """The timeline, unslewed, less the sender's wall clock: the median of the reports since then; None without."""
        found = sorted(
            self._last_raw - self._since(report, self._last_rtp) - report.ntp_us
            for report in self._reports
            if report.arrival_us >= since_us and self._believable(report, self._last_rtp, self._last_arrival)
        )
        return found[len(found) // 2] if found else None

    def behind_us(self, rtp: int, arrival_us: int) -> int:
        """How much later than the quickest of late this sample arrived; 0 before there is one."""
        if self._quickest.empty:
            return 0
        raw_us = self._anchor_us + (rtp - self._anchor_rtp) * 1_000_000 // self._rate
        return self._quickest.ahead_us - (raw_us - arrival_us)

    @property
    def ahead_of_arrival_us(self) -> int:
        """The timeline, unslewed, less the clock of arrivals, by the quickest packet."""
        return self._quickest.ahead_us

    @property
    def knows_quickest(self) -> bool:
        """Whether `ahead_of_arrival_us` is of five seconds at least."""
        return self._quickest.sure

    def _since(self, report: _Report, rtp: int) -> int:
        """Microseconds of media from the report to `rtp`, the nearest way round 32 bits."""
        ticks = (rtp - report.rtp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        return ticks * 1_000_000 // self._rate

    def _believable(self, report: _Report, rtp: int, arrival_us: int) -> bool:
        differs_us = (arrival_us - report.arrival_us) - self._since(report, rtp)
        return abs(differs_us) <= REPORT_TOLERANCE_US

    @property
    def latest(self) -> tuple[int, int, int]:
        """The last sample that was placed, or the first: its RTP timestamp, its arrival, its place."""
        return self._last_rtp, self._last_arrival, self._last_raw + self.slew_us
