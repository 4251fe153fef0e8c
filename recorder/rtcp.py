"""RTCP, both ways: sender reports and goodbyes in; receiver reports, NACK, PLI and REMB out.

Pure. Transport-wide feedback has a file of its own, `transport_cc.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

_HEADER = struct.Struct("!BBH")
_REPORT = struct.Struct("!IIIIII")
_FEEDBACK = struct.Struct("!BBHII")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RFC 3550 §6.4.1: `rtp` (32 bits) was sampled at `ntp`, 64-bit fixed point on the sender's clock."""

    ssrc: int
    ntp: int
    rtp: int

    @property
    def middle_ntp(self) -> int:
        """The middle 32 bits, to be echoed in reception reports."""
        return self.ntp >> 16 & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]


class Malformed(Exception):
    """The bytes are no RTCP compound."""


def parse(compound: bytes | bytearray | memoryview) -> list[SenderReport | Goodbye]:
    """What of a compound (or reduced-size, RFC 5506) packet concerns a recorder. Raises Malformed."""
    found: list[SenderReport | Goodbye] = []
    position, end = 0, len(compound)
    while position + 4 <= end:
        first, kind, words = _HEADER.unpack_from(compound, position)
        if first & 0xC0 != 0x80:
            raise Malformed("version")
        after = position + 4 * (words + 1)
        if after > end:
            raise Malformed("length")
        if kind == SENDER_REPORT:
            if after - position < 28:
                raise Malformed("sender report")
            ssrc, seconds, fraction, rtp, _, _ = _REPORT.unpack_from(compound, position + 4)
            found.append(SenderReport(ssrc, seconds << 32 | fraction, rtp))
        elif kind == GOODBYE:
            count = min(first & 0x1F, words)
            found.append(Goodbye(struct.unpack_from(f"!{count}I", compound, position + 4)))
        position = after
    if position != end:
        raise Malformed("trailing bytes")
    return found


@dataclass(frozen=True, slots=True)
class Reception:
    """One report block (RFC 3550 §6.4.1); `delay_65536` since the last sender report, in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_65536: int


def receiver_report(ssrc: int, receptions: Sequence[Reception]) -> bytes:
    """At most 31 blocks."""
    body = b"".join(
        struct.pack(
            "!IIIIII",
            item.ssrc,
            (item.fraction_lost & 0xFF) << 24 | max(-0x800000, min(0x7FFFFF, item.packets_lost)) & 0xFFFFFF,
            item.highest_sequence & 0xFFFFFFFF,
            item.jitter & 0xFFFFFFFF,
            item.last_sr,
            item.delay_65536 & 0xFFFFFFFF,
        )
        for item in receptions
    )
    return struct.pack("!BBHI", 0x80 | len(receptions), RECEIVER_REPORT, 1 + 6 * len(receptions), ssrc) + body


def nack(ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585 §6.2.1) for sorted 64-bit sequence numbers; b"" when there are none."""
    entries: list[tuple[int, int]] = []
    base: int | None = None
    mask = 0
    for sequence in sequences:
        if base is not None and 1 <= sequence - base <= 16:
            mask |= 1 << (sequence - base - 1)
            continue
        if base is not None:
            entries.append((base & 0xFFFF, mask))
        base, mask = sequence, 0
    if base is None:
        return b""
    entries.append((base & 0xFFFF, mask))
    body = b"".join(struct.pack("!HH", *entry) for entry in entries)
    return _FEEDBACK.pack(0x81, TRANSPORT_FEEDBACK, 2 + len(entries), ssrc, media_ssrc) + body


def pli(ssrc: int, media_ssrc: int) -> bytes:
    """Picture Loss Indication (RFC 4585 §6.3.1)."""
    return _FEEDBACK.pack(0x81, PAYLOAD_FEEDBACK, 2, ssrc, media_ssrc)


def remb(ssrc: int, bitrate_bps: int, media_ssrcs: Sequence[int]) -> bytes:
    """Receiver Estimated Maximum Bitrate (draft-alvestrand-rmcat-remb-03 §2.2)."""
    exponent = max(0, bitrate_bps.bit_length() - 18)
    body = struct.pack(
        f"!4sI{len(media_ssrcs)}I",
        b"REMB",
        len(media_ssrcs) << 24 | exponent << 18 | bitrate_bps >> exponent,
        *media_ssrcs,
    )
    return _FEEDBACK.pack(0x8F, PAYLOAD_FEEDBACK, 4 + len(media_ssrcs), ssrc, 0) + body
