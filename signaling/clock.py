"""Which clocks a live interview reads, as one thing that tests can hold still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def wall_ms(self) -> int:
        """Milliseconds since the epoch, UTC: for deadlines that survive a restart."""

    def monotonic(self) -> float:
        """Seconds that never jump: for spans within this process."""


class SystemClock:
    """The machine's own clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
