"""Sound and picture of an answer, read back from its file, however wrong the sender's clocks are.

Each frame says when it was captured. The bound is the one of the whole system: 95 of 100 pictures within 40 ms of
the sound of their moment, in the first ten seconds and in the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.lipsync import SyncSource
from recorder.messages import EndReason, OutageEnded, TakeEnding, Verdict
from recorder.mux import Writer
from recorder.opus import SILENCE
from recorder.part import journal_path, part_path, read_json
from recorder.recovery import recover
from tests.recorder.encoded_media import packets_in
from tests.recorder.sender import Clocks, S, Sender, steps

FIVE_MINUTES = 300
MINUTE = 60
NEVER = 1 << 60
BOUND_MS = 40.0


@pytest.fixture
def writer() -> Iterator[Writer]:
    found = Writer(0.02, 1)
    found.start()
    yield found
    found.close()


def recorded(folder: Path, writer: Writer, clocks: Clocks, seconds: int, codec: str = "vp8") -> tuple[Sender, Path]:
    """A take to its limit, finished; what holds for each of them is looked at here."""
    sender = Sender(folder / "take", writer, clocks, seconds=seconds, codec=codec)
    sender.run()
    result, media = sender.finished()
    assert (result.verdict, result.reasons, sender.reason) == (Verdict.GOOD, [], EndReason.LIMIT)
    assert abs(result.duration_ms - seconds * 1000) <= 100
    assert abs(result.video_frames - seconds * 30) <= 10
    for kind, least_us in (("video", 1_000), ("audio", 19_000)):
        assert min(steps([pts_us for pts_us, _, _ in packets_in(media, kind)])) >= least_us
    figures = sender.figures(media)
    assert figures.p95_ms(0, 10 * S) <= BOUND_MS
    assert figures.p95_ms((seconds - 10) * S, seconds * S) <= BOUND_MS
    assert figures.p95_ms(0, seconds * S) <= BOUND_MS
    return sender, media


def test_sound_lies_beside_its_picture_under_100_ms_of_jitter(tmp_path: Path, writer: Writer) -> None:
    sender, _ = recorded(tmp_path, writer, Clocks(jitter_us=100_000, report_error_us=10_000), MINUTE)
    assert sender.facts.sync_source is SyncSource.SENDER_REPORT


def test_bug_01_sound_that_is_switched_on_3_s_late_lies_beside_its_picture(tmp_path: Path, writer: Writer) -> None:
    clocks = Clocks(sound_from_us=5 * S, sound_late_us=200_000)
    sender, media = recorded(tmp_path, writer, clocks, MINUTE)
    assert sender.facts.sync_source is SyncSource.SENDER_REPORT
    assert packets_in(media, "audio")[0][0] < 100_000, "silence comes before it"


def test_bug_02_without_a_sender_report_for_10_s_the_first_seconds_are_there_and_in_their_place(
    tmp_path: Path, writer: Writer
) -> None:
    sender, media = recorded(tmp_path, writer, Clocks(reports_from_us=12 * S, picture_late_us=180_000), MINUTE)
    assert sender.facts.sync_source is SyncSource.SENDER_REPORT
    (move,) = sender.facts.sound_moves
    assert move.later_us == pytest.approx(175_000, abs=10_000)
    assert packets_in(media, "video")[0][0] == 0
    assert packets_in(media, "audio")[0][0] < 40_000


@pytest.mark.parametrize("ppm", [300, -300])
def test_bug_03_drift_of_300_ppm_is_measured_and_pictures_follow_the_sound(
    tmp_path: Path, writer: Writer, ppm: int
) -> None:
    sender, media = recorded(tmp_path, writer, Clocks(sound_ppm=ppm), FIVE_MINUTES)
    assert sender.facts.detail["drift_ppm"] == pytest.approx(ppm, abs=30)
    sounds = [pts_us for pts_us, _, _ in packets_in(media, "audio")]
    assert max(steps(sounds)) <= 21_000, "sound is never slewed"


def test_where_the_sound_clock_ends_the_file_does_and_no_gap_is_seen_there(tmp_path: Path, writer: Writer) -> None:
    """0.12 %: a browser that is short of time loses so much of its sound, a few samples here and there."""
    sender = Sender(tmp_path / "take", writer, Clocks(sound_ppm=-1200), seconds=FIVE_MINUTES)
    sender.run()
    result, media = sender.finished()
    assert (result.verdict, sender.facts.gaps) == (Verdict.GOOD, ())
    assert result.duration_ms == pytest.approx(300_000 * (1 - 0.0012), abs=100)
    assert sender.figures(media).p95_ms(290 * S, 300 * S) <= BOUND_MS
    assert SILENCE not in [payload for _, payload, _ in packets_in(media, "audio")[-50:]]


def test_all_at_once_late_sound_drift_jitter_and_rough_reports(tmp_path: Path, writer: Writer) -> None:
    clocks = Clocks(sound_ppm=300, picture_ppm=-50, jitter_us=100_000, sound_from_us=5 * S, report_error_us=15_000)
    recorded(tmp_path, writer, clocks, FIVE_MINUTES, codec="h264")


def test_without_any_report_the_quickest_packets_show_offset_and_drift(tmp_path: Path, writer: Writer) -> None:
    clocks = Clocks(reports_from_us=NEVER, jitter_us=100_000, sound_ppm=-300, picture_late_us=5_000)
    sender, _ = recorded(tmp_path, writer, clocks, 2 * MINUTE)
    assert sender.facts.sync_source is SyncSource.ARRIVAL
    assert sender.facts.detail["drift_ppm"] == pytest.approx(-300, abs=40)


def test_sound_whose_reports_come_late_is_moved_back_and_the_hole_is_silent(tmp_path: Path, writer: Writer) -> None:
    clocks = Clocks(sound_reports_from_us=12 * S, picture_late_us=10_000, sound_late_us=250_000)
    sender, _ = recorded(tmp_path, writer, clocks, MINUTE)
    (move,) = sender.facts.sound_moves
    assert move.later_us == pytest.approx(-240_000, abs=10_000)


def test_a_wall_clock_that_is_set_in_the_middle_moves_nothing(tmp_path: Path, writer: Writer) -> None:
    sender, _ = recorded(tmp_path, writer, Clocks(wall_set=(30 * S, 300_000)), MINUTE)
    assert sender.facts.sound_moves == ()


def test_bug_13_a_sender_clock_11_times_too_fast_is_taken_for_the_megahertz_it_is(
    tmp_path: Path, writer: Writer
) -> None:
    sender, media = recorded(tmp_path, writer, Clocks(picture_rate=1_000_000), MINUTE)
    assert sender.video is not None and sender.video.timeline.clock_rate == 1_000_000
    places = [pts_us for pts_us, _, _ in packets_in(media, "video")]
    assert max(steps(places)) <= 40_000


def test_what_was_found_out_is_in_the_journal_and_a_recovery_moves_the_sound_by_it(
    tmp_path: Path, writer: Writer
) -> None:
    sender = Sender(tmp_path / "take", writer, Clocks(reports_from_us=12 * S, picture_late_us=180_000), seconds=MINUTE)
    sender.run()
    assert sender.take.mux is not None
    closed = sender.take.mux.close().result(30)
    assert closed.lock is not None
    closed.lock.release()
    found = sender.take.facts(closed.written, 0, 0).sound_moves
    journal = read_json(journal_path(sender.folder, sender.take.order.take_id))
    assert journal is not None and journal["sync"]["source"] == "sender_report"
    assert [(move["from_us"], move["later_us"]) for move in journal["sync"]["moves"]] == [
        (move.from_us, move.later_us) for move in found
    ]
    assert part_path(sender.folder, sender.take.order.take_id).exists()
    (result,) = recover(tmp_path)
    assert sender.figures(sender.folder / result.file).p95_ms(0, 10 * S) <= BOUND_MS


@pytest.mark.parametrize("hurries_us", [0, 3 * S])
def test_bug_15_after_a_freeze_of_8_s_the_same_file_goes_on_in_sync_and_the_freeze_is_not_charged(
    tmp_path: Path, writer: Writer, hurries_us: int
) -> None:
    clocks = Clocks(frozen=(20 * S, 28 * S), hurries_us=hurries_us)
    sender = Sender(tmp_path / "take", writer, clocks, seconds=MINUTE)
    sender.run()
    result, media = sender.finished()
    assert [event for event in sender.events if isinstance(event, TakeEnding)] == [
        TakeEnding(sender.take.order.take_id, EndReason.LIMIT, MINUTE * 1000)
    ]
    (ended,) = [event for event in sender.events if isinstance(event, OutageEnded)]
    assert ended.outage_ms == pytest.approx(8_000, abs=100)
    assert abs(result.duration_ms - MINUTE * 1000) <= 100
    figures = sender.figures(media)
    assert figures.p95_ms(0, 10 * S) <= BOUND_MS and figures.p95_ms(20 * S, MINUTE * S) <= BOUND_MS
    for kind, longest_us in (("video", 120_000), ("audio", 45_000)):
        assert max(steps([pts_us for pts_us, _, _ in packets_in(media, kind)])) <= longest_us
    assert [gap.length_ms for gap in sender.facts.gaps if gap.length_ms > 500] == [ended.outage_ms]


@pytest.mark.parametrize("seconds", [0.8, 3])
def test_a_microphone_that_stands_still_is_beside_its_picture_again_soon_after(
    tmp_path: Path, writer: Writer, seconds: float
) -> None:
    clocks = Clocks(frozen=(20 * S, 20 * S + round(seconds * S)), sound_alone=True, jitter_us=50_000)
    sender = Sender(tmp_path / "take", writer, clocks, seconds=MINUTE)
    sender.run()
    result, media = sender.finished()
    assert abs(result.duration_ms - MINUTE * 1000) <= 100
    figures = sender.figures(media)
    assert figures.p95_ms(0, 10 * S) <= BOUND_MS and figures.p95_ms(30 * S, MINUTE * S) <= BOUND_MS
    sounds = [pts_us for pts_us, _, _ in packets_in(media, "audio")]
    assert max(steps(sounds)) <= 41_000, "what is missing is silent"


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize(("jitter_us", "report_error_us"), [(0, 15_000), (100_000, 15_000)])
def test_sound_that_a_busy_browser_loses_in_pieces_is_silent_where_it_was_lost(
    tmp_path: Path, writer: Writer, codec: str, jitter_us: int, report_error_us: int
) -> None:
    lost = tuple(
        (at_ms * 1000, length_ms * 1000)
        for at_ms, length_ms in (
            (5_000, 40), (8_500, 100), (9_500, 60), (17_000, 300), (21_000, 140), (28_300, 60), (28_400, 60),
            (33_000, 900), (41_200, 80), (44_900, 180), (53_000, 60), (56_500, 240), (60_400, 100),
        )
    )  # fmt: skip
    clocks = Clocks(sound_lost=lost, jitter_us=jitter_us, report_error_us=report_error_us, sound_ppm=-300)
    sender, media = recorded(tmp_path, writer, clocks, MINUTE, codec)
    figures = sender.figures(media)
    for second in range(0, MINUTE, 10):
        assert figures.p95_ms(second * S, (second + 10) * S) <= BOUND_MS, second
    sounds = [pts_us for pts_us, _, _ in packets_in(media, "audio")]
    assert max(steps(sounds)) <= 41_000, "what is missing is silent"
    numbers = [number for number in sender.numbers(media, "audio") if number >= 0]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "and what was sent is there"


@pytest.mark.parametrize(("held_us", "reports_from_us"), [(100_000, 0), (100_000, NEVER), (400_000, NEVER)])
def test_a_network_that_holds_back_sound_alone_for_a_while_costs_none_of_it(
    tmp_path: Path, writer: Writer, held_us: int, reports_from_us: int
) -> None:
    def network(kind: str, sequence: int, at_us: int) -> tuple[int]:
        return (held_us if kind == "audio" and 20 * S <= at_us < 25 * S else 0,)

    clocks = Clocks(report_error_us=10_000, reports_from_us=reports_from_us, picture_late_us=5_000)
    sender = Sender(tmp_path / "take", writer, clocks, seconds=MINUTE)
    sender.network = network
    sender.run()
    result, media = sender.finished()
    assert result.verdict is Verdict.GOOD
    assert sender.figures(media).p95_ms(0, MINUTE * S) <= BOUND_MS
    assert not sender.facts.gaps
    numbers = [number for number in sender.numbers(media, "audio") if number >= 0]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert packets_in(media, "audio")[-1][0] >= MINUTE * S - 50_000, "to the end"


def test_sound_that_is_held_back_in_the_first_seconds_alone_is_moved_as_a_whole(tmp_path: Path, writer: Writer) -> None:
    sender = Sender(tmp_path / "take", writer, Clocks(reports_from_us=7 * S, picture_late_us=5_000), seconds=MINUTE)
    sender.network = lambda kind, sequence, at_us: (150_000 if kind == "audio" and at_us < 5 * S else 0,)
    sender.run()
    _, media = sender.finished()
    assert sender.figures(media).p95_ms(0, MINUTE * S) <= BOUND_MS


def test_more_losses_than_there_are_moves_for_are_left_to_the_reports(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.lipsync.MOST_MOVES", 6)
    lost = tuple((second * S, 60_000) for second in range(5, 25, 5))
    sender = Sender(tmp_path / "take", writer, Clocks(sound_lost=lost), seconds=MINUTE)
    sender.run()
    _, media = sender.finished()
    figures = sender.figures(media)
    assert figures.p95_ms(0, 10 * S) <= BOUND_MS and figures.p95_ms(MINUTE * S - 20 * S, MINUTE * S) <= BOUND_MS


def test_a_network_that_is_slower_from_now_on_moves_nothing(tmp_path: Path, writer: Writer) -> None:
    sender = Sender(tmp_path / "take", writer, Clocks(jitter_us=30_000), seconds=MINUTE)
    sender.network = lambda kind, sequence, at_us: (150_000 if at_us >= 20 * S else 0,)
    sender.run()
    result, media = sender.finished()
    assert (result.verdict, sender.facts.sound_moves) == (Verdict.GOOD, ())
    assert sender.figures(media).p95_ms(0, MINUTE * S) <= BOUND_MS
    assert SILENCE not in [payload for _, payload, _ in packets_in(media, "audio")[50:]]


def test_bug_20_a_take_of_30_minutes_is_whole_and_in_sync_to_its_end(tmp_path: Path, writer: Writer) -> None:
    """On an injected clock, at ten pictures a second; in real time it is a long test."""
    clocks = Clocks(sound_ppm=100, wall_ppm=20, frame_us=100_000, sound_us=60_000)
    sender = Sender(tmp_path / "take", writer, clocks, seconds=30 * MINUTE)
    sender.tick_us = 50_000
    sender.run()
    result, media = sender.finished()
    assert (result.verdict, result.reasons, sender.reason) == (Verdict.GOOD, [], EndReason.LIMIT)
    assert abs(result.duration_ms - 30 * MINUTE * 1000) <= 250
    numbers = sender.numbers(media, "video")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) == pytest.approx(30 * MINUTE * 10, abs=5)
    figures = sender.figures(media)
    assert figures.p95_ms(0, 60 * S) <= BOUND_MS
    assert figures.p95_ms(29 * MINUTE * S, 30 * MINUTE * S) <= BOUND_MS
