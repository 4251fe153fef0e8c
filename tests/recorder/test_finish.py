"""From a closed `.part` to a settled take, and back to it from a crash at any step."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from recorder import finish as finish_module
from recorder import poster
from recorder.facts import Gap, Segment, TakeFacts, TrackCounts
from recorder.finish import PartBusy, finish, read_result
from recorder.lipsync import SoundMove, SyncSource
from recorder.media_file import Unreadable, read_back
from recorder.messages import EndReason, TakeId, Verdict
from recorder.mux import Mux, MuxClosed, Writer
from recorder.opus import SILENCE
from recorder.part import journal_path, part_path
from tests.recorder.encoded_media import FRAME_US, SOUND_US, decode_strictly, nal_units, packets_in, sound, video
from tests.recorder.test_h264 import crafted_sps
from tests.recorder.test_mux import CODECS, TAKE, feed, order_for

SUFFIX = {"vp8": ".webm", "h264": ".mp4", "": ".webm"}
Feeding = Callable[[Mux], None]


def part_with(folder: Path, codec: str, feeding: Feeding | None = None, *, audio: bool = True) -> MuxClosed:
    """A closed `.part` with five seconds in it, or what `feeding` puts in."""
    writer = Writer(0.02, 10)
    writer.start()
    mux = Mux(writer, order_for(folder, codec, audio=audio))
    if feeding is None:
        feed(mux, codec, 150)
    else:
        feeding(mux)
    result = mux.close().result(30)
    assert writer.close()
    return result


def facts_of(closed: MuxClosed) -> TakeFacts:
    return TakeFacts(
        closed.written,
        EndReason.STOPPED,
        started_unix_ms=1_700_000_000_000,
        ended_unix_ms=1_700_000_005_000,
        elapsed_ms=5_000,
        clock_ms=5_000,
        sync_source=SyncSource.SENDER_REPORT,
        sync_offset_us=12_345,
        video=TrackCounts(900, 3, 2),
        audio=TrackCounts(250),
        segments=(Segment(0, 11, 22),),
        levels=tuple(range(50)),
        detail={"browser": "any"},
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def boxes_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """The top-level boxes of an MP4 file (ISO/IEC 14496-12 §4.2)."""
    boxes, at = [], 0
    while at < len(content):
        size, head = int.from_bytes(content[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        boxes.append((content[at + 4 : at + 8], content[at + head : at + size]))
        at += size
    return boxes


@pytest.mark.parametrize("codec", CODECS)
def test_a_good_take_is_finished_and_described(tmp_path: Path, codec: str) -> None:
    closed = part_with(tmp_path, codec)
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)

    media = tmp_path / f"take-1{SUFFIX[codec]}"
    assert names(tmp_path) == {media.name, "take-1.json", "take-1.jpg", "take-1.waveform.json"}
    assert (result.verdict, result.reasons, result.end_reason) == (Verdict.GOOD, [], EndReason.STOPPED)
    assert (result.file, result.media_type) == (media.name, f"video/{SUFFIX[codec][1:]}")
    assert (result.video_frames, result.audio_packets) == (150, 249)
    assert abs(result.duration_ms - 5_000) <= 40
    assert (result.elapsed_ms, result.started_unix_ms) == (5_000, 1_700_000_000_000)
    assert result.size_bytes == media.stat().st_size
    assert result.sha256 == hashlib.sha256(media.read_bytes()).hexdigest()
    assert not result.recovered
    assert media.stat().st_mode & 0o777 == 0o600

    assert decode_strictly(media)["video"] == 150
    assert packets_in(media, "video")[0][2]
    assert json.loads((tmp_path / result.waveform).read_text()) == {"step_ms": 100, "levels": list(range(50))}
    with av.open(str(tmp_path / result.poster)) as still:
        (picture,) = still.decode(video=0)
        assert (picture.width, picture.height) == (320, 180)
    assert read_result(tmp_path, TAKE) == result

    sidecar = json.loads((tmp_path / "take-1.json").read_text())
    assert sidecar["codec"] == codec
    assert (sidecar["width"], sidecar["height"]) == (320, 180)
    assert sidecar["sizes"] == [{"at_ms": 0, "width": 320, "height": 180}]
    assert sidecar["key_frames_ms"] == [n * 30 * FRAME_US // 1000 for n in range(5)]
    assert sidecar["packets"]["video"] == {"received": 900, "lost": 3, "recovered": 2}
    assert sidecar["segments"] == [{"at_ms": 0, "ssrc_video": 11, "ssrc_audio": 22}]
    assert sidecar["sync"]["source"] == "sender_report"
    assert (sidecar["first_unix_ms"], sidecar["last_unix_ms"]) == (1_700_000_000_000, 1_700_000_005_000)
    assert sidecar["detail"] == {"browser": "any"}


@pytest.mark.parametrize("codec", CODECS)
def test_bug_06_file_not_seekable_a_seek_finds_a_key_frame_by_the_index(tmp_path: Path, codec: str) -> None:
    closed = part_with(tmp_path, codec)
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    media = tmp_path / result.file
    content = media.read_bytes()
    if codec == "vp8":
        assert 0 < content.find(b"\x1c\x53\xbb\x6b", 100) < content.find(b"\x1f\x43\xb6\x75")  # Cues before Cluster
    else:
        # Plain, no longer fragmented: the fragments' own boxes are now inside the mdat.
        assert [kind for kind, _ in boxes_of(content)] == [b"ftyp", b"mdat", b"moov"]
        assert b"mvex" not in boxes_of(content)[-1][1]
    with av.open(str(media)) as container:
        container.seek(3_100_000)
        packet = next(container.demux(video=0))
        assert packet.is_keyframe
        assert packet.pts is not None
        assert abs(packet.pts * packet.time_base - 3) < 0.01


@pytest.mark.parametrize("codec", CODECS)
def test_a_slow_cameras_last_picture_makes_no_take_longer_than_its_limit(tmp_path: Path, codec: str) -> None:
    def feeding(mux: Mux) -> None:
        for index in range(13):
            mux.video(video(codec)[index][0], index * 400_000, not index, 320, 180)
            for heard in range(index * 20, min(index * 20 + 20, 249)):
                mux.audio(sound()[heard % 100], heard * SOUND_US)

    closed = part_with(tmp_path, codec, feeding)
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert (result.verdict, result.reasons, result.elapsed_ms) == (Verdict.GOOD, [], 5_000)
    assert abs(result.duration_ms - 5_000) <= 20


def test_sound_alone_is_a_take(tmp_path: Path) -> None:
    def feeding(mux: Mux) -> None:
        for index in range(200):
            mux.audio(sound()[index % 100], index * SOUND_US)

    closed = part_with(tmp_path, "", feeding)
    result = finish(tmp_path, TAKE, replace(facts_of(closed), clock_ms=4_000), closed.lock)
    assert (result.verdict, result.reasons, result.media_type) == (Verdict.GOOD, [], "audio/webm")
    assert (result.poster, result.audio_packets, result.video_frames) == ("", 200, 0)
    assert abs(result.duration_ms - 4_000) <= 20


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_called_seekable_has_its_index(tmp_path: Path, codec: str) -> None:
    closed = part_with(tmp_path, codec)
    assert read_back(part_path(tmp_path, TAKE)).indexed is (codec == "vp8")
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert read_back(tmp_path / result.file).indexed
    writer = Writer()  # not started: as after a kill
    mux = Mux(writer, replace(order_for(tmp_path, codec), take_id=TakeId("killed")))
    feed(mux, codec, 150)
    mux.write_pending()
    assert not read_back(part_path(tmp_path, TakeId("killed"))).indexed
    mux.discard()
    assert mux.finish()
    mux.settle()


@pytest.mark.parametrize("codec", CODECS)
def test_the_header_of_a_file_with_a_size_change_carries_the_largest(tmp_path: Path, codec: str) -> None:
    def ramp_up(mux: Mux) -> None:
        feed(mux, codec, 30)
        for index, (payload, key) in enumerate(video(codec, 640, 360, 30)):
            mux.video(payload, (30 + index) * FRAME_US, key, 640, 360)

    closed = part_with(tmp_path, codec, ramp_up)
    result = finish(tmp_path, TAKE, replace(facts_of(closed), clock_ms=2_000), closed.lock)
    assert (result.verdict, result.video_frames) == (Verdict.GOOD, 60)
    media = tmp_path / result.file
    assert decode_strictly(media)["video"] == 60
    content = media.read_bytes()
    if codec == "vp8":
        assert b"\xb0\x82\x02\x80\xba\x82\x01\x68" in content  # PixelWidth 640, PixelHeight 360
    else:
        sample_entry = content.index(b"avc1", content.rindex(b"moov"))
        assert content[sample_entry + 28 : sample_entry + 32] == b"\x02\x80\x01\x68"


@pytest.mark.parametrize("codec", CODECS)
def test_sound_is_moved_by_stream_copy_when_its_place_was_learned_late(tmp_path: Path, codec: str) -> None:
    closed = part_with(tmp_path, codec)
    before = packets_in(part_path(tmp_path, TAKE), "audio")
    result = finish(tmp_path, TAKE, replace(facts_of(closed), sound_moves=(SoundMove(0, 120_000),)), closed.lock)
    after = packets_in(tmp_path / result.file, "audio")
    assert [payload for _, payload, _ in after[:6]] == [SILENCE] * 6
    kept = before[: len(after) - 6]
    assert [payload for _, payload, _ in after[6:]] == [payload for _, payload, _ in kept]
    assert all(abs(b[0] - a[0] - 120_000) <= 1_000 for a, b in zip(kept, after[6:], strict=True))
    assert after[-1][0] <= closed.written.last_us + 1_000
    assert (result.video_frames, result.audio_packets) == (150, len(after))
    assert result.verdict is Verdict.GOOD


def test_more_key_frames_than_index_space_cost_a_copy_not_the_index(tmp_path: Path) -> None:
    def only_keys(mux: Mux) -> None:
        for index in range(900):
            mux.video(video("vp8")[0][0][:1000], index * FRAME_US, True, 320, 180)

    closed = part_with(tmp_path, "vp8", only_keys, audio=False)
    assert closed.fault is None
    assert not closed.written.clean
    result = finish(tmp_path, TAKE, replace(facts_of(closed), clock_ms=30_000, audio_expected=False), closed.lock)
    assert (result.verdict, result.video_frames) == (Verdict.GOOD, 900)
    content = (tmp_path / result.file).read_bytes()
    assert 0 < content.find(b"\x1c\x53\xbb\x6b", 100) < content.find(b"\x1f\x43\xb6\x75")


def test_a_poster_is_no_wider_than_640(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8", lambda mux: mux.video(video("vp8", 1280, 720, 1)[0][0], 0, True, 1280, 720))
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    with av.open(str(tmp_path / result.poster)) as still:
        (picture,) = still.decode(video=0)
        assert (picture.width, picture.height) == (640, 360)
    assert (result.verdict, result.reasons[0]) == (Verdict.FAILED, "short")


def test_a_poster_that_fails_does_not_fail_the_take(tmp_path: Path) -> None:
    def rubbish(mux: Mux) -> None:
        key = video("vp8")[0][0][:10] + b"\xff" * 300
        for index in range(60):
            mux.video(key if not index else b"\x01" + b"\xaa" * 200, index * FRAME_US, not index, 320, 180)

    closed = part_with(tmp_path, "vp8", rubbish, audio=False)
    facts = replace(facts_of(closed), clock_ms=2_000, audio_expected=False)
    result = finish(tmp_path, TAKE, facts, closed.lock)
    assert result.verdict is Verdict.GOOD
    assert result.file


def test_an_enormous_picture_is_not_decoded_for_a_poster(tmp_path: Path) -> None:
    giant = bytearray(video("vp8")[0][0])
    giant[6:10] = b"\xff\x3f\xff\x3f"
    closed = part_with(tmp_path, "vp8", lambda mux: mux.video(bytes(giant), 0, True, 16383, 16383))
    with pytest.raises(poster.NoPoster, match="16383x16383"):
        poster.first_still(part_path(tmp_path, TAKE))
    assert closed.lock
    closed.lock.release()


def test_a_take_without_any_frame_leaves_a_sidecar_and_no_file(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8", lambda mux: mux.audio(b"\xf8\xff\xfe", 0))
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert (result.verdict, result.reasons, result.file) == (Verdict.FAILED, ["no_key_frame"], "")
    assert names(tmp_path) == {"take-1.json"}
    assert read_result(tmp_path, TAKE) == result


def test_what_cannot_be_read_is_kept_under_another_name(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8")
    assert closed.lock
    part_path(tmp_path, TAKE).write_bytes(b"\x00" * 5000)
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert (result.verdict, result.reasons, result.file) == (Verdict.FAILED, ["unreadable"], "")
    assert names(tmp_path) == {"take-1.json", "take-1.unreadable"}


@pytest.mark.parametrize(
    ("change", "verdict", "reasons"),
    [
        ({"clock_ms": 6_000}, Verdict.USABLE, ["timestamps"]),
        ({"clock_ms": 0}, Verdict.GOOD, []),
        ({"timestamp_jumps": 1}, Verdict.USABLE, ["timestamps"]),
        ({"gaps": (Gap("video", 100, 900),)}, Verdict.GOOD, []),
        ({"gaps": (Gap("video", 100, 1_001),)}, Verdict.USABLE, ["gap"]),
        ({"audio": TrackCounts(98, 2)}, Verdict.USABLE, ["loss"]),
        ({"video": TrackCounts(1000, 10)}, Verdict.GOOD, []),
    ],
)
def test_the_verdict_follows_from_packets_and_file(
    tmp_path: Path, change: dict[str, object], verdict: Verdict, reasons: list[str]
) -> None:
    closed = part_with(tmp_path, "vp8")
    result = finish(tmp_path, TAKE, replace(facts_of(closed), **change), closed.lock)
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_an_outage_is_a_gap_and_no_fault_of_the_timestamps(tmp_path: Path) -> None:
    """Outages are in neither the file's duration nor the clock it is held against."""
    closed = part_with(tmp_path, "vp8")
    facts = replace(facts_of(closed), gaps=(Gap("video", 2_000, 8_000),), clock_ms=5_000, elapsed_ms=5_000)
    result = finish(tmp_path, TAKE, facts, closed.lock)
    assert (result.verdict, result.reasons) == (Verdict.USABLE, ["gap"])
    assert abs(result.duration_ms - 5_000) <= 40


def test_the_sidecars_name_is_durable_before_the_journal_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[set[str]] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            synced.append(names(tmp_path))

    closed = part_with(tmp_path, "vp8")
    monkeypatch.setattr(os, "fsync", fsync)
    finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert any({"take-1.json", "take-1.webm", "take-1.journal.json"} <= there for there in synced)


GIANT = """
import resource, sys
sys.path.insert(0, {root!r})
from pathlib import Path
import recorder.media_file, recorder.poster
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
reading = recorder.media_file.read_back(Path({path!r}))
try:
    recorder.poster.first_still(Path({path!r}))
except recorder.poster.NoPoster:
    print(reading.video_frames, peak() - before)
"""


def test_a_giant_in_the_stream_behind_a_small_header_takes_no_memory(tmp_path: Path) -> None:
    """Parameter sets of 8192x8192, as a slice could smuggle them past the depacketizer."""
    units = nal_units(video("h264", 320, 240, 1)[0][0])
    units = [crafted_sps(8192, 8192) if unit[0] & 0x1F == 7 else unit for unit in units]
    access_unit = b"".join(b"\0\0\0\1" + unit for unit in units)

    def giant(mux: Mux) -> None:
        for index in range(15):
            mux.video(access_unit, index * FRAME_US, True, 320, 240)

    closed = part_with(tmp_path, "h264", giant)
    assert closed.lock
    closed.lock.release()
    program = GIANT.format(root=str(Path.cwd()), path=str(part_path(tmp_path, TAKE)))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    frames, grown_mib = map(int, run.stdout.split())
    assert frames == 15
    assert grown_mib < 60


def test_a_frame_that_is_not_in_the_file_is_noticed(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8")
    facts = facts_of(closed)
    facts = replace(facts, written=replace(facts.written, video_frames=151))
    assert finish(tmp_path, TAKE, facts, closed.lock).reasons == ["incomplete"]


def test_missing_sound_is_a_reason_only_where_sound_was_expected(tmp_path: Path) -> None:
    for number, (expected, reasons) in enumerate(((True, ["no_sound"]), (False, []))):
        folder = tmp_path / str(number)
        closed = part_with(folder, "vp8", audio=False)
        result = finish(folder, TAKE, replace(facts_of(closed), audio_expected=expected), closed.lock)
        assert result.reasons == reasons


def test_under_a_second_is_failed_but_kept(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "h264", lambda mux: feed(mux, "h264", 20))
    result = finish(tmp_path, TAKE, replace(facts_of(closed), clock_ms=660), closed.lock)
    assert (result.verdict, result.reasons) == (Verdict.FAILED, ["short"])
    assert decode_strictly(tmp_path / result.file)["video"] == 20


@pytest.mark.parametrize("codec", CODECS)
def test_without_room_for_a_copy_the_part_itself_is_kept(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = part_with(tmp_path, codec)
    assert closed.lock

    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(finish_module, "copy_seekable", no_room)
    monkeypatch.setattr(finish_module, "make_plain", no_room)
    if codec == "vp8":  # its index is in front, unless more key frames came than it has room for
        whole = part_path(tmp_path, TAKE).read_bytes()
        part_path(tmp_path, TAKE).write_bytes(whole.replace(b"\x1c\x53\xbb\x6b", b"\x1c\x53\xbb\x6c"))
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    assert (result.verdict, result.reasons) == (Verdict.USABLE, ["not_seekable"])
    assert decode_strictly(tmp_path / result.file)["video"] == 150


def test_finish_refuses_a_part_that_someone_holds(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8")
    with pytest.raises(PartBusy):
        finish(tmp_path, TAKE, facts_of(closed))
    assert closed.lock
    closed.lock.release()
    assert finish(tmp_path, TAKE, facts_of(closed)).verdict is Verdict.GOOD


def test_a_sidecar_that_is_not_ours_is_no_result(tmp_path: Path) -> None:
    assert read_result(tmp_path, TAKE) is None
    for rubbish in (b"", b"[]", b"{}", b"\xff\xfe", b'{"take_id": "other", "verdict": "good"}'):
        (tmp_path / "take-1.json").write_bytes(rubbish)
        assert read_result(tmp_path, TAKE) is None


@pytest.mark.long  # it is about time: on a full machine it would tell of the machine
@pytest.mark.parametrize("codec", CODECS)
def test_three_minutes_are_finished_within_a_second(tmp_path: Path, codec: str) -> None:
    frames = [(payload[:6_250].ljust(6_250, b"\x55"), key) for payload, key in video(codec)]
    if codec == "h264":
        frames = [(payload, key) for payload, key in video(codec, 640, 360, 60)]

    def three_minutes(mux: Mux) -> None:
        heard = 0
        for index in range(180 * 30):
            payload, key = frames[index % 60]
            while mux.size_bytes - mux._taken_bytes > 3_000_000:
                time.sleep(0.001)
            mux.video(payload, index * FRAME_US, key, 640, 360)
            while heard * SOUND_US <= index * FRAME_US:
                mux.audio(sound()[heard % 100], heard * SOUND_US)
                heard += 1

    closed = part_with(tmp_path, codec, three_minutes)
    began = time.monotonic()
    result = finish(tmp_path, TAKE, replace(facts_of(closed), clock_ms=180_000), closed.lock)
    took_s = time.monotonic() - began
    assert (result.verdict, result.video_frames) == (Verdict.GOOD, 5_400)
    assert result.size_bytes > 20_000_000
    assert took_s <= 1.0


def test_reading_back_tells_what_is_no_recording(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.webm"
    stranger.write_bytes(b"no container")
    with pytest.raises(Unreadable):
        read_back(stranger)
    with pytest.raises(FileNotFoundError):
        read_back(tmp_path / "absent.webm")
    with av.open(str(stranger), "w", format="webm") as container:
        container.add_mux_stream("vp9", width=320, height=180)
        container.start_encoding()
    with pytest.raises(Unreadable):
        read_back(stranger)


def test_take_ids_are_the_files_names(tmp_path: Path) -> None:
    assert part_path(tmp_path, TakeId("abc")).name == "abc.part"
    assert journal_path(tmp_path, TakeId("abc")).name == "abc.journal.json"
