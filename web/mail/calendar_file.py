"""The deadline as a calendar file (E13; RFC 5545). One event per invitation: a later file moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event

PRODUCT = "-//Greenroom//Interview deadline//EN"
_ALARM = timedelta(days=1)


def deadline(
    *,
    uid: str,
    sequence: int,
    written_at_ms: int,
    expires_at_ms: int,
    title: str,
    description: str,
    link: str,
) -> bytes:
    """An event that takes no time, at the deadline, with an alarm a day before.

    `sequence` must not fall from one file to the next of the same `uid` (RFC 5545 §3.8.7.4).
    """
    at = _utc(expires_at_ms)
    event = Event()
    event.add("uid", uid)
    event.add("sequence", sequence)
    event.add("dtstamp", _utc(written_at_ms))
    event.add("dtstart", at)
    event.add("summary", title)
    event.add("description", description)
    event.add("url", link)
    event.add("transp", "TRANSPARENT")
    event.add("class", "PRIVATE")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", -_ALARM)
    event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
