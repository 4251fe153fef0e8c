"""RTP payloads to whole frames: which depacketizer reads which codec.

Each is pure and on the hot path: payloads of one track in order of their
sequence numbers go in, complete frames come out at the marker bit. Hostile
bytes raise nothing; they break a frame, which is counted. None reorders, waits
or asks for anything: `needs_key` says when a key frame should be asked for.
A further codec is one more file like `vp8` and one more line here.
"""

from __future__ import annotations

from recorder.frames import FRAME_LIMIT_BYTES, Depacketizer, Frame, Payload
from recorder.h264 import H264
from recorder.opus import SILENCE, SILENCE_US, Opus, opus_duration_us, silence_pts
from recorder.vp8 import Vp8

__all__ = [
    "FRAME_LIMIT_BYTES",
    "H264",
    "SILENCE",
    "SILENCE_US",
    "Depacketizer",
    "Frame",
    "Opus",
    "Payload",
    "Vp8",
    "for_codec",
    "opus_duration_us",
    "silence_pts",
]


def for_codec(name: str, sprop: str = "") -> Vp8 | H264 | Opus:
    """A new depacketizer for "vp8", "h264" or "opus". ValueError for any other name."""
    if name == "vp8":
        return Vp8()
    if name == "h264":
        return H264(sprop)
    if name == "opus":
        return Opus()
    raise ValueError(f"no depacketizer for {name!r}")
