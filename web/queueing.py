"""Where work is left that must happen although everything may end in between: the seam, without who keeps it.

`web.durable` is the one that lasts. Pages and their tests need no more than this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection


class Queue(Protocol):
    """`work` is a name that the queue's owner knows; `key` names this one piece of it, for good."""

    async def enqueue(
        self, conn: AsyncConnection, work: str, key: str, *arguments: str | int, delay_s: float = 0.0
    ) -> None:
        """Statements in the caller's transaction: done after its commit, never without it, and once per key."""


@dataclass(frozen=True, slots=True)
class Piece:
    work: str
    key: str
    arguments: tuple[str | int, ...]
    delay_s: float


@dataclass(slots=True)
class Unkept:
    """Remembers what it was given, in this process alone, and does nothing with it: for pages without their server."""

    pieces: list[Piece] = field(default_factory=list)

    async def enqueue(
        self, conn: AsyncConnection, work: str, key: str, *arguments: str | int, delay_s: float = 0.0
    ) -> None:
        """Takes no part in the transaction."""
        self.pieces.append(Piece(work, key, arguments, delay_s))
