"""The names that a candidate's events speak of: people, interviews, applications. Three queries for any number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.events import EVENTS_LIMIT, Event
from storage.schema import applications, invitations, jobs, template_versions, templates, users

USER = "user:"


@dataclass(frozen=True, slots=True)
class NamedInterview:
    """An invitation as a sentence names it."""

    template_name: str
    job_title: str


@dataclass(frozen=True, slots=True)
class Names:
    """By id; what is missing was of another organisation, or is gone."""

    users: Mapping[str, str]
    interviews: Mapping[str, NamedInterview]
    jobs_of_applications: Mapping[str, str]


async def names(conn: AsyncConnection, organisation_id: str, happened: Collection[Event]) -> Names:
    """The names of everything that these events (at most EVENTS_LIMIT) point at."""
    people = {each.actor.removeprefix(USER) for each in happened if each.actor.startswith(USER)}
    asked = {each.subject_id for each in happened if each.subject_kind == "invitation"}
    applied = {each.subject_id for each in happened if each.subject_kind == "application"}
    found_people = await conn.execute(
        select(users.c.id, users.c.name)
        .where(users.c.organisation_id == organisation_id, users.c.id.in_(people))
        .limit(EVENTS_LIMIT)
    )
    found_interviews = await conn.execute(
        select(invitations.c.id, templates.c.name, jobs.c.title)
        .join(applications, invitations.c.application_id == applications.c.id)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .join(template_versions, invitations.c.version_id == template_versions.c.id)
        .join(templates, template_versions.c.template_id == templates.c.id)
        .where(invitations.c.organisation_id == organisation_id, invitations.c.id.in_(asked))
        .limit(EVENTS_LIMIT)
    )
    found_applications = await conn.execute(
        select(applications.c.id, jobs.c.title)
        .join(jobs, applications.c.job_id == jobs.c.id)
        .where(jobs.c.organisation_id == organisation_id, applications.c.id.in_(applied))
        .limit(EVENTS_LIMIT)
    )
    return Names(
        users={row.id: row.name for row in found_people},
        interviews={row[0]: NamedInterview(*row[1:]) for row in found_interviews},
        jobs_of_applications={row.id: row.title for row in found_applications},
    )
