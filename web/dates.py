"""Times and lengths as people read them. Pure; the zone is always named or given."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def when(at_ms: int, zone: str) -> str:
    """Like "21 November 2026, 14:05 (Europe/Helsinki)"."""
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    return f"{at.day} {at:%B %Y, %H:%M} ({zone})"


def machine_time(at_ms: int, zone: str) -> str:
    """ISO 8601 with the zone's offset, for `<time datetime>`."""
    return datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).isoformat()


def ago(at_ms: int, now_ms: int, zone: str) -> str:
    """Like "just now", "5 min ago", "3 h ago", "yesterday", "4 days ago", then the date."""
    past_s = (now_ms - at_ms) // 1000
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    now = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
    nights = (now.date() - at.date()).days
    if past_s < 0 or past_s >= 7 * _DAY:
        year = "" if at.year == now.year else f" {at.year}"
        return f"{at.day} {at:%b}{year}"
    if past_s < _MINUTE:
        return "just now"
    if past_s < _HOUR:
        return f"{past_s // _MINUTE} min ago"
    if nights == 0 or past_s < 6 * _HOUR:
        return f"{past_s // _HOUR} h ago"
    return "yesterday" if nights == 1 else f"{nights} days ago"


def length(duration_ms: int) -> str:
    """A recording's length on a clock: "0:07", "2:30", "1:02:03"."""
    minutes, seconds = divmod(duration_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def span(seconds: int) -> str:
    """A time people are given: "45 s", "2 min", "1 min 30 s"."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
