"""DTLS records of all peers, handed on in rotation: a few a turn of the socket, of no peer more than of another.

Each step of a handshake costs up to milliseconds of CPU, between which media must be read; a record that means nothing
costs some too. So who sends many waits for himself, and who stops in the middle holds nobody's place. There is no bound
per remote address: an office behind one address may send fifty people at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

RECORDS_A_TURN = 4
RECORDS_WAITING = 32
"""Of one peer; more are dropped, DTLS repeats itself."""


class Taker(Protocol):
    def record(self, record: bytes) -> None: ...


class RecordTurns:
    """Filled by `put`, emptied by `hand_on`. `fault` is called, in its `except`, for a taker that raises."""

    def __init__(self, fault: Callable[[Taker], None]) -> None:
        self._fault = fault
        self.dropped = 0
        self._waiting: dict[Taker, deque[bytes]] = {}

    def put(self, taker: Taker, record: bytes) -> None:
        waiting = self._waiting.setdefault(taker, deque())
        if len(waiting) >= RECORDS_WAITING:
            self.dropped += 1
        else:
            waiting.append(record)

    def hand_on(self) -> None:
        """The oldest record of each of the next few peers; one that raises is gone."""
        for _ in range(RECORDS_A_TURN):
            taker = next(iter(self._waiting), None)
            if taker is None:
                return
            waiting = self._waiting.pop(taker)
            record = waiting.popleft()
            if waiting:
                self._waiting[taker] = waiting  # behind all others
            try:
                taker.record(record)
            except Exception:
                self._fault(taker)

    def forget(self, taker: Taker) -> None:
        self._waiting.pop(taker, None)
