"""Real streams for the tests of the file half: encoded in this process by libav's own encoders."""

from __future__ import annotations

import functools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor

from recorder.depacketize import Frame

FRAME_US = 33_333
SOUND_US = 20_000
_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "-16", "lag-in-frames": "0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}),
}


@functools.cache
def video(
    codec: str, width: int = 320, height: int = 180, count: int = 60, key_every: int = 30, slices: int = 1
) -> tuple[tuple[bytes, bool], ...]:
    """Frames and whether each is a key frame; H.264 in Annex B with its parameter sets in each IDR picture."""
    name, options = _ENCODERS[codec]
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 30), 30, key_every
    encoder.bit_rate = 1_500_000
    encoder.options = {**options, **({"slices": str(slices)} if slices > 1 else {})}
    noise = random.Random(width * count)
    packets = []
    for index in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            row = bytes(60 + x * 3 % 120 + noise.randrange(6) for x in range(plane.line_size))
            turns = [row[index % 97 + y % 7 :] + row[: index % 97 + y % 7] for y in range(7)]
            plane.update(b"".join(turns[y % 7] for y in range(plane.height)))
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return tuple((bytes(packet), packet.is_keyframe) for packet in packets)


@functools.cache
def sound(count: int = 100) -> tuple[bytes, ...]:
    """Opus packets of 20 ms."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.bit_rate, encoder.time_base = 32_000, Fraction(1, 48_000)
    noise = random.Random(7)
    packets = []
    for index in range(count + 1):
        frame = av.AudioFrame("s16", "stereo", 960)
        frame.planes[0].update(noise.randbytes(960 * 4))
        frame.sample_rate, frame.pts = 48_000, index * 960
        packets += encoder.encode(frame)
    return tuple(bytes(packet) for packet in packets)[:count]


def vp8_payloads(frame: bytes, picture_id: int | None, size: int = 1100) -> list[bytes]:
    """RTP payloads of one frame, as Chrome forms them."""
    payloads = []
    for at in range(0, len(frame), size):
        descriptor = VpxPayloadDescriptor(partition_start=int(not at), partition_id=0, picture_id=picture_id)
        payloads.append(bytes(descriptor) + frame[at : at + size])
    return payloads


def h264_payloads(access_unit: bytes) -> list[bytes]:
    """RTP payloads of one picture: STAP-A for the small NAL units, FU-A for the large."""
    return list(H264Encoder._packetize(H264Encoder._split_bitstream(access_unit)))


def nal_units(access_unit: bytes) -> list[bytes]:
    """The NAL units of an Annex-B access unit."""
    return list(H264Encoder._split_bitstream(access_unit))


def payloads_of(codec: str, frames: tuple[tuple[bytes, bool], ...]) -> list[tuple[bytes, bool]]:
    """All payloads of a stream with their marker bits."""
    out: list[tuple[bytes, bool]] = []
    for index, (frame, _) in enumerate(frames):
        each = vp8_payloads(frame, (32_700 + index) & 0x7FFF) if codec == "vp8" else h264_payloads(frame)
        out += [(payload, at == len(each) - 1) for at, payload in enumerate(each)]
    return out


def pushed(depacketizer: Any, payloads: list[tuple[bytes, bool]], drop: frozenset[int] = frozenset()) -> list[Frame]:
    """The frames that come out, with some packets lost on the way."""
    frames = []
    for sequence, (payload, marker) in enumerate(payloads):
        if sequence not in drop:
            frame = depacketizer.push(payload, sequence, marker)
            if frame is not None:
                frames.append(frame)
    return frames


def decode_strictly(path: Path, *, to_the_cut: bool = False) -> dict[str, int]:
    """Decodes the whole file, any decoding error being fatal; the number of pictures and of sound frames.

    `to_the_cut` allows a torn end, and decodes up to it.
    """
    counts = {"video": 0, "audio": 0}
    with av.open(str(path)) as container:
        for stream in container.streams:
            context: Any = stream.codec_context
            context.options = {"err_detect": "explode"}
            context.thread_count = 1
        for packet in container.demux():
            if packet.is_corrupt and to_the_cut:
                break
            assert not packet.is_corrupt
            for frame in packet.decode():
                assert not getattr(frame, "is_corrupt", False)
                counts[packet.stream.type] += 1
    return counts


def packets_in(path: Path, kind: str) -> list[tuple[int, bytes, bool]]:
    """Every packet of a track: its time in microseconds, its bytes, whether it is a key frame."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [
            (round(packet.pts * packet.time_base * 1_000_000), bytes(packet), packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None
        ]
