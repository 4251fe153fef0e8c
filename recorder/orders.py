"""Which orders to record make sense, whoever gave them."""

from __future__ import annotations

from pathlib import Path

from recorder.messages import Arm, CallProblem, CallRefused

LONGEST_COUNTDOWN_MS = 60_000
LONGEST_TAKE_MS = 24 * 3600 * 1000
LONGEST_NAME = 64


def within_bounds(order: Arm) -> None:
    """Raises CallRefused for an order that no server of ours gives."""
    countdown, limit = 0 <= order.countdown_ms <= LONGEST_COUNTDOWN_MS, 0 < order.limit_ms <= LONGEST_TAKE_MS
    if not countdown or not limit or order.max_bytes <= 0:
        raise CallRefused(CallProblem.MALFORMED, "a limit is out of bounds")
    if not _plain_name(order.take_id) or not Path(order.folder).is_absolute():
        raise CallRefused(CallProblem.MALFORMED, "take id or folder")


def _plain_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and all(char.isascii() and (char.isalnum() or char in "-_") for char in name)
