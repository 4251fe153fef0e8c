"""The clock of one take: charged time, which stands still in an outage. Pure; all times are µs of one clock."""

from __future__ import annotations

from typing import NamedTuple

OUTAGE_AFTER_US = 1_000_000
MOST_OUTAGES = 3
MOST_OUTAGE_US = 90_000_000
LATEST_FIRST_KEY_US = 500_000


class _Stop(NamedTuple):
    at_us: int
    end_us: int  # charged until then, without what is still to be heard out
    in_outage: bool


class ChargedClock:
    """Runs from `start` to `stop`, at most to the limit.

    `outage_us` is the time not charged, which is just what was cut out of the file (`last_outage_us` by the last one);
    `outage_began_us` is set while an outage lasts, to the arrival of the last packet before it. `media_us` is since the
    start on a track's timeline: charged time and outages.
    """

    def __init__(self, limit_ms: int) -> None:
        self.limit_us = limit_ms * 1000
        self.end_us = self.limit_us
        self.start_us: int | None = None
        self.outages = 0
        self.outage_us = 0
        self.last_outage_us = 0
        self.outage_began_us: int | None = None
        self._earliest_start_us = 0
        self._cut_from_us = 0  # in media time: what was cut out last began here
        self._stop: _Stop | None = None

    def start(self, at_us: int) -> None:
        self.start_us = at_us
        self._earliest_start_us = at_us - LATEST_FIRST_KEY_US

    def settle_start(self, start_us: int) -> None:
        """A first key frame is the largest and so the latest: the frames after it show how late it came.

        Without this, pictures would run ahead of the clock by as much, and a stop would leave them in the file.
        """
        if self.start_us is not None and self._earliest_start_us < start_us < self.start_us and not self.outages:
            self.start_us = start_us

    def elapsed_us(self, now_us: int) -> int:
        if self.start_us is None:
            return 0
        until_us = now_us if self.outage_began_us is None else self.outage_began_us
        return max(0, min(until_us - self.start_us - self.outage_us, self.end_us))

    def remaining_ms(self, now_us: int) -> int:
        return max(0, self.limit_us // 1000 - self.elapsed_us(now_us) // 1000)

    def stop(self, now_us: int) -> None:
        self.end_us = self.elapsed_us(now_us)
        self._stop = _Stop(now_us, self.end_us, self.outage_began_us is not None)

    def is_after_stop(self, media_us: int) -> bool:
        """Whether this is of later than a stop in an outage; what comes after any other stop is past the end."""
        stop = self._stop
        return stop is not None and stop.in_outage and media_us >= stop.at_us - (self.start_us or 0)

    @property
    def stopped(self) -> bool:
        return self._stop is not None

    def since_stop_us(self, now_us: int) -> int:
        return 0 if self._stop is None else now_us - self._stop.at_us

    def settle_end(self, written_us: int) -> None:
        """Of what an outage that ended after the stop gave back, no more is charged than was written."""
        end_us = max(0 if self._stop is None else self._stop.end_us, min(self.end_us, written_us))
        self.last_outage_us += self.end_us - end_us
        self.outage_us += self.end_us - end_us
        self.end_us = end_us

    def begins_outage(self, now_us: int, last_packet_us: int) -> bool:
        """Whether an outage begins with this look: it is counted back to the last packet."""
        if self.outage_began_us is not None or now_us - last_packet_us <= OUTAGE_AFTER_US:
            return False
        self.outage_began_us = max(last_packet_us, self.start_us or 0)
        self.outages += 1
        return True

    def grace_ms(self) -> int:
        """How much longer outages may last, all together."""
        return max(0, MOST_OUTAGE_US - self.outage_us) // 1000

    def outage_past_bounds(self, now_us: int) -> bool:
        current = 0 if self.outage_began_us is None else now_us - self.outage_began_us
        return self.outages > MOST_OUTAGES or self.outage_us + current > MOST_OUTAGE_US

    def charged_us(self, media_us: int) -> int:
        """Where the file holds it; all of what was cut out last is at one place."""
        before_us = min(media_us, self._cut_from_us) - (self.outage_us - self.last_outage_us)
        return max(before_us, media_us - self.outage_us)

    def is_cut_out(self, media_us: int) -> bool:
        return 0 < media_us - self._cut_from_us < self.last_outage_us

    def end_outage(self, arrival_us: int, file_end_us: int, hole_us: int) -> int:
        """Ends the outage at the first frame after it; how much of it is cut out of the file and not charged.

        `hole_us` of the media are missing from where the file ends on. What was only late is in the file, and is
        charged: the end is later again if it is heard out after the stop, until it is settled.
        """
        began_us, self.outage_began_us = self.outage_began_us, None
        length_us = 0 if began_us is None else max(0, arrival_us - began_us)
        cut_us = max(0, min(hole_us, length_us))
        self._cut_from_us = file_end_us + self.outage_us
        self.outage_us += cut_us
        self.last_outage_us = cut_us
        if self._stop is not None:
            self._end_later(self._stop.at_us - (self.start_us or 0) - self.outage_us)
        return cut_us

    def heard_out(self, until_us: int, arrival_us: int) -> None:
        """There is media of the outage up to `until_us`, which came at `arrival_us`: it begins there."""
        if self.outage_began_us is not None:
            began_us = min((self.start_us or 0) + self.outage_us + until_us, arrival_us)
            self.outage_began_us = max(self.outage_began_us, began_us)
        self._end_later(until_us)

    def _end_later(self, until_us: int) -> None:
        if self._stop is not None and self._stop.in_outage:
            self.end_us = max(self.end_us, min(until_us, self.limit_us))
