"""A deadline as people type it: a day, perhaps a time, in the organisation's zone. Pure.

A day without a time lasts to its end (`storage.expiry`). Of a time that comes twice in a night the second is meant,
which gives the candidate more; one that the clocks leave out is a mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from storage.expiry import end_of_day_ms

FURTHEST_DAYS = 3 * 366
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9](\.[0-9]+)?)?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`field` is "day" or "clock": the sentence stands beside it."""

    field: str
    sentence: str


def read(day: str, clock: str, zone: str, now_ms: int) -> int | Mistake | None:
    """The deadline in milliseconds since the epoch; None when neither field holds anything."""
    day, clock = day.strip(), clock.strip()
    if not day:
        return Mistake("day", "Choose a date too, or leave the time empty.") if clock else None
    try:
        chosen = date.fromisoformat(day) if _DAY.fullmatch(day) else None
    except ValueError:
        chosen = None
    if chosen is None:
        return Mistake("day", "This is not a date. Write it as year, month and day, like 2027-03-31.")
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).date()
    if chosen < today:
        return Mistake("day", f"This day has passed. It is {_named(today)} now in {zone}.")
    if (chosen - today).days > FURTHEST_DAYS:
        return Mistake("day", "This is more than three years away. Check the year.")
    at_ms = _moment(chosen, clock, zone) if clock else end_of_day_ms(chosen, zone)
    if isinstance(at_ms, int) and at_ms <= now_ms:
        return Mistake("clock", f"This time has passed. It is {clock_of(now_ms, zone)} now in {zone}.")
    return at_ms


def fields(at_ms: int, zone: str) -> tuple[str, str]:
    """A moment as the values of the two fields, for a form that begins with it."""
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    return f"{at:%Y-%m-%d}", "" if at.time() == time(23, 59, 59) else f"{at:%H:%M}"


def later(at_ms: int, days: int, zone: str) -> int:
    """The same time of day so many days later, by the zone's own clocks."""
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    return int((at + timedelta(days=days)).timestamp()) * 1000


def short(at_ms: int, now_ms: int, zone: str) -> str:
    """Like "25 Nov, 23:59", with the year if it is another."""
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    now = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year}, {at:%H:%M}"


def left(at_ms: int, now_ms: int) -> str:
    """How long it is until then, like "in 20 min", "in 5 h", "in 12 days"; "passed" from then on."""
    minutes = (at_ms - now_ms) // 60_000
    if at_ms <= now_ms:
        return "passed"
    if minutes < 60:
        return f"in {max(1, minutes)} min"
    if minutes < 48 * 60:
        return f"in {minutes // 60} h"
    return f"in {minutes // (24 * 60)} days"


def clock_of(at_ms: int, zone: str) -> str:
    """Like "14:05"."""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)):%H:%M}"


def _moment(day: date, clock: str, zone: str) -> int | Mistake:
    found = _CLOCK.fullmatch(clock)
    if found is None:
        return Mistake("clock", "This is not a time. Write hours and minutes, like 17:30.")
    at = datetime.combine(day, time(int(found[1]), int(found[2])), ZoneInfo(zone)).replace(fold=1)
    there_and_back = at.astimezone(UTC).astimezone(ZoneInfo(zone))
    if there_and_back.replace(tzinfo=None) != at.replace(tzinfo=None):
        return Mistake("clock", f"There is no {clock} on that day: the clocks in {zone} are set forward over it.")
    return int(at.timestamp()) * 1000


def _named(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
