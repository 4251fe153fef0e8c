"""H.264 payloads to pictures: parameter sets, slices, fragments, and the size in an SPS."""

from __future__ import annotations

import base64
import io
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import h264_sets
from recorder.depacketize import (
    H264,
)
from tests.recorder.encoded_media import h264_payloads, nal_units, pushed, video


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def marked(payloads: list[bytes]) -> list[tuple[bytes, bool]]:
    return [(payload, at == len(payloads) - 1) for at, payload in enumerate(payloads)]


def needed(access_unit: bytes) -> list[bytes]:
    """Without delimiters and filler, which we leave out."""
    return [unit for unit in nal_units(access_unit) if unit[0] & 0x1F not in (9, 10, 11, 12)]


def units_of_first_key() -> tuple[list[bytes], list[bytes]]:
    units = needed(video("h264")[0][0])
    return [u for u in units if u[0] & 0x1F in (7, 8)], [u for u in units if u[0] & 0x1F not in (7, 8)]


def test_bug_17_parameter_sets_in_packets_of_their_own_go_before_the_next_idr() -> None:
    sets, rest = units_of_first_key()
    for own_marker in (False, True):
        depacketizer, sequence = H264(), 0
        for unit in sets:
            assert depacketizer.push(unit, sequence, own_marker) is None
            sequence += 1
        frame = None
        for payload in (payloads := h264_payloads(annex_b(*rest))):
            frame = depacketizer.push(payload, sequence, payload is payloads[-1])
            sequence += 1
        assert frame is not None
        assert frame.whole
        assert nal_units(frame.payload) == sets + rest


def test_parameter_sets_from_the_fmtp_serve_a_stream_without_its_own() -> None:
    sets, rest = units_of_first_key()
    sprop = ",".join(base64.b64encode(unit).decode() for unit in sets)
    for given_sprop, whole in ((sprop, True), ("", False), ("!!!,,AAAA" + "x" * 9000, False)):
        depacketizer = H264(given_sprop)
        payloads = [
            (p, at == len(h264_payloads(annex_b(*rest))) - 1) for at, p in enumerate(h264_payloads(annex_b(*rest)))
        ]
        (frame,) = pushed(depacketizer, payloads)
        assert frame.key
        assert frame.whole is whole
        assert depacketizer.needs_key is not whole


def test_a_sender_that_never_repeats_its_parameter_sets_goes_on_after_a_loss() -> None:
    sets, rest = units_of_first_key()
    depacketizer = H264()
    bare = marked(h264_payloads(annex_b(*rest)))
    sequence, wholes = 0, []
    for payload, marker in [(sets[0], False), (sets[1], False), *bare, (b"", False), *bare, *bare]:
        if not payload:
            sequence += 5
        frame = depacketizer.push(payload, sequence, marker)
        sequence += 1
        if frame:
            wholes.append(frame.whole)
    assert wholes == [True, False, True]


def test_bug_18_several_slices_make_one_picture_and_a_lost_first_slice_breaks_it() -> None:
    stream = video("h264", slices=4)
    assert sum(1 for unit in nal_units(stream[1][0]) if unit[0] & 0x1F == 1) > 1
    payloads: list[tuple[bytes, bool]] = []
    for encoded, _ in stream:
        units = needed(encoded)
        payloads += [(unit, unit is units[-1]) for unit in units]
    frames = pushed(H264(), payloads)
    assert len(frames) == len(stream)
    assert all(frame.whole for frame in frames)
    # The first slice of the second picture: what is left starts in the middle.
    first_slice = next(at for at, (unit, _) in enumerate(payloads) if unit[0] & 0x1F == 1)
    depacketizer = H264()
    frames = pushed(depacketizer, payloads, frozenset({first_slice}))
    assert depacketizer.broken == 1
    assert [frame.whole for frame in frames] == [True] + [False] * 28 + [True] * 30


def test_a_fragmented_unit_must_go_from_start_to_end() -> None:
    payloads = h264_payloads(video("h264", 640, 360, 2)[0][0])
    fragments = [at for at, payload in enumerate(payloads) if payload[0] & 0x1F == 28]
    assert len(fragments) > 2
    for missing in fragments:
        arrived = marked(payloads)
        assert not [frame for frame in pushed(H264(), arrived, frozenset({missing})) if frame.whole]
        if missing in (fragments[0], fragments[-1]):  # even where the sequence hides the hole
            del arrived[missing]
            assert not [frame for frame in pushed(H264(), [*arrived[:-1], (arrived[-1][0], True)]) if frame.whole]


@pytest.mark.parametrize("kind", [0, 25, 26, 27, 29, 30, 31])
def test_packet_forms_of_the_interleaved_mode_are_broken_pictures(kind: int) -> None:
    depacketizer = H264()
    assert depacketizer.push(bytes((0x60 | kind,)) + b"\x00\x01\x02", 0, True) is None
    assert depacketizer.broken == 1


def test_a_flood_of_parameter_sets_is_bounded() -> None:
    sets = h264_sets.ParameterSets()
    pps = next(unit for unit in nal_units(video("h264")[0][0]) if unit[0] & 0x1F == 8)
    for number in range(5000):
        # pps_id by Exp-Golomb: 11 zeros, then 12 bits
        sets.keep(bytes((pps[0],)) + ((number + 4096) << 7).to_bytes(5, "big") + bytes(240))
    assert 0 < len(sets.annex_b) <= 64 * (256 + 4)
    assert len(sets._read) <= 128
    assert not sets.keep(pps + bytes(300))


@pytest.mark.parametrize(
    ("width", "height", "profile", "pixel_format", "options"),
    [
        (1280, 720, "baseline", "yuv420p", {}),
        (1920, 1080, "high", "yuv420p", {}),
        (322, 182, "high", "yuv420p", {"x264-params": "cqm=jvt:8x8dct=1"}),
        (318, 178, "high444", "yuv444p", {"x264-params": "cqm=jvt"}),
        (318, 178, "high422", "yuv422p", {}),
        (320, 180, "main", "yuv420p", {"x264-params": "interlaced=1"}),
        (50, 34, "main", "yuv420p", {"bf": "2"}),
    ],
)
def test_the_picture_size_in_an_sps_is_what_libav_reads(
    width: int, height: int, profile: str, pixel_format: str, options: dict[str, str]
) -> None:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width, height, pixel_format, 30
    encoder.options = {"preset": "medium", "profile": profile, **options}
    stream = b"".join(
        bytes(p) for p in (*encoder.encode(av.VideoFrame(width, height, pixel_format)), *encoder.encode(None))
    )
    with av.open(io.BytesIO(stream), format="h264") as container:
        context = container.streams.video[0].codec_context
        expected = (context.width, context.height)
    sps = next(unit for unit in nal_units(stream) if unit[0] & 0x1F == 7)
    assert expected == (width, height)
    assert h264_sets.sps_size(sps) == expected


def crafted_sps(width: int, height: int, cycle: int = 0, sps_id: int = 0) -> bytes:
    """A baseline SPS by the letter of §7.3.2.1.1; `cycle` offsets make it long, and each as costly as can be."""

    def ue(value: int) -> str:
        return "0" * ((value + 1).bit_length() - 1) + format(value + 1, "b")

    largest = ue((1 << 31) - 1)
    order = ue(1) + "0" + largest * 2 + ue(cycle) + largest * cycle if cycle else ue(2)
    bits = f"{66:08b}{0:08b}{51:08b}" + ue(sps_id) + ue(0) + order + ue(1) + "0"
    bits += ue(width // 16 - 1) + ue(height // 16 - 1) + "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    raw = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    escaped = bytearray(b"\x67")
    for octet in raw:
        if octet <= 3 and escaped[-2:] == b"\0\0":
            escaped.append(3)
        escaped.append(octet)
    return bytes(escaped)


def test_a_parameter_set_that_is_costly_to_read_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert h264_sets.sps_size(crafted_sps(640, 480)) == (640, 480)
    costly = crafted_sps(640, 480, cycle=125)
    assert 1_000 < len(costly) < 1_400
    assert h264_sets.sps_size(costly) == (640, 480)
    read: list[bytes] = []
    monkeypatch.setattr(h264_sets, "_read_set", read.append)
    assert not h264_sets.ParameterSets().keep(costly)
    assert read == []


def test_parameter_sets_are_read_once_and_new_ones_a_few_times_in_a_hundred_packets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[bytes] = []
    real = h264_sets._read_set

    def counted(nal: bytes) -> tuple[int, tuple[int, int]]:
        read.append(nal)
        return real(nal)

    monkeypatch.setattr(h264_sets, "_read_set", counted)
    same = H264()
    for sequence in range(1_000):
        same.push(crafted_sps(640, 480), sequence, False)
    assert (len(read), same.broken) == (1, 0)
    flood = H264()
    for sequence in range(1_000):
        flood.push(crafted_sps(16 + 16 * (sequence % 250), 480, sps_id=sequence // 250), sequence, True)
    assert 10 < len(read) - 1 <= 16 * 11
    assert flood.broken > 800


def test_a_set_that_comes_again_after_another_of_its_id_is_the_one_in_force() -> None:
    sets = h264_sets.ParameterSets()
    small, large = crafted_sps(320, 240), crafted_sps(640, 480)
    for sps, size in ((small, (320, 240)), (large, (640, 480)), (small, (320, 240))):
        assert sets.keep(sps)
        assert (sets.size, sets.annex_b) == (size, b"\0\0\0\1" + sps)


def test_an_enormous_picture_is_a_broken_one() -> None:
    assert h264_sets.sps_size(crafted_sps(4096, 2304)) == (4096, 2304)
    for width, height in ((8192, 8192), (16384, 16384), (4096, 2320)):
        assert h264_sets.sps_size(crafted_sps(width, height)) is None
    depacketizer = H264()
    assert depacketizer.push(crafted_sps(8192, 8192), 0, True) is None
    assert depacketizer.broken == 1


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_as_a_parameter_set_raise_nothing(rubbish: bytes) -> None:
    h264_sets.sps_size(b"\x67" + rubbish)
    sets = h264_sets.ParameterSets()
    for head in (b"\x67", b"\x68", b"\x65"):
        sets.keep(head + rubbish)
