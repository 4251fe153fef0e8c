"""Two clocks beside each other, and sound moved to its place: the pure parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.lipsync import MOST_MOVES, Alignment, LipSync, SoundMove, SyncSource, align
from recorder.lost_sound import Step
from recorder.moved_sound import MovedSound
from recorder.opus import SILENCE, SILENCE_LIMIT_US
from recorder.timeline import SLEW_SHARE, STEP_US, Timeline
from tests.recorder.test_timeline import ntp

S = 1_000_000
PACKET = b"\xfc" + bytes(20)  # 20 ms


class Pair:
    """Sound and picture that arrive in step; their reports are off by what a test says."""

    def __init__(self) -> None:
        self.video, self.audio = Timeline(90_000), Timeline(48_000)
        self.lips = LipSync()
        self.video.start(0, 0)
        placed = align(self.video, self.audio, 0, 0)
        self.audio.start(0, 0, placed.at_us)
        self.lips.begin(placed)
        self.lips.from_us = 0
        self.now_us = 0

    def run(self, seconds: int) -> bool:
        """Whether anything for the journal was found."""
        changed = False
        for _ in range(seconds * 50):
            self.now_us += 20_000
            self.audio.pts_us(self.now_us * 6 // 125, self.now_us)
            self.video.pts_us(self.now_us * 9 // 100, self.now_us)
            changed |= self.lips.look(self.video, self.audio, self.now_us)
        return changed

    def report(self, sound_later_us: int) -> None:
        self.video.sender_report(self.now_us * 9 // 100 & 0xFFFFFFFF, ntp(self.now_us), self.now_us)
        stamp = ntp(self.now_us + sound_later_us)
        self.audio.sender_report(self.now_us * 6 // 125 & 0xFFFFFFFF, stamp, self.now_us)


def test_the_first_reports_say_by_how_much_all_of_the_sound_is_to_move() -> None:
    pair = Pair()
    assert not pair.run(3)
    pair.report(120_000)
    assert pair.run(2)
    assert pair.lips.source is SyncSource.SENDER_REPORT
    (move,) = pair.lips.found()
    assert (move.from_us, move.later_us) == (0, pytest.approx(120_000, abs=2))
    assert pair.video.slew_us == 0
    assert pair.lips.for_journal()["sync"]["moves"] == [{"from_us": 0, "later_us": move.later_us}]
    assert not pair.run(5), "and it is said once"


def test_less_than_10_ms_is_slewed_and_the_file_is_not_copied_for_it() -> None:
    pair = Pair()
    pair.report(8_000)
    pair.run(2)
    assert pair.lips.found() == () and pair.lips.source is SyncSource.SENDER_REPORT
    assert pair.video.slew_us == pytest.approx(-8_000, abs=2)


def test_what_changes_later_is_slewed_by_2_percent_at_most() -> None:
    pair = Pair()
    pair.report(100_000)
    pair.run(2)
    before = pair.video.last_us
    for _ in range(5):
        pair.report(140_000)
        pair.run(1)
    (move,) = pair.lips.found()
    assert move.later_us == pytest.approx(100_000, abs=2)
    assert pair.video.slew_us == pytest.approx(-40_000, abs=500)
    assert pair.video.last_us - before >= 5 * S - 5 * S // SLEW_SHARE


def test_reports_that_put_sound_over_500_ms_from_its_arrival_move_nothing() -> None:
    pair = Pair()
    pair.report(700_000)
    pair.run(12)
    assert pair.lips.source is SyncSource.ARRIVAL
    assert (pair.lips.found(), pair.video.slew_us) == ((), 0)


def test_each_segment_is_moved_by_itself() -> None:
    pair = Pair()
    pair.report(100_000)
    pair.run(2)
    pair.audio.forget_reports()
    pair.lips.begin(Alignment(2 * S, SyncSource.ARRIVAL))
    pair.lips.from_us = 2 * S
    pair.report(-60_000)
    pair.run(2)
    first, second = pair.lips.found()
    assert (first.from_us, first.later_us) == (0, pytest.approx(100_000, abs=2))
    assert (second.from_us, second.later_us) == (2 * S, pytest.approx(-60_000, abs=1_000))


def test_what_was_written_between_a_step_and_its_discovery_is_moved_and_no_more() -> None:
    lips = Pair().lips
    assert lips.step(Step(3 * S, 60_000, 0)) == 60_000, "what follows is written so much later"
    lips.from_us = 4 * S
    assert lips.found() == (SoundMove(0, 0), SoundMove(3 * S, 60_000), SoundMove(4 * S, 0))


def test_a_step_found_later_may_be_of_before_the_discovery_of_another() -> None:
    lips = Pair().lips
    lips.step(Step(3 * S, 60_000, 0))
    lips.from_us = 4 * S
    assert lips.step(Step(3 * S + 500_000, 40_000, 0)) == 40_000
    lips.from_us = 5 * S
    assert lips.found() == (
        SoundMove(0, 0),
        SoundMove(3 * S, 60_000),
        SoundMove(3 * S + 500_000, 100_000),
        SoundMove(4 * S, 40_000),
        SoundMove(5 * S, 0),
    )


def test_where_sound_is_early_again_what_follows_is_moved_for_as_long_as_the_segment_lasts() -> None:
    lips = Pair().lips
    lips.step(Step(3 * S, 60_000, 0))
    lips.from_us = 4 * S
    assert lips.step(Step(6 * S, -60_000, 0)) == 0
    assert (lips.stepped_us, lips.later_us) == (-60_000, -60_000)
    assert lips.found()[-2:] == (SoundMove(4 * S, 0), SoundMove(6 * S, -60_000))
    assert lips.step(Step(8 * S, 80_000, 0)) == 20_000
    lips.from_us = 9 * S
    assert lips.found()[-3:] == (SoundMove(6 * S, -60_000), SoundMove(8 * S, 20_000), SoundMove(9 * S, 0))


def test_a_step_that_is_taken_back_is_none() -> None:
    lips = Pair().lips
    lips.step(Step(3 * S, 60_000, 0))
    lips.from_us = 4 * S
    assert lips.step(Step(3 * S, -60_000, 0)) == 0
    assert lips.found() == (SoundMove(0, 0), SoundMove(3 * S, 0), SoundMove(4 * S, -60_000))


def test_what_the_first_reports_say_of_the_whole_sound_holds_for_each_piece() -> None:
    pair = Pair()
    pair.run(3)
    pair.lips.step(Step(2 * S, 60_000, 0))
    pair.lips.from_us = 3 * S
    pair.report(120_000)
    pair.run(2)
    assert [move.later_us for move in pair.lips.found()] == [
        pytest.approx(120_000, abs=2),
        pytest.approx(180_000, abs=2),
        pytest.approx(120_000, abs=2),
    ]


def test_steps_without_end_cost_no_memory() -> None:
    lips = Pair().lips
    for at in range(10 * MOST_MOVES):
        if lips.step(Step(at * S, 20_000, 0)):
            lips.from_us = at * S + 10
    assert len(lips.found()) <= MOST_MOVES


def test_a_track_that_begins_anew_without_end_costs_no_memory() -> None:
    lips = LipSync()
    for at in range(10 * MOST_MOVES):
        lips.begin(Alignment(at, SyncSource.ARRIVAL))
        lips.from_us = at
        lips.later_us = 50_000
    assert len(lips.found()) == MOST_MOVES + 1
    assert lips.found()[-1] == SoundMove(MOST_MOVES, 0)  # from there on nothing is moved, by no other's move either


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("picture", "sound", "picture report", "sound report", "begin")),
            st.integers(0, (1 << 64) - 1),
            st.integers(-(1 << 40), 1 << 40),
            st.integers(-S, 20 * S),
        ),
        max_size=60,
    )
)
def test_whatever_a_sender_says_times_rise_and_the_slew_is_bounded(steps: list[tuple[str, int, int, int]]) -> None:
    pair = Pair()
    rtp, now_us, last_us = 0, 0, 0
    for kind, stamp, step, wait_us in steps:
        rtp, now_us = rtp + step, now_us + wait_us
        if kind == "picture":
            pair.video.observe(rtp, now_us)
            at_us = pair.video.pts_us(rtp, now_us)
            assert at_us >= last_us + STEP_US or not last_us
            last_us = at_us
        elif kind == "sound":
            pair.audio.pts_us(rtp, now_us)
        elif kind == "begin":
            pair.lips.begin(align(pair.video, pair.audio, rtp, now_us))
            pair.lips.from_us = abs(stamp) & 0xFFFFFFFF
        else:
            timeline = pair.video if kind.startswith("picture") else pair.audio
            timeline.sender_report(rtp & 0xFFFFFFFF, stamp, now_us)
        pair.lips.look(pair.video, pair.audio, now_us)
        assert len(pair.lips.found()) <= MOST_MOVES + 1


def moved(places: list[int], moves: tuple[SoundMove, ...], until_us: int = 0) -> tuple[list[tuple[int, bytes]], int]:
    mover = MovedSound(moves, until_us)
    return [each for at_us in places for each in mover.packets(at_us, PACKET)], mover.added


def test_sound_that_moves_later_leaves_silence_and_none_beyond_the_end() -> None:
    found, added = moved(list(range(0, S, 20_000)), (SoundMove(0, 100_000),), 980_000)
    assert [payload for _, payload in found[:5]] == [SILENCE] * 5
    assert [at for at, _ in found] == list(range(0, S, 20_000))
    assert added == 0


def test_sound_that_moves_earlier_loses_what_was_before_the_beginning() -> None:
    found, added = moved(list(range(0, S, 20_000)), (SoundMove(0, -100_000),))
    assert [at for at, _ in found] == list(range(0, 900_000, 20_000))
    assert added == -5


def test_a_later_segment_that_moves_earlier_takes_the_place_of_the_one_before() -> None:
    found, added = moved(list(range(0, 2 * S, 20_000)), (SoundMove(0, 0), SoundMove(S, -100_000)))
    places = [at for at, _ in found]
    assert places == list(range(0, 1_900_000, 20_000)) and added == -5


@given(
    st.lists(st.integers(0, 5 * S), max_size=60),
    st.lists(st.tuples(st.integers(-S, 6 * S), st.integers(-600_000, 600_000)), max_size=5),
    st.integers(0, 5 * S),
)
def test_moved_sound_rises_never_overlaps_and_is_counted(
    places: list[int], moves: list[tuple[int, int]], until_us: int
) -> None:
    places.sort()
    found, added = moved(places, tuple(SoundMove(*move) for move in moves), until_us)
    assert len(found) == len(places) + added
    assert len(found) <= len(places) + SILENCE_LIMIT_US // 20_000 * (len(moves) + 1)
    end_us = 0
    for at_us, _ in found:
        assert at_us >= end_us - 1_000
        end_us = at_us + 20_000
