"""Frames into a `.part`: every byte, on a thread, bounded, durable, alive after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from recorder import mux as mux_module
from recorder import part_file as part_file_module
from recorder.frames import FRAME_LIMIT_BYTES
from recorder.messages import TakeId
from recorder.mux import Mux, MuxClosed, MuxFault, Writer
from recorder.part import PartBusy, PartLock, journal_path, part_path, read_json
from recorder.part_file import MuxOrder
from tests.recorder.encoded_media import (
    FRAME_US,
    SOUND_US,
    decode_strictly,
    nal_units,
    packets_in,
    sound,
    video,
)

CODECS = ("vp8", "h264")
TAKE = TakeId("take-1")


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer(0.02, 0.02)
    writer.start()
    yield writer
    assert writer.close()


def order_for(folder: Path, codec: str, *, audio: bool = True, max_bytes: int = 1 << 30) -> MuxOrder:
    return MuxOrder(folder, TAKE, codec, audio, max_bytes, started_unix_ms=1_700_000_000_000, limit_ms=180_000)


def feed(mux: Mux, codec: str, count: int = 60, first: int = 0) -> None:
    """Picture at 30 and sound at 50 a second, interleaved as they would come."""
    frames, packets, heard = video(codec), sound(), first * FRAME_US // SOUND_US
    for index in range(first, first + count):
        payload, key = frames[index % len(frames)]
        mux.video(payload, index * FRAME_US, key, 320, 180)
        while mux.order.audio and heard * SOUND_US <= index * FRAME_US:
            mux.audio(packets[heard % len(packets)], heard * SOUND_US)
            heard += 1


def closed(mux: Mux) -> MuxClosed:
    result = mux.close().result(10)
    if result.lock is not None:
        result.lock.release()
    return result


def until(condition: object, timeout_s: float = 10.0) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)


def bits_of(payload: bytes, codec: str) -> list[bytes]:
    """A frame as written and as read: Annex B in, length-prefixed out."""
    if codec == "vp8":
        return [payload]
    units, at = [], 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        units.append(payload[at + 4 : at + 4 + size])
        at += 4 + size
    return units


@pytest.mark.parametrize("codec", CODECS)
def test_the_file_holds_every_frame_and_packet_that_was_put_in(tmp_path: Path, writer: Writer, codec: str) -> None:
    mux = Mux(writer, order_for(tmp_path / "new", codec))
    feed(mux, codec, 150)
    result = closed(mux)
    assert result.fault is None
    written = result.written
    assert (written.clean, written.video_frames, written.audio_packets) == (True, 150, 249)
    assert written.keys_us == [n * 30 * FRAME_US for n in range(5)]
    assert written.sizes == [[0, 320, 180]]
    assert written.last_us == 149 * FRAME_US

    part = part_path(tmp_path / "new", TAKE)
    assert part.stat().st_mode & 0o777 == 0o600
    assert part.parent.stat().st_mode & 0o777 == 0o700
    picture, heard = packets_in(part, "video"), packets_in(part, "audio")
    for index, (at_us, payload, key) in enumerate(picture):
        encoded, is_key = video(codec)[index % 60]
        assert abs(at_us - index * FRAME_US) <= 1_000
        assert key is is_key
        assert bits_of(payload, codec) == ([encoded] if codec == "vp8" else nal_units(encoded))
    assert [payload for _, payload, _ in heard] == [sound()[n % 100] for n in range(249)]
    assert all(abs(at_us - n * SOUND_US) <= 7_500 for n, (at_us, _, _) in enumerate(heard))
    assert decode_strictly(part)["video"] == 150


def test_sound_alone_makes_a_webm(tmp_path: Path, writer: Writer) -> None:
    mux = Mux(writer, order_for(tmp_path, ""))
    for index, packet in enumerate(sound()):
        mux.audio(packet, index * SOUND_US)
    result = closed(mux)
    assert (result.fault, result.written.audio_packets) == (None, 100)
    assert decode_strictly(part_path(tmp_path, TAKE))["video"] == 0
    assert len(packets_in(part_path(tmp_path, TAKE), "audio")) == 100


@pytest.mark.parametrize("codec", CODECS)
def test_a_size_change_stays_in_the_file(tmp_path: Path, writer: Writer, codec: str) -> None:
    mux = Mux(writer, order_for(tmp_path, codec))
    feed(mux, codec, 30)
    for index, (payload, key) in enumerate(video(codec, 640, 360, 30)):
        mux.video(payload, (30 + index) * FRAME_US, key, 640, 360)
    assert closed(mux).written.sizes == [[0, 320, 180], [30 * FRAME_US, 640, 360]]
    assert decode_strictly(part_path(tmp_path, TAKE))["video"] == 60


@pytest.mark.parametrize("codec", CODECS)
def test_the_first_frame_is_a_key_frame_and_sound_waits_for_it(tmp_path: Path, writer: Writer, codec: str) -> None:
    mux = Mux(writer, order_for(tmp_path, codec))
    frames = video(codec)
    for index in range(5):
        mux.video(frames[index + 1][0], index * FRAME_US, False, 320, 180)
        mux.audio(sound()[index], index * SOUND_US)
    mux.audio(sound()[0], -1)
    mux.video(frames[0][0], 5 * FRAME_US, True, 320, 180)
    result = closed(mux)
    assert (result.written.dropped, result.written.video_frames, result.written.audio_packets) == (6, 1, 5)
    assert len(packets_in(part_path(tmp_path, TAKE), "audio")) == 5


@pytest.mark.parametrize("codec", CODECS)
def test_equal_timestamps_are_kept_apart(tmp_path: Path, writer: Writer, codec: str) -> None:
    mux = Mux(writer, order_for(tmp_path, codec, audio=False))
    for payload, key in video(codec)[:30]:
        mux.video(payload, 5_000, key, 320, 180)
    assert closed(mux).fault is None
    times = [at_us for at_us, _, _ in packets_in(part_path(tmp_path, TAKE), "video")]
    assert len(times) == len(set(times)) == 30


def test_the_journal_says_what_recovery_must_know(tmp_path: Path, writer: Writer) -> None:
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    feed(mux, "vp8", 1)
    closed(mux)
    assert read_json(journal_path(tmp_path, TAKE)) == {
        "take_id": "take-1",
        "codec": "vp8",
        "audio": True,
        "started_unix_ms": 1_700_000_000_000,
        "limit_ms": 180_000,
        "max_bytes": 1 << 30,
    }


def test_the_part_is_locked_from_its_first_byte_until_its_lock_is_released(tmp_path: Path, writer: Writer) -> None:
    mux = Mux(writer, order_for(tmp_path, "h264"))
    feed(mux, "h264", 10)
    until(part_path(tmp_path, TAKE).exists)
    with pytest.raises(PartBusy):
        PartLock.take(part_path(tmp_path, TAKE))
    result = mux.close().result(10)
    with pytest.raises(PartBusy):
        PartLock.take(part_path(tmp_path, TAKE))
    assert result.lock is not None
    result.lock.release()
    PartLock.take(part_path(tmp_path, TAKE)).release()


def test_a_take_id_in_use_is_a_fault_and_its_file_is_untouched(tmp_path: Path, writer: Writer) -> None:
    part_path(tmp_path, TAKE).write_bytes(b"precious")
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    feed(mux, "vp8", 3)
    result = closed(mux)
    assert result.fault is MuxFault.FAILED
    assert result.lock is None
    assert part_path(tmp_path, TAKE).read_bytes() == b"precious"


def test_a_discarded_take_leaves_nothing(tmp_path: Path, writer: Writer) -> None:
    for count in (0, 10):
        mux = Mux(writer, order_for(tmp_path, "vp8"))
        feed(mux, "vp8", count)
        assert mux.discard().result(10).lock is None
        assert list(tmp_path.iterdir()) == []


def test_close_gives_one_future_that_cannot_be_cancelled(tmp_path: Path, writer: Writer) -> None:
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    feed(mux, "vp8", 3)
    first = mux.close()
    assert mux.close() is first
    assert not first.cancel()
    mux.video(b"late", 10**6, True, 320, 180)
    assert closed(mux).written.video_frames == 3
    assert mux.dropped == 1


def test_bytes_beyond_the_limit_are_refused_and_the_file_stays_good(tmp_path: Path, writer: Writer) -> None:
    limit = sum(len(payload) for payload, _ in video("vp8")[:20])
    mux = Mux(writer, order_for(tmp_path, "vp8", audio=False, max_bytes=limit))
    feed(mux, "vp8", 60)
    assert mux.fault is MuxFault.TOO_LARGE
    result = closed(mux)
    assert (result.fault, result.written.video_frames, result.written.dropped) == (MuxFault.TOO_LARGE, 20, 40)
    assert result.written.clean
    assert decode_strictly(part_path(tmp_path, TAKE))["video"] == 20


def test_a_disk_that_stands_still_fills_the_queue_and_never_blocks(tmp_path: Path) -> None:
    now_s = [0.0]
    writer = Writer(0.02, 0.02, lambda: now_s[0])  # not started: nothing is ever taken
    mux = Mux(writer, order_for(tmp_path, "vp8", audio=False))
    began = time.monotonic()
    mux.video(bytes(1000), 0, True, 320, 180)
    now_s[0] = mux_module.SLOW_DISK_S + 0.1
    for index in range(20_000):
        mux.video(bytes(1000), index * FRAME_US, False, 320, 180)
    assert mux.fault is MuxFault.QUEUE_FULL
    assert mux.size_bytes <= mux_module.PENDING_LIMIT_BYTES
    assert mux.dropped > 10_000
    assert time.monotonic() - began < 5
    writer.start()
    result = mux.close().result(10)
    assert result.fault is MuxFault.QUEUE_FULL
    assert result.lock is not None
    result.lock.release()
    assert writer.close()


def test_a_queue_that_a_sender_overflows_is_not_the_disks_fault(tmp_path: Path) -> None:
    now_s = [0.0]
    writer = Writer(clock=lambda: now_s[0])
    mux = Mux(writer, order_for(tmp_path, "vp8", audio=False))
    now_s[0] = 60.0
    mux.write_pending()  # the disk is as quick as ever
    now_s[0] += mux_module.SLOW_DISK_S - 0.1
    frame = bytes(FRAME_LIMIT_BYTES)
    mux.video(frame, 0, True, 320, 180)
    mux.video(frame, FRAME_US, False, 320, 180)
    assert mux.fault is None  # one large frame does not stumble over the one before it
    for index in range(2, 6):
        mux.video(frame, index * FRAME_US, False, 320, 180)
    assert mux.fault is MuxFault.TOO_LARGE
    mux.discard()
    assert mux.finish()
    mux.settle()


def test_more_frames_than_a_second_holds_are_dropped_and_counted(tmp_path: Path, writer: Writer) -> None:
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    frames = video("vp8")
    for index in range(2_000):  # a frame and a packet each millisecond, a key frame each 0.3 s
        mux.video(frames[index % 30][0] if index % 300 else frames[0][0], index * 1_000, index % 300 == 0, 320, 180)
        mux.audio(sound()[0], index * 1_000)
        if index % 50 == 49:
            until(lambda: not mux._pending)
    result = closed(mux)
    written = result.written
    assert (result.fault, written.video_frames, written.audio_packets) == (None, 240, 800)
    # The second second begins between two key frames: what comes before the next is of no use.
    assert written.keys_us == [0, 1_200_000]
    assert written.dropped == 2_000 - 240 + 2_000 - 800
    assert 0 < mux.crowded < written.dropped
    assert decode_strictly(part_path(tmp_path, TAKE))["video"] == 240


def test_a_slow_sync_of_one_take_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(0.02, 10)
    writer.start()
    slow = Mux(writer, order_for(tmp_path, "vp8"))
    other = Mux(writer, replace(order_for(tmp_path, "vp8"), take_id=TakeId("other")))
    feed(slow, "vp8")
    feed(other, "vp8")
    until(lambda: not slow._pending and not other._pending)
    waiting, go_on, real = threading.Event(), threading.Event(), os.fsync

    def fsync(fd: int) -> None:
        waiting.set()
        assert go_on.wait(20)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    future = slow.close()
    assert waiting.wait(10)
    feed(other, "vp8", 60, first=60)
    until(lambda: not other._pending)
    third = Mux(writer, replace(order_for(tmp_path, "vp8"), take_id=TakeId("third")))
    feed(third, "vp8")
    until(lambda: not third._pending)
    assert not future.done()
    go_on.set()
    for mux in (slow, other, third):
        assert closed(mux).fault is None
    assert writer.close()


def test_discarding_a_take_whose_name_is_anothers_deletes_nothing(tmp_path: Path, writer: Writer) -> None:
    part_path(tmp_path, TAKE).write_bytes(b"precious")
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    until(lambda: mux.fault is not None)
    assert mux.discard().result(10).lock is None
    assert part_path(tmp_path, TAKE).read_bytes() == b"precious"


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_called_safe_has_been_synced(
    tmp_path: Path, writer: Writer, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    mux = Mux(writer, order_for(tmp_path, codec))
    feed(mux, codec, 150)
    # Two batches: what the first wrote is known to be there at the second.
    until(lambda: not mux._pending)
    feed(mux, codec, 60, first=150)
    until(lambda: mux.safe_us > 3_000_000)
    safe_us, copy = mux.safe_us, tmp_path / "as-after-a-power-cut"
    copy.write_bytes(part_path(tmp_path, TAKE).read_bytes()[: synced[-1]])
    assert packets_in(copy, "video")[-1][0] + FRAME_US >= safe_us
    assert closed(mux).fault is None
    assert mux.safe_us == 209 * FRAME_US


def test_a_journal_that_a_note_replaced_is_synced_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[object] = []
    real = part_file_module.sync_file

    def seen(path: Path) -> None:
        synced.append((read_json(path) or {}).get("gaps"))
        real(path)

    monkeypatch.setattr(part_file_module, "sync_file", seen)
    writer = Writer(0.02, 0.02)
    writer.start()
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    for first in (0, 90, 180, 270):  # in batches: what one wrote is known to be there at the next
        if first == 180:
            until(lambda: synced)
            mux.note({"gaps": [1]})
        feed(mux, "vp8", 90, first=first)
        until(lambda: not mux._pending)
    until(lambda: len(synced) > 1)
    assert synced == [None, [1]]
    mux.close()
    assert writer.close()


def test_one_hostile_take_does_not_stop_the_thread_of_the_others(tmp_path: Path, writer: Writer) -> None:
    good = Mux(writer, order_for(tmp_path, "h264"))
    bad = Mux(writer, replace(order_for(tmp_path, "h264"), take_id=TakeId("bad")))
    bad.video(b"\x00\x00\x00\x01\x65rubbish", 0, True, 320, 180)
    bad.audio(b"\xf8\xff\xfe", 0)
    feed(good, "h264", 60)
    bad_result = bad.close().result(10)
    if bad_result.lock:
        bad_result.lock.release()
    assert closed(good).written.video_frames == 60
    assert decode_strictly(part_path(tmp_path, TAKE))["video"] == 60


def test_twenty_takes_share_two_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = Writer(0.02, 0.02)
    writer.start()
    muxes = [Mux(writer, replace(order_for(tmp_path, "vp8"), take_id=TakeId(f"t{n}"))) for n in range(20)]
    for mux in muxes:
        feed(mux, "vp8", 60)
    assert threading.active_count() == before + 2
    assert writer.counters()["takes"] == 20
    futures: list[Future[MuxClosed]] = [mux.close() for mux in muxes]
    for mux, future in zip(muxes, futures, strict=True):
        result = future.result(10)
        assert result.lock is not None
        result.lock.release()
        assert decode_strictly(part_path(tmp_path, mux.order.take_id))["video"] == 60
    assert writer.close()
    assert threading.active_count() == before


def test_closing_the_writer_closes_its_takes(tmp_path: Path) -> None:
    writer = Writer(0.02, 0.02)
    writer.start()
    mux = Mux(writer, order_for(tmp_path, "vp8"))
    feed(mux, "vp8", 60)
    assert writer.close()
    assert closed(mux).written.clean


def test_pictures_are_safe_on_disk_though_no_sound_ever_comes(tmp_path: Path, writer: Writer) -> None:
    """A header made out of the first packet of each track would wait for the sound's, and all else with it."""
    mux = Mux(writer, order_for(tmp_path, "h264"))
    for index in range(150):
        payload, key = video("h264")[index % 60]
        mux.video(payload, index * FRAME_US, key, 320, 180)
        if index in (60, 120):
            until(lambda: not mux._pending)
    until(lambda: mux.safe_us > 2_500_000)
    copy = tmp_path / "as after a kill"
    copy.write_bytes(part_path(tmp_path, TAKE).read_bytes())
    assert len(packets_in(copy, "video")) >= 75
    closed(mux)


@pytest.mark.parametrize("codec", CODECS)
def test_a_long_take_keeps_no_memory_of_what_is_written(codec: str) -> None:
    """Twenty minutes of frames through a `Mux`: libav's own table of samples would have grown by 10 MB."""
    counted = subprocess.run(
        [sys.executable, "-m", "tests.recorder.long_take", codec, "20"], check=True, capture_output=True, timeout=120
    )
    assert int(counted.stdout) < 1024 * 1024
