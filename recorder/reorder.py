"""Puts one track's packets back in order, and says which ones to ask for again.

Pure: packets and a clock in; packets in order and requests out. A recorder has no
latency budget, so a missing packet is waited for long (`hold_ms`) and asked for
often (generic NACK, RFC 4585 §6.2.1) before it is given up. A packet is opaque here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

FIRST_ASK_MS = 15
SHORTEST_ASK_MS = 20
LONGEST_ASK_MS = 200
MOST_ASKS = 15
MOST_HELD = 2048
MOST_MISSING = 2048
MOST_ASKED_AT_ONCE = 256
FARTHEST_AHEAD = 1024
FARTHEST_BACK = 512

Packet = TypeVar("Packet")


@dataclass(slots=True)
class _Missing:
    since_ms: int  # found missing; later by as much as it was asked for late
    next_ask_ms: int
    first_ask_ms: int = 0
    asks: int = 0


class Reorder(Generic[Packet]):
    """`expected` is the next sequence number (64-bit) to release; `held` what came before its turn.

    While nothing is held, a caller may release `expected` itself and add one to it: the fast path.
    """

    def __init__(self, hold_ms: int) -> None:
        self._hold_ms = hold_ms
        self.expected: int | None = None
        self.held: dict[int, Packet] = {}
        self.missing: dict[int, _Missing] = {}
        self._newest = 0
        self.rtt_ms = 0
        self.recovered = 0
        self.given_up = 0
        self.late = 0
        self.asks = 0
        self.restarts = 0

    def push(self, sequence: int, packet: Packet, now_ms: int) -> list[tuple[int, Packet]]:
        """What may be released now, in order. A hole in the numbers released is a loss given up."""
        expected = self.expected
        if expected is None:
            self.expected, self._newest = sequence + 1, sequence
            return [(sequence, packet)]
        if sequence < expected:
            if expected - sequence > FARTHEST_BACK:
                return self._restart(sequence, packet)
            self.late += 1
            return []
        newest = max(self._newest, expected - 1)
        if sequence - newest > FARTHEST_AHEAD or len(self.missing) + sequence - newest > MOST_MISSING:
            return self._restart(sequence, packet)
        if sequence in self.held:
            self.late += 1
            return []
        found = self.missing.pop(sequence, None)
        if found is not None and found.asks:
            self.recovered += 1
            # From the first request on: an answer may come after further ones went out. Or to one of those, so that
            # a sample of several only ever lowers what is known (Karn): lost requests do not lengthen the way.
            sample = now_ms - found.first_ask_ms
            if found.asks > 1 and self.rtt_ms:
                sample = min(sample, self.rtt_ms)
            self.rtt_ms = sample if not self.rtt_ms else (7 * self.rtt_ms + sample) // 8
        self.held[sequence] = packet
        for absent in range(newest + 1, sequence):
            self.missing[absent] = _Missing(now_ms, now_ms + FIRST_ASK_MS)
        self._newest = max(newest, sequence)
        if len(self.held) > MOST_HELD:
            self._give_up(min(self.held) - 1)
        elif sequence != expected:
            return []
        return self._release()

    def expire(self, now_ms: int) -> list[tuple[int, Packet]]:
        """Gives up what was missed for longer than the hold, and releases what waited for it."""
        expired = [number for number, missing in self.missing.items() if now_ms - missing.since_ms >= self._hold_ms]
        if not expired:
            return []
        self._give_up(max(expired))
        return self._release()

    def missed_after(self, since_ms: int) -> int | None:
        """Since when the first packet is waited for that still is, of those after `since_ms`; None without one."""
        found = (missing.since_ms for missing in self.missing.values() if missing.since_ms > since_ms)
        return min(found, default=None)

    def skip_to(self, sequence: int) -> list[tuple[int, Packet]]:
        """What is held, in order; none of what is missing before `sequence` is waited for any more."""
        released = self.flush()
        self.missing.clear()
        self.expected, self._newest = sequence, sequence - 1
        return released

    def flush(self) -> list[tuple[int, Packet]]:
        """Everything held, in order, with its holes: at the end of a take."""
        if self.held:
            self._give_up(self._newest)
        return self._release()

    def requests(self, now_ms: int) -> list[int]:
        """The sequence numbers to ask for now, rising.

        Each is asked for again after max(20 ms, 1.5 RTT), then after twice that, and so on up to 200 ms (or the RTT),
        but no later than after a quarter of the hold. What is asked for late, since we stalled, is waited for longer.
        """
        wanted: list[int] = []
        for sequence, missing in self.missing.items():
            if missing.next_ask_ms <= now_ms and missing.asks < MOST_ASKS:
                if not missing.asks:
                    missing.first_ask_ms = now_ms
                missing.since_ms += now_ms - missing.next_ask_ms
                pause_ms = min(max(SHORTEST_ASK_MS, self.rtt_ms * 3 // 2), self._hold_ms // 4)
                missing.next_ask_ms = now_ms + max(pause_ms, min(pause_ms << missing.asks, LONGEST_ASK_MS))
                missing.asks += 1
                wanted.append(sequence)
                if len(wanted) == MOST_ASKED_AT_ONCE:
                    break
        self.asks += len(wanted)
        return sorted(wanted)

    def _give_up(self, last: int) -> None:
        """Marks every missing number up to `last` as lost."""
        for sequence in [item for item in self.missing if item <= last]:
            del self.missing[sequence]
            self.given_up += 1

    def _release(self) -> list[tuple[int, Packet]]:
        """All held packets before the first one still waited for."""
        released: list[tuple[int, Packet]] = []
        sequence = self._newest + 1 if self.expected is None else self.expected
        held, missing = self.held, self.missing
        while sequence <= self._newest and sequence not in missing:
            if sequence in held:
                released.append((sequence, held.pop(sequence)))
            sequence += 1
        self.expected = sequence
        return released

    def _restart(self, sequence: int, packet: Packet) -> list[tuple[int, Packet]]:
        """The sender began anew (RFC 3550 §A.1): what was held goes out first."""
        self.restarts += 1
        released = self.flush()
        self.held.clear()
        self.missing.clear()
        self.expected, self._newest = sequence + 1, sequence
        return [*released, (sequence, packet)]
