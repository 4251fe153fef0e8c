"""What a depacketizer is and gives: whole frames out of one track's RTP payloads.

Only the shapes; the codecs are in `vp8`, `h264` and `opus`, `depacketize`
chooses among them.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

FRAME_LIMIT_BYTES: Final = 1024 * 1024
"""Three seconds of video at the default bitrate: no key frame of a browser comes near it."""
PIXELS_LIMIT: Final = 4096 * 2304
"""A picture that claims more is broken: whoever opens or decodes it would pay for its size."""
Payload = bytes | bytearray | memoryview


class Frame(NamedTuple):
    """One complete frame. A named tuple, since one is made per frame on the hot path.

    `payload` is a VP8 frame, an H.264 access unit (Annex B) or an Opus packet.
    `width` and `height` are those of the last key frame. `whole` is False when
    something before this frame is missing and no key frame came since: it
    would decode to rubbish and must not be written.
    """

    payload: bytes
    key: bool
    width: int
    height: int
    whole: bool


new_tuple: Final = tuple.__new__
"""`new_tuple(Frame, (...))` is `Frame(...)` without a call of Python's own, at a third of its cost."""


class Depacketizer(Protocol):
    """One track's payloads to frames; one small class per codec.

    `needs_key` is True at the start and after a loss, until a whole key frame.
    `broken` counts the frames given up.
    """

    needs_key: bool
    broken: int

    def push(self, payload: Payload, sequence: int, marker: bool) -> Frame | None:
        """The frame that this payload completes. Empty payloads (padding) only keep the sequence continuous."""

    def reset(self) -> None:
        """Forgets where the stream was (new SSRC, sequence jumped back); what is next must be a key frame."""
