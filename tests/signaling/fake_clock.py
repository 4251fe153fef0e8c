"""Both clocks, moved by hand."""

from __future__ import annotations

NOW_MS = 1_790_000_000_000


class FakeClock:
    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return (self.now_ms - NOW_MS) / 1000 + 1_000.0
