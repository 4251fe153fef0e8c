"""Where a sender lost sound: found in the arrivals of simulated packets, to the packet; a slow network lost none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.lost_sound import MOST_IN_A_SECOND, SECONDS_KEPT, LostSound, Step

S = 1_000_000
SOUND_US = 20_000
PICTURE_US = 33_333


class Arrivals:
    """Sound and picture that a test delays; a step that was found is corrected at once, as a take does."""

    def __init__(self, sound: Callable[[int], int], picture: Callable[[int], int] = lambda at_us: 0) -> None:
        self.lost = LostSound()
        self._sound, self._picture = sound, picture
        self._later_us = 0

    def run(self, seconds: int) -> Iterator[tuple[int, Step]]:
        """Each step, with the second in which it was found."""
        next_us = 0
        for at_us in range(0, seconds * S, SOUND_US):
            late_us = self._sound(at_us)
            self.lost.heard(at_us, self._later_us - late_us, at_us + late_us)
            while next_us <= at_us:
                late_us = self._picture(next_us)
                self.lost.seen(-late_us, next_us + late_us)
                next_us += PICTURE_US
            if at_us % S == 0:
                step = self.lost.look()
                if step is not None:
                    self._later_us += step.later_us
                    yield at_us // S, step

    def found(self, seconds: int) -> list[Step]:
        return [step for _, step in self.run(seconds)]


def from_on(second: float, late_us: int, jitter_us: int = 0) -> Callable[[int], int]:
    drawn = random.Random(3)
    return lambda at_us: (late_us if at_us >= second * S else 0) + drawn.randint(0, jitter_us)


@pytest.mark.parametrize("late_us", [25_000, 60_000, 400_000])
def test_a_loss_is_found_within_two_seconds_and_to_the_packet(late_us: int) -> None:
    ((second, step),) = Arrivals(from_on(10.14, late_us)).run(20)
    assert (step.from_us, step.later_us, step.arrival_us) == (10_140_000, late_us, 10_140_000 + late_us)
    assert second <= 12


def test_a_loss_under_100_ms_of_jitter_is_found_where_it_is() -> None:
    (step,) = Arrivals(from_on(10, 80_000, 100_000), from_on(0, 0, 100_000)).found(20)
    assert step.from_us == pytest.approx(10 * S, abs=100_000)
    assert step.later_us == pytest.approx(80_000, abs=20_000), "the earliest of 50 packets may be so late"


@pytest.mark.parametrize("seed", range(20))
def test_jitter_alone_shows_none(seed: int) -> None:
    drawn = random.Random(seed)
    assert not Arrivals(lambda at_us: drawn.randint(0, 100_000), lambda at_us: drawn.randint(0, 100_000)).found(120)


def test_a_network_that_is_slower_from_now_on_lost_nothing() -> None:
    assert not Arrivals(from_on(10, 150_000), from_on(10, 150_000)).found(60)


def test_what_is_lost_while_the_network_changes_is_found_with_it_or_after() -> None:
    (step,) = Arrivals(from_on(10, 230_000), from_on(10, 150_000)).found(60)
    assert (step.from_us, step.later_us) == (10 * S, 80_000)


def test_pictures_that_come_later_by_themselves_hide_no_loss_that_follows() -> None:
    (step,) = Arrivals(from_on(20, 80_000), from_on(10, 150_000)).found(60)
    assert (step.from_us, step.later_us) == (20 * S, 80_000)


def test_a_queue_of_two_seconds_that_only_sound_was_in_is_taken_back() -> None:
    arrivals = Arrivals(lambda at_us: 90_000 if 10 * S <= at_us < 12 * S else 0)
    first, second = arrivals.found(30)
    assert (first.from_us, first.later_us) == (10 * S, 90_000)
    assert second == first._replace(later_us=-90_000)


def test_of_two_steps_the_one_that_was_the_networks_is_taken_back() -> None:
    late = {True: 60_000, False: 0}
    arrivals = Arrivals(lambda at_us: late[at_us >= 13 * S] + (100_000 if 10 * S <= at_us < 16 * S else 0))
    first, second, third = arrivals.found(30)
    assert (first.from_us, first.later_us, second.from_us, second.later_us) == (10 * S, 100_000, 13 * S, 60_000)
    assert third == first._replace(later_us=-100_000)


def test_sound_that_is_early_again_after_long_or_for_the_first_time_is_left_to_the_reports() -> None:
    (step,) = Arrivals(lambda at_us: 90_000 if 10 * S <= at_us < 30 * S else 0).found(40)
    assert (step.from_us, step.later_us) == (10 * S, 90_000)
    assert not Arrivals(lambda at_us: 150_000 if at_us < 3 * S else 0).found(40)


@pytest.mark.parametrize("a_second_us", [12_000, 16_000, 19_000, 24_000])
def test_a_queue_that_builds_up_for_both_and_drains_lost_nothing(a_second_us: int) -> None:
    drawn = random.Random(5)

    def late(at_us: int) -> int:
        filling_us = max(0, min(at_us, 20 * S) - 10 * S) if at_us < 22 * S else 0
        return filling_us * a_second_us // S + drawn.randint(0, 60_000)

    steps = Arrivals(late, late).found(40)
    assert sum(step.later_us for step in steps) == 0 and all(abs(step.later_us) < 30_000 for step in steps)


def test_a_microphone_that_stood_still_for_minutes_is_left_to_the_reports() -> None:
    assert not Arrivals(from_on(10, 200 * S)).found(30)


def test_what_the_network_holds_back_just_before_the_end_is_no_loss() -> None:
    arrivals = Arrivals(from_on(9.62, 120_000), from_on(9.62, 120_000))
    assert arrivals.found(10) == []
    assert arrivals.lost.look(at_end=True) is None


def test_places_that_go_back_after_an_outage_raise_nothing() -> None:
    lost = LostSound()
    for number in range(150):
        late_us = 100_000 if number >= 75 else 0
        at_us = number * SOUND_US - (1_500_000 if number >= 75 else 0)
        lost.heard(at_us, -late_us, number * SOUND_US + late_us)
        lost.seen(0, number * SOUND_US)
        if number % 50 == 49 and (step := lost.look()) is not None:
            assert step.from_us == 0, "the first of those that are late"


def test_a_clock_that_drifts_and_hops_back_by_half_a_packet_shows_none() -> None:
    """As Chromium's does: 1 ms later in each half second, and 10 ms earlier now and then."""
    assert not Arrivals(lambda at_us: at_us // 500 % 10_000 + at_us // 3_300).found(60)


def test_a_loss_just_before_the_end_is_found_at_the_end() -> None:
    arrivals = Arrivals(from_on(9.6, 60_000))
    assert arrivals.found(10) == []
    assert arrivals.lost.look(at_end=True) == Step(9_600_000, 60_000, 9_660_000)


def test_without_pictures_to_hold_it_against_nothing_is_found() -> None:
    arrivals = Arrivals(from_on(10, 60_000))
    arrivals.lost.seen = lambda ahead_us, arrival_us: None  # type: ignore[method-assign]
    assert arrivals.found(20) == []


def test_pictures_that_go_on_after_the_last_look_without_sound_cost_no_memory() -> None:
    """A connection that a take goes on with may have no microphone."""
    arrivals = Arrivals(lambda at_us: 0)
    assert arrivals.found(2) == [] and arrivals.lost.look(at_end=True) is None
    for number in range(10 * MOST_IN_A_SECOND):
        arrivals.lost.seen(0, number)
        arrivals.lost.look()
    assert len(arrivals.lost._pictures) <= MOST_IN_A_SECOND


@given(st.lists(st.tuples(st.booleans(), st.integers(-(1 << 45), 1 << 45), st.integers(-S, 10 * S)), max_size=200))
def test_whatever_arrives_a_step_is_of_sound_that_was_heard_and_memory_is_bounded(
    comes: list[tuple[bool, int, int]],
) -> None:
    lost, now_us, at_us, places = LostSound(), 0, 0, set()
    for is_sound, ahead_us, wait_us in comes:
        for _ in range(20):
            now_us += wait_us // 20
            if is_sound:
                at_us += wait_us
                places.add(at_us)
                lost.heard(at_us, ahead_us, now_us)
            else:
                lost.seen(ahead_us, now_us)
        step = lost.look()
        assert step is None or (step.from_us in places and step.later_us)
        assert max(map(len, (lost._sounds, lost._pictures, *lost._before))) <= MOST_IN_A_SECOND
    assert len(lost._before) <= SECONDS_KEPT
