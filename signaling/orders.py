"""Carries out what was decided: orders to the recorder, files to delete, a look at where a take is.

Each order is a task of the session with a named timeout. One that fails comes back into the inbox as what it means
(a take that did not start, a stop that did not arrive); nothing here decides or writes to the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, assert_never

from recorder.messages import (
    Arm,
    CallProblem,
    CallRefused,
    NeverStarted,
    PeerChanged,
    PeerId,
    PeerState,
    RecorderError,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeResult,
)
from recorder.sidecar import read_result
from signaling.decision import COUNTDOWN_MS, ArmTake, DiscardTake, StopTake
from signaling.discarding import discard
from signaling.interview import TakeLost
from signaling.surroundings import CALL_TIMEOUT_S, DISK_TIMEOUT_S, Surroundings
from storage.errors import StorageError

log = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StopFailed:
    """The recorder did not take the order; pressing again may help."""

    take_id: TakeId


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The recorder knows nothing of this take, though it should."""

    take_id: TakeId


Order = ArmTake | StopTake | DiscardTake
Report = PeerChanged | TakeNotStarted | TakeFinished | TakeLost | StopFailed | Doubtful

NOT_ARMED: dict[CallProblem, NeverStarted] = {
    CallProblem.UNKNOWN_PEER: NeverStarted.PEER_GONE,
    CallProblem.DISK_FULL: NeverStarted.DISK_FULL,
}


class Orders:
    """The hands of one session."""

    def __init__(
        self,
        around: Surroundings,
        invitation_id: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        post: Callable[[Report], None],
    ) -> None:
        self._around = around
        self._invitation_id = invitation_id
        self._spawn = spawn
        self._post = post
        self._stopping: TakeId | None = None

    def carry_out(self, effect: Order, peer_id: PeerId | None) -> None:
        match effect:
            case ArmTake():
                self._spawn(self._arm(effect, peer_id))
            case StopTake():
                if effect.take_id != self._stopping:
                    self._stopping = effect.take_id
                    self._spawn(self._stop(effect.take_id))
            case DiscardTake():
                self._spawn(self._discard(effect.take_id))
            case _:
                assert_never(effect)

    def look(self, take_id: TakeId) -> None:
        """Finds out what became of a take that no event tells of."""
        self._spawn(self._look(take_id))

    async def _arm(self, effect: ArmTake, peer_id: PeerId | None) -> None:
        if peer_id is None:
            self._post(TakeNotStarted(effect.take_id, NeverStarted.PEER_GONE))
            return
        try:
            folder = await self._on_disk(self._around.recordings.folder, self._invitation_id)
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._around.recorders.arm(self._order(effect, peer_id, folder))
        except CallRefused as refused:
            log.warning("take %s: refused by the recorder: %s", effect.take_id, refused)
            if refused.reason is CallProblem.UNKNOWN_PEER:
                self._post(PeerChanged(peer_id, PeerState.GONE))
            self._post(TakeNotStarted(effect.take_id, NOT_ARMED.get(refused.reason, NeverStarted.WORKER_DIED)))
        except (RecorderError, TimeoutError, OSError, StorageError) as error:
            log.error("take %s: could not be started: %s", effect.take_id, error or "timeout")
            self._post(TakeNotStarted(effect.take_id, NeverStarted.WORKER_DIED))
            await self._stop(effect.take_id, again=False)  # the order may have arrived all the same

    def _order(self, effect: ArmTake, peer_id: PeerId, folder: Path) -> Arm:
        return Arm(
            take_id=effect.take_id,
            peer_id=peer_id,
            folder=str(folder.resolve()),
            countdown_ms=COUNTDOWN_MS,
            limit_ms=effect.limit_ms,
            max_bytes=self._around.limits.take_bytes(effect.limit_ms),
        )

    async def _stop(self, take_id: TakeId, *, again: bool = True) -> None:
        failed: StopFailed | Doubtful
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._around.recorders.stop_take(take_id)
            return
        except CallRefused as refused:
            failed = Doubtful(take_id) if refused.reason is CallProblem.UNKNOWN_TAKE else StopFailed(take_id)
        except (RecorderError, TimeoutError) as error:
            log.warning("take %s: the order to stop did not arrive: %s", take_id, error or "timeout")
            failed = StopFailed(take_id)
        if again:
            self._stopping = None
            self._post(failed)

    async def _discard(self, take_id: TakeId) -> None:
        try:
            await self._on_disk(partial(discard, self._around.recordings), self._invitation_id, take_id)
        except (OSError, StorageError, TimeoutError) as error:
            # `sweeping` tries again, until they are gone.
            log.error("take %s: its discarded files are still there: %s", take_id, error or "timeout")

    async def _look(self, take_id: TakeId) -> None:
        found = await whereabouts(self._around, self._invitation_id, take_id)
        if found is not None:
            self._post(found)

    async def _on_disk(self, call: Callable[..., R], *args: str) -> R:
        async with asyncio.timeout(DISK_TIMEOUT_S):
            return await asyncio.get_running_loop().run_in_executor(self._around.disk, call, *args)


async def whereabouts(around: Surroundings, invitation_id: str, take_id: TakeId) -> TakeFinished | TakeLost | None:
    """What became of a take: None while a worker holds it or the disk does not answer, else its result or its loss."""
    if take_id in around.recorders.takes:
        return None
    try:
        async with asyncio.timeout(DISK_TIMEOUT_S):
            result = await asyncio.get_running_loop().run_in_executor(
                around.disk, _read, around, invitation_id, take_id
            )
    except (OSError, StorageError, TimeoutError) as error:
        log.error("take %s: cannot look for its files: %s", take_id, error or "timeout")
        return None
    return TakeLost(take_id) if result is None else TakeFinished(result)


def _read(around: Surroundings, invitation_id: str, take_id: TakeId) -> TakeResult | None:
    return read_result(around.recordings.folder(invitation_id), take_id)
