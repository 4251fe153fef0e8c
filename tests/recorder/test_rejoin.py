"""A take that goes on with another connection, against an injected clock: what its one file holds, and how long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from recorder.depacketize import Frame
from recorder.finish import finish
from recorder.media_file import read_back
from recorder.messages import Arm, EndReason, Event, OutageBegan, OutageEnded, PeerId, TakeEnding, TakeId, Verdict
from recorder.mux import Writer
from recorder.part import journal_path, part_path
from recorder.phases import Phase
from recorder.recovery import recover
from recorder.rejoin import Rejoin
from recorder.sdp import TrackOffer
from recorder.sidecar import read_result
from recorder.take import Take
from recorder.thaw import Kept, on_time
from recorder.track import Track
from tests.recorder.encoded_media import decode_strictly, packets_in, sound, video
from tests.recorder.test_mux import until

S = 1_000_000
FRAME_US = 33_333
SOUND_US = 20_000


class Connection:
    """A browser's connection that sends real frames from `begins_us` on; pictures are late by what a test says."""

    def __init__(
        self, name: str, begins_us: int, codec: str, size: tuple[int, int] = (320, 180), ssrc: int = 1
    ) -> None:
        self.peer_id = PeerId(name)
        self.codec, self.size = codec, size
        self.video = Track(TrackOffer("1", "video", codec, 96, 97, 90000, 0, 0, {}, frozenset())) if codec else None
        self.audio: Track | None = Track(TrackOffer("0", "audio", "opus", 111, 0, 48000, 0, 3, {}, frozenset()))
        for track, number in ((self.video, ssrc), (self.audio, ssrc + 1)):
            if track is not None:
                track.ssrc = number
        self.last_media_us = begins_us
        self.keys_asked = 0
        self.first_key_late_us = 0
        self.first_picture = 0
        self._begins_us = begins_us
        self._rtp = ssrc << 34
        self._sent = {"video": 0, "audio": 0}
        self._arrived = {"video": 0, "audio": 0}

    def request_key(self) -> None:
        self.keys_asked += 1

    def until(self, now_us: int, take: Take | Rejoin) -> None:
        """Everything that arrives until now, in the order of arrival."""
        due: list[tuple[int, str, int]] = []
        for kind, step in (("video", FRAME_US), ("audio", SOUND_US)):
            while (arrival_us := self._arrival_us(kind, self._begins_us + self._sent[kind] * step)) <= now_us:
                due.append((arrival_us, kind, self._sent[kind]))
                self._sent[kind] += 1
                self._arrived[kind] = arrival_us
        for arrival_us, kind, number in sorted(due):
            self.last_media_us = arrival_us
            if kind == "audio":
                payload = sound()[number % 100]
                take.audio_frame(Frame(payload, True, 0, 0, True), self._rtp + number * 960, arrival_us, 90)
            elif self.video is not None:
                payload, key = video(self.codec, *self.size)[(self.first_picture + number) % 60]
                if key:
                    self.video.key_arrived_ms = arrival_us // 1000
                rtp = self._rtp + number * FRAME_US * 9 // 100
                take.video_frame(Frame(payload, key, *self.size, True), rtp, arrival_us)

    def _arrival_us(self, kind: str, captured_us: int) -> int:
        """Pictures behind a late key frame come in a heap right after it."""
        if kind == "audio":
            return captured_us + 5_000
        late_us = 25_000 + (self.first_key_late_us if self._sent["video"] == 0 else 0)
        return max(captured_us + late_us, self._arrived["video"])


class Recording:
    """A take that counts down to its first connection, and a second that comes when `reload` says so."""

    def __init__(self, folder: Path, writer: Writer, codec: str = "vp8", limit_ms: int = 30_000) -> None:
        self.folder = folder
        self.now_us = 1000 * S
        self.events: list[Event] = []
        self.codec = codec
        self.first = Connection("first", self.now_us, codec)
        self.second: Connection | None = None
        self.rejoin: Rejoin | None = None
        order = Arm(TakeId("take"), PeerId("first"), str(folder), 0, limit_ms, 1 << 30)
        self.take = Take(
            order, self.first, writer, self.events.append, lambda take: None, self.now_us, lambda: self.now_us // 1000
        )
        self.joined: list[object] = []

    def run(self, seconds: float, *, silent: bool = False) -> None:
        end_us = self.now_us + round(seconds * S)
        while self.now_us < end_us:
            self.now_us += 10_000
            if self.second is not None and self.rejoin is not None:
                self.second.until(self.now_us, self.take if self.joined else self.rejoin)
            elif not silent:
                self.first.until(self.now_us, self.take)
            self.take.tick(self.now_us)

    def reload(self, size: tuple[int, int] = (320, 180), **how: int) -> Connection:
        self.second = Connection("second", self.now_us, self.codec, size, ssrc=7)
        for name, value in how.items():
            setattr(self.second, name, value)
        self.take.peer_id = self.second.peer_id
        self.rejoin = Rejoin(self.take, self.second, lambda *given: self.joined.append(given))  # type: ignore[arg-type]
        return self.second

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def finish(self) -> tuple[int, Path]:
        """Stopped, closed and settled: the charged time in ms, and the file."""
        self.take.end(EndReason.STOPPED, self.now_us)
        elapsed_ms = self.take.elapsed_us(self.now_us) // 1000
        self.run(0.4)
        assert self.take.phase is Phase.DONE and self.take.mux is not None
        closed = self.take.mux.close().result(10)
        result = finish(self.folder, TakeId("take"), self.take.facts(closed.written, elapsed_ms, 0), closed.lock)
        assert result.verdict is not Verdict.FAILED
        assert "timestamps" not in result.reasons
        return elapsed_ms, self.folder / result.file


@pytest.fixture
def writer() -> Iterator[Writer]:
    found = Writer(0.02)
    found.start()
    yield found
    found.close()


def test_a_new_connection_that_fell_silent_again_is_not_charged_for_it_at_a_stop(
    tmp_path: Path, writer: Writer
) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(4)
    recording.run(6, silent=True)
    second = recording.reload()
    recording.run(0.3)
    second.until = lambda now_us, take: None  # type: ignore[method-assign]
    recording.run(5)
    assert not recording.joined and recording.rejoin is not None
    recording.rejoin.settle()
    assert recording.joined
    elapsed_ms, _ = recording.finish()
    assert abs(elapsed_ms - 4_300) <= 150


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("late_us", [0, 200_000])
def test_a_reload_in_mid_answer_makes_one_file_as_long_as_the_clock(
    tmp_path: Path, writer: Writer, codec: str, late_us: int
) -> None:
    recording = Recording(tmp_path / "take", writer, codec)
    recording.run(4)
    recording.run(6, silent=True)
    recording.reload(first_key_late_us=late_us)
    recording.run(5)
    assert len(recording.of(OutageBegan)) == 1
    (ended,) = recording.of(OutageEnded)
    assert isinstance(ended, OutageEnded) and abs(ended.outage_ms - 6000) <= 120
    elapsed_ms, path = recording.finish()
    assert abs(elapsed_ms - 9000) <= 150
    read = {kind: [us for us, _, _ in packets_in(path, kind)] for kind in ("video", "audio")}
    for times in read.values():
        assert times == sorted(set(times))
        assert abs(times[-1] / 1000 - elapsed_ms) <= 80
        assert max(after - before for before, after in pairwise(times)) <= 120_000
    assert decode_strictly(path)["video"] == len(read["video"])
    assert len(read["video"]) == pytest.approx(elapsed_ms * 1000 / FRAME_US, abs=6)
    assert len(read["audio"]) == pytest.approx(elapsed_ms * 1000 / SOUND_US, abs=6)
    sidecar = read_result(recording.folder, TakeId("take"))
    assert sidecar is not None and sidecar.elapsed_ms == elapsed_ms
    notes = recording.take.facts(recording.take.mux._file.written(0, 0), 0, 0)  # type: ignore[union-attr]
    assert [(each.ssrc_video, each.ssrc_audio) for each in notes.segments] == [(1, 2), (7, 8)]
    assert [each.length_ms for each in notes.gaps if each.length_ms > 1000] == [ended.outage_ms]


@pytest.mark.parametrize("late_us", [0, 100_000, 300_000])
def test_sound_lies_beside_the_picture_after_the_joint_however_late_its_key_frame_came(
    tmp_path: Path, writer: Writer, late_us: int
) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    recording.run(4, silent=True)
    recording.reload(first_key_late_us=late_us)
    placed: dict[str, list[int]] = {"video": [], "audio": []}
    mux = recording.take.mux
    assert mux is not None
    put = mux._put

    def note(track: int, limit: int, frame: tuple[bytes, int, int, int, int]) -> bool:
        placed["video" if track else "audio"].append(frame[1])
        return put(track, limit, frame)

    type(mux)._put, restore = (lambda self, *given: note(*given)), type(mux)._put  # type: ignore[method-assign, assignment]
    try:
        recording.run(3)
    finally:
        type(mux)._put = restore  # type: ignore[method-assign]
    # Both were captured from the same moment on; the sound of before the file's end was left out, none after it.
    picture_us = placed["video"][-1] - (len(placed["video"]) - 1) * FRAME_US
    assert abs(picture_us - placed["video"][0]) <= 2_000
    first_sound_us = placed["audio"][0]
    number = next(n for n in range(100) if abs(picture_us + n * SOUND_US - first_sound_us) <= SOUND_US // 2)
    # The picture's own way takes 20 ms longer than the sound's, which arrival cannot show.
    assert abs(picture_us + number * SOUND_US - first_sound_us) <= 25_000
    assert first_sound_us - picture_us <= 25_000
    recording.finish()


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_segment_of_another_size_plays_through_and_the_header_carries_the_larger(
    tmp_path: Path, writer: Writer, codec: str
) -> None:
    recording = Recording(tmp_path / "take", writer, codec)
    recording.run(3)
    recording.run(3, silent=True)
    recording.reload((640, 360))
    recording.run(3)
    _, path = recording.finish()
    assert decode_strictly(path)["video"] == recording.take.frames
    content = path.read_bytes()
    larger = b"\x02\x80\x01\x68" if codec == "h264" else b"\xb0\x82\x02\x80\xba\x82\x01\x68"
    if codec == "h264":
        content = content[content.rindex(b"moov") :]  # that of the fragments lies within the mdat
        assert content.count(b"avcC") == 1
    assert larger in content
    reading = read_back(path)
    assert reading.indexed and reading.rising and abs(reading.duration_us - 6 * S) <= 200_000
    with av.open(str(path)) as container:
        container.seek(4_500_000)
        packet = next(container.demux(video=0))
        assert packet.is_keyframe and packet.pts is not None
        assert 3 <= packet.pts * packet.time_base <= 4.5, "in the second segment"


def test_pictures_before_a_key_frame_are_no_joint_and_one_is_asked_for(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    recording.run(2, silent=True)
    second = recording.reload(first_picture=5)
    recording.run(0.6)
    assert recording.joined == [] and second.keys_asked > 5
    assert recording.of(OutageEnded) == []
    recording.run(1)
    assert len(recording.joined) == 1
    _, path = recording.finish()
    assert decode_strictly(path)["video"] == recording.take.frames


def test_a_stop_before_the_joint_is_heard_out_keeps_what_arrived(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    recording.run(3, silent=True)
    recording.reload()
    recording.run(0.4)
    assert recording.joined == []
    assert recording.rejoin is not None
    recording.rejoin.settle()
    elapsed_ms, path = recording.finish()
    assert abs(elapsed_ms - 3400) <= 100
    assert len(packets_in(path, "video")) == pytest.approx(102, abs=5)


def test_a_connection_that_another_replaced_joins_nothing(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    recording.run(2, silent=True)
    recording.reload()
    recording.take.peer_id = PeerId("third")
    recording.run(2)
    assert recording.joined == [] and recording.take.source is recording.first


def test_a_camera_that_moves_to_another_device_without_an_outage_goes_on(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(4)
    recording.reload()
    recording.run(4)
    assert recording.of(OutageBegan) == []
    elapsed_ms, path = recording.finish()
    assert abs(elapsed_ms - 8000) <= 150
    times = [us for us, _, _ in packets_in(path, "video")]
    assert times == sorted(set(times)) and abs(times[-1] / 1000 - elapsed_ms) <= 100


def test_sound_alone_goes_on_as_sound_alone(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer, "")
    recording.run(3)
    recording.run(5, silent=True)
    recording.reload()
    recording.run(3)
    elapsed_ms, path = recording.finish()
    assert abs(elapsed_ms - 6000) <= 150
    times = [us for us, _, _ in packets_in(path, "audio")]
    assert len(times) == pytest.approx(elapsed_ms / 20, abs=4)


def test_a_take_that_waited_past_its_bounds_is_not_gone_on_with(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    recording.run(91.5, silent=True)
    (ending,) = recording.of(TakeEnding)
    assert isinstance(ending, TakeEnding) and ending.reason is EndReason.OUTAGE
    recording.reload()
    recording.run(2)
    assert recording.joined == []


def test_what_was_held_for_a_lost_packet_ends_no_outage(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer)
    recording.run(3)
    last_us = recording.first.last_media_us
    recording.run(1.5, silent=True)
    assert len(recording.of(OutageBegan)) == 1
    recording.take.audio_frame(Frame(sound()[0], True, 0, 0, True), (1 << 34) + 150 * 960, last_us, 90)
    recording.run(1, silent=True)
    assert recording.of(OutageEnded) == [] and len(recording.of(OutageBegan)) == 1


def test_a_worker_killed_after_the_joint_leaves_both_halves_and_what_was_noted(tmp_path: Path, writer: Writer) -> None:
    recording = Recording(tmp_path / "take", writer, "h264")
    recording.run(4)
    recording.run(3, silent=True)
    recording.reload()
    recording.run(4)
    mux = recording.take.mux
    assert mux is not None
    part = part_path(recording.folder, TakeId("take"))
    until(lambda: part.exists() and not mux._pending and mux._note is None)
    left = tmp_path / "left"
    left.mkdir()
    shutil.copy(part, left)
    shutil.copy(journal_path(recording.folder, TakeId("take")), left)
    (result,) = recover(left)
    assert result.recovered and result.end_reason is EndReason.WORKER_DIED
    assert 6500 <= result.duration_ms <= 8200
    assert result.reasons == ["gap", "recovered"]
    path = left / result.file
    assert decode_strictly(path)["video"] == result.video_frames
    sidecar = (left / "take.json").read_text()
    assert '"ssrc_video":1' in sidecar and '"ssrc_video":7' in sidecar
    recording.finish()


def test_the_quickest_frame_shows_how_late_the_first_one_came() -> None:
    frame = Frame(b"x", True, 1, 1, True)
    kept = [Kept(frame, 9_000, 700_000, -1), Kept(frame, 12_000, 550_000, -1), Kept(frame, 15_000, 590_000, -1)]
    assert on_time(kept, 90_000) == (9_000, 516_667)
    assert on_time([], 90_000) is None
