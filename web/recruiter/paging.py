"""Keys of pages: the place of a list's last row, as it stands in a link. Pure."""

from __future__ import annotations

_LONGEST_NUMBER, _ID_CHARS = 15, 32


def written(at_ms: int, row_id: str) -> str:
    """The key of a row that a list orders by time, then id."""
    return f"{at_ms}-{row_id}"


def read(text: str) -> tuple[int, str] | None:
    """What `written` wrote; None for anything else, which shows the first page."""
    at, dash, row_id = text.partition("-")
    if not (dash and at.isascii() and at.isdigit() and len(at) <= _LONGEST_NUMBER and len(row_id) == _ID_CHARS):
        return None
    return int(at), row_id
