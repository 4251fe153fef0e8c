"""One interview's record in memory, and each step on it: rules, then one transaction, then effects.

What is in memory is what was committed last. An event that cannot be written is kept and tried again, in its order; an
ask that cannot is refused. Knows neither pages nor connections; one session owns it and calls it from one task.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from recorder.messages import TakeId
from signaling import record
from signaling.codes import ErrorCode
from signaling.decision import RUNNING, Decision, Effect, Situation
from signaling.interview import Asked, Happened, Tick, decide, submit
from signaling.record import Record, Stale
from signaling.surroundings import Surroundings
from storage.errors import StorageError
from storage.expiry import closes_at_ms
from storage.ids import new_id
from storage.interviews import AnswerRow
from storage.states import AnswerState, InvitationStatus

log = logging.getLogger(__name__)

RETRY_S = 2.0
OPEN = frozenset({InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS})
BUSY = RUNNING | {AnswerState.SAVING}
DatabaseTrouble = (StorageError, SQLAlchemyError)


class Conduct:
    """`media_live` says whether media arrive now, `server_failed` whether the recorder is why they do not; `carry_out`
    gets each effect after its decision is committed; `changed` is called after a decision changed an answer, and
    after the record was read again. None of them waits."""

    def __init__(
        self,
        around: Surroundings,
        loaded: Record,
        *,
        media_live: Callable[[], bool],
        server_failed: Callable[[], bool],
        carry_out: Callable[[Effect], None],
        changed: Callable[[], None],
    ) -> None:
        self.record = loaded
        self._around = around
        self._invitation_id = loaded.invitation.id
        self._media_live = media_live
        self._server_failed = server_failed
        self._carry_out = carry_out
        self._changed = changed
        self._deferred: deque[tuple[Happened, int]] = deque()
        self._outdated = False  # the database may hold something newer, and could not be read
        self._quiet_until_s: float | None = None  # after trouble with the database

    @property
    def status(self) -> InvitationStatus:
        return self.record.invitation.status

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def behind(self) -> bool:
        """Something happened that could not be written yet."""
        return bool(self._deferred)

    @property
    def waits_for_database(self) -> bool:
        """Something is to be written or read yet."""
        return self.behind or self._outdated

    @property
    def situation(self) -> Situation:
        return self.record.situation(media_live=self._media_live(), server_failed=self._server_failed())

    @property
    def busy(self) -> AnswerRow | None:
        """The answer that waits for the recorder."""
        return next((answer for answer in self.record.answers if answer.state in BUSY), None)

    @property
    def running(self) -> AnswerRow | None:
        """The answer that counts down or records."""
        return next((answer for answer in self.record.answers if answer.state in RUNNING), None)

    @property
    def recording(self) -> TakeId | None:
        """The take that records, and so may go on with another connection."""
        running = self.running
        recording = running is not None and running.state is AnswerState.RECORDING
        return TakeId(running.next_take_id) if recording and running and running.next_take_id else None

    def closes_at_ms(self) -> int | None:
        """When the invitation expires; while a take runs, as if it ended now."""
        ended_at_ms = self._around.clock.wall_ms() if self.busy else self.record.take_ended_at_ms
        return closes_at_ms(self.status, self.record.invitation.expires_at_ms, ended_at_ms)

    def due_in_s(self) -> float | None:
        """Until the clock has something to say, or the database is tried again; None if nothing is due."""
        if self._quiet_until_s is not None:
            return max(0.0, self._quiet_until_s - self._around.clock.monotonic())
        if not self.open:
            return None
        now_ms = self._around.clock.wall_ms()
        moments = [at for at in (self.record.invitation.expires_at_ms, self.closes_at_ms()) if at and at > now_ms]
        for answer in self.record.answers:
            at_ms = answer.wait_ends_at_ms or answer.think_ends_at_ms
            if answer.state is AnswerState.THINKING and at_ms is not None:
                moments.append(at_ms)
        return max(0, min(moments) - now_ms) / 1000 if moments else None

    async def load(self) -> None:
        """Reads again what the database has. Raises what the database raises."""
        self.record = await record.load(self._around.database, self._invitation_id)

    async def reload(self) -> None:
        """Reads again what the database has, now or as soon as it can be read."""
        self._outdated = True
        await self._catch_up()

    async def ask(self, ask: Asked) -> ErrorCode | None:
        """Why it was refused, or None. Raises what the database raises; then nothing has changed."""
        return (await self._step(ask, self._around.clock.wall_ms())).refusal

    async def happened(self, what: Happened) -> None:
        """Something that cannot be refused. Never raises for what the database does."""
        now_ms = self._around.clock.wall_ms()
        if self._deferred or not await self._try(what, now_ms):
            self._deferred.append((what, now_ms))

    async def advance(self) -> None:
        """Whatever is due by now: what was put off, think clocks and waits, the closing."""
        if self._quiet_until_s is not None:
            if self._around.clock.monotonic() < self._quiet_until_s:
                return
            self._quiet_until_s = None
        if self._outdated and not await self._catch_up():
            return
        while self._deferred:
            if not await self._try(*self._deferred[0]):
                return
            self._deferred.popleft()
        if self.open and await self._try(Tick(), self._around.clock.wall_ms()):
            await self._expire_if_due()

    async def complete(self) -> bool:
        """Submits all answers. False, and the record read again, if the database does not agree."""
        decision = submit(self.situation)
        if decision.refusal is not None:
            return False
        now_ms = self._around.clock.wall_ms()
        done = await record.complete(
            self._around.database, self.record, decision, now_ms, self._around.consequences.completed
        )
        await self.reload()
        return done or self.status is InvitationStatus.COMPLETED

    async def note_audio_only(self, audio_only: bool) -> None:
        """Whether the candidate's connection carries sound alone. Never raises for what the database does."""
        if self.record.invitation.audio_only is audio_only:
            return
        now_ms = self._around.clock.wall_ms()
        try:
            await record.set_audio_only(self._around.database, self._invitation_id, audio_only, now_ms)
            await self.load()
        except DatabaseTrouble:
            log.exception("invitation %s: could not note whether it is audio only", self._invitation_id)

    async def _expire_if_due(self) -> None:
        closes_ms, now_ms = self.closes_at_ms(), self._around.clock.wall_ms()
        if closes_ms is None or now_ms < closes_ms or self.busy is not None:
            return
        self._quiet_until_s = self._around.clock.monotonic() + RETRY_S
        try:
            await record.expire(self._around.database, self.record.invitation, now_ms)
            await self.load()
        except DatabaseTrouble:
            log.exception("invitation %s: could not be expired", self._invitation_id)
        else:
            self._changed()

    async def _catch_up(self) -> bool:
        try:
            await self.load()
        except DatabaseTrouble:
            log.exception("invitation %s: could not be read again", self._invitation_id)
            self._quiet_until_s = self._around.clock.monotonic() + RETRY_S
            return False
        self._outdated = False
        self._changed()
        return True

    async def _try(self, what: Happened, at_ms: int) -> bool:
        try:
            await self._step(what, at_ms)
        except DatabaseTrouble:
            log.exception("invitation %s: %s could not be written", self._invitation_id, type(what).__name__)
            self._quiet_until_s = self._around.clock.monotonic() + RETRY_S
            return False
        return True

    async def _step(self, what: Asked | Happened, at_ms: int) -> Decision:
        try:
            return await self._decide(what, at_ms)
        except Stale as stale:
            log.warning("invitation %s: decided upon something old, once more: %s", self._invitation_id, stale)
            await self.load()
            return await self._decide(what, at_ms)

    async def _decide(self, what: Asked | Happened, at_ms: int) -> Decision:
        """Decided by what is true now, written down as of `at_ms`, when it happened."""
        now_ms = self._around.clock.wall_ms()
        decision = decide(self.situation, what, now_ms, new_id(now_ms))
        if decision.writes:
            self.record = await record.write(self._around.database, self.record, decision, at_ms)
        for warning in decision.warnings:
            log.warning("invitation %s: %s", self._invitation_id, warning)
        for effect in decision.effects:
            self._carry_out(effect)
        if decision.answers:
            self._changed()
        return decision
