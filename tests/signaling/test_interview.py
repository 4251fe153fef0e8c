"""PRODUCT.md's "An answer", sentence by sentence."""

from __future__ import annotations

import pytest

from recorder.messages import EndReason, NeverStarted, TakeEnding, TakeNotStarted, TakeStarted, Verdict
from signaling.codes import ErrorCode, NoticeCode
from signaling.decision import WAIT_MS, ArmTake, DiscardTake, StopTake, attempts_left
from signaling.interview import Resumed, TakeDamaged, TakeLost, Tick, sending_refusal, submit
from signaling.messages import Record, Remove, Reveal, Stop
from storage.states import AnswerState, InvitationStatus
from tests.signaling.rules import Play, question


def thinking(*, retakes: int | None = 0, required: bool = True, expires_in_ms: int | None = None) -> Play:
    play = Play([question(think_s=30, retakes=retakes, required=required)], expires_in_ms=expires_in_ms)
    play.do(Reveal("q1"))
    return play


def test_an_open_question_is_seen_without_a_clock_and_without_a_camera() -> None:
    play = Play([question()], live=False)
    assert play.do(Reveal("q1")).refusal is None
    assert play.answer().state is AnswerState.SEEN
    assert play.answer().think_ends_at_ms is None


def test_a_timed_question_is_not_revealed_without_live_media() -> None:
    play = Play([question(think_s=30)], live=False)
    assert play.do(Reveal("q1")).refusal is ErrorCode.MEDIA_NOT_LIVE
    assert play.answer().state is AnswerState.HIDDEN


def test_the_first_reveal_starts_the_think_clock_and_a_second_changes_nothing() -> None:
    play = thinking()
    ends_at_ms = play.answer().think_ends_at_ms
    assert ends_at_ms == play.now_ms + 30_000
    play.now_ms += 10_000
    assert play.do(Reveal("q1")).refusal is ErrorCode.ALREADY_REVEALED
    assert play.answer().think_ends_at_ms == ends_at_ms


def test_recording_may_start_before_think_time_is_over() -> None:
    play = thinking()
    play.now_ms += 1_000
    assert play.do(Record("q1")).refusal is None
    assert play.answer().state is AnswerState.COUNTDOWN


def test_at_zero_the_countdown_starts_by_itself() -> None:
    play = thinking()
    play.now_ms += 29_999
    assert not play.do(Tick()).writes
    play.now_ms += 1
    assert [type(effect) for effect in play.do(Tick()).effects] == [ArmTake]
    assert play.answer().state is AnswerState.COUNTDOWN


def test_without_live_media_the_server_waits_once_and_then_charges_an_attempt() -> None:
    play = thinking(retakes=1)
    play.live = False
    play.now_ms += 30_000
    play.do(Tick())
    assert play.answer().notice == NoticeCode.WAITING_FOR_MEDIA
    assert play.answer().wait_ends_at_ms == play.now_ms + WAIT_MS
    play.now_ms += WAIT_MS - 1
    assert not play.do(Tick()).writes
    play.now_ms += 1
    play.do(Tick())
    assert play.answer().state is AnswerState.SEEN
    assert play.answer().notice == NoticeCode.WAIT_CHARGED
    assert attempts_left(play.answer()) == 1


def test_the_wait_leaves_a_required_question_missed_when_no_attempt_remains() -> None:
    play = thinking(retakes=0)
    play.live = False
    for ms in (30_000, WAIT_MS):
        play.now_ms += ms
        play.do(Tick())
    assert play.answer().state is AnswerState.MISSED
    assert play.answer().notice == NoticeCode.WAIT_MISSED
    assert sending_refusal(play.situation) is None


def test_media_that_comes_during_the_wait_start_the_countdown() -> None:
    play = thinking()
    play.live = False
    play.now_ms += 30_000
    play.do(Tick())
    play.now_ms += 20_000
    play.live = True
    play.do(Tick())
    assert play.answer().state is AnswerState.COUNTDOWN
    assert play.answer().attempts_used == 0


def test_a_page_that_sends_media_but_never_a_key_frame_gains_one_wait_and_no_more() -> None:
    play = thinking(retakes=0)
    play.now_ms += 30_000
    started_ms = play.now_ms
    play.do(Tick())
    while play.answer().state is AnswerState.COUNTDOWN:
        play.now_ms += 13_000
        play.do(TakeNotStarted(play.taking(), NeverStarted.NO_KEY_FRAME))
        play.do(Tick())
    assert play.answer().state is AnswerState.MISSED
    assert play.now_ms - started_ms <= WAIT_MS + 2 * 13_000


def test_a_countdown_can_be_stopped_uncharged_while_think_time_runs() -> None:
    play = thinking()
    play.do(Record("q1"))
    assert [type(effect) for effect in play.do(Stop("q1")).effects] == [StopTake]
    play.do(TakeNotStarted(play.taking(), NeverStarted.CANCELLED))
    assert play.answer().state is AnswerState.THINKING
    assert play.answer().attempts_used == 0


def test_a_countdown_that_began_at_zero_cannot_be_stopped_for_more_think_time() -> None:
    play = thinking()
    play.now_ms += 30_000
    play.do(Tick())
    assert play.do(Stop("q1")).refusal is ErrorCode.COUNTDOWN_RUNS


@pytest.mark.parametrize(
    ("reason", "notice"),
    [
        (NeverStarted.NO_KEY_FRAME, NoticeCode.NO_PICTURE),
        (NeverStarted.NO_SOUND, NoticeCode.NO_SOUND),
        (NeverStarted.PEER_GONE, NoticeCode.CONNECTION_LOST),
        (NeverStarted.CANCELLED, None),
        (NeverStarted.DISK_FULL, NoticeCode.DISK_FULL),
        (NeverStarted.WORKER_DIED, NoticeCode.START_FAILED),
    ],
)
def test_a_countdown_that_never_starts_goes_back_uncharged(reason: NeverStarted, notice: NoticeCode | None) -> None:
    play = Play([question()])
    play.do(Reveal("q1"))
    play.do(Record("q1"))
    play.do(TakeNotStarted(play.taking(), reason))
    assert play.answer().state is AnswerState.SEEN
    assert play.answer().notice == notice
    assert play.answer().attempts_used == 0


@pytest.mark.parametrize("reason", [NeverStarted.DISK_FULL, NeverStarted.WORKER_DIED])
def test_a_server_that_cannot_start_the_recording_at_zero_charges_nothing_and_does_not_spin(
    reason: NeverStarted,
) -> None:
    play = thinking()
    play.now_ms += 30_000
    play.do(Tick())
    play.do(TakeNotStarted(play.taking(), reason))
    assert play.answer().state is AnswerState.SEEN
    assert not play.do(Tick()).writes
    assert play.answer().attempts_used == 0


def test_an_attempt_is_charged_when_recording_starts_and_only_once() -> None:
    play = Play([question(retakes=1)])
    play.do(Reveal("q1"))
    play.do(Record("q1"))
    assert play.answer().attempts_used == 0
    for _ in range(3):
        play.do(TakeStarted(play.taking(), play.now_ms, 60_000))
    assert play.answer().state is AnswerState.RECORDING
    assert play.answer().attempts_used == 1


def test_n_retakes_are_n_plus_one_attempts() -> None:
    play = Play([question(retakes=2)])
    for _ in range(3):
        play.record_and_keep()
    assert play.do(Record("q1")).refusal is ErrorCode.NO_ATTEMPTS_LEFT


def test_without_a_limit_of_retakes_attempts_never_end() -> None:
    play = Play([question(retakes=None)])
    for _ in range(20):
        play.record_and_keep()
    assert attempts_left(play.answer()) is None
    assert play.do(Record("q1")).refusal is None


def test_the_old_take_stays_the_answer_until_its_successor_is_safe() -> None:
    play = Play([question()])
    first = play.record_and_keep()
    second = play.record()
    assert play.answer().take_id == first
    play.do(TakeEnding(second, EndReason.STOPPED, 5_000))
    assert play.answer().take_id == first
    assert play.finish(second).effects == (DiscardTake(first),)
    assert play.answer().take_id == second


def test_a_retake_that_fails_leaves_the_old_take() -> None:
    play = Play([question(retakes=1)])
    first = play.record_and_keep()
    play.finish(play.record(), Verdict.FAILED)
    assert play.answer().state is AnswerState.DRAFT
    assert play.answer().take_id == first


def test_removing_discards_and_never_refunds() -> None:
    play = Play([question(retakes=1)])
    take_id = play.record_and_keep()
    assert play.do(Remove("q1")).effects == (DiscardTake(take_id),)
    assert play.answer().state is AnswerState.SEEN
    assert attempts_left(play.answer()) == 1


def test_a_required_questions_last_take_cannot_be_removed() -> None:
    play = Play([question(retakes=0)])
    play.record_and_keep()
    assert play.do(Remove("q1")).refusal is ErrorCode.LAST_TAKE


def test_an_optional_questions_last_take_can_be_removed() -> None:
    play = Play([question(retakes=0, required=False)])
    play.record_and_keep()
    assert play.do(Remove("q1")).refusal is None
    assert play.answer().state is AnswerState.SEEN
    assert sending_refusal(play.situation) is None


@pytest.mark.parametrize(
    "reason", [EndReason.DISK_FULL, EndReason.WORKER_DIED, EndReason.FAULT, EndReason.ABANDONED_BY_SERVER]
)
def test_a_failure_of_worker_disk_or_server_is_credited_however_often(reason: EndReason) -> None:
    play = Play([question(retakes=0)])
    for _ in range(4):
        play.finish(play.record(), Verdict.FAILED, reason)
        assert play.answer().notice == NoticeCode.FAILED_SERVER
        assert play.answer().attempts_used == 0
    assert play.kinds().count("credit") == 4


def test_a_take_of_which_nothing_is_left_is_credited() -> None:
    play = Play([question(retakes=0)])
    play.do(TakeLost(play.record()))
    assert play.answer().state is AnswerState.SEEN
    assert play.answer().attempts_used == 0


def test_a_failure_on_the_candidates_side_is_credited_once_for_each_question() -> None:
    play = Play([question("q1", retakes=0), question("q2", retakes=0)])
    play.finish(play.record("q1"), Verdict.FAILED, EndReason.OUTAGE)
    assert play.answer("q1").notice == NoticeCode.FAILED_CREDITED
    assert play.answer("q1").state is AnswerState.SEEN
    play.finish(play.record("q1"), Verdict.FAILED, EndReason.OUTAGE)
    assert play.answer("q1").notice == NoticeCode.FAILED_MISSED
    assert play.answer("q1").state is AnswerState.MISSED
    play.finish(play.record("q2"), Verdict.FAILED, EndReason.OUTAGE)
    assert play.answer("q2").notice == NoticeCode.FAILED_CREDITED


def test_a_recovered_take_is_a_draft_and_its_attempt_is_credited() -> None:
    play = Play([question(retakes=0)])
    play.finish(play.record(), Verdict.USABLE, EndReason.WORKER_DIED, recovered=True)
    assert play.answer().state is AnswerState.DRAFT
    assert play.answer().notice == NoticeCode.RECOVERED
    assert play.answer().attempts_used == 0
    assert play.do(Record("q1")).refusal is None


@pytest.mark.parametrize(
    ("reason", "notice", "used"),
    [
        (EndReason.STOPPED, None, 1),
        (EndReason.LIMIT, NoticeCode.TIME_UP, 1),
        (EndReason.OUTAGE, NoticeCode.ENDED_OUTAGE, 1),
        (EndReason.TOO_LARGE, NoticeCode.ENDED_TOO_LARGE, 1),
        (EndReason.DISK_FULL, NoticeCode.ENDED_DISK_FULL, 0),
        (EndReason.FAULT, NoticeCode.ENDED_SERVER, 0),
        (EndReason.ABANDONED_BY_SERVER, NoticeCode.ENDED_SERVER, 0),
    ],
)
def test_a_kept_take_says_why_it_ended(reason: EndReason, notice: NoticeCode | None, used: int) -> None:
    play = Play([question()])
    play.finish(play.record(), Verdict.GOOD, reason)
    assert play.answer().state is AnswerState.DRAFT
    assert play.answer().notice == notice
    assert play.answer().attempts_used == used


def test_a_take_whose_start_nobody_heard_of_is_charged_at_its_end() -> None:
    play = Play([question()])
    play.do(Reveal("q1"))
    play.do(Record("q1"))
    play.finish(play.taking())
    assert play.answer().state is AnswerState.DRAFT
    assert play.answer().attempts_used == 1


def test_one_question_is_active_at_a_time() -> None:
    play = Play([question("q1"), question("q2"), question("q3", think_s=30)])
    play.do(Reveal("q2"))
    play.record("q1")
    for ask in (Reveal("q3"), Record("q2")):
        assert play.do(ask).refusal is ErrorCode.QUESTION_ACTIVE


def test_from_the_expiry_nothing_new_starts_but_what_runs_is_kept_and_can_be_sent() -> None:
    play = Play([question("q1", required=True), question("q2", required=False)], expires_in_ms=10_000)
    take_id = play.record("q1")
    play.now_ms += 10_000
    play.finish(take_id)
    assert play.do(Reveal("q2")).refusal is ErrorCode.DEADLINE_PASSED
    assert play.answer("q1").state is AnswerState.DRAFT
    assert play.do(Record("q1")).refusal is ErrorCode.DEADLINE_PASSED
    assert play.do(Remove("q1")).refusal is ErrorCode.LAST_TAKE
    assert sending_refusal(play.situation) is None


def test_think_time_that_ends_after_the_expiry_starts_nothing_and_charges_nothing() -> None:
    play = thinking(expires_in_ms=20_000)
    play.now_ms += 30_000
    play.do(Tick())
    assert play.answer().state is AnswerState.SEEN
    assert play.answer().notice == NoticeCode.DEADLINE_PASSED
    assert play.answer().attempts_used == 0


def test_a_wait_begins_anew_when_the_server_was_away_but_the_think_clock_does_not() -> None:
    play = thinking()
    play.live = False
    play.now_ms += 30_000
    play.do(Tick())
    play.now_ms += 500_000
    play.do(Resumed())
    play.do(Tick())
    assert play.answer().state is AnswerState.THINKING
    assert play.answer().wait_ends_at_ms == play.now_ms + WAIT_MS
    assert play.answer().think_ends_at_ms == play.now_ms - 500_000


def test_sending_needs_every_required_question_and_makes_them_final() -> None:
    play = Play([question("q1"), question("q2", required=False)])
    assert sending_refusal(play.situation) is ErrorCode.NOT_COMPLETE
    take_id = play.record("q1")
    assert sending_refusal(play.situation) is ErrorCode.QUESTION_ACTIVE
    play.finish(take_id)
    decision = submit(play.situation)
    assert [answer.state for answer in decision.answers] == [AnswerState.SUBMITTED]


@pytest.mark.parametrize("status", [s for s in InvitationStatus if s is not InvitationStatus.IN_PROGRESS])
def test_nothing_is_asked_before_start_and_after_the_end(status: InvitationStatus) -> None:
    play = Play([question()])
    play.status = status
    expected = ErrorCode.NOT_STARTED if status is InvitationStatus.PENDING else ErrorCode.ENDED
    for ask in (Reveal("q1"), Record("q1"), Stop("q1"), Remove("q1")):
        assert play.do(ask).refusal is expected


def test_a_take_that_the_disk_damaged_is_credited_and_can_be_recorded_again() -> None:
    play = Play([question(retakes=0)])
    take_id = play.record_and_keep()
    play.do(TakeDamaged(take_id))
    assert play.answer().notice == NoticeCode.TAKE_DAMAGED
    assert play.do(Record("q1")).refusal is None


def test_a_take_damaged_after_the_expiry_does_not_hold_back_the_others() -> None:
    play = Play([question(retakes=0)], expires_in_ms=5_000)
    take_id = play.record_and_keep()
    play.now_ms += 5_000
    play.do(TakeDamaged(take_id))
    assert play.answer().state is AnswerState.MISSED
    assert sending_refusal(play.situation) is None


def test_the_ledger_tells_the_whole_story() -> None:
    play = thinking(retakes=1)
    play.finish(play.record(), Verdict.FAILED, EndReason.OUTAGE)
    play.finish(play.record())
    assert play.kinds() == [
        "reveal", "think", "countdown", "recording", "failed", "credit", "countdown", "recording", "draft",
    ]  # fmt: skip
