"""The rules of one interview: what an ask, a clock or a recorder's event does to an answer.

Pure: a situation, what happened and the time go in, a `Decision` comes out. PRODUCT.md, "An answer", in code.
Knows no socket, no database and no recorder; what becomes of a take is in `outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from recorder.messages import (
    OutageBegan,
    OutageEnded,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeStarted,
)
from signaling import outcome
from signaling.codes import ErrorCode, NoticeCode
from signaling.decision import (
    COUNTDOWN_MS as COUNTDOWN_MS,
)
from signaling.decision import (
    NOTHING,
    RUNNING,
    WAIT_MS,
    ArmTake,
    Decision,
    DiscardTake,
    Entry,
    LedgerKind,
    Situation,
    Step,
    StopTake,
    TakeStep,
    counts_down_too_often,
    has_attempt,
    refuse,
    think_over,
    wait_over,
)
from signaling.messages import Record, Remove, Reveal, Stop
from storage.interviews import AnswerRow
from storage.states import AnswerState, InvitationStatus, TakeState

BUSY = RUNNING | {AnswerState.SAVING}


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed, or media came or went."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The server was away: a wait for media that it could not serve begins anew."""


@dataclass(frozen=True, slots=True)
class TakeLost:
    """No worker holds this take and nothing of it is on disk."""

    take_id: TakeId


@dataclass(frozen=True, slots=True)
class TakeDamaged:
    """The file of this kept take is not what was written."""

    take_id: str


Asked = Reveal | Record | Stop | Remove
Happened = (
    Tick
    | Resumed
    | TakeLost
    | TakeDamaged
    | TakeStarted
    | TakeNotStarted
    | TakeEnding
    | TakeFinished
    | OutageBegan
    | OutageEnded
)


def decide(situation: Situation, what: Asked | Happened, now_ms: int, new_take_id: str) -> Decision:
    """What follows. `new_take_id` is used if a countdown begins. Takes that are not the interview's change nothing."""
    match what:
        case Reveal() | Record() | Stop() | Remove():
            return _decide_ask(situation, what, now_ms, new_take_id)
        case Tick():
            return _tick(situation, now_ms, new_take_id)
        case Resumed():
            return _resumed(situation, now_ms)
        case TakeDamaged():
            return _damaged(situation, what.take_id, now_ms)
        case TakeFinished():
            take_id = what.result.take_id
        case _:
            take_id = what.take_id
    answer = situation.by_next_take(take_id)
    if answer is None:
        return NOTHING
    step = Step(answer)
    match what:
        case TakeStarted():
            outcome.started(step, what.at_unix_ms)
        case TakeNotStarted():
            outcome.not_started(step, what.reason, now_ms)
        case TakeEnding():
            outcome.ending(step, what, now_ms)
        case TakeFinished():
            outcome.finished(step, what.result, now_ms)
        case TakeLost():
            outcome.lost(step, now_ms)
        case OutageBegan():
            outcome.outage_began(step, take_id, what.at_unix_ms, what.grace_ms)
        case OutageEnded():
            outcome.outage_ended(step, take_id, what.outage_ms, what.remaining_ms)
        case _:
            assert_never(what)
    return step.done()


def refusal_by_status(status: InvitationStatus) -> ErrorCode | None:
    """Why nothing may be asked of an interview in this status."""
    if status is InvitationStatus.PENDING:
        return ErrorCode.NOT_STARTED
    return None if status is InvitationStatus.IN_PROGRESS else ErrorCode.ENDED


def sending_refusal(situation: Situation) -> ErrorCode | None:
    """Why the answers cannot be sent now; None if they can. The closing time is the caller's to enforce."""
    if refused := refusal_by_status(situation.status):
        return refused
    if situation.active() is not None:
        return ErrorCode.QUESTION_ACTIVE
    settled = (AnswerState.DRAFT, AnswerState.MISSED)
    if any(answer.question.required and answer.state not in settled for answer in situation.answers):
        return ErrorCode.NOT_COMPLETE
    return None


def submit(situation: Situation) -> Decision:
    """Every draft and every missed question becomes `submitted`, for good."""
    if refused := sending_refusal(situation):
        return refuse(refused)
    steps = []
    for answer in situation.answers:
        if answer.state in (AnswerState.DRAFT, AnswerState.MISSED):
            step = Step(answer)
            step.note(LedgerKind.SUBMITTED, take=answer.take_id, missed=answer.state is AnswerState.MISSED)
            step.move(state=AnswerState.SUBMITTED, notice=None, before=None)
            steps.append(step.done())
    answers: list[AnswerRow] = []
    ledger: list[Entry] = []
    for each in steps:
        answers.extend(each.answers)
        ledger.extend(each.ledger)
    return Decision(answers=tuple(answers), ledger=tuple(ledger))


def ask_refusal(situation: Situation, answer: AnswerRow, ask: Asked, now_ms: int) -> ErrorCode | None:
    """Why this ask is refused, whatever the media do; None if only media or a pause may be missing."""
    if refused := refusal_by_status(situation.status):
        return refused
    active = situation.active()
    elsewhere = active is not None and active.id != answer.id
    match ask:
        case Reveal():
            if answer.state is not AnswerState.HIDDEN:
                return ErrorCode.ALREADY_REVEALED
        case Record():
            if answer.state is AnswerState.HIDDEN:
                return ErrorCode.NOT_REVEALED
            if answer.state in BUSY:
                return ErrorCode.NOT_NOW
            if not has_attempt(answer):
                return ErrorCode.NO_ATTEMPTS_LEFT
        case Stop():
            return _stop_refusal(answer, now_ms)
        case Remove():
            if answer.state in BUSY:
                return ErrorCode.NOT_NOW
            if answer.state is not AnswerState.DRAFT:
                return ErrorCode.NOTHING_TO_REMOVE
            if answer.question.required and (not has_attempt(answer) or situation.expired(now_ms)):
                return ErrorCode.LAST_TAKE
        case _:
            assert_never(ask)
    if elsewhere:
        return ErrorCode.QUESTION_ACTIVE
    if situation.expired(now_ms) and not isinstance(ask, Remove):
        return ErrorCode.DEADLINE_PASSED
    return None


def _stop_refusal(answer: AnswerRow, now_ms: int) -> ErrorCode | None:
    if answer.state not in RUNNING:
        return ErrorCode.NOTHING_TO_STOP
    forced = answer.before is AnswerState.THINKING and think_over(answer, now_ms)
    if answer.state is AnswerState.COUNTDOWN and forced:
        return ErrorCode.COUNTDOWN_RUNS  # stopping it again and again would be think time
    return None


def _decide_ask(situation: Situation, ask: Asked, now_ms: int, new_take_id: str) -> Decision:
    if refused := refusal_by_status(situation.status):
        return refuse(refused)
    answer = situation.by_question(ask.question)
    if answer is None:
        return refuse(ErrorCode.UNKNOWN_QUESTION)
    if refused := ask_refusal(situation, answer, ask, now_ms):
        return refuse(refused)
    needs_media = isinstance(ask, Record) or (isinstance(ask, Reveal) and answer.question.think_s > 0)
    if needs_media and not situation.media_live:
        return refuse(ErrorCode.MEDIA_NOT_LIVE)
    if isinstance(ask, Record) and counts_down_too_often(answer, now_ms):
        return refuse(ErrorCode.TOO_OFTEN)
    step = Step(answer)
    match ask:
        case Reveal():
            _reveal(step, now_ms)
        case Record():
            _count_down(step, new_take_id, by_itself=False)
        case Stop():
            if answer.next_take_id is not None:
                step.then(StopTake(TakeId(answer.next_take_id)))
        case Remove():
            _remove(step)
        case _:
            assert_never(ask)
    return step.done()


def _reveal(step: Step, now_ms: int) -> None:
    think_s = step.answer.question.think_s
    step.note(LedgerKind.REVEAL)
    if think_s > 0:
        step.move(state=AnswerState.THINKING, think_ends_at_ms=now_ms + think_s * 1000, notice=None)
        step.note(LedgerKind.THINK, think_ms=think_s * 1000)
    else:
        step.move(state=AnswerState.SEEN, notice=None)


def _count_down(step: Step, take_id: str, *, by_itself: bool) -> None:
    answer = step.answer
    step.move(state=AnswerState.COUNTDOWN, before=answer.state, next_take_id=take_id, notice=None)
    step.take(TakeStep(TakeId(take_id), answer.id, TakeState.COUNTDOWN))
    step.note(LedgerKind.COUNTDOWN, take=take_id, by_itself=by_itself)
    step.then(ArmTake(TakeId(take_id), limit_ms=answer.question.limit_s * 1000))


def _remove(step: Step) -> None:
    take_id = step.answer.take_id
    step.move(state=AnswerState.SEEN, take_id=None, notice=NoticeCode.TAKE_REMOVED)
    step.note(LedgerKind.REMOVED, take=take_id)
    if take_id is not None:
        step.take(TakeStep(TakeId(take_id), step.answer.id, TakeState.DISCARDED))
        step.then(DiscardTake(TakeId(take_id)))


def _tick(situation: Situation, now_ms: int, new_take_id: str) -> Decision:
    """Think time over: the 3-2-1 by itself, or the one wait for media, or its end."""
    answer = situation.active()
    if situation.status is not InvitationStatus.IN_PROGRESS or answer is None:
        return NOTHING
    if answer.state is not AnswerState.THINKING or not think_over(answer, now_ms):
        return NOTHING
    step = Step(answer)
    if situation.expired(now_ms):
        step.move(state=AnswerState.SEEN, wait_ends_at_ms=None, notice=NoticeCode.DEADLINE_PASSED)
        step.note(LedgerKind.DEADLINE)
    elif situation.media_live and answer.wait_ends_at_ms is None:
        _count_down(step, new_take_id, by_itself=True)
    elif wait_over(answer, now_ms):
        if situation.server_failed:
            outcome.renew_wait(step, now_ms)
        else:
            outcome.charge_wait(step)
    elif situation.media_live:
        _count_down(step, new_take_id, by_itself=True)
    elif not answer.waited:
        outcome.begin_wait(step, now_ms, NoticeCode.WAITING_FOR_MEDIA)
    return step.done()


def _resumed(situation: Situation, now_ms: int) -> Decision:
    answer = situation.active()
    if answer is None or answer.state is not AnswerState.THINKING or answer.wait_ends_at_ms is None:
        return NOTHING
    step = Step(answer)
    step.move(wait_ends_at_ms=now_ms + WAIT_MS)
    step.note(LedgerKind.WAIT, wait_ms=WAIT_MS, because="server_restarted")
    return step.done()


def _damaged(situation: Situation, take_id: str, now_ms: int) -> Decision:
    answer = next((each for each in situation.answers if each.take_id == take_id), None)
    if answer is None or answer.state is not AnswerState.DRAFT:
        return NOTHING
    step = Step(answer)
    outcome.damaged(step, TakeId(take_id), too_late=situation.expired(now_ms))
    return step.done()
