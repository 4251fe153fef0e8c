"""What a take keeps before it starts: the frames since the last key frame, shortly before zero and after."""

from __future__ import annotations

from recorder.depacketize import Frame

KEEP_BEFORE_GO_US = 500_000
OLDEST_KEY_AT_GO_US = 150_000
MOST_KEPT_BYTES = 4 * 1024 * 1024
MOST_KEPT_SOUND = 100

Seen = tuple[Frame, int, int]
"""A picture, its RTP timestamp, its arrival in µs."""
Heard = tuple[Frame, int, int, int]
"""A packet of sound, its RTP timestamp, its arrival in µs, its level."""


class Prelude:
    """`go_us` is zero of the countdown, on the clock of the arrivals."""

    def __init__(self, go_us: int) -> None:
        self._go_us = go_us
        self.pictures: list[Seen] = []
        self.sounds: list[Heard] = []
        self._bytes = 0

    def picture(self, frame: Frame, rtp: int, arrival_us: int) -> None:
        if arrival_us < self._go_us - KEEP_BEFORE_GO_US:
            return
        if frame.key:
            self.forget_pictures()
        elif not self.pictures:
            return
        self.pictures.append((frame, rtp, arrival_us))
        self._bytes += len(frame.payload)
        if self._bytes > MOST_KEPT_BYTES:
            self.forget_pictures()

    def sound(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        if arrival_us >= self._go_us - KEEP_BEFORE_GO_US:
            self.sounds.append((frame, rtp, arrival_us, level))
            del self.sounds[:-MOST_KEPT_SOUND]

    def forget_pictures(self) -> None:
        self.pictures.clear()
        self._bytes = 0

    @property
    def fits(self) -> bool:
        """Whether a take that starts at zero can begin with the kept key frame: it is young enough."""
        return bool(self.pictures) and self.pictures[0][2] >= self._go_us - OLDEST_KEY_AT_GO_US
