"""What a take's file holds of the sound: where the next packet belongs, silence for what is missing, levels."""

from __future__ import annotations

from recorder.depacketize import SILENCE, SILENCE_US, opus_duration_us, silence_pts
from recorder.mux import Mux

LEVEL_STEP_US = 100_000


class TakeSound:
    """`end_us` is where the next packet belongs; `levels` the loudest sound per 100 ms, 0 to 127.

    `loudest` is that of the time since it was last taken with `take_loudest`. `overlaps` says that a new segment
    begins, the first sounds of which may be of a time that the file has already.
    """

    def __init__(self) -> None:
        self.end_us = 0
        self.started = False
        self.overlaps = False
        self.levels: list[int] = []
        self._loudest = 0

    def is_covered(self, pts_us: int) -> bool:
        """Whether a new segment's sound lies within what the last one filled."""
        self.overlaps = self.overlaps and pts_us < self.end_us
        return self.overlaps

    def write(self, mux: Mux, payload: bytes, pts_us: int, level: int) -> None:
        self.end_us = pts_us + opus_duration_us(payload)
        mux.audio(payload, pts_us)
        if level >= 0:
            self._hear(pts_us, level)

    def fill(self, mux: Mux, until_us: int) -> int:
        """Silence up to `until_us`, so that the sound's length stays true; how much was missing, in µs."""
        missing_us = max(0, until_us - self.end_us)
        for pts_us in silence_pts(self.end_us, until_us):
            mux.audio(SILENCE, pts_us)
            self.end_us = pts_us + SILENCE_US
        return missing_us

    def _hear(self, pts_us: int, level: int) -> None:
        self._loudest = max(self._loudest, level)
        step = pts_us // LEVEL_STEP_US
        missing = step + 1 - len(self.levels)
        if missing > 0:
            self.levels.extend([0] * missing)
        self.levels[step] = max(self.levels[step], level)

    def take_loudest(self) -> int:
        loudest, self._loudest = self._loudest, 0
        return loudest
