"""Ids of everything that lasts. Deliberately carries no meaning but order: nothing reads the time back out."""

from __future__ import annotations

import secrets
import time

_TIME_BITS = 48
_RANDOM_BITS = 80


def new_id(now_ms: int | None = None) -> str:
    """32 hexadecimal digits: 48 bits of milliseconds since the epoch, then 80 random ones.

    Ids made later sort later (by the millisecond), so that indices grow at one end. Without `now_ms` this reads
    the wall clock; the package's only function that does, since the time in an id decides nothing.
    """
    moment = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return f"{((moment % (1 << _TIME_BITS)) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS):032x}"
