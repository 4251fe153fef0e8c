"""Sound moved to where it belongs, packet by packet, when its place was learned after it was written.

Pure. A hole that opens is filled with silence, and what no longer has a place is left out, so that the track's
length stays true.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from recorder.lipsync import SoundMove
from recorder.opus import SILENCE, SILENCE_US, opus_duration_us, silence_pts

_TICK_US: Final = 1_000
"""WebM rounds a packet's time down to these."""


class MovedSound:
    """`added` is by how many packets there are more, or fewer if negative, so far. `until_us` 0 knows no end."""

    def __init__(self, moves: tuple[SoundMove, ...], until_us: int = 0) -> None:
        self.added = 0
        self._moves = sorted(moves, key=lambda move: move.from_us)
        self._until_us = until_us
        self._later_us = 0
        self._end_us = 0

    def packets(self, at_us: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        """The packets, and their places, that this one at `at_us` becomes; called in order."""
        while self._moves and at_us + _TICK_US >= self._moves[0].from_us:
            self._later_us = self._moves.pop(0).later_us
        pts_us = at_us + self._later_us
        end_us = pts_us + opus_duration_us(payload)
        begins_next_us = self._moves[0].from_us + self._moves[0].later_us if self._moves else end_us
        beyond = end_us > begins_next_us + _TICK_US or (self._until_us and pts_us > self._until_us + _TICK_US)
        if pts_us < 0 or pts_us < self._end_us - _TICK_US or beyond:
            self.added -= 1
            return
        for silent_us in silence_pts(self._end_us, pts_us):
            self.added += 1
            yield silent_us, SILENCE
            self._end_us = silent_us + SILENCE_US
        self._end_us = end_us
        yield pts_us, payload


class MovedPlaces:
    """Where what was noted of a take's sound is after the moves. A place between two of them is of the one before."""

    def __init__(self, moves: tuple[SoundMove, ...]) -> None:
        self._moves = sorted(moves, key=lambda move: move.from_us)
        self._from_us = [move.from_us for move in self._moves]

    def place_us(self, at_us: int) -> int:
        index = bisect_left(self._from_us, at_us) - 1
        return max(0, at_us + (self._moves[index].later_us if index >= 0 else 0))

    def levels(self, levels: Sequence[int], step_us: int) -> tuple[int, ...]:
        """The loudest of each step, as many as before."""
        found = [0] * len(levels)
        for index, level in enumerate(levels):
            step = self.place_us(index * step_us + step_us // 2) // step_us
            if step < len(found):
                found[step] = max(found[step], level)
        return tuple(found)
