"""The hot path's parsing: one RTP header (RFC 3550 §5.1) with the two extensions we read.

Pure. Works on the worker's block of slots by offset, without an object a packet. `parse` reads
any packet; but the packets of one stream look alike, and `Shape` tells by three comparisons that
one is laid out as the one before it, with where its extensions are: a third of the cost.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

HEAD = struct.Struct("!BBHIIIQ")
Head = tuple[int, int, int, int, int, int, int]
"""The first 24 bytes: both flag octets, sequence, timestamp, ssrc, then (where there is one) the extension's header,
and eight bytes of its elements or of what follows them."""
PLAIN_FLAGS = 0x90
"""Version 2 and an extension; no padding, no contributing sources."""
_HEADER = struct.Struct("!BBHII")
HEADER_BYTES = 12
ONE_BYTE_PROFILE = 0xBEDE  # RFC 8285 §4.2
_TWO_BYTE_PROFILE = 0x1000  # RFC 8285 §4.3

Packet = tuple[int, int, int, int, int, int, int, int, int]
"""(payload type, marker, sequence, timestamp, ssrc, payload start, payload end,
transport-wide sequence or -1, audio level 0–127 of −dBov or -1); offsets are into the block."""


class Malformed(Exception):
    """The bytes are no RTP packet."""


class Shape(NamedTuple):
    """What the packets of a stream have in common, and where each has its transport-wide sequence and its level.

    A packet with `PLAIN_FLAGS` and this `extension` header whose `elements & mask` is `pattern` has the very
    elements this was made of: its payload begins `payload_at` bytes after it, the transport-wide sequence is
    `elements >> transport_shift & 0xFFFF`, the level likewise seven bits; a shift of -1 means there is none.
    """

    extension: int
    mask: int
    pattern: int
    payload_at: int
    transport_shift: int = -1
    level_shift: int = -1


NO_SHAPE = Shape(-1, 0, 0, 0)
"""No packet fits it."""


def shape_of(head: Head, transport_id: int, level_id: int) -> Shape | None:
    """Of a packet that `parse` takes; None unless it has one-byte elements of eight bytes in all at most."""
    first, _, _, _, _, extension, elements = head
    words = extension & 0xFFFF
    if first != PLAIN_FLAGS or extension >> 16 != ONE_BYTE_PROFILE or not 1 <= words <= 2:
        return None
    mask = pattern = 0
    transport_shift = level_shift = -1
    position = 0
    while position < 4 * words:
        shift = 56 - 8 * position
        identifier = elements >> shift & 0xFF
        mask |= 0xFF << shift
        pattern |= identifier << shift
        position += 1
        kind, length = identifier >> 4, (identifier & 0x0F) + 1
        if identifier == 0:  # padding
            continue
        if kind == 15 or position + length > 4 * words:
            return None
        if kind == transport_id and length >= 2:
            transport_shift = shift - 16
        elif kind == level_id:
            level_shift = shift - 8
        position += length
    return Shape(extension, mask, pattern, HEADER_BYTES + 4 + 4 * words, transport_shift, level_shift)


def parse(block: bytearray | mmap.mmap, start: int, size: int, transport_id: int, level_id: int) -> Packet:
    """The packet of `size` bytes at `start`. Extension ids that were not negotiated are 0. Raises Malformed."""
    if size < HEADER_BYTES:
        raise Malformed("short")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(block, start)
    if first & 0xC0 != 0x80:
        raise Malformed("version")
    end = start + size
    position = start + HEADER_BYTES + 4 * (first & 0x0F)
    transport_sequence = level = -1
    if first & 0x10:
        if position + 4 > end:
            raise Malformed("extension")
        profile = block[position] << 8 | block[position + 1]
        position += 4
        after = position + 4 * (block[position - 2] << 8 | block[position - 1])
        if after > end:
            raise Malformed("extension")
        if profile == ONE_BYTE_PROFILE:
            while position < after:
                head = block[position]
                if head == 0:  # padding
                    position += 1
                    continue
                kind = head >> 4
                if kind == 15:
                    break
                length = (head & 0x0F) + 1
                if position + 1 + length > after:
                    break
                if kind == transport_id and length >= 2:
                    transport_sequence = block[position + 1] << 8 | block[position + 2]
                elif kind == level_id:
                    level = block[position + 1] & 0x7F
                position += 1 + length
        elif profile & 0xFFF0 == _TWO_BYTE_PROFILE:
            while position + 1 < after:
                kind = block[position]
                if kind == 0:
                    position += 1
                    continue
                length = block[position + 1]
                if position + 2 + length > after:
                    break
                if kind == transport_id and length >= 2:
                    transport_sequence = block[position + 2] << 8 | block[position + 3]
                elif kind == level_id and length >= 1:
                    level = block[position + 2] & 0x7F
                position += 2 + length
        position = after
    if first & 0x20:
        if position >= end:
            raise Malformed("padding")
        padding = block[end - 1]
        if padding == 0 or position + padding > end:
            raise Malformed("padding")
        end -= padding
    if position > end:
        raise Malformed("short")
    return second & 0x7F, second >> 7, sequence, timestamp, ssrc, position, end, transport_sequence, level


class Unwrapper:
    """Extends a counter that wraps at 2**bits to one that does not (RFC 3550 §A.1).

    `unwrap` gives the value nearest to the last; it may go back across a wrap.
    """

    __slots__ = ("_half", "_modulus", "last")

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._half = self._modulus >> 1
        self.last: int | None = None

    def unwrap(self, value: int) -> int:
        last = self.last
        if last is None:
            # One turn up, so that what comes late from before the first stays above zero.
            self.last = value + self._modulus
            return self.last
        delta = (value - last) & (self._modulus - 1)
        if delta >= self._half:
            return last + delta - self._modulus
        self.last = last + delta
        return self.last
