"""What is charged, what is given back, and that neither can be farmed or switches a clock off."""

from __future__ import annotations

import pytest

from recorder.messages import (
    EndReason,
    NeverStarted,
    OutageBegan,
    OutageEnded,
    TakeEnding,
    TakeNotStarted,
    TakeStarted,
    Verdict,
)
from signaling.codes import ErrorCode, NoticeCode
from signaling.decision import ANOTHER_AFTER_MS, FREE_COUNTDOWNS, WAIT_MS, LedgerKind, attempts_left
from signaling.interview import Tick
from signaling.messages import Record, Reveal, Stop
from signaling.outcome import CREDITS_KEPT
from storage.states import AnswerState
from tests.signaling.rules import Play, question


def thinking(*, retakes: int | None = 0, think_s: int = 30) -> Play:
    play = Play([question(think_s=think_s, retakes=retakes)])
    play.do(Reveal("q1"))
    return play


@pytest.mark.parametrize("reason", [EndReason.STOPPED, EndReason.LIMIT, EndReason.TOO_LARGE])
def test_a_take_that_was_stopped_is_never_credited_however_short(reason: EndReason) -> None:
    play = thinking(retakes=1)
    for left, state in ((1, AnswerState.SEEN), (0, AnswerState.MISSED)):
        play.finish(play.record(), Verdict.FAILED, reason)
        assert (attempts_left(play.answer()), play.answer().state) == (left, state)
    assert play.entries(LedgerKind.CREDIT) == []


def test_a_credit_does_not_switch_the_think_clock_off() -> None:
    play = thinking()
    ends_at_ms = play.answer().think_ends_at_ms
    play.now_ms += 5_000
    take_id = play.record()
    play.now_ms += 10_000
    play.finish(take_id, Verdict.FAILED, EndReason.OUTAGE)
    answer = play.answer()
    assert (answer.state, answer.think_ends_at_ms) == (AnswerState.THINKING, ends_at_ms)
    assert (answer.attempts_used, answer.notice) == (0, NoticeCode.FAILED_CREDITED)
    assert not play.do(Tick()).writes
    play.now_ms += 15_000
    play.do(Tick())
    assert play.answer().state is AnswerState.COUNTDOWN


@pytest.mark.parametrize("live", [True, False])
def test_a_credit_after_think_time_is_followed_by_what_follows_at_zero(live: bool) -> None:
    play = thinking()
    take_id = play.record()
    play.now_ms += 40_000
    play.live = live
    play.finish(take_id, Verdict.FAILED, EndReason.OUTAGE)
    play.do(Tick())
    if live:
        assert play.answer().state is AnswerState.COUNTDOWN
        return
    assert play.answer().wait_ends_at_ms == play.now_ms + WAIT_MS
    play.now_ms += WAIT_MS
    play.do(Tick())
    assert play.answer().state is AnswerState.MISSED


def test_a_credit_does_not_give_a_second_wait() -> None:
    play = thinking()
    play.live = False
    play.now_ms += 30_000
    play.do(Tick())
    play.live = True
    play.do(Tick())
    play.do(TakeStarted(play.taking(), play.now_ms, 60_000))
    play.live = False
    play.finish(play.taking(), Verdict.FAILED, EndReason.OUTAGE)
    play.do(Tick())
    assert play.answer().state is AnswerState.MISSED
    assert play.kinds().count("wait") == 1


def test_a_kept_take_that_the_server_ended_is_credited_three_times_and_then_stands() -> None:
    play = Play([question(retakes=0)])
    for _ in range(CREDITS_KEPT):
        play.finish(play.record(), Verdict.GOOD, EndReason.FAULT)
        assert attempts_left(play.answer()) == 1
    decision = play.finish(play.record(), Verdict.GOOD, EndReason.FAULT)
    assert play.answer().state is AnswerState.DRAFT
    assert play.answer().notice == NoticeCode.ENDED_CHARGED
    assert attempts_left(play.answer()) == 0
    assert len(play.entries(LedgerKind.CREDIT)) == CREDITS_KEPT
    assert "uncredited" in decision.warnings[0]
    assert play.do(Record("q1")).refusal is ErrorCode.NO_ATTEMPTS_LEFT


@pytest.mark.parametrize("over", [False, True])
def test_a_wait_in_which_the_recorder_took_no_media_is_renewed_and_not_charged(over: bool) -> None:
    play = thinking()
    play.live, play.server_failed = False, True
    play.now_ms += 30_000
    play.do(Tick())
    play.now_ms += WAIT_MS
    play.do(Tick())
    assert play.answer().wait_ends_at_ms == play.now_ms + WAIT_MS
    assert play.answer().attempts_used == 0
    assert play.entries(LedgerKind.WAIT)[-1].detail["because"] == "recorder_unavailable"
    play.live = over
    play.do(Tick())
    if over:
        assert play.answer().state is AnswerState.COUNTDOWN
        return
    play.now_ms += WAIT_MS  # and the page did not even try again
    play.do(Tick())
    assert play.answer().state is AnswerState.MISSED


def test_entries_of_the_recorders_events_have_their_own_times() -> None:
    play = Play([question()])
    play.do(Reveal("q1"))
    play.do(Record("q1"))
    take_id, began_ms = play.taking(), play.now_ms
    play.now_ms += 700
    play.do(TakeStarted(take_id, began_ms + 10, 60_000))
    play.do(OutageBegan(take_id, began_ms + 500, 90_000))
    play.now_ms += 4_000
    play.do(OutageEnded(take_id, 3_000, 50_000))
    times = {entry.kind: entry.at_ms for decision in play.decisions for entry in decision.ledger}
    assert times[LedgerKind.RECORDING] == began_ms + 10
    assert times[LedgerKind.OUTAGE] == began_ms + 500
    assert times[LedgerKind.OUTAGE_ENDED] == began_ms + 3_500


@pytest.mark.parametrize("told", [True, False])
def test_an_outage_that_ends_the_take_has_its_length_in_the_ledger(told: bool) -> None:
    play = Play([question()])
    take_id = play.record()
    play.now_ms += 5_000
    play.do(OutageBegan(take_id, play.now_ms - 1_000, 90_000))
    play.now_ms += 90_000
    if told:
        play.do(TakeEnding(take_id, EndReason.OUTAGE, 4_000))
    play.finish(take_id, end_reason=EndReason.OUTAGE)
    (ended,) = play.entries(LedgerKind.OUTAGE_ENDED)
    assert ended.detail["outage_ms"] == 91_000
    assert ended.detail["ended_take"] is True
    assert play.answer().outage_at_ms is None
    assert play.kinds()[-1] == "draft"


def test_what_an_adopted_worker_says_again_changes_nothing() -> None:
    play = Play([question()])
    take_id = play.record()
    play.do(OutageBegan(take_id, play.now_ms, 90_000))
    before = play.answer()
    assert not play.do(TakeStarted(take_id, play.now_ms, 60_000)).writes
    assert not play.do(OutageBegan(take_id, play.now_ms, 90_000)).writes
    assert play.answer() == before


def test_countdowns_that_lead_to_nothing_are_bounded_in_number_and_then_in_time() -> None:
    play = Play([question()])
    play.do(Reveal("q1"))

    def fruitless() -> ErrorCode | None:
        refused = play.do(Record("q1")).refusal
        if refused is None:
            play.do(Stop("q1"))
            play.do(TakeNotStarted(play.taking(), NeverStarted.CANCELLED))
        return refused

    assert [fruitless() for _ in range(FREE_COUNTDOWNS)] == [None] * FREE_COUNTDOWNS
    entries = len(play.kinds())
    assert {fruitless() for _ in range(100)} == {ErrorCode.TOO_OFTEN}
    assert len(play.kinds()) == entries
    play.now_ms += ANOTHER_AFTER_MS
    assert fruitless() is None
    assert fruitless() is ErrorCode.TOO_OFTEN
    play.now_ms += ANOTHER_AFTER_MS
    play.record_and_keep()
    assert play.answer().attempts_used == 1
