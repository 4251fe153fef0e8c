"""RTP timestamps to one timeline: rising, true to the sender, unmoved by nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.lipsync import SyncSource, align
from recorder.timeline import STEP_US, Timeline

FRAME = 3_000
FRAME_US = 33_333
NTP_2026 = 4_000_000_000 << 32


def ntp(us: int) -> int:
    return NTP_2026 + (us << 32) // 1_000_000


def started(rate: int = 90_000, rtp: int = 1 << 40, arrival_us: int = 5_000_000) -> Timeline:
    timeline = Timeline(rate)
    timeline.start(rtp, arrival_us)
    return timeline


def test_timestamps_are_the_senders_however_they_arrive() -> None:
    timeline = started()
    late = [0, 80_000, 2_000, 500_000, 900_000, 40_000]
    times = [timeline.pts_us((1 << 40) + n * FRAME, 5_000_000 + n * FRAME_US + late[n]) for n in range(6)]
    assert times == [n * FRAME * 1_000_000 // 90_000 for n in range(6)]


def test_half_an_hour_of_frames_does_not_drift_by_rounding() -> None:
    timeline = started()
    last = 0
    for n in range(30 * 60 * 30):
        last = timeline.pts_us((1 << 40) + n * FRAME, 5_000_000 + n * FRAME_US)
    assert last == (30 * 60 * 30 - 1) * FRAME * 1_000_000 // 90_000


@pytest.mark.parametrize("jump", [1 << 30, -(1 << 30), 1 << 45, 90_000 * 60])
def test_a_timestamp_jump_does_not_make_a_wrong_duration(jump: int) -> None:
    timeline = started()
    times = []
    for n in range(60):
        rtp = (1 << 40) + n * FRAME + (jump if n >= 30 else 0)
        times.append(timeline.pts_us(rtp, 5_000_000 + n * FRAME_US))
    assert timeline.jumps == 1
    assert abs(times[-1] - 59 * FRAME_US) < 1_000
    assert times == sorted(set(times))


def test_a_frozen_sender_leaves_a_hole_of_its_length() -> None:
    timeline = started()
    timeline.pts_us(1 << 40, 5_000_000)
    assert timeline.pts_us((1 << 40) + 8 * 90_000, 13_000_000) == 8_000_000
    assert timeline.jumps == 0


def test_a_burst_after_a_stall_of_the_network_keeps_its_timestamps() -> None:
    timeline = started()
    for n in range(150):
        stalled = n < 120  # everything up to then arrives together, 4 s late
        timeline.pts_us((1 << 40) + n * FRAME, 9_000_000 if stalled else 5_000_000 + n * FRAME_US)
    assert timeline.last_us == 149 * FRAME * 1_000_000 // 90_000
    assert timeline.jumps == 0


@pytest.mark.parametrize(("held_back", "at_us", "jumps"), [(False, 60_000_000, 1), (True, 40_000_000, 0)])
def test_a_clock_that_stood_still_for_a_part_of_a_silence_is_placed_by_arrival_unless_it_was_held_back(
    held_back: bool, at_us: int, jumps: int
) -> None:
    timeline = started()
    timeline.pts_us(1 << 40, 5_000_000)
    timeline.held_back = held_back
    assert timeline.pts_us((1 << 40) + 40 * 90_000, 65_000_000) == at_us
    assert timeline.jumps == jumps


def test_a_jump_halfway_back_to_its_arrival_is_one() -> None:
    timeline = started()
    timeline.pts_us((1 << 40) + FRAME, 125_000_000)
    assert timeline.pts_us((1 << 40) + 60 * 90_000, 125_033_333) == 120_033_333
    assert timeline.jumps == 1


def test_a_clock_that_races_is_held_to_arrival() -> None:
    timeline = started()
    for n in range(3_000):
        timeline.pts_us((1 << 40) + n * FRAME * 11, 5_000_000 + n * FRAME_US)
    assert timeline.last_us < 3_000 * FRAME_US + 4_000_000
    assert timeline.jumps > 0


@given(st.lists(st.tuples(st.integers(-(1 << 46), 1 << 46), st.integers(0, 30_000_000)), max_size=50))
def test_times_rise_by_a_millisecond_whatever_comes(steps: list[tuple[int, int]]) -> None:
    timeline = started()
    rtp, arrival_us, last_us = 1 << 40, 5_000_000, -STEP_US
    for step, wait_us in steps:
        rtp, arrival_us = rtp + step, arrival_us + wait_us
        at_us = timeline.pts_us(rtp, arrival_us)
        assert at_us >= last_us + STEP_US
        last_us = at_us
    assert last_us <= arrival_us + 4_000_000 + len(steps) * 1_001_000


def test_jumps_are_counted_across_starts() -> None:
    timeline = started()
    timeline.pts_us((1 << 40) + (1 << 30), 5_033_333)
    assert timeline.jumps == 1
    timeline.start(0, 6_000_000, 1_000_000)
    timeline.pts_us(1 << 30, 6_033_333)
    assert timeline.jumps == 2


def test_equal_and_backward_timestamps_are_pushed_up_and_forgotten() -> None:
    timeline = started()
    rtps = [0, 0, FRAME, FRAME - 10, 2 * FRAME]
    times = [timeline.pts_us((1 << 40) + rtp, 5_000_000 + at) for at, rtp in enumerate(rtps)]
    assert times == [0, 1_000, 33_333, 34_333, 66_666]


def test_a_timeline_must_be_started_and_can_be_started_again() -> None:
    timeline = Timeline(48_000)
    with pytest.raises(RuntimeError):
        timeline.pts_us(0, 0)
    timeline.start(100, 0)
    timeline.pts_us(48_100, 1_000_000)
    timeline.start(50, 2_000_000, 20_000)
    assert timeline.last_us == -1
    assert timeline.pts_us(50, 2_000_000) == 20_000
    with pytest.raises(ValueError, match="rate"):
        Timeline(0)


def test_sound_is_aligned_by_sender_reports_when_both_tracks_have_one() -> None:
    video, audio = Timeline(90_000), Timeline(48_000)
    # Picture was sent at 1 s of the sender's clock, sound 20 ms later; its packets took 100 ms longer.
    assert video.sender_report(0, ntp(0), 9_000_000)
    assert audio.sender_report(480_000 & 0xFFFFFFFF, ntp(0), 9_000_000)
    video.start(90_000, 10_000_000)
    rtp = 480_000 + 48_000 + 960
    assert align(video, audio, rtp, 10_120_000) == (20_000, SyncSource.SENDER_REPORT)
    audio.forget_reports()
    assert align(video, audio, rtp, 10_120_000) == (120_000, SyncSource.ARRIVAL)


def test_sound_is_aligned_by_arrival_when_no_report_came() -> None:
    video, audio = started(), Timeline(48_000)
    assert align(video, audio, 7, 5_030_000) == (30_000, SyncSource.ARRIVAL)
    assert align(video, audio, 7, 4_990_000) == (-10_000, SyncSource.ARRIVAL)


def test_reports_are_found_across_a_wrap_of_the_timestamp() -> None:
    video, audio = Timeline(90_000), Timeline(48_000)
    video.sender_report((1 << 32) - 45_000, ntp(0), 9_500_000)
    audio.sender_report((1 << 32) - 24_000, ntp(0), 9_500_000)
    video.start((5 << 32) + 45_000, 10_500_000)
    assert align(video, audio, (9 << 32) + 24_000, 10_500_000) == (0, SyncSource.SENDER_REPORT)


@pytest.mark.parametrize("late_us", [600_000, -600_000])
def test_a_report_that_disagrees_with_arrival_is_ignored(late_us: int) -> None:
    timeline = started(rtp=90_000)
    assert timeline.sender_report(90_000 + 90_000, ntp(0), 6_100_000)
    assert not timeline.sender_report(90_000 + 90_000, ntp(0), 6_000_000 + late_us)
    early, audio = Timeline(90_000), Timeline(48_000)
    assert early.sender_report(0, ntp(0), 9_000_000)  # before there is anything to hold it against
    audio.sender_report(0, ntp(0), 9_000_000)
    early.start(90_000, 10_000_000 + late_us)
    assert align(early, audio, 48_000, 10_000_000).source is SyncSource.ARRIVAL


def test_two_reports_that_put_sound_far_from_its_arrival_are_not_believed() -> None:
    video, audio = Timeline(90_000), Timeline(48_000)
    video.sender_report(0, ntp(0), 9_000_000)
    audio.sender_report(0, ntp(700_000), 9_000_000)
    video.start(90_000, 10_000_000)
    assert align(video, audio, 48_000, 10_000_000) == (0, SyncSource.ARRIVAL)


@pytest.mark.parametrize(("rtp", "stamp"), [(0xFFFFFFFF, ntp(0)), (5, 0), (5, -1)])
def test_reports_that_say_nothing_are_ignored(rtp: int, stamp: int) -> None:
    assert not Timeline(90_000).sender_report(rtp, stamp, 0)


def test_a_report_that_no_other_agrees_with_is_not_believed_and_two_are() -> None:
    """A wall clock that was set, or sound that was lost, shows in all that follow."""
    timeline = Timeline(48_000)
    for second in range(3):
        timeline.sender_report(48_000 * second, ntp(second * 1_000_000), second * 1_000_000)
    timeline.sender_report(3 * 48_000, ntp(3_400_000), 3_000_000)
    assert timeline.sent_us(4 * 48_000, 4_000_000) == pytest.approx((NTP_2026 >> 32) * 1_000_000 + 4_000_000, abs=2)
    timeline.sender_report(4 * 48_000, ntp(4_000_000), 4_000_000)
    assert timeline.set_us == -1
    for second in (5, 6):
        timeline.sender_report(48_000 * second, ntp(second * 1_000_000 + 400_000), second * 1_000_000)
    assert timeline.set_us == 5_000_000
    assert timeline.sent_us(7 * 48_000, 7_000_000) == pytest.approx((NTP_2026 >> 32) * 1_000_000 + 7_400_000, abs=2)


def test_what_reports_said_before_a_step_holds_after_it() -> None:
    """60 ms of sound were lost at 3 s: what is placed as much later is where the reports of before put it."""
    timeline = started(48_000, rtp=0, arrival_us=0)
    for second in range(3):
        timeline.pts_us(48_000 * second, second * 1_000_000)
        timeline.sender_report(48_000 * second, ntp(second * 1_000_000), second * 1_000_000)
    before_us = timeline.ahead_of_sender_us(-1)
    lost = 60 * 48
    assert timeline.pts_us(3 * 48_000 - lost, 3_000_000) == 2_940_000
    timeline.step(60_000, 2_990_000, 60_000)
    assert timeline.pts_us(4 * 48_000 - lost, 4_000_000) == 4_000_000
    assert timeline.ahead_of_arrival_us == 0
    assert timeline.ahead_of_sender_us(-1) == before_us
    timeline.sender_report(4 * 48_000 - lost, ntp(4_000_000), 4_000_000)
    assert timeline.set_us == -1, "the next report agrees with those of before"


def test_a_step_that_is_taken_back_leaves_how_sound_arrives_to_be_seen_anew() -> None:
    timeline = started(48_000, rtp=0, arrival_us=0)
    for second in range(1, 40):
        late_us = 100_000 if 10 <= second < 15 else 0
        if second == 12:
            timeline.step(100_000, 10_100_000, 100_000)
        if second == 17:
            timeline.step(-100_000, 10_100_000, 0)
        timeline.pts_us(48_000 * second, second * 1_000_000 + late_us)
        if second >= 17:
            assert timeline.ahead_of_arrival_us == 100_000, second
