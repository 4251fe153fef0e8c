"""Where a sender lost sound of its own, found by when its packets arrive.

Pure. A browser that is short of time loses pieces of what it captures. Its timestamps go on as if it had not, so
that from then on all sound arrives later by what was lost, while pictures do not. The next sender report tells how
much was lost, seconds later, and never where: arrivals do, to the packet. What the network holds back is late in
both tracks; where it was sound alone, it is soon as early as before, and the step is taken back. Nothing else moves
sound earlier: a browser loses sound and gains none.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

LEAST_US: Final = 20_000
"""Less than a packet is left to the sender reports, and slewed."""
LEAST_SOUNDS: Final = 10
LEAST_PICTURES: Final = 5
EARLIEST: Final = 15
"""All sound of a second is hardly ever later, by chance, than so many packets of another were: one time in 2^15."""
SECONDS_KEPT: Final = 6
MOST_STEPS: Final = 10
MOST_IN_A_SECOND: Final = 500
UNCLEAR_FOR_US: Final = 5_000_000
"""What may be the network's, and lasts so long, is from then on how sound and picture arrive."""
TAKEN_BACK_WITHIN_US: Final = 10_000_000
LONGEST_US: Final = 5_000_000
"""A microphone that stood still for longer is left to the sender reports, and begun anew."""


class Step(NamedTuple):
    """The sound from `from_us` on, which arrived at `arrival_us`, belongs `later_us` later than was known before."""

    from_us: int
    later_us: int
    arrival_us: int


_Sound = tuple[int, int, int]  # where the file holds it, how far it was ahead, its arrival


class LostSound:
    """Of a take's sound since it was last laid beside the picture. `look` each second, and once `at_end`.

    `ahead_us` is a track's timeline less the clock of arrivals; for sound, with all the steps that were found.
    """

    def __init__(self) -> None:
        self._sounds: deque[_Sound] = deque(maxlen=MOST_IN_A_SECOND)
        self._pictures: deque[tuple[int, int]] = deque(maxlen=MOST_IN_A_SECOND)
        self._before: deque[list[_Sound]] = deque(maxlen=SECONDS_KEPT)
        self._sound_level: int | None = None
        self._picture_level = self._pictures_before = 0
        self._unclear_since_us: int | None = None
        self._steps: deque[Step] = deque(maxlen=MOST_STEPS)

    def heard(self, at_us: int, ahead_us: int, arrival_us: int) -> None:
        """Sound that the file holds at `at_us`."""
        self._sounds.append((at_us, ahead_us, arrival_us))

    def seen(self, ahead_us: int, arrival_us: int) -> None:
        """A picture."""
        self._pictures.append((ahead_us, arrival_us))

    def pass_over(self) -> None:
        """What arrived since the last look came all at once, a track at a time: it tells nothing."""
        self._sounds.clear()
        self._pictures.clear()

    def look(self, *, at_end: bool = False) -> Step | None:
        """The step that all sound since the last look shows; to be called again for the next."""
        if at_end and len(self._sounds) > EARLIEST:
            # What was lost since the last look shows in the last packets alone.
            sounds = list(self._sounds)
            self._before.append(sounds[:-EARLIEST])
            pictures = [each for each in self._pictures if each[1] >= sounds[-EARLIEST][2]]
            self._sounds.clear()
            self._sounds.extend(sounds[-EARLIEST:])
            self._pictures.clear()
            self._pictures.extend(pictures)
        if len(self._sounds) < LEAST_SOUNDS or len(self._pictures) < LEAST_PICTURES:
            return None
        sounds = list(self._sounds)
        picture_level = max([ahead_us for ahead_us, _ in self._pictures])
        self._sounds.clear()
        self._pictures.clear()
        self._before.append(sounds)
        return self._judge([ahead_us for _, ahead_us, _ in sounds], picture_level, sounds[-1][2])

    def _judge(self, sounds: list[int], picture_level: int, now_us: int) -> Step | None:
        sound_level = max(sounds)
        if self._sound_level is None:
            self._sound_level, self._picture_level = sound_level, picture_level
            return None
        pictures_stay = abs(picture_level - self._pictures_before) < LEAST_US
        self._pictures_before = picture_level
        later_us = self._sound_level - sound_level
        both_us = self._picture_level - picture_level
        if abs(later_us) < LEAST_US:
            self._sound_level, self._unclear_since_us = sound_level, None
            if abs(both_us) < LEAST_US or pictures_stay:  # by themselves: another encoder, another camera
                self._picture_level = picture_level
            return None
        both_us = max(0, min(both_us, later_us)) if later_us > 0 else min(0, max(both_us, later_us))
        if abs(both_us) < LEAST_US // 2:
            both_us = 0
        later_us -= both_us
        least_us = max(LEAST_US, sound_level - sorted(sounds)[-EARLIEST:][0])
        if abs(later_us) >= (2 * least_us if both_us else least_us):
            middle_us = (self._sound_level + sound_level) // 2
            step = self._lost(later_us, middle_us) if later_us > 0 else self._taken_back(later_us, now_us)
            if step is None:
                self._begin_at(sound_level, picture_level)
            return step
        if self._unclear_since_us is None:
            self._unclear_since_us = now_us
        elif now_us - self._unclear_since_us >= UNCLEAR_FOR_US:
            self._begin_at(sound_level, picture_level)
        return None

    def _begin_at(self, sound_level: int, picture_level: int) -> None:
        """So sound and picture arrive from now on."""
        self._sound_level, self._picture_level, self._unclear_since_us = sound_level, picture_level, None
        self._before.clear()

    def _lost(self, later_us: int, middle_us: int) -> Step | None:
        """After the last sound that was as early as before."""
        if later_us > LONGEST_US:
            return None
        sounds = [each for second in self._before for each in second]
        early = [index for index, each in enumerate(sounds) if each[1] > middle_us]
        at_us, _, arrival_us = sounds[early[-1] + 1 if early else 0]
        step = Step(at_us, later_us, arrival_us)
        self._steps.append(step)
        self._correct(step)
        return step

    def _taken_back(self, later_us: int, now_us: int) -> Step | None:
        """That of late, by as much as sound is early again."""
        for step in reversed(self._steps):
            if abs(step.later_us + later_us) < LEAST_US and now_us - step.arrival_us <= TAKEN_BACK_WITHIN_US:
                self._steps.remove(step)
                back = step._replace(later_us=-step.later_us)
                self._correct(back)
                return back
        return None

    def _correct(self, step: Step) -> None:
        for second in self._before:
            second[:] = [
                (at_us, ahead_us + step.later_us if arrival_us >= step.arrival_us else ahead_us, arrival_us)
                for at_us, ahead_us, arrival_us in second
            ]
