"""Payloads to frames: real streams, hostile bytes, and losses."""

from __future__ import annotations

from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.depacketize import (
    DEPACKETIZERS,
    FRAME_LIMIT_BYTES,
    SILENCE,
    SILENCE_US,
    Frame,
    Opus,
    Vp8,
    for_codec,
    opus_duration_us,
    silence_pts,
)
from recorder.sdp import TrackOffer
from recorder.track import Track
from tests.recorder.encoded_media import nal_units, payloads_of, pushed, sound, video, vp8_payloads

CODECS = ("vp8", "h264")


def needed(access_unit: bytes) -> list[bytes]:
    """Without delimiters and filler, which we leave out."""
    return [unit for unit in nal_units(access_unit) if unit[0] & 0x1F not in (9, 10, 11, 12)]


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_of_a_real_stream_comes_out_byte_by_byte(codec: str) -> None:
    stream = video(codec)
    frames = pushed(for_codec(codec), payloads_of(codec, stream))
    assert len(frames) == len(stream) == 60
    assert all(frame.whole for frame in frames)
    assert [frame.key for frame in frames] == [key for _, key in stream]
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
    for frame, (encoded, _) in zip(frames, stream, strict=True):
        if codec == "vp8":
            assert frame.payload == encoded
        else:
            # Parameter sets go first, before SEI; the units themselves are unchanged.
            assert sorted(nal_units(frame.payload)) == sorted(needed(encoded))


@pytest.mark.parametrize("codec", CODECS)
def test_views_of_a_reused_buffer_are_copied(codec: str) -> None:
    stream = video(codec)[:31]
    depacketizer, buffer, frames = for_codec(codec), bytearray(2000), []
    for sequence, (payload, marker) in enumerate(payloads_of(codec, stream)):
        buffer[: len(payload)] = payload
        frame = depacketizer.push(memoryview(buffer)[: len(payload)], sequence, marker)
        buffer[:] = b"\xee" * len(buffer)
        if frame is not None:
            frames.append(frame)
    assert frames == pushed(for_codec(codec), payloads_of(codec, stream))
    assert all(type(frame.payload) is bytes for frame in frames)


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_broken_frame_is_called_whole_whatever_is_lost(codec: str, data: Any) -> None:
    payloads = payloads_of(codec, video(codec))
    drop = data.draw(st.frozensets(st.integers(0, len(payloads) - 1), max_size=40))
    complete = {frame.payload: frame for frame in pushed(for_codec(codec), payloads)}
    frames = pushed(for_codec(codec), payloads, drop)
    order = list(complete)
    sent, at = [], 0
    for index, (_, marker) in enumerate(payloads):
        if marker:
            sent.append(not drop.intersection(range(at, index + 1)))
            at = index + 1
    decodable = False
    writable = []
    for index, arrived in enumerate(sent):
        decodable = arrived and (decodable or complete[order[index]].key)
        if decodable:
            writable.append(order[index])
    assert [frame.payload for frame in frames if frame.whole] == writable
    assert sum(not frame.whole for frame in frames) <= len(sent) - len(writable)


@pytest.mark.parametrize("name", [*CODECS, "opus"])
@settings(max_examples=300, deadline=None)
@given(packets=st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3), st.booleans()), max_size=40))
def test_any_bytes_at_all_raise_nothing(name: str, packets: list[tuple[bytes, int, bool]]) -> None:
    depacketizer, sequence = for_codec(name), 0
    for payload, step, marker in packets:
        sequence += step
        frame = depacketizer.push(payload, sequence, marker)
        assert frame is None or frame.payload


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_flipped_bytes_in_a_real_stream_raise_nothing(codec: str, data: Any) -> None:
    payloads = payloads_of(codec, video(codec)[:32])
    depacketizer = for_codec(codec)
    for sequence, (payload, marker) in enumerate(payloads):
        spoiled = bytearray(payload)
        if data.draw(st.integers(0, 9)) == 0:
            spoiled[data.draw(st.integers(0, min(12, len(spoiled) - 1)))] = data.draw(st.integers(0, 255))
        depacketizer.push(bytes(spoiled), sequence, marker)


@pytest.mark.parametrize(
    ("codec", "first", "more"), [("vp8", b"\x10\x00", b"\x00"), ("h264", b"\x7c\x85\x80", b"\x7c\x05")]
)
def test_a_frame_without_an_end_is_given_up_at_one_mebibyte(codec: str, first: bytes, more: bytes) -> None:
    depacketizer = for_codec(codec)
    depacketizer.push(first, 0, False)
    for sequence in range(1, 6000):
        depacketizer.push(more + bytes(1200), sequence, False)
    assert depacketizer.broken >= 1
    assert sum(map(len, depacketizer._parts or ())) <= FRAME_LIMIT_BYTES + 1300


@pytest.mark.parametrize("codec", CODECS)
def test_padding_probes_are_skipped_and_keep_the_sequence(codec: str) -> None:
    depacketizer, sequence, frames = for_codec(codec), 0, []
    for payload, marker in payloads_of(codec, video(codec)):
        frame = depacketizer.push(payload, sequence, marker)
        sequence += 1
        if marker:
            assert depacketizer.push(b"", sequence, False) is None
            sequence += 1
        if frame is not None:
            frames.append(frame)
    assert len(frames) == 60
    assert all(frame.whole for frame in frames)


@pytest.mark.parametrize("codec", CODECS)
def test_after_reset_only_a_key_frame_is_whole(codec: str) -> None:
    stream = video(codec)
    depacketizer = for_codec(codec)
    assert depacketizer.needs_key
    pushed(depacketizer, payloads_of(codec, stream[:10]))
    assert not depacketizer.needs_key
    depacketizer.reset()
    assert depacketizer.needs_key
    frames = pushed(depacketizer, payloads_of(codec, stream[10:]))
    assert [frame.whole for frame in frames] == [False] * 20 + [True] * 30


@pytest.mark.parametrize("codec", CODECS)
def test_bug_04_garbage_after_a_loss_burst_nothing_is_whole_until_the_next_key_frame(codec: str) -> None:
    stream = video(codec)
    payloads = payloads_of(codec, stream)
    ends = [at for at, (_, marker) in enumerate(payloads) if marker]
    burst = frozenset(range(ends[4] + 2, ends[11]))  # inside frame 5 to inside frame 11
    depacketizer = for_codec(codec)
    frames = pushed(depacketizer, payloads, burst)
    assert [frame.whole for frame in frames] == [True] * 5 + [False] * 18 + [True] * 30
    assert depacketizer.broken >= 1
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.options, decoder.thread_count = {"err_detect": "explode"}, 1
    writable = [frame.payload for frame in frames if frame.whole]
    pictures = [picture for payload in writable for picture in decoder.decode(av.Packet(payload))]
    assert len(pictures) + len(decoder.decode(None)) == 35
    whole = pushed(for_codec(codec), payloads)
    assert writable == [frame.payload for frame in (*whole[:5], *whole[30:])]


# VP8


def test_an_enormous_vp8_picture_is_a_broken_one() -> None:
    giant = bytearray(video("vp8")[0][0])
    for width, height, broken in ((4096, 2304, 0), (16383, 16383, 1)):
        giant[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        depacketizer = Vp8()
        frame = depacketizer.push(b"\x10" + bytes(giant), 0, True)
        assert (frame is None, depacketizer.broken) == (bool(broken), broken)


@pytest.mark.parametrize(
    "descriptor",
    [
        b"\x10",
        b"\x90\x80\x11",
        b"\x90\x80\x91\x22",
        b"\x90\x40\x05",
        b"\x90\x20\x60",
        b"\x90\x10\x07",
        b"\x90\xc0\x11\x05",
        b"\x90\xe0\x91\x22\x05\x60",
        b"\x90\xf0\x91\x22\x05\x67",
        b"\xb0\x30\x67",
        b"\x90\x00",
    ],
)
def test_every_form_of_the_vp8_descriptor_is_read(descriptor: bytes) -> None:
    encoded = video("vp8")[0][0]
    frame = Vp8().push(descriptor + encoded, 0, True)
    assert frame is not None
    assert (frame.payload, frame.key, frame.width, frame.height, frame.whole) == (encoded, True, 320, 180, True)


@pytest.mark.parametrize("cut", range(6))
def test_a_vp8_descriptor_cut_short_is_a_broken_frame(cut: int) -> None:
    depacketizer = Vp8()
    if cut:
        assert depacketizer.push(b"\x90\xf0\x91\x22\x05\x67"[:cut], 0, True) is None
        assert depacketizer.broken == 1


@pytest.mark.parametrize(("before", "after"), [(0x7F, 0), (0x7FFF, 0), (5, 6)])
def test_a_lost_padding_packet_is_no_loss_if_the_picture_id_goes_on(before: int, after: int) -> None:
    wide = before > 0x7F or after == 6

    def packet(picture: int, frame: bytes) -> bytes:
        return (b"\x90\x80" + ((0x8000 | picture).to_bytes(2, "big") if wide else bytes((picture,)))) + frame

    key, delta = video("vp8")[0][0], video("vp8")[1][0]
    for picture, whole in ((after, True), (after + 1, False)):
        depacketizer = Vp8()
        assert depacketizer.push(packet(before, key), 100, True)
        frame = depacketizer.push(packet(picture, delta), 102, True)
        assert frame is not None
        assert frame.whole is whole
        assert depacketizer.needs_key is not whole


def test_a_whole_lost_vp8_frame_is_noticed_behind_padding() -> None:
    stream = video("vp8")
    depacketizer = Vp8()
    for payload in vp8_payloads(stream[0][0], 7, 10_000_000):
        depacketizer.push(payload, 1, True)
    assert depacketizer.push(b"", 3, False) is None  # 2, a frame of one packet, is lost
    frame = depacketizer.push(vp8_payloads(stream[2][0], 9, 10_000_000)[0], 4, True)
    assert frame is not None
    assert not frame.whole


def test_packets_of_two_vp8_pictures_do_not_make_one_frame() -> None:
    depacketizer = Vp8()
    depacketizer.push(b"\x90\x80\x01" + video("vp8")[0][0], 1, False)
    assert depacketizer.push(b"\x80\x80\x02abc", 2, True) is None
    assert depacketizer.broken == 1


def test_a_vp8_size_change_is_seen() -> None:
    small, large = video("vp8")[0][0], video("vp8", 640, 360, 2)[0][0]
    depacketizer = Vp8()
    sizes = [depacketizer.push(b"\x10" + each, at, True) for at, each in enumerate((small, large))]
    assert [(frame.width, frame.height) for frame in sizes if frame] == [(320, 180), (640, 360)]


# Opus


def test_opus_packets_pass_through_and_last_what_the_toc_says() -> None:
    frames = pushed(Opus(), [(packet, True) for packet in sound(20)])
    assert [frame.payload for frame in frames] == list(sound(20))
    assert {opus_duration_us(frame.payload) for frame in frames} == {20_000}
    assert Opus().push(b"", 1, False) is None


@pytest.mark.parametrize(
    ("packet", "duration_us"),
    [
        (SILENCE, SILENCE_US),
        (b"", 0),
        (b"\x08x", 20_000),
        (b"\x18x", 60_000),
        (b"\x80x", 2_500),
        (b"\x81xx", 5_000),
        (b"\x03", 0),
        (b"\x0b\x03xxx", 60_000),
        (b"\x1b\x3fx", 0),
        (b"\x60x", 10_000),
        (b"\xfaxx", 40_000),
    ],
)
def test_opus_durations_follow_rfc_6716(packet: bytes, duration_us: int) -> None:
    assert opus_duration_us(packet) == duration_us


@given(st.integers(0, 10**9), st.integers(-(10**6), 10**10))
def test_silence_fills_a_hole_without_overlapping_what_follows(end_us: int, hole_us: int) -> None:
    filled = silence_pts(end_us, end_us + hole_us)
    assert len(filled) == max(0, min(hole_us, 120_000_000) // SILENCE_US)
    if filled:
        assert filled[0] == end_us
        assert filled[-1] + SILENCE_US <= end_us + hole_us


def test_silence_decodes_to_20_ms_of_silence() -> None:
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "stereo"
    frames = [frame for _ in range(3) for frame in decoder.decode(av.Packet(SILENCE))]
    assert {frame.samples for frame in frames} == {960}
    assert not any(bytes(frames[-1].planes[0]))


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="vp9"):
        for_codec("vp9")


def test_a_further_codec_is_one_small_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class WholePackets:
        needs_key, broken = True, 0

        def push(self, payload: bytes, sequence: int, marker: bool) -> Frame | None:
            self.needs_key = False
            return Frame(payload, True, 320, 180, True) if payload else None

        def reset(self) -> None:
            self.needs_key = True

    monkeypatch.setitem(DEPACKETIZERS, "new", lambda sprop: WholePackets())
    track = Track(TrackOffer("1", "video", "new", 96, 97, 90_000, 0, 0, {}, frozenset()))
    track.restart(1)
    assert track.needs_key
    for sequence in range(3):
        track.receive(b"picture", sequence, sequence * 3000, 1, sequence * 33_333, -1)
    assert (track.counters.frames, track.needs_key) == (3, False)


@pytest.mark.parametrize("codec", CODECS)
def test_a_size_change_in_a_real_stream_is_seen_at_its_key_frame(codec: str) -> None:
    payloads = payloads_of(codec, (*video(codec)[:7], *video(codec, 640, 360, 60)[:7]))
    frames = pushed(for_codec(codec), payloads)
    assert [(frame.width, frame.height, frame.key) for frame in frames] == [
        (320, 180, True), *[(320, 180, False)] * 6, (640, 360, True), *[(640, 360, False)] * 6
    ]  # fmt: skip


def test_a_picture_of_single_nal_units_is_one_frame() -> None:
    encoded = video("h264")[0][0]
    units = needed(encoded)
    depacketizer = for_codec("h264")
    pushes = [depacketizer.push(unit, at, unit is units[-1]) for at, unit in enumerate(units)]
    (frame,) = [each for each in pushes if each is not None]
    assert frame.key and frame.whole and sorted(nal_units(frame.payload)) == sorted(units)
