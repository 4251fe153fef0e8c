"""Transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

We only note when packets arrived; the browser's own estimator does the rest. Pure.
"""

from __future__ import annotations

import struct
from operator import sub

from recorder.rtcp import TRANSPORT_FEEDBACK
from recorder.rtp import Unwrapper

TICK_US = 250
REFERENCE_TICKS = 256
"""The reference time counts 64 ms, 256 ticks."""
MOST_STATUSES = 400
"""A message covers at most this many sequence numbers, so that it fits one datagram."""
LARGEST_JUMP = 4000
"""A jump of the sequence by more is a sender gone astray: nothing is reported across it."""
MOST_NOTED = 8000
MOST_MESSAGES = 8
"""At most this many messages a call; a sender whose numbers are scattered wider learns less."""

_MISSING, _SMALL, _LARGE = 0, 1, 2
_HEADER = struct.Struct("!BBHIIHHI")


class TransportFeedback:
    """Notes arrivals by transport-wide sequence number and reports them, each once."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._unwrap = Unwrapper(16)
        self._noted: list[tuple[int, int]] = []
        self._next: int | None = None
        self._count = 0
        self.dropped = 0

    def note(self, heard: list[tuple[int, int]]) -> None:
        """The 16-bit numbers of packets that arrived, each with its time in µs by the kernel's clock."""
        room = MOST_NOTED - len(self._noted)
        if len(heard) > room:
            self.dropped += len(heard) - room
            heard = heard[:room]
        self._noted += heard

    def messages(self, media_ssrc: int) -> list[bytes]:
        """RTCP messages for all noted since the last call, oldest first; empty when nothing arrived."""
        noted = self._noted
        if not noted:
            return []
        self._noted = []
        message = self._all_in_order(media_ssrc, noted)
        return self._as_they_came(media_ssrc, noted) if message is None else [message]

    def _all_in_order(self, media_ssrc: int, noted: list[tuple[int, int]]) -> bytes | None:
        """The one message for packets of which none is missing or late, as nearly always; None if that is not so."""
        first, count = noted[0][0], len(noted)
        following = self._next is None or self._next & 0xFFFF == first
        if not following or count > MOST_STATUSES or [number for number, _ in noted] != [*range(first, first + count)]:
            return None
        ticks = [arrival_us // TICK_US for _, arrival_us in noted]
        reference = ticks[0] // REFERENCE_TICKS
        steps = map(sub, ticks, (reference * REFERENCE_TICKS, *ticks))
        try:
            deltas = bytes(steps)
        except ValueError:  # one is no small delta
            return None
        at = self._unwrap.unwrap(first)
        self._unwrap.last = at + count - 1
        self._next = at + count
        return self._message(media_ssrc, at, reference, count, (_SMALL << 13 | count).to_bytes(2, "big") + deltas)

    def _as_they_came(self, media_ssrc: int, noted: list[tuple[int, int]]) -> list[bytes]:
        unwrap = self._unwrap.unwrap
        arrivals = {unwrap(sequence): arrival_us for sequence, arrival_us in noted}
        ordered = sorted(arrivals)
        start = ordered[0]
        if self._next is not None and 0 <= start - self._next <= LARGEST_JUMP:
            start = self._next
        self._next = ordered[-1] + 1
        found: list[bytes] = []
        for first, group in _groups(start, ordered):
            found += self._messages(media_ssrc, first, group, arrivals)
            if len(found) >= MOST_MESSAGES:
                break
        return found[:MOST_MESSAGES]

    def _messages(self, media_ssrc: int, first: int, group: list[int], arrivals: dict[int, int]) -> list[bytes]:
        reference = arrivals[group[0]] // TICK_US // REFERENCE_TICKS
        clock = reference * REFERENCE_TICKS
        deltas = bytearray()
        statuses: list[int] = []
        expected = first
        for index, sequence in enumerate(group):
            tick = arrivals[sequence] // TICK_US
            delta = tick - clock
            if not -0x8000 <= delta <= 0x7FFF:  # over 8 s apart: another reference time
                body = _chunks(statuses) + bytes(deltas)
                head = self._message(media_ssrc, first, reference, len(statuses), body)
                return [head, *self._messages(media_ssrc, expected, group[index:], arrivals)]
            if sequence > expected:
                statuses += [_MISSING] * (sequence - expected)
            if 0 <= delta <= 0xFF:
                statuses.append(_SMALL)
                deltas.append(delta)
            else:
                statuses.append(_LARGE)
                deltas += delta.to_bytes(2, "big", signed=True)
            clock = tick
            expected = sequence + 1
        return [self._message(media_ssrc, first, reference, len(statuses), _chunks(statuses) + bytes(deltas))]

    def _message(self, media_ssrc: int, first: int, reference: int, count: int, body: bytes) -> bytes:
        padding = -len(body) % 4
        words = (_HEADER.size + len(body) + padding) // 4 - 1
        header = _HEADER.pack(
            0x80 | (0x20 if padding else 0) | 15,
            TRANSPORT_FEEDBACK,
            words,
            self._ssrc,
            media_ssrc,
            first & 0xFFFF,
            count,
            (reference & 0xFFFFFF) << 8 | self._count & 0xFF,
        )
        self._count += 1
        return header + body + (b"\0" * (padding - 1) + bytes([padding]) if padding else b"")


def _groups(start: int, ordered: list[int]) -> list[tuple[int, list[int]]]:
    """Runs of sequence numbers that one message each can cover, with where each message begins."""
    groups: list[tuple[int, list[int]]] = []
    first, group = start, list[int]()
    for sequence in ordered:
        if sequence - first >= MOST_STATUSES:
            if group:
                groups.append((first, group))
                first = group[-1] + 1
            if sequence - first >= MOST_STATUSES:
                first = sequence
            group = []
        group.append(sequence)
    groups.append((first, group))
    return groups


def _chunks(statuses: list[int]) -> bytes:
    """Run-length chunks (§3.1.3) where a status repeats, vectors of seven two-bit symbols (§3.1.4) elsewhere."""
    found = bytearray()
    position, count = 0, len(statuses)
    while position < count:
        status = statuses[position]
        end = position + 1
        while end < count and statuses[end] == status:
            end += 1
        run = end - position
        if run >= 7 or end == count:
            run = min(run, 0x1FFF)
            found += (status << 13 | run).to_bytes(2, "big")
            position += run
            continue
        symbols = statuses[position : position + 7]
        chunk = 0xC000
        for place, symbol in enumerate(symbols):
            chunk |= symbol << (12 - 2 * place)
        found += chunk.to_bytes(2, "big")
        position += len(symbols)
    return bytes(found)
