"""H.264 parameter sets: those a stream has sent, and the picture size in them.

Holds SPS and PPS NAL units by their ids, bounded in number and size, and reads
the cropped picture size out of an SPS (ITU-T H.264 §7.3.2.1.1). It reads
nothing else: no slices, no VUI.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from recorder.frames import PIXELS_LIMIT

SPROP_LIMIT_BYTES: Final = 4096
SET_LIMIT_BYTES: Final = 256
"""Browsers send under 50."""
SETS_LIMIT: Final = 64
PICTURE_LIMIT: Final = 16384
START_CODE: Final = b"\x00\x00\x00\x01"
# profile_idc values whose SPS carries chroma_format_idc and what follows it.
_HIGH_PROFILES: Final = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))


class _Malformed(Exception):
    """The bits ran out or say what the standard forbids."""


class _Bits:
    """Reads an RBSP; emulation prevention is already gone. Each read looks at a few octets, however long it is."""

    __slots__ = ("_at", "_end", "_rbsp")

    def __init__(self, rbsp: bytes) -> None:
        self._rbsp = rbsp + bytes(8)
        self._end = len(rbsp) * 8
        self._at = 0

    def u(self, count: int) -> int:
        """At most 32 bits."""
        at = self._at
        self._at = at + count
        if self._at > self._end:
            raise _Malformed
        octet = at >> 3
        return int.from_bytes(self._rbsp[octet : octet + 5], "big") >> (40 - (at & 7) - count) & ((1 << count) - 1)

    def ue(self) -> int:
        """Exp-Golomb, §9.1; at most 31 leading zeros."""
        octet = self._at >> 3
        ahead = int.from_bytes(self._rbsp[octet : octet + 5], "big") >> (8 - (self._at & 7)) & 0xFFFFFFFF
        zeros = 32 - ahead.bit_length()
        if zeros > 31:
            raise _Malformed
        self._at += zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


class ParameterSets:
    """What was sent so far. `annex_b` is all of it, SPS first; `size` is the last SPS's picture."""

    __slots__ = ("_pps", "_read", "_sps", "annex_b", "complete", "size")

    def __init__(self, sprop: str = "") -> None:
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, bytes] = {}
        self._read: dict[bytes, tuple[int, tuple[int, int]]] = {}
        self.annex_b = b""
        self.complete = False
        self.size = (0, 0)
        for encoded in sprop[:SPROP_LIMIT_BYTES].split(","):
            try:
                nal = base64.b64decode(encoded.strip(), validate=True)
            except (binascii.Error, ValueError):
                continue
            if nal:
                self.keep(nal)

    def knows(self, nal: bytes) -> bool:
        """`keep` has nothing to read: it came before, byte by byte, or is too long to be read."""
        return nal in self._read or len(nal) > SET_LIMIT_BYTES

    def keep(self, nal: bytes) -> bool:
        """Takes an SPS or PPS in; False, and nothing changes, if it is neither or cannot be read."""
        if not 0 < len(nal) <= SET_LIMIT_BYTES:
            return False
        found = self._read.get(nal)
        if found is None:
            try:
                found = _read_set(nal)
            except _Malformed:
                return False
            if len(self._read) >= 2 * SETS_LIMIT:
                self._read.clear()
            self._read[nal] = found
        key, size = found
        if nal[0] & 0x1F == 7:
            kept = self._sps
            self.size = size
        else:
            kept = self._pps
        if kept.get(key) == nal:
            return True
        if key not in kept and len(kept) >= SETS_LIMIT:
            kept.clear()  # only a hostile sender has so many
        kept[key] = nal
        self.annex_b = b"".join(START_CODE + each for each in (*self._sps.values(), *self._pps.values()))
        self.complete = bool(self._sps and self._pps)
        return True


def _read_set(nal: bytes) -> tuple[int, tuple[int, int]]:
    """Its id, and the picture's size if it is an SPS. Raises _Malformed."""
    kind = nal[0] & 0x1F
    if kind == 7:
        return _read_sps(nal)
    if kind == 8:
        return _Bits(_rbsp(nal[:8])).ue(), (0, 0)
    raise _Malformed


def sps_size(nal: bytes) -> tuple[int, int] | None:
    """Width and height in pixels after cropping, None for what is no readable SPS."""
    try:
        return _read_sps(nal)[1]
    except _Malformed:
        return None


def _rbsp(nal: bytes) -> bytes:
    return nal[1:].replace(b"\x00\x00\x03", b"\x00\x00")


def _read_sps(nal: bytes) -> tuple[int, tuple[int, int]]:
    bits = _Bits(_rbsp(nal))
    profile = bits.u(8)
    bits.u(16)  # constraint flags, level_idc
    sps_id = bits.ue()
    if sps_id > 31:
        raise _Malformed
    chroma, separate = 1, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma > 3:
            raise _Malformed
        if chroma == 3:
            separate = bits.u(1)
        bits.ue()  # bit_depth_luma_minus8
        bits.ue()  # bit_depth_chroma_minus8
        bits.u(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.u(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()  # log2_max_frame_num_minus4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise _Malformed
        for _ in range(cycle):
            bits.se()
    bits.ue()  # max_num_ref_frames
    bits.u(1)  # gaps_in_frame_num_value_allowed_flag
    width = (bits.ue() + 1) * 16
    map_units = bits.ue() + 1
    frames_only = bits.u(1)
    height = map_units * 16 * (2 - frames_only)
    if not frames_only:
        bits.u(1)
    bits.u(1)  # direct_8x8_inference_flag
    if bits.u(1):
        # §7.4.2.1.1, equations 7-19 to 7-22
        wide = 2 if chroma in (1, 2) and not separate else 1
        tall = (2 if chroma == 1 and not separate else 1) * (2 - frames_only)
        width -= wide * (bits.ue() + bits.ue())
        height -= tall * (bits.ue() + bits.ue())
    if not 0 < width <= PICTURE_LIMIT or not 0 < height <= PICTURE_LIMIT or width * height > PIXELS_LIMIT:
        raise _Malformed
    return sps_id, (width, height)


def _skip_scaling_list(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
