"""RTP payloads to whole frames: which depacketizer reads which codec.

Each is pure and on the hot path: payloads of one track in order of their
sequence numbers go in, complete frames come out at the marker bit. Hostile
bytes raise nothing; they break a frame, which is counted. None reorders, waits
or asks for anything: `needs_key` says when a key frame should be asked for.
A further codec (VP9, AV1) is one more file like `vp8` and one more line here; to be
recorded it must also be chosen by `sdp` and have a container in `part`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from recorder.frames import FRAME_LIMIT_BYTES, Depacketizer, Frame, Payload
from recorder.h264 import H264
from recorder.opus import SILENCE, SILENCE_US, Opus, opus_duration_us, silence_pts
from recorder.vp8 import Vp8

__all__ = [
    "DEPACKETIZERS",
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


DEPACKETIZERS: Final[dict[str, Callable[[str], Depacketizer]]] = {
    "vp8": lambda sprop: Vp8(),
    "h264": H264,
    "opus": lambda sprop: Opus(),
}
"""By the codec's name; each is given the offer's sprop-parameter-sets, which only H.264 has a use for."""


def for_codec(name: str, sprop: str = "") -> Depacketizer:
    """A new depacketizer for a name in `DEPACKETIZERS`. ValueError for any other."""
    try:
        return DEPACKETIZERS[name](sprop)
    except KeyError:
        raise ValueError(f"no depacketizer for {name!r}") from None
