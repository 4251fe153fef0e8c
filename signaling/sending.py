"""Sending the answers: every draft's file is read back from the disk and held against its hash, then confirmed.

Knows the state of one sending; what a damaged take means for its question is `outcome`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from signaling.codes import ErrorCode, SendingProblem
from signaling.conduct import Conduct
from signaling.interview import TakeDamaged, refusal_by_status, sending_refusal
from signaling.messages import Sending
from signaling.surroundings import CHECK_TIMEOUT_S, Surroundings
from storage.errors import StorageError
from storage.interviews import TakeRow
from storage.states import AnswerState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """`damaged` are ids of takes; `whole` is false when the disk could not be read in time."""

    round: int
    damaged: tuple[str, ...]
    whole: bool


class Submission:
    """Idle, checking, ready or refused. A change of any answer makes it idle, and a check under way is forgotten."""

    def __init__(
        self,
        around: Surroundings,
        invitation_id: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        post: Callable[[Checked], None],
    ) -> None:
        self.state = Sending.IDLE
        self.problems: tuple[str, ...] = ()
        self._around = around
        self._invitation_id = invitation_id
        self._spawn = spawn
        self._post = post
        self._round = 0

    def reset(self) -> None:
        self._round += 1
        self.state, self.problems = Sending.IDLE, ()

    def send(self, conduct: Conduct) -> ErrorCode | None:
        """Begins the check, or says why not."""
        if refused := refusal_by_status(conduct.status):
            return refused
        if self.state in (Sending.CHECKING, Sending.READY):
            return ErrorCode.ALREADY_CHECKING
        if refused := sending_refusal(conduct.situation):
            return refused
        kept = conduct.record
        takes = [kept.takes[a.take_id] for a in kept.answers if a.state is AnswerState.DRAFT and a.take_id]
        self._round += 1
        self.state, self.problems = Sending.CHECKING, ()
        self._spawn(self._check(self._round, takes))
        return None

    async def checked(self, result: Checked, conduct: Conduct) -> None:
        """The check is done: ready, or refused with what is wrong. One that was forgotten changes nothing."""
        if self.state is not Sending.CHECKING or result.round != self._round:
            return
        problems = [] if result.whole else [str(SendingProblem.UNCHECKED)]
        for answer in conduct.record.answers:
            if answer.take_id is not None and answer.take_id in result.damaged:
                log.error("invitation %s: take %s is damaged on disk", self._invitation_id, answer.take_id)
                problems.append(f"{SendingProblem.DAMAGED}:{answer.question.id}")
                await conduct.happened(TakeDamaged(answer.take_id))
        self.reset()
        self.state, self.problems = (Sending.REFUSED, tuple(problems)) if problems else (Sending.READY, ())

    async def confirm(self, conduct: Conduct) -> ErrorCode | None:
        """Completes the interview, or says why not. Raises what the database raises."""
        if refused := refusal_by_status(conduct.status):
            return refused
        if self.state is not Sending.READY:
            return ErrorCode.NOT_CHECKED
        self.reset()
        return None if await conduct.complete() else ErrorCode.SERVER_FAULT

    async def _check(self, number: int, takes: Sequence[TakeRow]) -> None:
        damaged: list[str] = []
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                for take in takes:
                    if not await self._whole(take):
                        damaged.append(take.id)
        except (OSError, StorageError, TimeoutError) as error:
            log.error("invitation %s: its takes could not be checked: %s", self._invitation_id, error or "timeout")
            self._post(Checked(number, (), whole=False))
        else:
            self._post(Checked(number, tuple(damaged), whole=True))

    async def _whole(self, take: TakeRow) -> bool:
        """Reads the file on the disk's threads; twice before it is given up, since a read can fail for a moment."""
        loop = asyncio.get_running_loop()
        for pause_s in (self._around.limits.read_again_s, None):
            if await loop.run_in_executor(self._around.disk, self._around.recordings.verify, self._invitation_id, take):
                return True
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return False
