"""What becomes of a take: charged, kept, failed, credited. The second half of the rules of `interview`.

Pure: each function moves one `Step` along. A server's failure is credited (one that left something playable: up to
CREDITS_KEPT times per question); one on the candidate's side (connection gone, nothing playable) once per question.
"""

from __future__ import annotations

from recorder.messages import EndReason, NeverStarted, TakeEnding, TakeId, TakeResult, Verdict
from signaling.codes import NoticeCode
from signaling.decision import (
    WAIT_MS,
    DiscardTake,
    ForgiveServer,
    LedgerKind,
    Step,
    TakeStep,
    has_attempt,
    think_over,
    wait_over,
)
from storage.interviews import AnswerRow
from storage.states import AnswerState, TakeState

SERVER_ENDS = frozenset({EndReason.DISK_FULL, EndReason.WORKER_DIED, EndReason.FAULT, EndReason.ABANDONED_BY_SERVER})
CANDIDATE_ENDS = frozenset({EndReason.OUTAGE})
"""What is credited once as a failure on the candidate's side; who stops a take, or sends too much, meant to."""
CREDITS_KEPT = 3
SERVER_NEVER_STARTED = frozenset({NeverStarted.DISK_FULL, NeverStarted.WORKER_DIED})

KEPT_NOTICES: dict[EndReason, NoticeCode | None] = {
    EndReason.STOPPED: None,
    EndReason.LIMIT: NoticeCode.TIME_UP,
    EndReason.OUTAGE: NoticeCode.ENDED_OUTAGE,
    EndReason.DISK_FULL: NoticeCode.ENDED_DISK_FULL,
    EndReason.TOO_LARGE: NoticeCode.ENDED_TOO_LARGE,
    EndReason.ABANDONED_BY_SERVER: NoticeCode.ENDED_SERVER,
    EndReason.WORKER_DIED: NoticeCode.RECOVERED,
    EndReason.FAULT: NoticeCode.ENDED_SERVER,
}

NOT_STARTED_NOTICES: dict[NeverStarted, NoticeCode | None] = {
    NeverStarted.NO_KEY_FRAME: NoticeCode.NO_PICTURE,
    NeverStarted.NO_SOUND: NoticeCode.NO_SOUND,
    NeverStarted.PEER_GONE: NoticeCode.CONNECTION_LOST,
    NeverStarted.CANCELLED: None,
    NeverStarted.DISK_FULL: NoticeCode.DISK_FULL,
    NeverStarted.WORKER_DIED: NoticeCode.START_FAILED,
}


def begin_wait(step: Step, now_ms: int, notice: NoticeCode | None) -> None:
    """The one wait of this question for live media."""
    step.move(waited=True, wait_ends_at_ms=now_ms + WAIT_MS, notice=notice)
    step.note(LedgerKind.WAIT, wait_ms=WAIT_MS)


def renew_wait(step: Step, now_ms: int) -> None:
    """There was no way to send media in the wait that is over: once more, at no cost."""
    step.move(wait_ends_at_ms=now_ms + WAIT_MS)
    step.note(LedgerKind.WAIT, wait_ms=WAIT_MS, because="recorder_unavailable")
    step.then(ForgiveServer())


def charge_wait(step: Step) -> None:
    """The wait is over without media: one attempt."""
    step.move(attempts_used=step.answer.attempts_used + 1, wait_ends_at_ms=None)
    step.note(LedgerKind.CHARGE, because="no_media", attempts_used=step.answer.attempts_used)
    _rest(step, NoticeCode.WAIT_CHARGED, if_missed=NoticeCode.WAIT_MISSED)


def started(step: Step, at_unix_ms: int) -> None:
    """The first key frame was recorded: the attempt is charged, once."""
    answer = step.answer
    if answer.state is not AnswerState.COUNTDOWN or answer.next_take_id is None:
        return
    step.move(state=AnswerState.RECORDING, attempts_used=answer.attempts_used + 1, wait_ends_at_ms=None, notice=None)
    step.take(TakeStep(TakeId(answer.next_take_id), answer.id, TakeState.RECORDING, started_at_ms=at_unix_ms))
    step.note(LedgerKind.RECORDING, at_ms=at_unix_ms, take=answer.next_take_id, attempts_used=step.answer.attempts_used)


def not_started(step: Step, reason: NeverStarted, now_ms: int) -> None:
    """Back to where the countdown came from, uncharged."""
    answer = step.answer
    if answer.state is not AnswerState.COUNTDOWN or answer.next_take_id is None:
        lost(step, now_ms)  # a worker that contradicts what it said before
        return
    back = answer.before or AnswerState.SEEN
    notice = NOT_STARTED_NOTICES[reason]
    step.take(TakeStep(TakeId(answer.next_take_id), answer.id, TakeState.ABANDONED))
    step.note(LedgerKind.COUNTDOWN_ENDED, take=answer.next_take_id, reason=str(reason))
    step.move(state=back, before=None, next_take_id=None, notice=notice)
    step.move(free_countdowns=answer.free_countdowns + 1, free_countdown_at_ms=now_ms)
    if back is not AnswerState.THINKING or not think_over(answer, now_ms):
        return
    if reason in SERVER_NEVER_STARTED:
        step.move(state=AnswerState.SEEN, wait_ends_at_ms=None)
    elif wait_over(answer, now_ms):
        charge_wait(step)
    elif not answer.waited:
        begin_wait(step, now_ms, notice or NoticeCode.WAITING_FOR_MEDIA)


def ending(step: Step, end: TakeEnding, now_ms: int) -> None:
    """Recording is over, the file is being closed."""
    _charge_if_unseen(step, now_ms - end.elapsed_ms)
    answer = step.answer
    if answer.state is not AnswerState.RECORDING:
        return
    _close_outage(step, end.take_id, now_ms)
    step.move(state=AnswerState.SAVING)
    step.take(TakeStep(end.take_id, answer.id, TakeState.SAVING))
    step.note(LedgerKind.SAVING, take=end.take_id, reason=str(end.reason), elapsed_ms=end.elapsed_ms)


def finished(step: Step, result: TakeResult, now_ms: int) -> None:
    """Kept as the draft, or failed; credited where it was not the candidate's doing."""
    _charge_if_unseen(step, result.started_unix_ms or now_ms)
    _close_outage(step, result.take_id, now_ms)
    by_server = result.recovered or result.end_reason in SERVER_ENDS
    if result.verdict is Verdict.FAILED or not result.file:
        _failed(step, result.take_id, result, now_ms, by_server=by_server)
        return
    answer = step.answer
    notice = NoticeCode.RECOVERED if result.recovered else KEPT_NOTICES[result.end_reason]
    credited = by_server and answer.credits_kept < CREDITS_KEPT
    if by_server and not credited:
        notice = NoticeCode.ENDED_CHARGED
        step.warn(f"take {result.take_id} is kept uncredited, {CREDITS_KEPT} were given back: {result.end_reason}")
    step.take(TakeStep(result.take_id, answer.id, TakeState.KEPT, result=result))
    step.note(
        LedgerKind.DRAFT,
        take=result.take_id,
        verdict=str(result.verdict),
        end_reason=str(result.end_reason),
        elapsed_ms=result.elapsed_ms,
        recovered=result.recovered,
        **({"credited": credited} if by_server else {}),
    )
    if credited:
        step.move(credits_kept=answer.credits_kept + 1)
        _credit(step, "recovered" if result.recovered else str(result.end_reason))
    if answer.take_id is not None:
        step.take(TakeStep(TakeId(answer.take_id), answer.id, TakeState.DISCARDED))
        step.note(LedgerKind.DISCARDED, take=answer.take_id)
        step.then(DiscardTake(TakeId(answer.take_id)))
    step.move(state=AnswerState.DRAFT, take_id=str(result.take_id), next_take_id=None, before=None, notice=notice)


def lost(step: Step, now_ms: int) -> None:
    """Nothing is left of the take: before its start that costs nothing, after it the attempt is credited."""
    answer = step.answer
    if answer.next_take_id is None:
        return
    if answer.state is AnswerState.COUNTDOWN:
        not_started(step, NeverStarted.WORKER_DIED, now_ms)
    elif answer.state in (AnswerState.RECORDING, AnswerState.SAVING):
        _close_outage(step, TakeId(answer.next_take_id), now_ms)
        _failed(step, TakeId(answer.next_take_id), None, now_ms, by_server=True)


def damaged(step: Step, take_id: TakeId, *, too_late: bool) -> None:
    """A draft's file is not what was written: the take is gone and credited.

    When nothing new may start any more, a required question counts as missed, so that it does not hold back the others.
    """
    answer = step.answer
    step.take(TakeStep(take_id, answer.id, TakeState.FAILED))
    step.note(LedgerKind.DAMAGED, take=take_id)
    _credit(step, "damaged")
    missed = too_late and answer.question.required
    step.move(state=AnswerState.MISSED if missed else AnswerState.SEEN, take_id=None, notice=NoticeCode.TAKE_DAMAGED)
    if missed:
        step.note(LedgerKind.MISSED)


def _charge_if_unseen(step: Step, at_unix_ms: int) -> None:
    """A start that was not heard of (the server was away) is charged when its end is."""
    if step.answer.state is AnswerState.COUNTDOWN:
        started(step, at_unix_ms)


def outage_began(step: Step, take_id: TakeId, at_unix_ms: int, grace_ms: int) -> None:
    """No packets arrive since then. Said again, it changes nothing."""
    if step.answer.outage_at_ms is not None:
        return
    if step.answer.state is AnswerState.RECORDING:
        step.move(outage_at_ms=at_unix_ms)
    step.note(LedgerKind.OUTAGE, at_ms=at_unix_ms, take=take_id, grace_ms=grace_ms)


def outage_ended(step: Step, take_id: TakeId, outage_ms: int, remaining_ms: int) -> None:
    """Packets arrive again. Said again, it changes nothing."""
    began_ms = step.answer.outage_at_ms
    if began_ms is None:
        return
    step.note(
        LedgerKind.OUTAGE_ENDED,
        at_ms=began_ms + outage_ms,
        take=take_id,
        outage_ms=outage_ms,
        remaining_ms=remaining_ms,
    )
    step.move(outage_at_ms=None)


def _close_outage(step: Step, take_id: TakeId, now_ms: int) -> None:
    """The take ends in an outage: how long that was is told as of one that ended."""
    began_ms = step.answer.outage_at_ms
    if began_ms is not None:
        step.note(LedgerKind.OUTAGE_ENDED, take=take_id, outage_ms=max(0, now_ms - began_ms), ended_take=True)
        step.move(outage_at_ms=None)


def _failed(step: Step, take_id: TakeId, result: TakeResult | None, now_ms: int, *, by_server: bool) -> None:
    came_from = step.answer.before
    step.take(TakeStep(take_id, step.answer.id, TakeState.FAILED, result=result))
    step.note(
        LedgerKind.FAILED,
        take=take_id,
        end_reason=str(result.end_reason) if result else "lost",
        reasons=list(result.reasons) if result else [],
    )
    step.move(next_take_id=None, before=None)
    if by_server:
        _credit(step, str(result.end_reason) if result else "lost")
        _rest(step, NoticeCode.FAILED_SERVER, if_missed=NoticeCode.FAILED_SERVER)
    elif step.answer.credits_candidate == 0 and result is not None and result.end_reason in CANDIDATE_ENDS:
        step.move(credits_candidate=1)
        _credit(step, "candidate_side")
        if step.answer.take_id is None and _thinks_on(step.answer, came_from, now_ms):
            step.move(state=AnswerState.THINKING, notice=NoticeCode.FAILED_CREDITED)
        else:
            _rest(step, NoticeCode.FAILED_CREDITED, if_missed=NoticeCode.FAILED_MISSED)
    else:
        _rest(step, NoticeCode.FAILED_CHARGED, if_missed=NoticeCode.FAILED_MISSED)


def _thinks_on(answer: AnswerRow, came_from: AnswerState | None, now_ms: int) -> bool:
    """A credit does not switch the think clock off: it runs on, and if it ran out during the take that began in it,
    what follows at zero follows now (`interview`, at the next tick)."""
    if answer.think_ends_at_ms is None:
        return False
    return came_from is AnswerState.THINKING or not think_over(answer, now_ms)


def _credit(step: Step, because: str) -> None:
    step.move(attempts_used=max(0, step.answer.attempts_used - 1))
    step.note(LedgerKind.CREDIT, because=because, attempts_used=step.answer.attempts_used)


def _rest(step: Step, notice: NoticeCode, *, if_missed: NoticeCode) -> None:
    """`failed` is passed through: the take before it, another try, or missed."""
    answer = step.answer
    if answer.take_id is not None:
        step.move(state=AnswerState.DRAFT, notice=notice)
    elif has_attempt(answer) or not answer.question.required:
        step.move(state=AnswerState.SEEN, notice=notice)
    else:
        step.move(state=AnswerState.MISSED, notice=if_missed)
        step.note(LedgerKind.MISSED)
