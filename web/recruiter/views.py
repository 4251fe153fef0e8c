"""What counts as one view of a recording. Writes nothing: who logs it is `web.recruiter.takes`."""

from __future__ import annotations

from collections import OrderedDict

SAME_VIEW_MS = 10 * 60 * 1000
MOST_REMEMBERED = 10_000


class RecentViews:
    """Which login watched which take lately: a player asks for one file in many ranges, and that is one view.

    Bounded: the oldest is forgotten first, and then counted as a new view.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_new(self, login_id: str, take_id: str, now_ms: int) -> bool:
        """Whether this is a view of its own; remembers it."""
        key = (login_id, take_id)
        last_ms = self._seen.get(key)
        if last_ms is not None and now_ms - last_ms < SAME_VIEW_MS:
            return False
        self._seen[key] = now_ms
        self._seen.move_to_end(key)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True
