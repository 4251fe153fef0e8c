"""Sendings: one press of "Send" with all that came of it; and what has to be known before one.

They are carried out by `storage.dispatch`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import exists, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.invitation_list import MailFact, mail_fact
from storage.schema import (
    applications,
    candidates,
    jobs,
    sending_rows,
    sendings,
    template_jobs,
    template_versions,
    templates,
)
from storage.schema import invitations as invitations_table
from storage.transitions import OPEN, overdue_at

CANDIDATES_LIMIT = 100


class Outcome(StrEnum):
    """What came of one candidate of a sending. Only `sent` made an invitation."""

    SENT = "sent"
    OPEN_ALREADY = "open_already"
    NO_ADDRESS = "no_address"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A candidate as a sending sees them."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Sending:
    """One that happened, with the names around it as they are now."""

    id: str
    organisation_id: str
    job_id: str
    job_title: str
    template_name: str
    version_id: str
    expires_at_ms: int | None
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class SendingRow:
    """What came of one candidate. `invitation_id` is the open one where one was open already."""

    candidate_id: str
    candidate_name: str
    candidate_email: str
    outcome: Outcome
    invitation_id: str | None
    mail: MailFact | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What an organisation has of what sending needs."""

    open_jobs: bool
    published_templates: bool
    attached: bool


async def find(conn: AsyncConnection, sending_id: str, *, organisation_id: str) -> Sending | None:
    """None also when it is another organisation's."""
    row = (
        await conn.execute(
            select(
                sendings.c.id,
                sendings.c.organisation_id,
                sendings.c.job_id,
                jobs.c.title,
                templates.c.name,
                sendings.c.version_id,
                sendings.c.expires_at_ms,
                sendings.c.created_at_ms,
            )
            .join(jobs, sendings.c.job_id == jobs.c.id)
            .join(template_versions, sendings.c.version_id == template_versions.c.id)
            .join(templates, template_versions.c.template_id == templates.c.id)
            .where(sendings.c.id == sending_id, sendings.c.organisation_id == organisation_id)
        )
    ).one_or_none()
    return None if row is None else Sending(*row)


async def rows_of(conn: AsyncConnection, sending_id: str) -> list[SendingRow]:
    """One for each candidate, in the order of the form."""
    rows = await conn.execute(
        select(
            sending_rows.c.candidate_id,
            candidates.c.name,
            candidates.c.email,
            sending_rows.c.outcome,
            sending_rows.c.invitation_id,
            mail_fact().label("mail"),
        )
        .join(candidates, sending_rows.c.candidate_id == candidates.c.id)
        .outerjoin(invitations_table, sending_rows.c.invitation_id == invitations_table.c.id)
        .where(sending_rows.c.sending_id == sending_id)
        .order_by(sending_rows.c.position)
        .limit(CANDIDATES_LIMIT)
    )
    return [
        SendingRow(*row[:3], Outcome(row.outcome), row.invitation_id, None if row.mail is None else MailFact(row.mail))
        for row in rows
    ]


async def recipients(conn: AsyncConnection, organisation_id: str, candidate_ids: Sequence[str]) -> list[Recipient]:
    """Those of these that the organisation has, in the order given; of CANDIDATES_LIMIT at most."""
    ids = list(dict.fromkeys(candidate_ids))[:CANDIDATES_LIMIT]
    rows = await conn.execute(
        select(candidates.c.id, candidates.c.name, candidates.c.email)
        .where(candidates.c.organisation_id == organisation_id, candidates.c.id.in_(ids))
        .limit(CANDIDATES_LIMIT)
    )
    found = {row.id: Recipient(*row) for row in rows}
    return [found[each] for each in ids if each in found]


async def open_invitations(
    conn: AsyncConnection, organisation_id: str, candidate_ids: Collection[str], now_ms: int
) -> dict[tuple[str, str], str]:
    """By candidate and template, for whichever job: the invitation that is open and not overdue."""
    rows = await conn.execute(
        select(applications.c.candidate_id, template_versions.c.template_id, invitations_table.c.id)
        .join_from(applications, invitations_table, invitations_table.c.application_id == applications.c.id)
        .join(template_versions, invitations_table.c.version_id == template_versions.c.id)
        .where(
            applications.c.candidate_id.in_(candidate_ids),
            invitations_table.c.organisation_id == organisation_id,
            invitations_table.c.status.in_(OPEN),
            not_(overdue_at(now_ms)),
        )
        .order_by(invitations_table.c.created_at_ms, invitations_table.c.id)
        .limit(10_000)
    )
    return {(row.candidate_id, row.template_id): row.id for row in rows}


async def template_of(conn: AsyncConnection, version_id: str, *, organisation_id: str) -> str | None:
    """The template that this version is of; None also when it is another organisation's."""
    return await conn.scalar(
        select(templates.c.id)
        .join(template_versions, template_versions.c.template_id == templates.c.id)
        .where(template_versions.c.id == version_id, templates.c.organisation_id == organisation_id)
    )


async def readiness(conn: AsyncConnection, organisation_id: str) -> Readiness:
    """What of a job, a published template and a pair of both there is."""
    open_job = exists().where(jobs.c.organisation_id == organisation_id, jobs.c.closed_at_ms.is_(None))
    published = (
        exists()
        .where(templates.c.organisation_id == organisation_id, templates.c.archived_at_ms.is_(None))
        .where(template_versions.c.template_id == templates.c.id, template_versions.c.published_at_ms.is_not(None))
    )
    attached = published.where(
        template_jobs.c.template_id == templates.c.id,
        jobs.c.id == template_jobs.c.job_id,
        jobs.c.closed_at_ms.is_(None),
    )
    row = (await conn.execute(select(open_job, published, attached))).one()
    return Readiness(*(bool(each) for each in row))
