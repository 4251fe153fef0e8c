"""Questions, answers and situations for tests of the pure rules, and a way to play decisions on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from recorder.messages import EndReason, TakeFinished, TakeId, TakeResult, TakeStarted, Verdict
from signaling.decision import Decision, Entry, ForgiveServer, LedgerKind, Situation
from signaling.interview import Asked, Happened, decide
from signaling.messages import Record, Reveal
from storage.interviews import AnswerRow
from storage.states import AnswerState, InvitationStatus
from storage.templates import Question

NOW_MS = 1_790_000_000_000


def question(
    name: str = "q1", *, think_s: int = 0, limit_s: int = 60, retakes: int | None = 1, required: bool = True
) -> Question:
    return Question(name, int(name[1:]), f"Text of {name}?", think_s, limit_s, retakes, required)


def result(
    take_id: str,
    *,
    verdict: Verdict = Verdict.GOOD,
    end_reason: EndReason = EndReason.STOPPED,
    recovered: bool = False,
    started_ms: int = NOW_MS,
) -> TakeResult:
    failed = verdict is Verdict.FAILED
    return TakeResult(
        take_id=TakeId(take_id),
        verdict=verdict,
        reasons=["no_key_frame"] if failed else [],
        end_reason=end_reason,
        file="" if failed else f"{take_id}.webm",
        media_type="video/webm",
        size_bytes=1000,
        duration_ms=5_000,
        elapsed_ms=5_000,
        sha256="0" * 64,
        started_unix_ms=started_ms,
        recovered=recovered,
    )


class Play:
    """One interview on paper: `do` decides and applies, as the session and the database would."""

    def __init__(self, questions: Sequence[Question], *, live: bool = True, expires_in_ms: int | None = None) -> None:
        self.now_ms = NOW_MS
        self.live = live
        self.server_failed = False
        self.status = InvitationStatus.IN_PROGRESS
        self.expires_at_ms = None if expires_in_ms is None else NOW_MS + expires_in_ms
        self.answers = tuple(AnswerRow(f"a-{q.id}", q, AnswerState.HIDDEN) for q in questions)
        self.decisions: list[Decision] = []
        self._ids = count(1)

    @property
    def situation(self) -> Situation:
        return Situation(self.status, self.expires_at_ms, self.live, self.answers, self.server_failed)

    def do(self, what: Asked | Happened) -> Decision:
        decision = decide(self.situation, what, self.now_ms, f"t{next(self._ids)}")
        changed = {answer.id: answer for answer in decision.answers}
        self.answers = tuple(
            replace(changed[a.id], revision=a.revision + 1) if a.id in changed else a for a in self.answers
        )
        self.decisions.append(decision)
        if any(isinstance(effect, ForgiveServer) for effect in decision.effects):
            self.server_failed = False
        return decision

    def answer(self, question_id: str = "q1") -> AnswerRow:
        found = self.situation.by_question(question_id)
        assert found is not None
        return found

    def kinds(self) -> list[str]:
        """The ledger so far, in words."""
        return [str(entry.kind) for decision in self.decisions for entry in decision.ledger]

    def entries(self, kind: LedgerKind) -> list[Entry]:
        """The entries of one kind so far."""
        return [entry for decision in self.decisions for entry in decision.ledger if entry.kind is kind]

    def taking(self, question_id: str = "q1") -> TakeId:
        taking = self.answer(question_id).next_take_id
        assert taking is not None
        return TakeId(taking)

    def record(self, question_id: str = "q1") -> TakeId:
        """Reveals if needed, presses Record, and the worker starts."""
        if self.answer(question_id).state is AnswerState.HIDDEN:
            assert self.do(Reveal(question_id)).refusal is None
        assert self.do(Record(question_id)).refusal is None
        take_id = self.taking(question_id)
        self.do(TakeStarted(take_id, self.now_ms, self.answer(question_id).question.limit_s * 1000))
        return take_id

    def finish(
        self,
        take_id: TakeId,
        verdict: Verdict = Verdict.GOOD,
        end_reason: EndReason = EndReason.STOPPED,
        *,
        recovered: bool = False,
    ) -> Decision:
        return self.do(TakeFinished(result(take_id, verdict=verdict, end_reason=end_reason, recovered=recovered)))

    def record_and_keep(self, question_id: str = "q1") -> TakeId:
        take_id = self.record(question_id)
        self.finish(take_id)
        return take_id
