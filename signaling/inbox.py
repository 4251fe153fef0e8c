"""The one queue of a live session: everything that happens to an interview waits here for its loop.

Bounded: asks over `asks_waiting` and progress over `events_waiting` are turned away; of what must not be lost
(a take's start and end, results of our own calls) more than `events_waiting` sets `overflowed`, and the session
then compares itself with the recorder and the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Filled from callbacks on the loop, emptied by one task."""

    def __init__(self, asks_waiting: int, events_waiting: int) -> None:
        self._items: deque[tuple[T, bool]] = deque()
        self._asks = 0
        self._asks_waiting = asks_waiting
        self._events_waiting = events_waiting
        self._filled = asyncio.Event()
        self.overflowed = False

    def __len__(self) -> int:
        return len(self._items)

    def put_ask(self, ask: T) -> bool:
        """False when too many asks wait: it was not taken."""
        if self._asks >= self._asks_waiting:
            return False
        self._asks += 1
        self._push(ask, True)
        return True

    def put(self, event: T, *, may_be_lost: bool = False) -> bool:
        """False when full: it was dropped, and unless it may be lost that is remembered as `overflowed`."""
        if len(self._items) - self._asks >= self._events_waiting:
            if not may_be_lost:
                self.overflowed = True
                self._filled.set()
            return False
        self._push(event, False)
        return True

    async def next(self, timeout_s: float | None) -> T | None:
        """The oldest; None after `timeout_s` (None: no limit) or when `overflowed` is set and nothing waits."""
        if not self._items and not self.overflowed:
            self._filled.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return None
        if not self._items:
            return None
        item, is_ask = self._items.popleft()
        self._asks -= is_ask
        return item

    def drain(self) -> list[T]:
        """Everything that waits; nothing waits afterwards."""
        items = [item for item, _ in self._items]
        self._items.clear()
        self._asks = 0
        return items

    def _push(self, item: T, is_ask: bool) -> None:
        self._items.append((item, is_ask))
        self._filled.set()
