"""How often something may be asked: some at once, fewer in the long run."""

from __future__ import annotations

from signaling.clock import Clock


class TokenBucket:
    """`burst` at once, `per_s` in the long run."""

    def __init__(self, clock: Clock, burst: int, per_s: float) -> None:
        self._clock = clock
        self._burst = float(burst)
        self._per_s = per_s
        self._left = self._burst
        self._at_s = clock.monotonic()

    def take(self) -> bool:
        """False when none is left."""
        now_s = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
