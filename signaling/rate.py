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


class Buckets:
    """A TokenBucket for each name, whoever comes and goes under it.

    One that must be full again by now is forgotten; of more than `most` the one that was used longest ago is.
    """

    def __init__(self, clock: Clock, burst: int, per_s: float, most: int) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._most = most
        self._used: dict[str, tuple[TokenBucket, float]] = {}
        """With when it was used last, in that order."""

    def __len__(self) -> int:
        return len(self._used)

    def take(self, name: str) -> bool:
        """False when none is left under this name."""
        now_s = self._clock.monotonic()
        bucket, _ = self._used.pop(name, (None, 0.0))
        bucket = bucket or TokenBucket(self._clock, self._burst, self._per_s)
        self._used[name] = bucket, now_s
        while self._is_full(next(iter(self._used.values()))[1], now_s) or len(self._used) > self._most:
            del self._used[next(iter(self._used))]
        return bucket.take()

    def _is_full(self, used_s: float, now_s: float) -> bool:
        return (now_s - used_s) * self._per_s >= self._burst
