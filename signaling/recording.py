"""What no database knows of the recording that runs now: what is left of it, whether it stalls, when it is overdue.

For showing, and for looking again: the worker ends the take, whatever this says. Reads no clock itself.
"""

from __future__ import annotations

from recorder.messages import OutageBegan, OutageEnded, TakeProgress, TakeStarted
from signaling.decision import COUNTDOWN_MS
from signaling.happenings import TakeEvent
from signaling.record import Record
from storage.interviews import AnswerRow
from storage.states import AnswerState

LOOK_AGAIN_S = 15.0
# Longer than a worker may take for each state (recording: beside its limit); then the session looks for itself.
OVERDUE_S = {AnswerState.COUNTDOWN: COUNTDOWN_MS / 1000 + 20.0, AnswerState.RECORDING: 120.0, AnswerState.SAVING: 30.0}


class TakeClock:
    """Runs from `run`, stands still from `halt`; empty without a recording."""

    def __init__(self) -> None:
        self._left_ms: int | None = None
        self._at_s = 0.0
        self._halted = False
        self._ends_s: float | None = None

    @property
    def empty(self) -> bool:
        return self._left_ms is None

    @property
    def stalled(self) -> bool:
        return self._left_ms is not None and self._halted

    def run(self, left_ms: int, now_s: float) -> None:
        self._left_ms, self._at_s, self._halted = max(0, left_ms), now_s, False

    def halt(self, now_s: float, *, since_ms: int, grace_ms: int | None = None) -> None:
        """An outage began so long ago; the clock stood still since. It may last for `grace_ms`."""
        left_ms = self.left_ms(now_s)
        if left_ms is not None and not self._halted:
            self._left_ms, self._at_s, self._halted = left_ms + max(0, since_ms), now_s, True
            self._ends_s = None if grace_ms is None else now_s + (grace_ms - max(0, since_ms)) / 1000

    def clear(self) -> None:
        self._left_ms, self._halted = None, False

    def outage_left_ms(self, now_s: float) -> int | None:
        """How much longer the recording waits; None without an outage."""
        if not self.stalled or self._ends_s is None:
            return None
        return max(0, round((self._ends_s - now_s) * 1000))

    def left_ms(self, now_s: float) -> int | None:
        """Never negative; None without a recording."""
        if self._left_ms is None or self._halted:
            return self._left_ms
        return max(0, self._left_ms - round((now_s - self._at_s) * 1000))


class Recording:
    """Follows the answer that waits for the recorder, and what the recorder says of it."""

    def __init__(self) -> None:
        self.clock = TakeClock()
        self.look_at_s: float | None = None
        self._watched: tuple[str, AnswerState] | None = None

    def resume(self, kept: Record, busy: AnswerRow | None, now_ms: int, now_s: float) -> None:
        """A recording that ran before this session: its clock, until the worker tells better."""
        if busy is not None and busy.state is AnswerState.RECORDING:
            take = kept.takes.get(busy.next_take_id or "")
            begun_ms = take.started_at_ms if take and take.started_at_ms is not None else now_ms
            self.clock.run(busy.question.limit_s * 1000 - (now_ms - begun_ms), now_s)

    def follow(self, busy: AnswerRow | None, now_s: float) -> None:
        """The answer changed."""
        if busy is None or busy.state is not AnswerState.RECORDING:
            self.clock.clear()
        watched = None if busy is None else (busy.id, busy.state)
        if watched == self._watched:
            return
        self._watched, self.look_at_s = watched, None
        if busy is not None:
            limit_s = busy.question.limit_s if busy.state is AnswerState.RECORDING else 0
            self.look_at_s = now_s + OVERDUE_S[busy.state] + limit_s

    def heard(self, event: TakeEvent, now_ms: int, now_s: float) -> None:
        match event:
            case TakeStarted() if self.clock.empty:  # an adopted worker says it again: progress knows better
                self.clock.run(event.limit_ms - (now_ms - event.at_unix_ms), now_s)
            case TakeProgress(stalled=True):
                pass  # it stands still as `OutageBegan` left it
            case TakeProgress() | OutageEnded():
                self.clock.run(event.remaining_ms, now_s)
            case OutageBegan():
                self.clock.halt(now_s, since_ms=now_ms - event.at_unix_ms, grace_ms=event.grace_ms)
            case _:
                pass

    def overdue(self, now_s: float) -> bool:
        """True once each time it is; then again after LOOK_AGAIN_S."""
        if self.look_at_s is None or now_s < self.look_at_s:
            return False
        self.look_at_s = now_s + LOOK_AGAIN_S
        return True
