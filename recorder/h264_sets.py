"""H.264 parameter sets: those a stream has sent, and the picture size in them.

Holds SPS and PPS NAL units by their ids, bounded in number and size, and reads
the cropped picture size out of an SPS (ITU-T H.264 §7.3.2.1.1). It reads
nothing else: no slices, no VUI.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

SET_LIMIT_BYTES: Final = 4096
SETS_LIMIT: Final = 64
PICTURE_LIMIT: Final = 16384
START_CODE: Final = b"\x00\x00\x00\x01"
# profile_idc values whose SPS carries chroma_format_idc and what follows it.
_HIGH_PROFILES: Final = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))


class _Malformed(Exception):
    """The bits ran out or say what the standard forbids."""


class _Bits:
    """Reads an RBSP; emulation prevention is already gone."""

    __slots__ = ("_at", "_end", "_value")

    def __init__(self, rbsp: bytes) -> None:
        self._value = int.from_bytes(rbsp, "big")
        self._end = len(rbsp) * 8
        self._at = 0

    def u(self, count: int) -> int:
        self._at += count
        if self._at > self._end:
            raise _Malformed
        return self._value >> (self._end - self._at) & ((1 << count) - 1)

    def ue(self) -> int:
        """Exp-Golomb, §9.1."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise _Malformed
        return (1 << zeros) - 1 + (self.u(zeros) if zeros else 0)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


class ParameterSets:
    """What was sent so far. `annex_b` is all of it, SPS first; `size` is the last SPS's picture."""

    __slots__ = ("_pps", "_sps", "annex_b", "complete", "size")

    def __init__(self, sprop: str = "") -> None:
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, bytes] = {}
        self.annex_b = b""
        self.complete = False
        self.size = (0, 0)
        for encoded in sprop[:SET_LIMIT_BYTES].split(","):
            try:
                nal = base64.b64decode(encoded.strip(), validate=True)
            except (binascii.Error, ValueError):
                continue
            if nal:
                self.keep(nal)

    def keep(self, nal: bytes) -> bool:
        """Takes an SPS or PPS in; False, and nothing changes, if it is neither or cannot be read."""
        if len(nal) > SET_LIMIT_BYTES:
            return False
        try:
            if nal[0] & 0x1F == 7:
                sps_id, size = _read_sps(nal)
                if self._sps.get(sps_id) == nal and self.size == size:
                    return True
                kept, key = self._sps, sps_id
                self.size = size
            elif nal[0] & 0x1F == 8:
                kept, key = self._pps, _Bits(_rbsp(nal[:8])).ue()
                if kept.get(key) == nal:
                    return True
            else:
                return False
        except _Malformed:
            return False
        if key not in kept and len(kept) >= SETS_LIMIT:
            kept.clear()  # only a hostile sender has so many
        kept[key] = nal
        self.annex_b = b"".join(START_CODE + each for each in (*self._sps.values(), *self._pps.values()))
        self.complete = bool(self._sps and self._pps)
        return True


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
    if not 0 < width <= PICTURE_LIMIT or not 0 < height <= PICTURE_LIMIT:
        raise _Malformed
    return sps_id, (width, height)


def _skip_scaling_list(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
