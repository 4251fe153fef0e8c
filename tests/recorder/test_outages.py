"""Outages of every kind: whatever the network held back, lost or let go, the file is one answer with one clock."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorder import placing, thaw
from recorder import take as take_module
from recorder.charged_clock import OUTAGE_AFTER_US
from recorder.depacketize import SILENCE, Frame
from recorder.messages import EndReason, OutageEnded
from recorder.mux import MuxOrder, Writer, Written
from recorder.phases import Phase
from recorder.timeline import Timeline
from tests.recorder.test_take import FIRST_RTP, FRAME_US, SOUND_US, Camera, S

TOGETHER_US = 60_000
TOLERANCE_US = 200_000
STEP_US = 40_000
APART_US = 40_000  # what is let go comes a tick of the worker at a time, up to three times as fast


class Placed:
    """Instead of a mux: where each frame is put, by when it was captured; silence has no such time."""

    made: Placed

    def __init__(self, writer: Writer, order: MuxOrder) -> None:
        Placed.made = self
        self.order, self.fault, self.safe_us, self.crowded = order, None, 0, 0
        self.pictures: list[tuple[int, int]] = []
        self.sounds: list[tuple[int, int]] = []
        self.end_us = 0

    def video(self, payload: bytes, pts_us: int, key: bool, width: int, height: int) -> None:
        self._put(self.pictures, payload, pts_us)

    def audio(self, payload: bytes, pts_us: int) -> None:
        self._put(self.sounds, payload, pts_us)

    def _put(self, track: list[tuple[int, int]], payload: bytes, pts_us: int) -> None:
        self.end_us = max(self.end_us, pts_us)
        if payload != SILENCE:
            track.append((int.from_bytes(payload[1:]), pts_us))

    def note(self, facts: dict[str, Any]) -> None:
        pass


class Network(Camera):
    """Whose frames say when they were captured."""

    def __init__(self, *, video: bool = True) -> None:
        super().__init__(Path("unused"), None, video, limit_ms=200_000)  # type: ignore[arg-type]
        self.behind_us = 0  # the sender's clock

    def deliver(self, kind: str, captured_us: int, arrival_us: int) -> None:
        self.last_media_us = arrival_us
        payload = SILENCE[:1] + captured_us.to_bytes(8)
        captured_us -= self.behind_us
        if kind == "audio":
            rtp = FIRST_RTP + captured_us * 6 // 125
            self.take.audio_frame(Frame(payload, True, 0, 0, True), rtp, arrival_us, 90)
            return
        key, self._want_key = self._want_key, False
        if key and self.video is not None:
            self.video.key_arrived_ms = arrival_us // 1000
        rtp = FIRST_RTP + captured_us * 9 // 100
        self.take.video_frame(Frame(payload, key, 1280, 720, True), rtp, arrival_us)

    def silence(self, seconds: float) -> None:
        self.muted = {"video", "audio"}
        self.run(seconds)
        self.muted = set()

    def outage(self, held_s: float, oldest_s: float, newest_s: float, drain: int) -> None:
        """Holds back what is sent, and lets go the oldest and the newest of it."""
        self.hold()
        self.run(held_s)
        held = self._held or []
        if held:
            first_us, last_us = held[0][1], held[-1][1]
            self._held = [
                each for each in held if each[1] < first_us + oldest_s * S or each[1] > last_us - newest_s * S
            ]
        if not self._held:
            self._held = None
        self.drain(drain)


@pytest.fixture(autouse=True, scope="module")
def placed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(take_module, "Mux", Placed)
        yield


def judge(network: Network) -> None:
    """Ends the take, and holds what is in its file against when that was captured, and against the clock."""
    network.take.end(EndReason.STOPPED, stop_us := network.now_us)
    network.run(7)
    assert network.take.phase is Phase.DONE
    file, clock_us = Placed.made, network.take.elapsed_us(network.now_us)
    for track in (file.pictures, file.sounds):
        assert all(before <= after for (_, before), (_, after) in pairwise(track)), "never back"
    heard = dict(file.sounds)
    times = sorted(heard)
    for captured_us, at_us in file.pictures:
        index = bisect(times, captured_us)
        for near_us in times[max(0, index - 1) : index + 1]:
            if abs(near_us - captured_us) <= 25_000:
                apart_us = (at_us - heard[near_us]) - (captured_us - near_us)
                assert abs(apart_us) <= TOGETHER_US, "sound beside picture"
    assert abs(file.end_us - clock_us) <= 70_000, "as long as its clock says"
    assert all(captured_us < stop_us + STEP_US for captured_us, _ in file.pictures + file.sounds), "none of after it"
    steps = sorted({captured_us // STEP_US for captured_us, _ in file.pictures + file.sounds})
    steps_and_stop = [*steps, stop_us // STEP_US]
    media_us = len(steps) * STEP_US
    holes = [(after - before - 1) * STEP_US for before, after in pairwise(steps_and_stop)]
    short_us = sum(hole for hole in holes if 0 < hole <= OUTAGE_AFTER_US + STEP_US)
    assert media_us - TOLERANCE_US <= clock_us, "nothing of it is free"
    assert clock_us <= media_us + short_us + TOLERANCE_US, "no outage is charged"
    facts = network.take.facts(Written("vp8", audio=True), 0, 0)
    assert facts.timestamp_jumps == 0, "no jumps"
    assert all(abs(move.later_us) < APART_US for move in facts.sound_moves), "no sound was lost by the sender"


KEPT = [
    (100.0, 0.0),
    (0.0, 0.0),
    *((s, 0.0) for s in (0.1, 0.4, 1.0)),
    *((0.0, s) for s in (0.1, 0.5, 4.0)),
    (0.4, 0.4),
]
WAYS = st.tuples(st.floats(0.2, 12), st.sampled_from(KEPT), st.sampled_from([2, 5, 20, 1000]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.floats(2, 5), WAYS, st.sampled_from([0.05, 0.2, 0.45, 0.7, 1.1, 2.5, 6.0]))
@example(3.162, (11.703, (100.0, 0.0), 2), 6.0)  # a long stall that drains slowly, while the answer goes on
@example(3.0, (2.6, (1.0, 0.0), 5), 0.1)
@example(3.0, (10.0, (100.0, 0.0), 2), 1.1)  # a stop, with a part of the answer and more than that still to come
def test_an_outage(before_s: float, way: tuple[float, tuple[float, float], int], since_s: float) -> None:
    network = Network()
    network.run(before_s)
    held_s, (oldest_s, newest_s), drain = way
    network.outage(held_s, oldest_s, newest_s, drain)
    network.run(since_s)
    judge(network)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.floats(8, 45), st.floats(0, 1), st.booleans(), st.sampled_from([5, 20, 1000]), st.sampled_from([0.2, 1.1, 6.0])
)
@example(14.5, 0.83, True, 3, 6.0)  # the hole is within what can be listened to, and shorter than that is late
@example(41.1, 1.0, True, 20, 1.1)  # as much as can be kept, again and again, of one track and then of the other
@example(43.9, 0.18, False, 20, 1.1)  # late, by more than a jump
@example(27.856, 0.8993, False, 3, 0.45)
def test_a_long_outage(held_s: float, kept: float, oldest: bool, drain: int, since_s: float) -> None:
    network = Network()
    network.run(4)
    network.outage(held_s, *((held_s * kept, 0) if oldest else (0, held_s * kept)), drain)
    network.run(since_s)
    judge(network)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(2, 5), WAYS, st.sampled_from([1.2, 2.5, 6.0]), WAYS, st.sampled_from([0.1, 1.5, 6.0]))
@example(3.0, (2.88, (100.0, 0.0), 20), 0.4, (5.64, (0.1, 0.0), 1000), 6.0)  # a silence while it still listens
@example(3.584, (1.19, (0.3, 0.0), 2), 0.1, (1.922, (1.0, 0.0), 20), 1.5)
@example(4.873, (0.767, (0.0, 0.5), 2), 0.1, (5.566, (0.0, 0.0), 2), 6.0)
def test_an_outage_after_another(
    before_s: float,
    first: tuple[float, tuple[float, float], int],
    between_s: float,
    second: tuple[float, tuple[float, float], int],
    since_s: float,
) -> None:
    network = Network()
    network.run(before_s)
    for (held_s, (oldest_s, newest_s), drain), after_s in ((first, between_s), (second, since_s)):
        network.outage(held_s, oldest_s, newest_s, drain if between_s < 1 else max(drain, 20))
        network.run(after_s)
    judge(network)


def charged_and_filed(network: Network) -> tuple[float, float]:
    """In seconds, once it has ended."""
    network.take.end(EndReason.STOPPED, network.now_us)
    network.run(7)
    assert network.take.phase is Phase.DONE
    return network.take.elapsed_us(network.now_us) / S, Placed.made.end_us / S


@pytest.mark.parametrize("video", [True, False])
def test_timestamps_from_the_future_do_not_keep_an_outage_open(video: bool) -> None:
    network = Network(video=video)
    network.run(5)
    network.silence(3)
    network.deliver("audio", network.now_us - 2 * S, network.now_us)
    network.behind_us = -10_000 * S
    network.run(20)
    assert network.of(OutageEnded)
    charged_s, filed_s = charged_and_filed(network)
    assert charged_s == pytest.approx(filed_s, abs=0.1) and charged_s >= 24


@pytest.mark.parametrize("video", [True, False])
def test_a_sender_that_is_frozen_twice_goes_on_in_step(video: bool) -> None:
    network = Network(video=video)
    network.run(5)
    network.silence(40)
    network.behind_us = 40 * S
    network.run(0.4)
    network.silence(1.5)
    network.behind_us += 3 * S // 2
    network.run(20)
    charged_s, filed_s = charged_and_filed(network)
    assert charged_s == pytest.approx(24.4, abs=0.3) and filed_s == pytest.approx(charged_s, abs=0.1)
    for track, step_us in ((Placed.made.pictures, FRAME_US), (Placed.made.sounds, SOUND_US)):
        assert len(track) == pytest.approx(charged_s * S / step_us if track else 0, abs=8)
        assert len({at_us for _, at_us in track}) >= len(track) - 1, "none upon another"


@pytest.mark.parametrize("kept_s", [0.4, 3.0, 8.0])
@pytest.mark.parametrize("silent_s", [0.3, 2.0])
@pytest.mark.parametrize("ends", ["stop", "grace"])
def test_what_was_heard_of_an_outage_that_never_ended_is_kept_and_charged(
    kept_s: float, silent_s: float, ends: str
) -> None:
    network = Network()
    network.run(5)
    before_s = network.take.elapsed_us(network.now_us) / S
    network.outage(10, kept_s, 0, 1000)
    network.silence(silent_s if ends == "stop" else 95)
    network.muted = {"video", "audio"}
    if ends == "grace":
        assert network.take.phase is Phase.DONE and network.take.end_reason is EndReason.OUTAGE
    charged_s, filed_s = charged_and_filed(network)
    assert charged_s == pytest.approx(before_s + kept_s, abs=0.1) and filed_s == pytest.approx(charged_s, abs=0.1)
    assert len(Placed.made.sounds) == pytest.approx(charged_s * S / SOUND_US, abs=4)


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize(
    ("held_s", "kept_s", "drain"), [(40, 22, 1000), (40, 38, 1000), (30, 20, 3), (30, 30, 2), (20, 15, 2)]
)
def test_more_than_can_be_listened_to_is_heard_out(held_s: float, kept_s: float, drain: int, video: bool) -> None:
    network = Network(video=video)
    network.run(5)
    before_s = network.take.elapsed_us(network.now_us) / S
    network.outage(held_s, kept_s, 0, drain)
    network.run(50)
    judge(network)
    charged_s = network.take.elapsed_us(network.now_us) / S
    assert charged_s == pytest.approx(before_s + kept_s + 50, abs=0.3)
    assert Placed.made.end_us / S == pytest.approx(charged_s, abs=0.1)


def test_no_more_bytes_are_kept_than_there_is_room_for() -> None:
    kept, timeline = thaw.Thaw(), Timeline(90_000)
    timeline.start(0, 0)
    timeline.pts_us(0, 0)
    frame = Frame(bytes(1 << 20), True, 1280, 720, True)
    for number in range(1, 6):
        assert kept.keeps(timeline, frame, number * 90_000, 20 * S + number, -1)
        assert kept.ready == (number == 5)


@pytest.mark.parametrize("drain", [5, 1000])
def test_more_bytes_than_can_be_kept_are_heard_out(drain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thaw, "MOST_KEPT_BYTES", 2000)
    network = Network()
    network.run(5)
    before_s = network.take.elapsed_us(network.now_us) / S
    network.outage(12, 10, 0, drain)
    network.run(20)
    judge(network)
    assert network.take.elapsed_us(network.now_us) / S == pytest.approx(before_s + 30, abs=0.3)


def test_a_silence_after_the_rest_of_an_outage_is_the_longer_hole() -> None:
    network = Network()
    network.run(5)
    before_s = network.take.elapsed_us(network.now_us) / S
    network.hold()
    network.run(10)
    held = [each for each in network._held or [] if each[1] > network.now_us - 8 * S]
    network._held = [each for each in held if each[1] < network.now_us - 7 * S]
    network.drain(1000)
    network.run(0.01)
    network.silence(9.99)
    network.run(5)
    assert len(network.of(OutageEnded)) == 1
    charged_s, filed_s = charged_and_filed(network)
    assert charged_s == pytest.approx(before_s + 2 + 1 + 5, abs=0.3) and filed_s == pytest.approx(charged_s, abs=0.1)


@pytest.mark.parametrize("stop_s", [0.5, 2.0, 3.5])
def test_a_stop_in_a_slow_drain_is_heard_out_between_two_batches_too(stop_s: float) -> None:
    network = Network()
    network.run(5)
    network.hold()
    network.run(20)
    network.drain(2)
    network.run(stop_s)
    network.take.end(EndReason.STOPPED, stop_us := network.now_us)
    network.run((thaw.HEAR_AT_MOST_US + thaw.HEAR_FOR_US) / S - 0.1)
    heard_until_us = min(stop_us, network._held[0][1] if network._held else stop_us)
    network.run(1)
    assert network.take.phase is Phase.DONE
    assert max(captured_us for captured_us, _ in Placed.made.sounds) >= heard_until_us - 50_000
    assert network.take.elapsed_us(network.now_us) == pytest.approx(Placed.made.end_us, abs=100_000)


def test_more_than_can_be_listened_to_is_kept_where_nothing_follows() -> None:
    network = Network(video=False)
    network.run(5)
    before_s = network.take.elapsed_us(network.now_us) / S
    network.outage(40, 22, 0, 1000)
    network.silence(0.2)
    charged_s, filed_s = charged_and_filed(network)
    assert charged_s == pytest.approx(before_s + 22, abs=0.2) and filed_s == pytest.approx(charged_s, abs=0.1)


def test_sound_that_was_cut_out_is_not_put_upon_other_sound() -> None:
    network = Network()
    network.run(5)
    network.silence(4)
    network.behind_us = 4 * S
    network.run(0.3)
    network.take.track_restarted("video")
    network.run(6)
    charged_s, filed_s = charged_and_filed(network)
    assert filed_s == pytest.approx(charged_s, abs=0.1)
    places = [at_us for _, at_us in Placed.made.sounds]
    assert min(after - before for before, after in pairwise(places)) >= SOUND_US - 1000


@pytest.mark.parametrize("later_ms", [-180, 180])
def test_sound_that_will_be_moved_is_whole_on_both_sides_of_an_outage(later_ms: int) -> None:
    network = Network()
    network.run(2)
    assert network.video is not None and network.audio is not None
    for track, rate, late_ms in ((network.video, 90, 0), (network.audio, 48, later_ms)):
        rtp = FIRST_RTP + network.now_us * rate // 1000
        track.timeline.sender_report(rtp, ((network.now_us + late_ms * 1000) << 32) // S, network.now_us)
    network.run(3)
    network.silence(5)
    resumed_us = network.now_us
    network.run(3)
    heard = [captured_us for captured_us, _ in Placed.made.sounds if captured_us > resumed_us]
    assert len(heard) >= 149
    (move,) = network.take.facts(Written("vp8", audio=True), 0, 0).sound_moves
    assert move.later_us == pytest.approx(later_ms * 1000, abs=20_000)
    charged_s, filed_s = charged_and_filed(network)
    assert filed_s == pytest.approx(charged_s, abs=0.3)


def test_a_hole_is_looked_for_after_the_files_end() -> None:
    assert placing.hole_within(5 * S, [0, 2 * S, 5 * S + 1000, 6 * S]) == 0
    assert placing.hole_within(5 * S, [0, 9 * S, 9 * S + 1000, 11 * S]) == 7 * S
    assert placing.hole_within(5 * S, [5 * S + 1000, 11 * S]) == pytest.approx(8 * S, abs=1000)


def test_a_track_that_begins_anew_again_and_again_looks_at_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    network.run(5)
    network.silence(30)
    for number in range(900):
        network.deliver("audio", network.now_us - 28 * S + number, network.now_us + number)
    looks: list[list[int]] = []
    monkeypatch.setattr(placing, "hole_within", lambda end_us, heard: looks.append(heard) or 0)
    for _ in range(100):
        network.take.track_restarted("video")
    assert looks == []
    network.take.track_restarted("audio")
    assert [len(look) for look in looks] == [901]
