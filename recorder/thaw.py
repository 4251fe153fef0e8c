"""What comes after a silence and seems late: was the network slow, or did the sender's clock stand still?

A browser that was frozen captures no sound meanwhile, and counts on from where it was: its timestamps are then
behind for good. Those of packets that the network held back catch up at once. Half a second of listening tells
them apart, which costs a recorder nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from recorder.depacketize import Frame
from recorder.timeline import Timeline

SILENT_US = 1_000_000
BEHIND_US = 1_000_000
CATCHES_UP_US = 250_000
HEAR_FOR_US = 500_000
MOST_KEPT_BYTES = 4 * 1024 * 1024
MOST_KEPT = 1000


class Kept(NamedTuple):
    """A frame of a track, `level` being that of sound or -1."""

    frame: Frame
    rtp: int
    arrival_us: int
    level: int


class Thaw:
    """Of one track: `keeps` what may be of a frozen sender, until there is enough to `judge` it by."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self._bytes = 0
        self._last_arrival_us: int | None = None

    def keeps(self, timeline: Timeline, frame: Frame, rtp: int, arrival_us: int, level: int) -> bool:
        """True if this frame waits; `ready` says when no longer."""
        last_us, self._last_arrival_us = self._last_arrival_us, arrival_us
        if not self.kept:
            if last_us is None or arrival_us - last_us <= SILENT_US or not timeline.started:
                return False
            if timeline.behind_us(rtp, arrival_us) <= BEHIND_US:
                return False
        self.kept.append(Kept(frame, rtp, arrival_us, level))
        self._bytes += len(frame.payload)
        return True

    @property
    def ready(self) -> bool:
        if not self.kept:
            return False
        heard_us = self.kept[-1].arrival_us - self.kept[0].arrival_us
        return heard_us >= HEAR_FOR_US or self._bytes > MOST_KEPT_BYTES or len(self.kept) >= MOST_KEPT

    def taken(self) -> list[Kept]:
        """What was kept, once."""
        kept, self.kept, self._bytes = self.kept, [], 0
        return kept

    def restarted(self) -> None:
        """The track begins anew: what it sends next is no continuation."""
        self._last_arrival_us = None


def stood_still(timeline: Timeline, kept: list[Kept]) -> bool:
    """Whether these, behind at first, are as much behind at their end."""
    first, last = kept[0], kept[-1]
    caught_up_us = timeline.behind_us(first.rtp, first.arrival_us) - timeline.behind_us(last.rtp, last.arrival_us)
    return caught_up_us < CATCHES_UP_US and last.arrival_us - first.arrival_us >= HEAR_FOR_US // 2
