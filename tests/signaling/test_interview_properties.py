"""Whatever is asked, whatever happens, in whatever order: what can never be true of an interview."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recorder.messages import (
    EndReason,
    NeverStarted,
    OutageBegan,
    OutageEnded,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeStarted,
    Verdict,
)
from signaling.decision import ACTIVE, ArmTake, Decision, LedgerKind, attempts_left
from signaling.interview import Asked, Happened, Resumed, TakeDamaged, TakeLost, Tick, sending_refusal, submit
from signaling.messages import Media, Record, Remove, Reveal, Sending, Stop
from signaling.outcome import CREDITS_KEPT
from signaling.view import Live, state
from storage.interviews import AnswerRow, TakeRow
from storage.states import AnswerState, InvitationStatus, TakeState
from tests.signaling.rules import Play, question, result

NAMES = ("q1", "q2", "q3")
names = st.sampled_from((*NAMES, "q9", ""))
asks = st.sampled_from((Reveal, Record, Stop, Remove))
TAKE_STATES = {AnswerState.COUNTDOWN, AnswerState.RECORDING, AnswerState.SAVING}


class AnyInterview(RuleBasedStateMachine):
    """A candidate who asks anything, a recorder that tells anything it may, and time that passes."""

    @initialize(
        thinks=st.tuples(*[st.sampled_from((0, 0, 5, 30))] * 3),
        retakes=st.tuples(*[st.sampled_from((0, 1, 2, None))] * 3),
        required=st.tuples(*[st.booleans()] * 3),
        expires_in_s=st.none() | st.integers(30, 400),
    )
    def begin(
        self,
        thinks: tuple[int, ...],
        retakes: tuple[int | None, ...],
        required: tuple[bool, ...],
        expires_in_s: int | None,
    ) -> None:
        questions = [
            question(name, think_s=thinks[i], retakes=retakes[i], required=required[i]) for i, name in enumerate(NAMES)
        ]
        self.play = Play(questions, live=False, expires_in_ms=expires_in_s and expires_in_s * 1000)
        self.revealed: set[str] = set()
        self.think_ends: dict[str, int] = {}
        self.ledger: dict[str, list[LedgerKind]] = {answer.id: [] for answer in self.play.answers}
        self.takes: list[str] = []
        self.submitted: tuple[AnswerRow, ...] | None = None

    def do(self, what: Asked | Happened) -> Decision:
        before = self.play.answers
        decision = self.play.do(what)
        if decision.refusal is not None:
            assert not decision.writes
            assert not decision.effects
            assert self.play.answers == before
        for entry in decision.ledger:
            self.ledger[entry.answer_id].append(entry.kind)
        self.takes += [str(effect.take_id) for effect in decision.effects if isinstance(effect, ArmTake)]
        self.check_steps(before, decision, what)
        return decision

    def check_steps(self, before: tuple[AnswerRow, ...], decision: Decision, what: Asked | Happened) -> None:
        for old, new in zip(before, self.play.answers, strict=True):
            if old.state is not new.state:
                assert any(entry.answer_id == old.id for entry in decision.ledger), "a step without its entry"
            if new.attempts_used > old.attempts_used:
                assert new.attempts_used == old.attempts_used + 1
                kinds = {entry.kind for entry in decision.ledger}
                assert kinds & {LedgerKind.RECORDING, LedgerKind.CHARGE}
                assert not isinstance(what, Reveal | Record | Stop | Remove), "an ask charged an attempt"
            if new.attempts_used < old.attempts_used:
                assert LedgerKind.CREDIT in {entry.kind for entry in decision.ledger}
                assert not isinstance(what, Reveal | Record | Stop | Remove), "an ask gave an attempt back"
            if old.think_ends_at_ms is not None:
                assert new.think_ends_at_ms == old.think_ends_at_ms, "the think clock started again"

    @rule(ask=asks, name=names)
    def candidate_asks(self, ask: type[Reveal | Record | Stop | Remove], name: str) -> None:
        self.do(ask(name))
        if ask is Reveal and name in NAMES and self.play.answer(name).state is not AnswerState.HIDDEN:
            self.revealed.add(name)

    @rule(ms=st.sampled_from((1, 500, 3_000, 10_000, 31_000, 61_000, 200_000)))
    def time_passes(self, ms: int) -> None:
        self.play.now_ms += ms
        self.do(Tick())

    @rule(live=st.booleans())
    def media_changes(self, live: bool) -> None:
        self.play.live = live
        self.play.server_failed &= not live
        self.do(Tick())

    @rule()
    def recorder_takes_no_media(self) -> None:
        self.play.live, self.play.server_failed = False, True
        self.do(Tick())

    @precondition(lambda self: self.takes)
    @rule(pick=st.integers(0, 50), reason=st.sampled_from(NeverStarted))
    def take_does_not_start(self, pick: int, reason: NeverStarted) -> None:
        self.do(TakeNotStarted(self.any_take(pick), reason))

    @precondition(lambda self: self.takes)
    @rule(pick=st.integers(0, 50))
    def take_starts(self, pick: int) -> None:
        self.do(TakeStarted(self.any_take(pick), self.play.now_ms, 60_000))

    @precondition(lambda self: self.takes)
    @rule(pick=st.integers(0, 50), reason=st.sampled_from(EndReason))
    def take_ends(self, pick: int, reason: EndReason) -> None:
        self.do(TakeEnding(self.any_take(pick), reason, 5_000))

    @precondition(lambda self: self.takes)
    @rule(
        pick=st.integers(0, 50),
        verdict=st.sampled_from(Verdict),
        reason=st.sampled_from(EndReason),
        recovered=st.booleans(),
    )
    def take_is_finished(self, pick: int, verdict: Verdict, reason: EndReason, recovered: bool) -> None:
        take_id = self.any_take(pick)
        self.do(TakeFinished(result(take_id, verdict=verdict, end_reason=reason, recovered=recovered)))

    @precondition(lambda self: self.takes)
    @rule(pick=st.integers(0, 50), kind=st.integers(0, 3))
    def something_else_about_a_take(self, pick: int, kind: int) -> None:
        take_id = self.any_take(pick)
        self.do(
            (
                TakeLost(take_id),
                TakeDamaged(take_id),
                OutageBegan(take_id, self.play.now_ms, 90_000),
                OutageEnded(take_id, 1_000, 5_000),
            )[kind]
        )

    @rule()
    def server_restarts(self) -> None:
        self.do(Resumed())
        self.do(Tick())

    @rule()
    def candidate_confirms(self) -> None:
        decision = submit(self.play.situation)
        if decision.refusal is not None:
            assert not decision.writes
            return
        assert sending_refusal(self.play.situation) is None
        changed = {answer.id: answer for answer in decision.answers}
        self.play.answers = tuple(changed.get(answer.id, answer) for answer in self.play.answers)
        self.play.status = InvitationStatus.COMPLETED
        self.submitted = self.play.answers

    def any_take(self, pick: int) -> TakeId:
        """Mostly the last, sometimes one long gone: late and repeated events are part of life."""
        return TakeId(self.takes[-1] if pick > 10 else self.takes[pick % len(self.takes)])

    @invariant()
    def attempts_stay_within_the_allowance(self) -> None:
        for answer in self.play.answers:
            assert answer.attempts_used >= 0
            if answer.question.retakes is not None:
                assert answer.attempts_used <= answer.question.retakes + 1

    @invariant()
    def at_most_one_question_is_active(self) -> None:
        assert sum(answer.state in ACTIVE for answer in self.play.answers) <= 1

    @invariant()
    def each_state_has_the_takes_it_needs(self) -> None:
        for answer in self.play.answers:
            assert (answer.next_take_id is not None) == (answer.state in TAKE_STATES)
            if answer.state is AnswerState.DRAFT:
                assert answer.take_id is not None
            if answer.state in (AnswerState.HIDDEN, AnswerState.SEEN, AnswerState.MISSED, AnswerState.THINKING):
                assert answer.take_id is None
            assert answer.state is not AnswerState.FAILED
            assert answer.take_id is None or answer.take_id != answer.next_take_id

    @invariant()
    def what_is_used_up_rests_as_missed_or_draft(self) -> None:
        for answer in self.play.answers:
            if answer.question.required and answer.state is AnswerState.SEEN:
                assert attempts_left(answer) != 0

    @invariant()
    def the_think_clock_starts_once_and_the_wait_is_given_once(self) -> None:
        for answer in self.play.answers:
            kinds = self.ledger[answer.id]
            assert kinds.count(LedgerKind.THINK) <= 1
            assert kinds.count(LedgerKind.REVEAL) <= 1
            assert kinds.count(LedgerKind.CHARGE) <= 1
            assert answer.credits_candidate <= 1
            assert answer.credits_kept <= CREDITS_KEPT

    @invariant()
    def the_ledger_explains_the_attempts(self) -> None:
        for answer in self.play.answers:
            kinds = self.ledger[answer.id]
            charged = kinds.count(LedgerKind.RECORDING) + kinds.count(LedgerKind.CHARGE)
            assert answer.attempts_used == charged - kinds.count(LedgerKind.CREDIT)

    @invariant()
    def every_outage_of_a_take_has_its_end(self) -> None:
        for answer in self.play.answers:
            assert answer.outage_at_ms is None or answer.state is AnswerState.RECORDING

    @invariant()
    def submitted_is_final(self) -> None:
        if self.submitted is not None:
            assert self.play.answers == self.submitted

    @invariant()
    def the_page_is_told_nothing_too_early_and_no_negative_time(self) -> None:
        take = TakeRow("t", "a", TakeState.KEPT, self.play.now_ms)
        takes = {i: take for a in self.play.answers for i in (a.take_id, a.next_take_id) if i}
        live = Live(Media.LIVE, False, 5_000, False, Sending.IDLE, ())
        for elsewhere in (False, True):
            shown = state(
                self.play.situation, takes, live, closes_at_ms=None, now_ms=self.play.now_ms, elsewhere=elsewhere
            )
            for view in shown.questions:
                assert (view.text is not None) <= (view.id in self.revealed)
                times = (view.think_left_ms, view.wait_left_ms, view.countdown_left_ms, view.remaining_ms)
                assert all(each is None or each >= 0 for each in times)
                assert sum(each is not None for each in times) <= 1
                assert view.attempts_left is None or view.attempts_left >= 0
                assert not (elsewhere and view.actions)

    @invariant()
    def what_is_offered_is_accepted_and_the_rest_refused(self) -> None:
        takes = {a.next_take_id: TakeRow("t", "a", TakeState.KEPT, 0) for a in self.play.answers if a.next_take_id}
        live = Live(Media.LIVE, False, 5_000, False, Sending.IDLE, ())
        shown = state(self.play.situation, takes, live, closes_at_ms=None, now_ms=self.play.now_ms)
        kinds: dict[str, type[Reveal | Record | Stop | Remove]] = {
            "reveal": Reveal,
            "record": Record,
            "stop": Stop,
            "remove": Remove,
        }
        for view in shown.questions:
            for name, kind in kinds.items():
                trial = Play([])
                trial.now_ms, trial.answers, trial.live = self.play.now_ms, self.play.answers, True
                trial.status, trial.expires_at_ms = self.play.status, self.play.expires_at_ms
                assert (trial.do(kind(view.id)).refusal is None) == (name in view.actions)


TestAnyInterview = AnyInterview.TestCase
TestAnyInterview.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
