"""One take's clock, against an injected one: when it starts, when it ends, what an outage costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from recorder.depacketize import SILENCE, Frame
from recorder.messages import (
    Arm,
    EndReason,
    Event,
    NeverStarted,
    OutageBegan,
    OutageEnded,
    PeerId,
    TakeEnding,
    TakeId,
    TakeNotStarted,
    TakeProgress,
    TakeStarted,
)
from recorder.mux import MuxClosed, Writer
from recorder.phases import Phase
from recorder.sdp import TrackOffer
from recorder.take import Take
from recorder.track import Track

S = 1_000_000
FRAME_US = 33_333
SOUND_US = 20_000
FIRST_RTP = 1 << 32


class Camera:
    """A peer with an injected clock: sends pictures and sound as they would arrive."""

    def __init__(self, folder: Path, writer: Writer, video: bool = True, limit_ms: int = 10_000) -> None:
        self.now_us = 1000 * S
        self.events: list[Event] = []
        self.ended: list[Take] = []
        self.video = Track(TrackOffer("1", "video", "vp8", 96, 97, 90000, 0, 0, {}, frozenset())) if video else None
        self.audio: Track | None = Track(TrackOffer("0", "audio", "opus", 111, 0, 48000, 0, 3, {}, frozenset()))
        self.last_media_us = self.now_us
        self.key_asked_us: list[int] = []
        self.muted: set[str] = set()
        self._next = {"video": self.now_us, "audio": self.now_us}
        self._want_key = True
        self.answers_requests = True
        self._held: list[tuple[str, int]] | None = None
        self._drain = self._let_go_us = 0
        self.held_alone = {"video", "audio"}
        self.take = Take(
            Arm(TakeId("take"), PeerId("peer"), str(folder), 1000, limit_ms, 1 << 30),
            self,
            writer,
            self.events.append,
            self.ended.append,
            self.now_us,
            lambda: self.now_us // 1000,
        )

    def request_key(self) -> None:
        self.key_asked_us.append(self.now_us)
        self._want_key = self.answers_requests

    def run(self, seconds: float, tick_us: int = 10_000) -> None:
        """Time passes, in steps of the worker's turn; the sender's own clock never stops."""
        end = self.now_us + round(seconds * S)
        while self.now_us < end:
            self.now_us += tick_us
            for kind, step in (("video", FRAME_US), ("audio", SOUND_US)):
                while self._next[kind] <= self.now_us:
                    at, self._next[kind] = self._next[kind], self._next[kind] + step
                    self._send(kind, at)
            self._let_go(tick_us)
            self.take.tick(self.now_us)

    def hold(self) -> None:
        """The network holds back what is sent from now on."""
        self._held, self._drain = [], 0

    def drain(self, times: int) -> None:
        """It lets go what it held back, the oldest first, so many times as fast as it was sent."""
        self._drain = times

    def lose_held(self, keep_s: float) -> None:
        """All but the oldest of what is held back."""
        assert self._held
        self._held = [each for each in self._held if each[1] < self._held[0][1] + keep_s * S]

    def deliver_held(self, kind: str) -> None:
        """All that is held back of one track."""
        assert self._held is not None
        for each in [each for each in self._held if each[0] == kind]:
            self._held.remove(each)
            self.deliver(*each, self.now_us)

    def _let_go(self, passed_us: int) -> None:
        if self._held is not None and self._drain:
            self._let_go_us = max(self._let_go_us, self._held[0][1] if self._held else 0) + passed_us * self._drain
            while self._held and self._held[0][1] <= self._let_go_us:
                self.deliver(*self._held.pop(0), self.now_us)
            if not self._held:
                self._held = None

    def _send(self, kind: str, at_us: int) -> None:
        if kind in self.muted or (kind == "video" and self.video is None):
            return
        if self._held is not None and kind in self.held_alone:
            self._held.append((kind, at_us))
            return
        self.deliver(kind, at_us, at_us)

    def deliver(self, kind: str, captured_us: int, arrival_us: int) -> None:
        self.last_media_us = arrival_us
        if kind == "video" and self.video is not None:
            key, self._want_key = self._want_key, False
            if key:
                self.video.key_arrived_ms = arrival_us // 1000
            rtp = FIRST_RTP + captured_us * 9 // 100
            self.take.video_frame(Frame(bytes(100), key, 1280, 720, True), rtp, arrival_us)
        else:
            rtp = FIRST_RTP + captured_us * 6 // 125
            self.take.audio_frame(Frame(SILENCE, True, 0, 0, True), rtp, arrival_us, 90)

    def close(self) -> MuxClosed:
        assert self.take.mux is not None
        closed = self.take.mux.close().result(10)
        if closed.lock is not None:
            closed.lock.release()
        return closed

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def writer() -> Iterator[Writer]:
    found = Writer()
    found.start()
    yield found
    found.close()


@pytest.fixture
def camera(tmp_path: Path, writer: Writer) -> Camera:
    return Camera(tmp_path / "take", writer)


def test_a_take_starts_at_zero_with_a_key_frame_asked_for_shortly_before(camera: Camera) -> None:
    camera.run(1.1)
    (started,) = camera.of(TakeStarted)
    assert isinstance(started, TakeStarted)
    zero_ms = 1000 * 1000 + 1000
    assert zero_ms - 150 <= started.at_unix_ms <= zero_ms + 50
    assert len(camera.key_asked_us) == 1
    assert camera.take.phase is Phase.RECORDING


def test_bug_05_black_start_a_take_waits_for_a_key_frame_when_the_first_request_is_lost(camera: Camera) -> None:
    camera.answers_requests = False
    camera.run(2.0)
    assert camera.of(TakeStarted) == []
    assert len(camera.key_asked_us) >= 3
    camera.answers_requests = True
    camera.run(0.5)
    assert len(camera.of(TakeStarted)) == 1


def test_a_countdown_without_a_key_frame_ends_uncharged_after_10_s(camera: Camera) -> None:
    camera.muted = {"video"}
    camera.run(10.9)
    assert camera.events == []
    camera.run(0.2)
    assert camera.events == [TakeNotStarted(TakeId("take"), NeverStarted.NO_KEY_FRAME)]
    assert camera.take.phase is Phase.DONE and camera.take.mux is None


def test_a_stop_in_the_countdown_ends_it_uncharged(camera: Camera) -> None:
    camera.run(0.5)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    assert camera.events == [TakeNotStarted(TakeId("take"), NeverStarted.CANCELLED)]


def test_a_take_ends_at_its_limit_when_nobody_says_anything(camera: Camera) -> None:
    camera.run(12)
    (ending,) = camera.of(TakeEnding)
    assert ending == TakeEnding(TakeId("take"), EndReason.LIMIT, 10_000)
    assert camera.ended == [camera.take]
    written = camera.close().written
    assert written.video_frames in (300, 301)
    assert abs(written.last_us - 10 * S) <= 40_000
    assert camera.take.frames == written.video_frames


def test_a_stop_keeps_what_was_said_until_then_and_nothing_after(camera: Camera) -> None:
    camera.run(4)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    ended_at = camera.take.elapsed_us(camera.now_us)
    camera.run(0.5)
    assert camera.ended == [camera.take]
    written = camera.close().written
    assert abs(written.last_us - ended_at) <= 40_000
    assert camera.take.elapsed_us(camera.now_us + 5 * S) == ended_at


def test_a_first_key_frame_that_comes_late_does_not_let_pictures_run_ahead_of_the_clock(camera: Camera) -> None:
    assert camera.video is not None
    send, late = camera._send, [True]

    def late_key(kind: str, at_us: int) -> None:
        if kind == "video" and late and camera._want_key:
            camera._want_key = False
            late.clear()
            camera.take.video_frame(
                Frame(bytes(100), True, 1280, 720, True), FIRST_RTP + at_us * 9 // 100, at_us + 200_000
            )
        else:
            send(kind, at_us)

    camera.run(0.8)
    camera._send = late_key  # type: ignore[method-assign]
    camera.run(4)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    elapsed_us = camera.take.elapsed_us(camera.now_us)
    camera.run(0.5)
    assert abs(camera.close().written.last_us - elapsed_us) <= 60_000


def test_progress_is_told_every_second(camera: Camera) -> None:
    camera.run(5)
    elapsed = [event.elapsed_ms for event in camera.events if isinstance(event, TakeProgress)]
    assert [round(item / 1000) for item in elapsed] == [1, 2, 3, 4]
    last = camera.of(TakeProgress)[-1]
    assert isinstance(last, TakeProgress)
    assert (last.level, last.packets_lost, last.remaining_ms) == (90, 0, 10_000 - last.elapsed_ms)


def test_key_frames_are_asked_for_every_4_s(camera: Camera) -> None:
    camera.run(9.9)
    asked = [now - camera.key_asked_us[0] for now in camera.key_asked_us]
    assert [round(item / S) for item in asked] == [0, 4, 8]


def test_an_outage_is_not_charged_and_is_cut_out_of_the_file(camera: Camera) -> None:
    camera.run(4)
    camera.muted = {"video", "audio"}
    camera.run(8)
    (began,) = camera.of(OutageBegan)
    assert isinstance(began, OutageBegan)
    before = camera.take.elapsed_us(camera.now_us)
    assert abs(before - 3 * S) <= 150_000
    told = [event.stalled for event in camera.events if isinstance(event, TakeProgress)]
    assert told[:3] == [False] * 3 and told[-6:] == [True] * 6
    camera.muted = set()
    camera.run(0.1)
    (ended,) = camera.of(OutageEnded)
    assert isinstance(ended, OutageEnded)
    assert abs(ended.outage_ms - 8000) <= 60
    camera.run(8)
    assert camera.of(TakeEnding) == [TakeEnding(TakeId("take"), EndReason.LIMIT, 10_000)]
    written = camera.close().written
    assert abs(written.last_us - 10 * S) <= 60_000
    assert written.video_frames in range(298, 303)


def test_a_server_that_comes_back_hears_how_the_last_outage_stands(camera: Camera) -> None:
    camera.run(3)
    camera.take.say_again(camera.now_us)
    assert camera.of(OutageBegan) == camera.of(OutageEnded) == []
    camera.muted = {"video", "audio"}
    camera.run(5)
    camera.take.say_again(camera.now_us)
    assert len(camera.of(OutageBegan)) == 2 and camera.of(OutageEnded) == []
    camera.muted = set()
    camera.run(0.5)
    camera.take.say_again(camera.now_us)
    assert len(camera.of(OutageBegan)) == 2
    first, again = camera.of(OutageEnded)
    assert isinstance(first, OutageEnded) and isinstance(again, OutageEnded)
    assert again.outage_ms == first.outage_ms
    assert 0 < first.remaining_ms - again.remaining_ms <= 500, "what is left by now"


@pytest.mark.parametrize("phase_us", range(0, 20_000, 3_000))
def test_a_frozen_sender_leaves_no_hole_and_no_heap_in_either_track(
    tmp_path: Path, writer: Writer, phase_us: int
) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    camera.now_us += phase_us
    camera.muted = {"video", "audio"}
    camera.run(8)
    camera.muted = set()
    camera.run(9)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    elapsed_us = camera.take.elapsed_us(camera.now_us)
    camera.run(0.5)
    written = camera.close().written
    assert abs(written.last_us - elapsed_us) <= 60_000
    assert abs(elapsed_us - 12 * S) <= 200_000
    assert written.audio_packets == pytest.approx(elapsed_us / SOUND_US, abs=5)
    assert written.video_frames == pytest.approx(elapsed_us / FRAME_US, abs=5)


def test_what_only_came_late_is_kept_and_charged(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=15_000)
    camera.run(4)
    late: list[tuple[str, int]] = []
    send = camera._send
    camera._send = lambda kind, at_us: late.append((kind, at_us))  # type: ignore[method-assign]
    camera.run(3)
    assert len(camera.of(OutageBegan)) == 1
    camera._send = send  # type: ignore[method-assign]
    for kind, at_us in late:
        camera.deliver(kind, at_us, camera.now_us)
    camera.run(13)
    assert camera.of(TakeEnding) == [TakeEnding(TakeId("take"), EndReason.LIMIT, 15_000)]
    written = camera.close().written
    assert written.video_frames == pytest.approx(450, abs=5)
    assert abs(written.last_us - 15 * S) <= 60_000


@pytest.mark.parametrize("first", ["video", "audio"])
@pytest.mark.parametrize("drain", [2, 5, 10, 1000])
@pytest.mark.parametrize("stop_s", [-0.1, 0.0, 0.2])
def test_what_a_stall_held_back_until_the_stop_is_kept_and_charged(
    tmp_path: Path, writer: Writer, stop_s: float, drain: int, first: str
) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    if first == "video":
        camera._next["audio"] += 5_000
    camera.hold()
    camera.run(3 + min(0.0, stop_s))
    assert len(camera.of(OutageBegan)) == 1
    if stop_s > 0:
        camera.drain(drain)
        camera.run(stop_s)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(max(0.0, -stop_s))
    camera.drain(drain)
    camera.run(5)
    assert camera.take.phase is Phase.DONE
    whole_us = before_us + round((3 + stop_s) * S)
    (ending,) = camera.of(TakeEnding)
    assert isinstance(ending, TakeEnding) and ending.elapsed_ms == pytest.approx(whole_us / 1000, abs=60)
    assert camera.events.index(ending) > camera.events.index(camera.of(OutageEnded)[0])
    assert camera.take.elapsed_us(camera.now_us) // 1000 == ending.elapsed_ms
    written = camera.close().written
    assert written.video_frames == pytest.approx(whole_us / FRAME_US, abs=4)
    assert written.audio_packets == pytest.approx(whole_us / SOUND_US, abs=4)
    assert written.last_us == pytest.approx(whole_us, abs=60_000)
    facts = camera.take.facts(written, 0, 0)
    assert (facts.gaps, facts.sound_moves) == ((), ())
    assert camera.of(OutageEnded) == [OutageEnded(TakeId("take"), pytest.approx(0, abs=20), ANY)]


def test_a_stop_right_after_a_senders_freeze_keeps_what_came_since_and_charges_no_more(
    tmp_path: Path, writer: Writer
) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.muted = {"video", "audio"}
    camera.run(3)
    camera.muted = set()
    camera._send = lambda kind, at_us: camera.deliver(kind, at_us - 3 * S, at_us)  # type: ignore[method-assign]
    camera.run(0.3)
    assert camera.of(OutageEnded) == [], "still heard out"
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(1)
    assert camera.take.phase is Phase.DONE
    written = camera.close().written
    assert camera.take.elapsed_us(camera.now_us) == pytest.approx(before_us + 0.3 * S, abs=60_000)
    assert written.video_frames == pytest.approx((before_us + 0.3 * S) / FRAME_US, abs=3)
    assert written.last_us == pytest.approx(before_us + 0.3 * S, abs=60_000)


def test_what_an_outage_held_back_charges_no_more_than_there_is_of_it(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.hold()
    camera.run(10)
    camera.lose_held(keep_s=0.3)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.drain(1000)
    camera.run(5)
    assert camera.take.phase is Phase.DONE
    assert camera.take.elapsed_us(camera.now_us) == pytest.approx(before_us + 0.3 * S, abs=60_000)
    written = camera.close().written
    assert written.last_us == pytest.approx(before_us + 0.3 * S, abs=60_000)
    assert camera.take.facts(written, 0, 0).gaps == ()
    assert camera.of(OutageEnded) == [OutageEnded(TakeId("take"), pytest.approx(9700, abs=60), ANY)]


@pytest.mark.parametrize(
    "track", ["both", "video restarts", "both restart", "video alone comes late", "audio alone comes late"]
)
def test_an_outage_of_which_the_network_kept_only_the_oldest_is_not_charged(
    tmp_path: Path, writer: Writer, track: str
) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.hold()
    camera.run(10)
    camera.lose_held(keep_s=0.4)
    if track.endswith("alone comes late"):
        camera.deliver_held("audio" if track.startswith("video") else "video")
        camera.drain(0)
        camera.held_alone = {track.split()[0]}
        camera.run(0.2)
    camera.drain(1000)
    if "restart" in track:
        camera.run(0.01)
        camera.take.track_restarted("video")
    if track == "both restart":
        camera.take.track_restarted("audio")
    camera.run(5)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(0.5)
    (ended,) = camera.of(OutageEnded)
    assert isinstance(ended, OutageEnded) and ended.outage_ms == pytest.approx(9600, abs=60)
    (ending,) = camera.of(TakeEnding)
    assert isinstance(ending, TakeEnding)
    since_s = 5.4 + (0.2 if "late" in track else 0.01 if "restart" in track else 0)
    assert ending.elapsed_ms == pytest.approx(before_us / 1000 + since_s * 1000, abs=60)
    written = camera.close().written
    facts = camera.take.facts(written, 0, 0)
    assert [(gap.at_ms, gap.length_ms) for gap in facts.gaps] == [
        (pytest.approx(before_us / 1000 + 400, abs=60), pytest.approx(9600, abs=60))
    ]
    assert (facts.timestamp_jumps, facts.sound_moves) == (0, ())
    assert written.last_us == pytest.approx(ending.elapsed_ms * 1000, abs=60_000)
    assert written.video_frames == pytest.approx(ending.elapsed_ms * 1000 / FRAME_US, abs=5)
    assert written.audio_packets == pytest.approx(ending.elapsed_ms * 1000 / SOUND_US, abs=4)


def test_a_stop_in_an_outage_charges_nothing_of_it_though_media_comes_again(camera: Camera) -> None:
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.muted = {"video", "audio"}
    camera.run(3)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.muted = set()
    camera.run(1.1)
    assert camera.take.phase is Phase.DONE
    assert camera.take.elapsed_us(camera.now_us) == pytest.approx(before_us, abs=50_000)
    assert camera.of(OutageEnded) == []
    written = camera.close().written
    assert written.last_us == pytest.approx(before_us, abs=60_000)
    assert camera.take.facts(written, 0, 0).gaps == ()


def test_a_long_stall_that_drains_slowly_is_no_freeze(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.hold()
    camera.run(5)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.drain(2)
    camera.run(6)
    assert camera.take.phase is Phase.DONE
    assert camera.take.elapsed_us(camera.now_us) == pytest.approx(before_us + 5 * S, abs=60_000)
    written = camera.close().written
    assert written.video_frames == pytest.approx((before_us + 5 * S) / FRAME_US, abs=4)
    assert camera.take.facts(written, 0, 0).gaps == ()


def test_pictures_from_after_the_stop_do_not_make_late_sound_seem_lost(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    before_us = camera.take.elapsed_us(camera.now_us)
    camera.muted = {"video"}
    camera.hold()
    camera.run(3)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.drain(2)
    camera.muted = set()
    camera.held_alone = {"audio"}
    camera.run(6)
    assert camera.take.phase is Phase.DONE
    written = camera.close().written
    assert camera.take.facts(written, 0, 0).sound_moves == ()
    assert written.audio_packets == pytest.approx((before_us + 3 * S) / SOUND_US, abs=4)


def test_sound_that_a_slow_camera_lost_right_before_an_ordinary_stop_is_found(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.FRAME_US", S // 12)
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4.4)
    lost_at_us = camera.take.elapsed_us(camera.now_us)
    camera.muted = {"audio"}
    camera.run(0.1)
    camera.muted = set()

    def send(kind: str, at_us: int) -> None:
        camera.deliver(kind, at_us - (100_000 if kind == "audio" else 0), at_us)

    camera._send = send  # type: ignore[method-assign]
    camera.run(0.35)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(0.5)
    *_, move = camera.take.facts(camera.close().written, 0, 0).sound_moves
    assert move.later_us == pytest.approx(100_000, abs=1000)
    assert move.from_us == pytest.approx(lost_at_us, abs=40_000)


def test_sound_of_a_stall_that_was_cut_out_is_not_pressed_together(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    camera.muted = {"video"}
    camera.hold()
    camera.run(3)
    camera.muted = set()
    camera.deliver("video", camera.now_us, camera.now_us)
    camera.drain(1000)
    camera.run(4)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(0.5)
    written = camera.close().written
    assert camera.of(OutageEnded) == [OutageEnded(TakeId("take"), pytest.approx(3000, abs=60), ANY)]
    assert written.audio_packets == pytest.approx(camera.take.elapsed_us(camera.now_us) / SOUND_US, abs=4)


def test_a_server_that_comes_back_hears_of_an_outage_only_what_is_settled(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(4)
    camera.hold()
    camera.run(3)
    camera.lose_held(keep_s=1)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.drain(5)
    while camera.take.phase is Phase.ENDING:
        camera.take.say_again(camera.now_us)
        assert camera.of(OutageEnded) == camera.of(TakeEnding) == []
        camera.run(0.01)
    (ended,) = camera.of(OutageEnded)
    assert camera.events[-2:] == [ended, *camera.of(TakeEnding)]


def test_a_server_that_comes_back_hears_of_an_end(camera: Camera) -> None:
    camera.run(4)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.take.say_again(camera.now_us)
    camera.run(0.5)
    camera.take.say_again(camera.now_us)
    first, *again = camera.of(TakeEnding)
    assert again == [first, first]


def test_silence_on_one_track_is_no_outage(camera: Camera) -> None:
    camera.run(3)
    camera.muted = {"audio"}
    camera.run(9)
    assert camera.of(OutageBegan) == []
    assert camera.of(TakeEnding) == [TakeEnding(TakeId("take"), EndReason.LIMIT, 10_000)]


def test_pictures_given_up_leave_a_gap_even_if_it_is_short_or_last_and_a_camera_that_paused_leaves_none(
    camera: Camera,
) -> None:
    assert camera.video is not None

    def pause(seconds: float, lost: int) -> int:
        began_us = camera.take.elapsed_us(camera.now_us)
        camera.muted = {"video"}
        camera.run(seconds)
        assert camera.video is not None
        camera.video.counters.lost += lost
        camera.muted = set()
        return began_us // 1000

    camera.run(3)
    pause(0.4, lost=0)
    camera.run(1)
    first_ms = pause(0.4, lost=3)
    camera.run(1)
    last_ms = pause(0.2, lost=2)
    camera.take.end(EndReason.STOPPED, camera.now_us)
    camera.run(0.5)
    gaps = [gap for gap in camera.take.facts(camera.close().written, 0, 0).gaps if gap.track == "video"]
    assert [gap.at_ms for gap in gaps] == pytest.approx([first_ms, last_ms], abs=50)
    assert [gap.length_ms for gap in gaps] == pytest.approx([400, 200], abs=50)


def test_bug_12_muted_sound_does_not_shorten_the_track(camera: Camera) -> None:
    camera.run(3)
    camera.muted = {"audio"}
    camera.run(9)
    written = camera.close().written
    assert written.audio_packets == pytest.approx(500, abs=10)


def test_sound_that_starts_3_s_late_begins_in_its_place(camera: Camera) -> None:
    camera.muted = {"audio"}
    camera.run(4.1)
    camera.muted = set()
    camera.run(8)
    written = camera.close().written
    assert written.audio_packets == pytest.approx(500, abs=10)


def test_a_fourth_outage_ends_the_take_and_keeps_it(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, limit_ms=60_000)
    camera.run(2)
    for _ in range(4):
        camera.muted = {"video", "audio"}
        camera.run(2)
        camera.muted = set()
        camera.run(1)
    (ending,) = camera.of(TakeEnding)
    assert isinstance(ending, TakeEnding)
    assert ending.reason is EndReason.OUTAGE
    assert camera.close().written.video_frames > 60


def test_an_outage_past_90_s_ends_the_take_and_keeps_it(camera: Camera) -> None:
    camera.run(3)
    camera.muted = {"video", "audio"}
    camera.run(89)
    assert camera.of(TakeEnding) == []
    camera.run(2.5)
    (ending,) = camera.of(TakeEnding)
    assert isinstance(ending, TakeEnding)
    assert (ending.reason, round(ending.elapsed_ms / 1000)) == (EndReason.OUTAGE, 2)


def test_a_sender_silent_for_8_s_continues_in_the_same_file(camera: Camera) -> None:
    camera.run(3)
    camera.muted = {"video", "audio"}
    camera.run(8)
    camera.muted = set()
    camera.run(9)
    written = camera.close().written
    assert len(camera.of(TakeStarted)) == 1 and camera.ended == [camera.take]
    assert abs(written.last_us - 10 * S) <= 60_000


def test_bug_07_a_timestamp_jump_does_not_lengthen_the_file(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    camera.run(5)
    monkeypatch.setattr(f"{__name__}.FIRST_RTP", FIRST_RTP + (1 << 30))
    camera.run(7)
    written = camera.close().written
    assert abs(written.last_us - 10 * S) <= 100_000


def test_a_track_that_begins_anew_goes_on_in_the_same_file(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    camera.run(5)
    monkeypatch.setattr(f"{__name__}.FIRST_RTP", FIRST_RTP // 2)
    camera.take.track_restarted("video")
    camera.take.track_restarted("audio")
    camera.run(7)
    written = camera.close().written
    assert abs(written.last_us - 10 * S) <= 100_000
    assert written.video_frames == pytest.approx(300, abs=3)


def test_sound_alone_starts_at_zero_and_ends_at_its_limit(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, video=False)
    camera.run(12)
    assert camera.of(TakeEnding) == [TakeEnding(TakeId("take"), EndReason.LIMIT, 10_000)]
    written = camera.close().written
    assert (written.video_frames, written.codec) == (0, "")
    assert written.audio_packets == pytest.approx(500, abs=3)


def test_sound_alone_without_a_packet_never_starts(tmp_path: Path, writer: Writer) -> None:
    camera = Camera(tmp_path / "take", writer, video=False)
    camera.muted = {"audio"}
    camera.run(11.2)
    assert camera.events == [TakeNotStarted(TakeId("take"), NeverStarted.NO_SOUND)]
