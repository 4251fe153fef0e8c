"""Sending the answers: every draft's file is read back from the disk and held against its hash, then confirmed.

Knows the state of one sending, and owns its one check; what a damaged take means for its question is `outcome`'s.
"""

from __future__ import annotations

import asyncio
import logging
import threading
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
    """Idle, checking, ready or refused. A change of any answer makes it idle, and a check under way is ended; what else
    changes (the deadline, what a look found) leaves it as it is."""

    def __init__(
        self,
        around: Surroundings,
        invitation_id: str,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        post: Callable[[Checked], None],
    ) -> None:
        self.state = Sending.IDLE
        self.problems: tuple[str, ...] = ()
        self._around = around
        self._invitation_id = invitation_id
        self._spawn = spawn
        self._post = post
        self._round = 0
        self._revisions: dict[str, int] = {}  # of the answers that `state` is about
        self._check_task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    def follow(self, conduct: Conduct) -> None:
        """Something changed, here or in the database."""
        if not conduct.open or _revisions(conduct) != self._revisions:
            self.reset()

    def reset(self) -> None:
        self._round += 1
        if self._check_task is not None:
            self._check_task.cancel()
            self._check_task = None
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
        self.reset()
        self.state, self._revisions = Sending.CHECKING, _revisions(conduct)
        self._check_task = self._spawn(self._check(self._round, takes))
        return None

    async def checked(self, result: Checked, conduct: Conduct) -> None:
        """The check is done: ready, or refused with what is wrong. One that was forgotten changes nothing."""
        if self.state is not Sending.CHECKING or result.round != self._round:
            return
        problems = [] if result.whole else [str(SendingProblem.UNCHECKED)]
        self._check_task = None
        for answer in conduct.record.answers:
            if answer.take_id is not None and answer.take_id in result.damaged:
                log.error("invitation %s: take %s is damaged on disk", self._invitation_id, answer.take_id)
                problems.append(f"{SendingProblem.DAMAGED}:{answer.question.id}")
                await conduct.happened(TakeDamaged(answer.take_id))
        self.reset()
        self.state, self.problems = (Sending.REFUSED, tuple(problems)) if problems else (Sending.READY, ())
        self._revisions = _revisions(conduct)

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
            async with asyncio.timeout(CHECK_TIMEOUT_S), self._one_at_a_time:
                for take in takes:
                    if not await self._whole(take):
                        damaged.append(take.id)
        except (OSError, StorageError, TimeoutError) as error:
            log.error("invitation %s: its takes could not be checked: %s", self._invitation_id, error or "timeout")
            self._post(Checked(number, (), whole=False))
        else:
            self._post(Checked(number, tuple(damaged), whole=True))

    async def _whole(self, take: TakeRow) -> bool:
        """Reads the file on the checkers' threads; twice before it is called damaged. Raises OSError, StorageError."""
        for pause_s in (self._around.limits.read_again_s, None):
            if await self._verified(take):
                return True
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return False

    async def _verified(self, take: TakeRow) -> bool:
        """A read that nobody waits for any more ends with its current piece, not with its file."""
        given_up = threading.Event()
        verify = self._around.recordings.verify
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._around.checkers, verify, self._invitation_id, take, given_up.is_set
            )
        finally:
            given_up.set()


def _revisions(conduct: Conduct) -> dict[str, int]:
    return {answer.id: answer.revision for answer in conduct.record.answers}
