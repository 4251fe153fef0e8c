"""The activity feed of a candidate (R25): every event about them, the newest first, in words."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import activity, candidates, events, organisations
from storage.activity import USER, Names
from storage.events import Event
from web.recruiter.activity_wording import GROUPS, Around, Said, said, said_together

PAGE_EVENTS = 60
TOGETHER_MS = 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """`who` is empty where nobody did it. `href` leads to what the line speaks of, `label` names that link."""

    at_ms: int
    icon: str
    who: str
    says: str
    note: str
    warns: bool
    href: str
    label: str


@dataclass(frozen=True, slots=True)
class ActivityFeed:
    """`older` is what to give as `before` for the page after this one; None at the end."""

    lines: list[ActivityLine]
    older: int | None


@dataclass(slots=True)
class _Entry:
    """One line in the making: the newest event of it, how many were folded into it, and the score that each question
    was left with (None: taken back)."""

    event: Event
    count: int
    oldest_ms: int
    scored: dict[object, object]


async def feed(
    conn: AsyncConnection, organisation_id: str, candidate_id: str, before: int | None = None
) -> ActivityFeed:
    """One page of what happened around the candidate; empty for another organisation's. Draw it with
    `recruiter/activity.html: feed`, and link `css/activity.css`."""
    happened = await events.for_candidate(conn, organisation_id, candidate_id, limit=PAGE_EVENTS + 1, before=before)
    shown = happened[:PAGE_EVENTS]
    if not shown:
        return ActivityFeed([], None)
    organisation = await organisations.get(conn, organisation_id)
    names = await activity.names(conn, organisation_id, shown)
    candidate = await _name_of(conn, organisation_id, candidate_id)
    return ActivityFeed(
        lines=[_line(entry, names, candidate, organisation.zone) for entry in _folded(shown)],
        older=shown[-1].sequence if len(happened) > PAGE_EVENTS else None,
    )


def parse_before(text: str) -> int | None:
    """The `before` of a link; None for anything that is none, which shows the newest."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _folded(shown: list[Event]) -> list[_Entry]:
    """Several scores, or several looks, of one person at one interview within TOGETHER_MS are one line."""
    entries: list[_Entry] = []
    latest: dict[tuple[str, str, str], _Entry] = {}
    for event in shown:
        key = (GROUPS.get(event.kind, ""), event.actor, event.subject_id)
        entry = latest.get(key) if key[0] else None
        if entry is not None and entry.oldest_ms - event.at_ms <= TOGETHER_MS:
            entry.count += 1
            entry.oldest_ms = event.at_ms
            entry.scored.setdefault(event.detail.get("question"), event.detail.get("value"))
            continue
        latest[key] = _Entry(event, 1, event.at_ms, {event.detail.get("question"): event.detail.get("value")})
        entries.append(latest[key])
    return entries


def _line(entry: _Entry, names: Names, candidate: str, zone: str) -> ActivityLine:
    event = entry.event
    around = Around(
        interview=names.interviews.get(event.subject_id),
        applied_to=names.jobs_of_applications.get(event.subject_id, ""),
        zone=zone,
    )
    told = _told(entry, around)
    who = _actor(event, names, candidate)
    href, label = _link(event)
    says = told.says if who else told.says[:1].upper() + told.says[1:]
    return ActivityLine(event.at_ms, told.icon, who, says, told.note, told.warns, href, label)


def _told(entry: _Entry, around: Around) -> Said:
    group = GROUPS.get(entry.event.kind)
    # A question that was scored anew has one score: the newest.
    if group is None or entry.count == 1 or (group == "score" and len(entry.scored) == 1):
        return said(entry.event, around)
    return said_together(group, sum(value is not None for value in entry.scored.values()), around)


def _actor(event: Event, names: Names, candidate: str) -> str:
    if event.actor.startswith(USER):
        return names.users.get(event.actor.removeprefix(USER), "Somebody")
    return candidate if event.actor.startswith("candidate:") else ""


def _link(event: Event) -> tuple[str, str]:
    if event.subject_kind != "invitation":
        return "", ""
    path = f"/interviews/{event.subject_id}"
    number = event.detail.get("question")
    at = f"?answer={number}" if isinstance(number, int) and number > 0 else ""
    match event.kind:
        case "invitation.completed":
            return path, "View responses"
        case "comment.posted":
            return f"{path}{at}#said-{number or 0}", "Read it"
        case _:
            return "", ""


async def _name_of(conn: AsyncConnection, organisation_id: str, candidate_id: str) -> str:
    found = await candidates.by_id(conn, candidate_id, organisation_id=organisation_id)
    return found.name if found else "The candidate"
