"""Sound beside picture: where a take's sound begins, what was found out later, and how fast their clocks part.

Pure. By the sender's reports where both tracks have them (RFC 3550 §6.4.1), else by arrival. A take is written at
once, by what is known at its first sound. What its whole sound was off by is learned in the next seconds, and is
a `SoundMove` for `finish`; so is what was written between a loss of sound at the sender and its discovery
(`lost_sound`). Beyond that pictures are slewed, never sound, so that the two stay together however their clocks
drift.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from recorder.lost_sound import Step
from recorder.thaw import BEHIND_US
from recorder.timeline import REPORT_TOLERANCE_US, Timeline

LOOK_EVERY_US: Final = 1_000_000
SMALLEST_MOVE_US: Final = 10_000
"""Less is slewed, within half a second, and not worth a copy of the file."""
ADRIFT_US: Final = 200_000
"""No drift: a microphone that was changed, say, stood still. More than ten seconds of slewing would be needed."""
MOST_MOVES: Final = 500
DRIFT_OVER_US: Final = 20_000_000


class SyncSource(StrEnum):
    """What sound was aligned with picture by."""

    SENDER_REPORT = "sender_report"
    ARRIVAL = "arrival"


class Alignment(NamedTuple):
    """Where on the take's timeline a sample of sound belongs, and how that is known."""

    at_us: int
    source: SyncSource


@dataclass(frozen=True, slots=True)
class SoundMove:
    """The sound that the file holds from `from_us` on, up to the next move, belongs `later_us` later."""

    from_us: int
    later_us: int


def align(video: Timeline, audio: Timeline, audio_rtp: int, audio_arrival_us: int) -> Alignment:
    """Where on the take's timeline the sound sample `audio_rtp` belongs; `video` has been started.

    By sender reports when both tracks have one and what they say agrees with
    arrival within 500 ms; else by arrival. Negative for sound from before the picture.
    """
    video_rtp, video_arrival_us, video_at_us = video.latest
    # What the network held back comes beside what it did not.
    late_us = video.behind_us(video_rtp, video_arrival_us)
    by_arrival_us = video_at_us + audio_arrival_us - video_arrival_us + (late_us if late_us > BEHIND_US else 0)
    since_us = max(video.set_us, audio.set_us)
    picture_us = video.sent_us(video_rtp, video_arrival_us, since_us)
    sound_us = audio.sent_us(audio_rtp, audio_arrival_us, since_us)
    if picture_us is not None and sound_us is not None:
        by_report_us = video_at_us + sound_us - picture_us
        if abs(by_report_us - by_arrival_us) <= REPORT_TOLERANCE_US:
            return Alignment(by_report_us, SyncSource.SENDER_REPORT)
    return Alignment(by_arrival_us, SyncSource.ARRIVAL)


class LipSync:
    """Of one take. `begin` where its sound, or that of a new segment, is laid beside the picture; then `look`.

    `source` and `offset_us` are those of the first sound: the source is the best that was found for it in time to
    move it, the offset where it was written. `later_us` is by how much `finish` will move the sound of now, which
    begins in the file at `from_us`: to be set with its first packet. `stepped_us` is how much of `later_us` was found
    in steps since the sound was begun. `adrift` asks for the sound to begin anew where it belongs. `look` has nothing
    to do before `next_look_us`.
    """

    def __init__(self) -> None:
        self.source = SyncSource.ARRIVAL
        self.offset_us = 0
        self.moves: list[SoundMove] = []
        self._full_from_us: int | None = None
        self._begun = 0
        self._by = SyncSource.ARRIVAL
        self._settled = False  # the move of this segment is found, the rest is slewed
        self.from_us: int | None = None
        self._pieces: list[SoundMove] = []  # of this segment, before `from_us`; without what is found for all of it
        self.later_us = 0
        self.stepped_us = 0
        self.next_look_us = 0
        self.adrift = False
        self._first_apart: tuple[int, int] | None = None
        self._last_apart: tuple[int, int] | None = None

    def begin(self, placed: Alignment) -> None:
        """Sound begins here, or begins anew."""
        self._keep()
        self._begun += 1
        self._by = placed.source
        self._settled = placed.source is SyncSource.SENDER_REPORT
        self.from_us = None
        self._pieces = []
        self.later_us = self.stepped_us = 0
        self.next_look_us = 0
        self.adrift = False
        self._first_apart = self._last_apart = None
        if self._begun == 1:
            self.source, self.offset_us = placed.source, placed.at_us

    def step(self, step: Step) -> int | None:
        """What was written since the step is to be moved; by how much later the next sound is to be written.

        None if there are too many moves already: the step is left to the sender reports.
        """
        if len(self.moves) + len(self._pieces) + 2 >= MOST_MOVES:
            return None
        now = [] if self.from_us is None else [SoundMove(self.from_us, self.stepped_us)]
        pieces = [*self._pieces, *now]
        before = [piece for piece in pieces if piece.from_us <= step.from_us]
        since = [SoundMove(step.from_us, before[-1].later_us if before else 0)]
        since += [piece for piece in pieces if piece.from_us > step.from_us]
        if before and before[-1].from_us == step.from_us:
            before.pop()
        self._pieces = before + [SoundMove(piece.from_us, piece.later_us + step.later_us) for piece in since]
        stepped_us = self.stepped_us + step.later_us
        skipped_us = max(0, stepped_us)
        self.later_us += step.later_us - skipped_us
        self.stepped_us = stepped_us - skipped_us
        if skipped_us:
            self.from_us = None
        elif now:
            self.from_us = self._pieces.pop().from_us
        return skipped_us

    def look(self, video: Timeline, audio: Timeline, now_us: int) -> bool:
        """Compares the two clocks, at most once a second; True when what `for_journal` gives has changed."""
        if now_us < self.next_look_us or not self._begun or not (video.started and audio.started):
            return False
        self.next_look_us = now_us + LOOK_EVERY_US
        by_arrival_us = audio.ahead_of_arrival_us - video.ahead_of_arrival_us
        apart_us, by = by_arrival_us, SyncSource.ARRIVAL
        since_us = max(video.set_us, audio.set_us)
        sound_us, picture_us = audio.ahead_of_sender_us(since_us), video.ahead_of_sender_us(since_us)
        if sound_us is not None and picture_us is not None:
            by_report_us = sound_us - picture_us
            if abs(by_report_us - by_arrival_us) <= REPORT_TOLERANCE_US:
                apart_us, by = by_report_us, SyncSource.SENDER_REPORT
        if by is SyncSource.ARRIVAL and (
            self._by is SyncSource.SENDER_REPORT or not (video.knows_quickest and audio.knows_quickest)
        ):
            return False
        better = by is not self._by
        changed = better or not self._settled
        if changed:
            self._by, self._settled = by, True
            later_us = video.slew_us - apart_us - self.stepped_us
            self.later_us = self.stepped_us + (later_us if abs(later_us) >= SMALLEST_MOVE_US else 0)
            self._first_apart = None
            if self._begun == 1:
                self.source = by
        self.adrift = abs(apart_us + self.later_us - video.slew_us) > ADRIFT_US
        if self.adrift:
            return changed
        video.slew_to(apart_us + self.later_us)
        self._last_apart = (now_us, apart_us + self.stepped_us)
        self._first_apart = self._first_apart or self._last_apart
        return changed

    @property
    def drift_ppm(self) -> int:
        """How much faster the sound's clock runs than the picture's; 0 before it can be told."""
        if self._first_apart is None or self._last_apart is None:
            return 0
        over_us = self._last_apart[0] - self._first_apart[0]
        if over_us < DRIFT_OVER_US:
            return 0
        return round((self._last_apart[1] - self._first_apart[1]) * 1_000_000 / over_us)

    def found(self) -> tuple[SoundMove, ...]:
        """What `finish` is to move."""
        now = self._of_segment()
        if self._full_from_us is not None:  # the last move that was kept is not theirs
            now = [SoundMove(self._full_from_us, 0)]
        moves = [*self.moves, *now]
        return tuple(moves) if any(move.later_us for move in moves) else ()

    def _of_segment(self) -> list[SoundMove]:
        whole_us = self.later_us - self.stepped_us
        found = [SoundMove(piece.from_us, piece.later_us + whole_us) for piece in self._pieces]
        return found if self.from_us is None else [*found, SoundMove(self.from_us, self.later_us)]

    def _keep(self) -> None:
        for move in self._of_segment():
            if len(self.moves) < MOST_MOVES:
                self.moves.append(move)
            elif self._full_from_us is None:
                self._full_from_us = move.from_us

    def for_journal(self) -> dict[str, Any]:
        """What a recovery must know to do what `finish` would."""
        return {
            "sync": {
                "source": self.source,
                "offset_us": self.offset_us,
                "moves": [asdict(move) for move in self.found()],
            }
        }
