"""Opus packets from RTP payloads (RFC 7587), how long they play (RFC 6716), and silence.

Pure. Sound is never decoded: a hole is filled with packets that decode to silence.
"""

from __future__ import annotations

from typing import Final

from recorder.frames import Frame, Payload, new_tuple

SILENCE: Final = b"\xf8\xff\xfe"
"""20 ms of Opus silence (CELT, fullband, one frame)."""
SILENCE_US: Final = 20_000
SILENCE_LIMIT_US: Final = 120_000_000


class Opus:
    """RFC 7587 §4.2: each payload is one Opus packet. Never needs a key frame."""

    __slots__ = ("broken", "needs_key")

    def __init__(self) -> None:
        self.needs_key = False
        self.broken = 0

    def reset(self) -> None:
        pass

    def push(self, payload: Payload, sequence: int, marker: bool) -> Frame | None:
        if not payload:
            return None
        return new_tuple(Frame, (payload if type(payload) is bytes else bytes(payload), True, 0, 0, True))


# Frame lengths by the TOC octet's configuration number (RFC 6716 §3.1, table 2).
_OPUS_FRAME_US: Final = (
    *(10_000, 20_000, 40_000, 60_000) * 3,
    *(10_000, 20_000) * 2,
    *(2_500, 5_000, 10_000, 20_000) * 4,
)


def opus_duration_us(packet: bytes) -> int:
    """How long an Opus packet plays, 0 if it is empty or longer than RFC 6716 §3.4 allows."""
    if not packet:
        return 0
    code = packet[0] & 3
    if code == 3:
        if len(packet) < 2:
            return 0
        count = packet[1] & 0x3F
    else:
        count = 1 if code == 0 else 2
    duration = _OPUS_FRAME_US[packet[0] >> 3] * count
    return duration if duration <= 120_000 else 0


def silence_pts(end_us: int, next_us: int) -> range:
    """When the packets of silence begin that fill a hole in the sound, none if it is under 20 ms.

    `end_us` is where the last sound ends, `next_us` where the next begins.
    """
    return range(end_us, min(next_us, end_us + SILENCE_LIMIT_US) - SILENCE_US + 1, SILENCE_US)
