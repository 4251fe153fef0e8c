"""What comes after a silence and seems late: was the network slow, or did the sender's clock stand still?

A browser that was frozen captures no sound meanwhile. Once it runs again it hurries through a part of what it
missed, and is behind by the rest for good. Packets that the network held back catch up wholly. To listen until a
track catches up no more tells them apart, and costs a recorder nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from recorder.charged_clock import OUTAGE_AFTER_US
from recorder.depacketize import Frame
from recorder.timeline import Timeline

BEHIND_US = 1_000_000
"""So late at first: it is listened to."""
STAYS_BEHIND_US = 500_000
"""So late at the end: it stood still."""
CATCHES_UP_US = 250_000
"""As much in each half second: it is not at its end yet."""
HEAR_FOR_US = 500_000
HEAR_AT_MOST_US = 4_000_000
MOST_KEPT_BYTES = 4 * 1024 * 1024
MOST_KEPT = 1000


class Kept(NamedTuple):
    """A frame of a track, `level` being that of sound or -1."""

    frame: Frame
    rtp: int
    arrival_us: int
    level: int


class Thaw:
    """Of one track: it `keeps` what may be of a frozen sender, until it is `ready` to be judged.

    Asked of the first frame after an outage, and while there is anything `kept`; `outages` is how many there had been,
    -1 where the next frame is asked of too.
    What still `catches_up` when it was listened to long enough, or no more comes, is of a slow network.
    """

    def __init__(self) -> None:
        self.ready = False
        self.catches_up = False
        self.outages = 0
        self.kept: list[Kept] = []
        self._bytes = 0
        self._mark = (0, 0)
        self._last_us = 0

    def keeps(self, timeline: Timeline, frame: Frame, rtp: int, arrival_us: int, level: int) -> bool:
        """True if this frame waits, with those before it."""
        kept = self.kept
        if not kept and not timeline.started:
            return False
        behind_us = timeline.behind_us(rtp, arrival_us)
        if not kept:
            if behind_us <= BEHIND_US:
                return False
            self._mark = (arrival_us, behind_us)
        kept.append(Kept(frame, rtp, arrival_us, level))
        self._last_us = arrival_us
        self._bytes += len(frame.payload)
        marked_us, marked_behind_us = self._mark
        falls = marked_behind_us - behind_us >= CATCHES_UP_US
        if arrival_us - marked_us >= HEAR_FOR_US:
            self.catches_up, self.ready = falls, not falls
            self._mark = (arrival_us, behind_us)
        elif falls:
            self.catches_up = True
        if arrival_us - kept[0].arrival_us > HEAR_AT_MOST_US or self._bytes > MOST_KEPT_BYTES or len(kept) >= MOST_KEPT:
            self.ready = True
        return True

    def listens(self, now_us: int) -> bool:
        """Whether what comes next may tell more of what is kept, or was."""
        return (bool(self.kept) or self.outages < 0) and now_us - self._last_us <= HEAR_FOR_US

    def captured_us(self, timeline: Timeline) -> list[int]:
        """When each that is kept would have arrived, had it not been late."""
        return [each.arrival_us - max(0, timeline.behind_us(each.rtp, each.arrival_us)) for each in self.kept]

    def taken(self) -> list[Kept]:
        """What was kept, once."""
        kept, self.kept, self._bytes = self.kept, [], 0
        self.ready = self.catches_up = False
        return kept


def on_time(kept: list[Kept], clock_rate: int) -> tuple[int, int] | None:
    """The first frame's RTP timestamp, and when it would have arrived had it been as quick as the quickest."""
    if not kept:
        return None
    first = kept[0].rtp
    return first, min(each.arrival_us - (each.rtp - first) * 1_000_000 // clock_rate for each in kept)


def on_time_us(rtp: int, first: tuple[int, int], clock_rate: int) -> int:
    """When the sample `rtp` would have arrived, if it had been as quick as `first`, which `on_time` gave."""
    return first[1] + (rtp - first[0]) * 1_000_000 // clock_rate


def unhurried(kept: list[Kept], first: tuple[int, int], clock_rate: int) -> list[Kept]:
    """Without what a sender hurried through, which is of the time that is cut out; the last one stays."""
    began_us = kept[0].arrival_us
    return [each for each in kept if on_time_us(each.rtp, first, clock_rate) >= began_us] or kept[-1:]


def stood_still(timeline: Timeline, kept: list[Kept]) -> bool:
    """Whether these, late at first, never caught up."""
    return min(timeline.behind_us(each.rtp, each.arrival_us) for each in kept) > STAYS_BEHIND_US


def hole_within(end_us: int, heard: list[int]) -> int:
    """The middle of the longest hole after `end_us`, before what was heard first or within it; 0 if it is short."""
    places = [end_us, *sorted(at_us for at_us in heard if at_us > end_us)]
    holes = [(after - before, before) for before, after in pairwise(places)]
    hole_us, from_us = max(holes, default=(0, 0))
    return from_us + hole_us // 2 if hole_us > OUTAGE_AFTER_US else 0
