"""What waits in a live session's inbox, and where a session is known. Values and a seam; handled by `session`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recorder.messages import (
    OutageBegan,
    OutageEnded,
    PeerChanged,
    PeerId,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeProgress,
    TakeStarted,
)
from signaling.interview import TakeLost, Tick
from signaling.link import OfferAnswered, PeerLost, RestartAnswered
from signaling.messages import Ask
from signaling.orders import Doubtful, StopFailed
from signaling.sending import Checked
from signaling.tabs import Page

if TYPE_CHECKING:
    from signaling.session import LiveSession


@dataclass(frozen=True, slots=True)
class Attached:
    """The page said hello; it gets the state."""

    page: Page


@dataclass(frozen=True, slots=True)
class Detached:
    """The page's socket is closed."""

    page: Page


@dataclass(frozen=True, slots=True)
class Asked:
    page: Page
    ask: Ask


@dataclass(frozen=True, slots=True)
class Reload:
    """Another part of the server changed the invitation."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Resolved when everything before it was handled."""

    done: asyncio.Future[None]


TakeEvent = (
    TakeStarted | TakeNotStarted | TakeProgress | OutageBegan | OutageEnded | TakeEnding | TakeFinished | TakeLost
)
Item = (
    Attached
    | Detached
    | Asked
    | Reload
    | Settled
    | Tick
    | OfferAnswered
    | RestartAnswered
    | Checked
    | StopFailed
    | Doubtful
    | PeerChanged
    | PeerLost
    | TakeEvent
)


def take_of(event: TakeEvent) -> TakeId:
    return event.result.take_id if isinstance(event, TakeFinished) else event.take_id


class Registry(Protocol):
    """Where sessions are known; `signaling.hub`. No function waits."""

    def claim_peer(self, session: LiveSession, peer_id: PeerId) -> None: ...

    def release_peer(self, peer_id: PeerId) -> None: ...

    def hold_takes(self, session: LiveSession, take_ids: Iterable[TakeId]) -> None: ...

    def forget(self, session: LiveSession) -> None: ...

    def stray(self, event: TakeEvent) -> None: ...
