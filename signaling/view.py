"""What the candidate may know now: the whole interview as one `State`. Pure.

A question's text appears only once it was revealed, and no time here is a wall-clock time or negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recorder.messages import TakeProgress
from signaling.decision import COUNTDOWN_MS, Situation, attempts_left
from signaling.interview import ask_refusal, sending_refusal
from signaling.messages import (
    Action,
    Media,
    Progress,
    QuestionView,
    Record,
    Remove,
    Reveal,
    Sending,
    State,
    Stop,
    TakeView,
)
from storage.interviews import AnswerRow, TakeRow
from storage.states import AnswerState, InvitationStatus


@dataclass(frozen=True, slots=True)
class Live:
    """What no database knows: the connection, the recording's clock, the sending."""

    media: Media
    audio_only: bool
    remaining_ms: int | None
    stalled: bool
    sending: Sending
    sending_problems: tuple[str, ...]
    outage_left_ms: int | None = None


def state(
    situation: Situation,
    takes: Mapping[str, TakeRow],
    live: Live,
    *,
    closes_at_ms: int | None,
    now_ms: int,
    elsewhere: bool = False,
) -> State:
    """`takes` holds at least the takes that the answers point at; `elsewhere` is for a page that waits."""
    active = situation.active()
    closing = closes_at_ms is not None and situation.expired(now_ms)
    return State(
        status=situation.status,
        media=live.media,
        audio_only=live.audio_only,
        elsewhere=elsewhere,
        active=active.question.id if active else None,
        closing_ms=_left(closes_at_ms, now_ms) if closing else None,
        sending=live.sending,
        sending_problems=list(live.sending_problems),
        can_send=not elsewhere and live.sending in SENDABLE and sending_refusal(situation) is None,
        questions=[
            _question(situation, answer, number, takes, live, now_ms, elsewhere=elsewhere)
            for number, answer in enumerate(situation.answers, start=1)
        ]
        if situation.status is not InvitationStatus.PENDING
        else [],
    )


SENDABLE = frozenset({Sending.IDLE, Sending.REFUSED})


def _question(
    situation: Situation,
    answer: AnswerRow,
    number: int,
    takes: Mapping[str, TakeRow],
    live: Live,
    now_ms: int,
    *,
    elsewhere: bool,
) -> QuestionView:
    question = answer.question
    thinking = answer.state is AnswerState.THINKING
    recording = answer.state is AnswerState.RECORDING
    waiting = thinking and answer.wait_ends_at_ms is not None
    countdown = takes.get(answer.next_take_id or "") if answer.state is AnswerState.COUNTDOWN else None
    take = takes.get(answer.take_id) if answer.take_id else None
    return QuestionView(
        id=question.id,
        number=number,
        state=answer.state,
        required=question.required,
        think_s=question.think_s,
        limit_s=question.limit_s,
        retakes=question.retakes,
        attempts_left=attempts_left(answer),
        text=None if answer.state is AnswerState.HIDDEN else question.text,
        take=take_view(take) if take else None,
        actions=[] if elsewhere else _actions(situation, answer, now_ms),
        think_left_ms=_left(answer.think_ends_at_ms, now_ms) if thinking and not waiting else None,
        wait_left_ms=_left(answer.wait_ends_at_ms, now_ms) if waiting else None,
        countdown_left_ms=_left(countdown.created_at_ms + COUNTDOWN_MS, now_ms) if countdown else None,
        remaining_ms=live.remaining_ms if recording else None,
        stalled=recording and live.stalled,
        outage_left_ms=live.outage_left_ms if recording and live.stalled else None,
        notice=answer.notice,
    )


def _actions(situation: Situation, answer: AnswerRow, now_ms: int) -> list[Action]:
    question = answer.question.id
    asks = (
        (Action.REVEAL, Reveal(question)),
        (Action.RECORD, Record(question)),
        (Action.STOP, Stop(question)),
        (Action.REMOVE, Remove(question)),
    )
    return [action for action, ask in asks if ask_refusal(situation, answer, ask, now_ms) is None]


def take_view(take: TakeRow) -> TakeView:
    return TakeView(
        id=take.id,
        duration_ms=take.duration_ms,
        media_type=take.media_type,
        verdict=take.verdict,
        reasons=list(take.reasons),
        recovered=take.recovered,
        url=f"takes/{take.id}",
        poster_url=f"takes/{take.id}/poster" if take.poster else None,
    )


def progress(question_id: str, event: TakeProgress) -> Progress:
    return Progress(
        question=question_id,
        elapsed_ms=event.elapsed_ms,
        remaining_ms=event.remaining_ms,
        safe_ms=event.safe_ms,
        level=event.level,
        packets_lost=event.packets_lost,
    )


def _left(at_ms: int | None, now_ms: int) -> int | None:
    return None if at_ms is None else max(0, at_ms - now_ms)
