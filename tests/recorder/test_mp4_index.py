"""Fragments made plain in place: the same samples at the same times, from any cut, out of any bytes."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.media_file import Unreadable, read_back
from recorder.mp4_index import NotFragmented, make_plain
from recorder.mux import Mux
from recorder.opus import SILENCE
from tests.recorder.encoded_media import FRAME_US, SOUND_US, packets_in, sound, video
from tests.recorder.test_finish import part_with


def shown_us(index: int) -> int:
    return index * FRAME_US + index * 7919 % 9000


@pytest.fixture(scope="module")
def fragments(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five seconds as they are written, sound 300 ms late and the pictures unevenly spaced."""

    def feeding(mux: Mux) -> None:
        heard = 15
        for index in range(150):
            payload, key = video("h264")[index % 60]
            mux.video(payload, shown_us(index), key, 320, 180)
            while heard * SOUND_US <= index * FRAME_US:
                mux.audio(sound()[heard % 100], heard * SOUND_US)
                heard += 1

    folder = tmp_path_factory.mktemp("fragments")
    closed = part_with(folder, "h264", feeding)
    assert closed.lock is not None
    closed.lock.release()
    return (folder / "take-1.part").read_bytes()


def boxes(content: bytes) -> list[tuple[bytes, int]]:
    found, at = [], 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        found.append((kind, at))
        at += size if size != 1 else struct.unpack_from(">Q", content, at + 8)[0]
    return found


def at(folder: Path, content: bytes) -> Path:
    path = folder / "take.part"
    path.write_bytes(content)
    return path


def test_every_sample_is_where_and_when_it_was(tmp_path: Path, fragments: bytes) -> None:
    path = at(tmp_path, fragments)
    before = {kind: packets_in(path, kind) for kind in ("video", "audio")}
    assert not read_back(path).indexed
    make_plain(path)
    assert {kind: packets_in(path, kind) for kind in ("video", "audio")} == before
    assert len(before["video"]) == 150
    content = path.read_bytes()
    assert [kind for kind, _ in boxes(content)] == [b"ftyp", b"mdat", b"moov"]
    assert fragments[200:] in content  # nothing was moved, and no byte of a sample written anew
    reading = read_back(path)
    assert (reading.indexed, reading.intact, reading.rising, reading.first_is_key) == (True, True, True, True)
    assert abs(reading.duration_us - 5_000_000) < 50_000
    with av.open(str(path)) as container:
        container.seek(3_100_000)
        packet = next(container.demux(video=0))
        assert packet.is_keyframe and packet.pts is not None
        assert abs(packet.pts * packet.time_base - 3) < 0.02


def test_the_header_says_the_size_it_is_told(tmp_path: Path, fragments: bytes) -> None:
    path = at(tmp_path, fragments)
    make_plain(path, width=1280, height=720)
    content = path.read_bytes()
    moov = content[boxes(content)[-1][1] :]
    assert moov.count(struct.pack(">II", 1280 << 16, 720 << 16)) == 1
    assert struct.pack(">HH", 1280, 720) in moov[moov.index(b"avc1") : moov.index(b"avcC")]


def test_the_last_picture_ends_with_the_take_and_lasts_no_longer_than_the_one_before(
    tmp_path: Path, fragments: bytes
) -> None:
    last_us = shown_us(149)
    before_us = last_us - shown_us(148)
    for end_us, lasts_us in ((0, before_us), (last_us + 5000, 5000), (last_us + 10**6, before_us), (last_us - 5000, 0)):
        path = at(tmp_path, fragments)
        make_plain(path, end_us=end_us)
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            assert video.duration is not None and video.time_base is not None
            assert video.duration * video.time_base * 1_000_000 == pytest.approx(last_us + lasts_us, abs=30)


def test_a_file_cut_anywhere_keeps_every_sample_that_is_whole(tmp_path: Path, fragments: bytes) -> None:
    whole = packets_in(at(tmp_path, fragments), "video")
    starts = [where for kind, where in boxes(fragments) if kind == b"moof"]
    for cut in [*range(0, len(fragments), len(fragments) // 60), *(start + 5 for start in starts), len(fragments) - 1]:
        path = at(tmp_path, fragments[:cut])
        try:
            make_plain(path)
        except NotFragmented:
            assert cut < starts[1]
            continue
        found = packets_in(path, "video")
        assert found == whole[: len(found)]
        assert len(found) >= 28 * (sum(start < cut for start in starts) - 1)
        assert read_back(path).indexed


def test_sound_of_one_size_is_named_in_few_bytes_and_taken(tmp_path: Path) -> None:
    """A muted microphone, silence for sound that is missing, constant bitrate: libav writes one size for all."""

    def feeding(mux: Mux) -> None:
        heard = 0
        for index in range(150):
            payload, key = video("h264")[index % 60]
            mux.video(payload, index * FRAME_US, key, 320, 180)
            while heard * SOUND_US <= index * FRAME_US:
                mux.audio(SILENCE if heard >= 60 else sound()[heard], heard * SOUND_US)
                heard += 1

    closed = part_with(tmp_path, "h264", feeding)
    assert closed.lock is not None
    closed.lock.release()
    path = tmp_path / "take-1.part"
    before = {kind: packets_in(path, kind) for kind in ("video", "audio")}
    make_plain(path)
    assert {kind: packets_in(path, kind) for kind in ("video", "audio")} == before
    assert len(before["audio"]) == 249


def test_a_full_disk_leaves_the_fragments_as_they_were(
    tmp_path: Path, fragments: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at(tmp_path, fragments)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recorder.mp4_index.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        make_plain(path)
    assert path.read_bytes() == fragments


def test_a_kill_before_the_last_step_is_made_good_by_doing_it_again(tmp_path: Path, fragments: bytes) -> None:
    path = at(tmp_path, fragments)
    before = packets_in(path, "video")
    make_plain(path)
    done = bytearray(path.read_bytes())
    moov_at = boxes(fragments)[1][1]
    done[moov_at : moov_at + 16] = fragments[moov_at : moov_at + 16]  # as if the last write had not come to be
    path = at(tmp_path, bytes(done))
    assert packets_in(path, "video") == before
    make_plain(path)
    assert packets_in(path, "video") == before
    with pytest.raises(NotFragmented):
        make_plain(path)


def same_after_a_kill(folder: Path, cut: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a cut file has the same samples when its recovery is killed and done again."""
    real = os.pwrite

    def dies(fd: int, content: bytes, where: int) -> int:
        if len(content) == 16:
            raise KeyboardInterrupt
        return real(fd, content, where)

    make_plain(path := at(folder, cut))
    once = {kind: packets_in(path, kind) for kind in ("video", "audio")}
    path = at(folder, cut)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("recorder.mp4_index.os.pwrite", dies)
        make_plain(path)
    make_plain(path)
    assert {kind: packets_in(path, kind) for kind in ("video", "audio")} == once


def test_a_cut_part_whose_recovery_is_killed_has_no_other_samples_after(
    tmp_path: Path, fragments: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cut in range(len(fragments) // 2, len(fragments), len(fragments) // 9):
        same_after_a_kill(tmp_path, fragments[:cut], monkeypatch)


def test_a_part_cut_right_behind_its_last_header_takes_no_other_bytes_for_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feeding(mux: Mux) -> None:  # samples so small that what is put behind the header has room for them
        for index in range(150):
            payload, _ = video("h264")[0]
            mux.video(payload if not index else b"\0\0\0\x02\x41\x9a", index * FRAME_US, not index, 320, 180)
            mux.audio(SILENCE + bytes(index % 7), index * FRAME_US)

    closed = part_with(tmp_path, "h264", feeding)
    assert closed.lock is not None
    closed.lock.release()
    content = (tmp_path / "take-1.part").read_bytes()
    where = [place for kind, place in boxes(content) if kind == b"moof"][2]
    (length,) = struct.unpack_from(">I", content, where)
    for stray in range(9):
        same_after_a_kill(tmp_path, content[: where + length + stray], monkeypatch)


def test_places_beyond_four_gigabytes_are_named_too(tmp_path: Path, fragments: bytes) -> None:
    second = [where for kind, where in boxes(fragments) if kind == b"moof"][1]
    before = packets_in(at(tmp_path, fragments), "video")
    path = tmp_path / "large"
    hole = 5 << 30
    with path.open("wb") as file:
        file.write(fragments[:second] + struct.pack(">I4sQ", 1, b"free", hole))
        file.seek(second + hole)
        file.write(fragments[second:])
    make_plain(path)
    assert packets_in(path, "video") == before
    with path.open("rb") as file:
        file.seek(second + hole)
        assert b"co64" in file.read()


@settings(max_examples=60, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_bytes_are_refused_or_taken_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, fragments: bytes, flips: list[tuple[int, int]]
) -> None:
    changed = bytearray(fragments)
    for where, value in flips:
        changed[where] = value
    path = at(tmp_path_factory.mktemp("any"), bytes(changed))
    try:
        make_plain(path)
    except NotFragmented:
        assert path.read_bytes() == changed
        return
    assert os.path.getsize(path) < 2 * len(fragments)
    with contextlib.suppress(Unreadable):
        read_back(path)
