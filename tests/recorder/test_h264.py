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


def test_parameter_sets_in_packets_of_their_own_go_before_the_next_idr() -> None:
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


def test_several_slices_make_one_picture_and_a_lost_first_slice_breaks_it() -> None:
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
        sets.keep(bytes((pps[0],)) + ((number + 4096) << 7).to_bytes(5, "big") + bytes(4000))
    assert len(sets.annex_b) <= 64 * (4096 + 4)
    assert not sets.keep(pps + bytes(5000))


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


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_as_a_parameter_set_raise_nothing(rubbish: bytes) -> None:
    h264_sets.sps_size(b"\x67" + rubbish)
    sets = h264_sets.ParameterSets()
    for head in (b"\x67", b"\x68", b"\x65"):
        sets.keep(head + rubbish)
