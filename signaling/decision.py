"""What the rules decide: rows to write, entries for the ledger, and what to do afterwards.

Values only; who decides is `interview` and `outcome`, who carries it out is `session`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from recorder.messages import TakeId, TakeResult
from signaling.codes import ErrorCode
from storage.interviews import AnswerRow
from storage.states import AnswerState, InvitationStatus, TakeState

COUNTDOWN_MS = 3_000
WAIT_MS = 60_000
FREE_COUNTDOWNS = 50
ANOTHER_AFTER_MS = 10_000
"""After FREE_COUNTDOWNS that led to no take, each of a question's next ones waits so long after the one before."""

ACTIVE = frozenset({AnswerState.THINKING, AnswerState.COUNTDOWN, AnswerState.RECORDING, AnswerState.SAVING})
RUNNING = frozenset({AnswerState.COUNTDOWN, AnswerState.RECORDING})


class LedgerKind(StrEnum):
    """The kinds of entries in an answer's ledger."""

    REVEAL = "reveal"
    THINK = "think"
    WAIT = "wait"
    COUNTDOWN = "countdown"
    COUNTDOWN_ENDED = "countdown_ended"
    RECORDING = "recording"
    OUTAGE = "outage"
    OUTAGE_ENDED = "outage_ended"
    SAVING = "saving"
    DRAFT = "draft"
    FAILED = "failed"
    CHARGE = "charge"
    CREDIT = "credit"
    MISSED = "missed"
    DEADLINE = "deadline"
    REMOVED = "removed"
    DISCARDED = "discarded"
    DAMAGED = "damaged"
    SUBMITTED = "submitted"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the rules may look at. Times are wall-clock milliseconds."""

    status: InvitationStatus
    expires_at_ms: int | None
    media_live: bool
    answers: tuple[AnswerRow, ...]
    server_failed: bool = False
    """There are no media because the recorder took none, or died with them; nothing has worked since."""

    def expired(self, now_ms: int) -> bool:
        """Nothing new starts any more."""
        return self.expires_at_ms is not None and now_ms >= self.expires_at_ms

    def active(self) -> AnswerRow | None:
        return next((answer for answer in self.answers if answer.state in ACTIVE), None)

    def by_question(self, question_id: str) -> AnswerRow | None:
        return next((answer for answer in self.answers if answer.question.id == question_id), None)

    def by_next_take(self, take_id: str) -> AnswerRow | None:
        """The answer whose countdown, recording or saving this take is."""
        return next((answer for answer in self.answers if answer.next_take_id == take_id), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an answer's ledger. `at_ms`: when it happened, where that is known better than by the decision."""

    answer_id: str
    kind: LedgerKind
    detail: dict[str, Any]
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TakeStep:
    """A take comes into being (`countdown`) or moves on; `result` is what the worker said about its end."""

    take_id: TakeId
    answer_id: str
    to: TakeState
    started_at_ms: int | None = None
    result: TakeResult | None = None


@dataclass(frozen=True, slots=True)
class ArmTake:
    take_id: TakeId
    limit_ms: int


@dataclass(frozen=True, slots=True)
class StopTake:
    take_id: TakeId


@dataclass(frozen=True, slots=True)
class DiscardTake:
    """Delete the take's files; safe to repeat."""

    take_id: TakeId


@dataclass(frozen=True, slots=True)
class ForgiveServer:
    """The server's failure was made up for; only a new one counts again."""


Effect = ArmTake | StopTake | DiscardTake | ForgiveServer


@dataclass(frozen=True, slots=True)
class Decision:
    """`answers` are the changed rows, still with the revision they had. A refusal comes alone. `warnings` are for
    the log."""

    answers: tuple[AnswerRow, ...] = ()
    takes: tuple[TakeStep, ...] = ()
    ledger: tuple[Entry, ...] = ()
    effects: tuple[Effect, ...] = ()
    refusal: ErrorCode | None = None
    warnings: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        return bool(self.answers or self.takes or self.ledger)


NOTHING = Decision()


def refuse(code: ErrorCode) -> Decision:
    return Decision(refusal=code)


def attempts_left(answer: AnswerRow) -> int | None:
    """Takes that may still be charged; None when unlimited."""
    if answer.question.retakes is None:
        return None
    return max(0, answer.question.retakes + 1 - answer.attempts_used)


def has_attempt(answer: AnswerRow) -> bool:
    return attempts_left(answer) != 0


def think_over(answer: AnswerRow, now_ms: int) -> bool:
    """The think clock of a timed question has run out (never true without one)."""
    return answer.think_ends_at_ms is not None and now_ms >= answer.think_ends_at_ms


def wait_over(answer: AnswerRow, now_ms: int) -> bool:
    return answer.waited and (answer.wait_ends_at_ms is None or now_ms >= answer.wait_ends_at_ms)


def counts_down_too_often(answer: AnswerRow, now_ms: int) -> bool:
    """So many countdowns led to no take that the next has to wait a moment."""
    last_ms = answer.free_countdown_at_ms
    return answer.free_countdowns >= FREE_COUNTDOWNS and last_ms is not None and now_ms < last_ms + ANOTHER_AFTER_MS


class Step:
    """One answer on its way through one decision; collects what has to be written and done."""

    def __init__(self, answer: AnswerRow) -> None:
        self.answer = answer
        self._before = answer
        self._takes: list[TakeStep] = []
        self._ledger: list[Entry] = []
        self._effects: list[Effect] = []
        self._warnings: list[str] = []

    def move(self, **changes: Any) -> None:
        self.answer = replace(self.answer, **changes)

    def note(self, kind: LedgerKind, *, at_ms: int | None = None, **detail: Any) -> None:
        self._ledger.append(Entry(self.answer.id, kind, detail, at_ms))

    def take(self, step: TakeStep) -> None:
        self._takes.append(step)

    def then(self, effect: Effect) -> None:
        self._effects.append(effect)

    def warn(self, sentence: str) -> None:
        self._warnings.append(f"answer {self.answer.id}: {sentence}")

    def done(self) -> Decision:
        changed = (self.answer,) if self.answer != self._before else ()
        return Decision(
            changed,
            tuple(self._takes),
            tuple(self._ledger),
            tuple(self._effects),
            warnings=tuple(self._warnings),
        )
