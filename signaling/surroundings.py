"""What a live session stands in: the database, the recordings, the recorders, the clock, and its limits.

Only names and bounds; who builds them is `web`, who uses them `session` and `hub`.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.messages import Arm, Connected, PeerId, TakeId
from signaling.clock import Clock
from signaling.rate import Buckets
from signaling.relays import Relay
from storage.database import Database
from storage.invitations import Invitation
from storage.recordings import Recordings

CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 5.0
DISK_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 120.0


class Recorders(Protocol):
    """`recorder.pool.Pool`, as far as an interview needs it."""

    @property
    def takes(self) -> dict[TakeId, str]: ...

    async def connect(self, peer_id: PeerId, offer_sdp: str, take_id: TakeId | None = None) -> Connected: ...

    async def restart(self, peer_id: PeerId, offer_sdp: str) -> Connected: ...

    async def disconnect(self, peer_id: PeerId) -> None: ...

    async def arm(self, order: Arm) -> None: ...

    async def stop_take(self, take_id: TakeId) -> None: ...


class Consequences(Protocol):
    """What else follows when an interview is completed, written in the very transaction that completes it."""

    async def completed(self, conn: AsyncConnection, invitation: Invitation, now_ms: int) -> None: ...


class NoConsequences:
    """Nothing follows."""

    async def completed(self, conn: AsyncConnection, invitation: Invitation, now_ms: int) -> None:
        """Does nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one server; all inclusive.

    `asks_…` bound the asks of one candidate, `offers_…` the offers and restarts among them, whichever tab or socket
    they come from, and though their session ended meanwhile. `buckets`: of how many candidates that is known.
    `linger_s`: how long a session without a page keeps its media connection, for a reload.
    `max_bitrate_bps` only sizes the byte limit of a take, with room for what a sender overshoots.
    """

    sessions: int = 2_000
    sockets_per_invitation: int = 6
    asks_waiting: int = 64
    events_waiting: int = 1_024
    strays_waiting: int = 4_096
    outbox: int = 128
    asks_burst: int = 40
    asks_per_s: float = 10.0
    offers_burst: int = 20
    offers_per_s: float = 0.5
    buckets: int = 8_192
    hello_s: float = 10.0
    write_s: float = 10.0
    heartbeat_s: float = 20.0
    linger_s: float = 30.0
    read_again_s: float = 1.0
    max_bitrate_bps: int = 2_500_000

    def take_bytes(self, limit_ms: int) -> int:
        """How large the file of an answer may grow: twice what its length should need, and 16 MiB."""
        return 2 * self.max_bitrate_bps * limit_ms // 8_000 + 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`disk` and `checkers` are executors of few threads, shared by all sessions: one for what takes a moment (a
    folder, a sidecar, a deletion), one for reading whole recordings back, so that a start never waits for that.
    `offers` has a bucket for each invitation."""

    database: Database
    recordings: Recordings
    recorders: Recorders
    clock: Clock
    limits: Limits
    disk: Executor
    checkers: Executor
    offers: Buckets
    consequences: Consequences
    relays: tuple[Relay, ...] = ()
