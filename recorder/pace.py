"""How long datagrams may wait in the kernel: by how many a second came of late, and how many it has room for. Pure."""

from __future__ import annotations

WAKE_S = 0.200
"""A recorder has no latency budget, and the caches are cold after each sleep: 50 ms cost a fifth less than 10 ms,
100 ms a fifteenth less than that, and 200 ms an eighth less again. Feedback goes out as often; browsers send theirs to
each other every 50 to 250 ms."""
WAKE_NEEDY_S = 0.010
"""While packets are missing, and the least that a full socket shortens a pause to."""
MOST_ROOM_USED = 1 / 8
"""Of the kernel's room, by what comes in a pause: the rest is for bursts, and for the loop's stalls."""


class Pace:
    """The rate is counted over `WAKE_S` at least, since some turns of a socket come right after another and find
    nothing: how many one turn found says little.
    """

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._count = 0
        self._before_hz = 0.0
        self.rate_hz = 0.0

    def note(self, count: int, now_s: float) -> None:
        """So many datagrams were found by a turn, on the clock of the loop."""
        elapsed_s = now_s - self._since_s
        self._count += count
        # After a stall the kernel may have dropped the most of what came: it counts as if it had come of late.
        rate_hz = self._count / max(WAKE_S, min(elapsed_s, 2 * WAKE_S))
        self.rate_hz = max(rate_hz, self._before_hz)
        if elapsed_s >= WAKE_S:
            self.rate_hz = self._before_hz = rate_hz
            self._since_s, self._count = now_s, 0

    def pause_s(self, room: int) -> float:
        """Until no more than `MOST_ROOM_USED` of room for so many datagrams is in use."""
        if self.rate_hz * WAKE_S <= room * MOST_ROOM_USED:
            return WAKE_S
        return max(WAKE_NEEDY_S, room * MOST_ROOM_USED / self.rate_hz)
