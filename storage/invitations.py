"""Invitations: making and finding them, and the candidate's details. Also the way in to their list
(`storage.invitation_list`), to consents (`storage.consents`) and to every change of status (`storage.transitions`).

Sending many at once is in `storage.sendings`. The answers inside an invitation are in `storage.interviews`,
the rules of time in `storage.expiry`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.consents import Consent, accept_notice, consents
from storage.errors import NotFound, TemplateNotAttached, VersionNotPublished
from storage.invitation_list import LISTING_LIMIT, InterviewListRow, listing
from storage.schema import (
    applications,
    candidates,
    invitations,
    job_members,
    jobs,
    organisations,
    template_jobs,
    template_versions,
    templates,
)
from storage.shapes import as_text_by_name
from storage.states import InvitationStatus
from storage.transitions import ALLOWED, OPEN, cancel, complete, expire, extend, overdue, overdue_at, start

__all__ = [
    "ALLOWED",
    "LISTING_LIMIT",
    "OPEN",
    "Consent",
    "InterviewListRow",
    "Invitation",
    "accept_notice",
    "by_id",
    "by_token_sha256",
    "cancel",
    "complete",
    "consents",
    "create",
    "expire",
    "extend",
    "get",
    "get_each",
    "listing",
    "mark_sent",
    "overdue",
    "save_details",
    "set_audio_only",
    "start",
]

EACH_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Invitation:
    """One candidate asked to one interview, with the names around it as they are now."""

    id: str
    organisation_id: str
    application_id: str
    version_id: str
    generation: int
    token_sha256: str = field(repr=False)
    status: InvitationStatus
    created_at_ms: int
    sent_at_ms: int | None
    expires_at_ms: int | None
    started_at_ms: int | None
    completed_at_ms: int | None
    ended_at_ms: int | None
    cancel_reason: str
    details: dict[str, str]
    audio_only: bool
    candidate_name: str
    candidate_email: str
    job_title: str
    organisation_name: str
    contact_name: str
    contact_email: str
    zone: str
    template_name: str
    candidate_id: str
    job_id: str
    template_id: str
    invited_by: str | None


_COLUMNS = (
    invitations.c.id,
    invitations.c.organisation_id,
    invitations.c.application_id,
    invitations.c.version_id,
    invitations.c.generation,
    invitations.c.token_sha256,
    invitations.c.status,
    invitations.c.created_at_ms,
    invitations.c.sent_at_ms,
    invitations.c.expires_at_ms,
    invitations.c.started_at_ms,
    invitations.c.completed_at_ms,
    invitations.c.ended_at_ms,
    invitations.c.cancel_reason,
    invitations.c.details,
    invitations.c.audio_only,
    candidates.c.name.label("candidate_name"),
    candidates.c.email.label("candidate_email"),
    jobs.c.title.label("job_title"),
    organisations.c.name.label("organisation_name"),
    organisations.c.contact_name,
    organisations.c.contact_email,
    organisations.c.zone,
    templates.c.name.label("template_name"),
    applications.c.candidate_id,
    applications.c.job_id,
    template_versions.c.template_id,
    invitations.c.invited_by,
)
_WITH_NAMES = (
    invitations.join(applications, invitations.c.application_id == applications.c.id)
    .join(candidates, applications.c.candidate_id == candidates.c.id)
    .join(jobs, applications.c.job_id == jobs.c.id)
    .join(organisations, invitations.c.organisation_id == organisations.c.id)
    .join(template_versions, invitations.c.version_id == template_versions.c.id)
    .join(templates, template_versions.c.template_id == templates.c.id)
)


async def create(
    conn: AsyncConnection,
    *,
    invitation_id: str,
    organisation_id: str,
    application_id: str,
    version_id: str,
    token_sha256: str,
    expires_at_ms: int | None,
    now_ms: int,
    generation: int = 1,
    details: dict[str, str] | None = None,
    invited_by: str | None = None,
) -> Invitation:
    """A pending invitation, the candidate's latest. The caller makes the id: the link's token is made from it.

    Raises NotFound when application or version are not this organisation's, VersionNotPublished, and
    TemplateNotAttached when the job does not offer the template.
    """
    application = (
        await conn.execute(
            select(applications.c.candidate_id, applications.c.job_id)
            .join(jobs, applications.c.job_id == jobs.c.id)
            .where(applications.c.id == application_id, jobs.c.organisation_id == organisation_id)
        )
    ).one_or_none()
    if application is None:
        raise NotFound("application", application_id)
    version = (
        await conn.execute(
            select(template_versions.c.template_id, template_versions.c.published_at_ms)
            .join(templates, template_versions.c.template_id == templates.c.id)
            .where(template_versions.c.id == version_id, templates.c.organisation_id == organisation_id)
        )
    ).one_or_none()
    if version is None:
        raise NotFound("template version", version_id)
    if version.published_at_ms is None:
        raise VersionNotPublished("only published templates can be sent")
    offered = exists().where(
        template_jobs.c.template_id == version.template_id, template_jobs.c.job_id == application.job_id
    )
    if not await conn.scalar(select(offered)):
        raise TemplateNotAttached("this template does not belong to the job")
    await conn.execute(
        insert(invitations).values(
            id=invitation_id,
            organisation_id=organisation_id,
            application_id=application_id,
            version_id=version_id,
            generation=generation,
            token_sha256=token_sha256,
            status=InvitationStatus.PENDING,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            cancel_reason="",
            details=as_text_by_name(details or {}, "details"),
            audio_only=False,
            invited_by=invited_by,
        )
    )
    await conn.execute(
        update(candidates).where(candidates.c.id == application.candidate_id).values(latest_invitation_id=invitation_id)
    )
    return await get(conn, invitation_id)


async def by_token_sha256(conn: AsyncConnection, token_sha256: str) -> Invitation | None:
    """The invitation a link opens, whatever its status."""
    return await _one(conn, invitations.c.token_sha256 == token_sha256)


async def by_id(
    conn: AsyncConnection, invitation_id: str, *, organisation_id: str | None = None, member_id: str | None = None
) -> Invitation | None:
    """None also when `organisation_id` is given and is not the invitation's: pass it for anyone who signed in.

    With `member_id`, a reviewer, also unless they work on the invitation's job.
    """
    which = invitations.c.id == invitation_id
    if organisation_id is not None:
        which = and_(which, invitations.c.organisation_id == organisation_id)
    if member_id is not None:
        works_on_it = exists().where(job_members.c.job_id == jobs.c.id, job_members.c.user_id == member_id)
        which = and_(which, works_on_it)
    return await _one(conn, which)


async def get(conn: AsyncConnection, invitation_id: str) -> Invitation:
    """Raises NotFound."""
    found = await by_id(conn, invitation_id)
    if found is None:
        raise NotFound("invitation", invitation_id)
    return found


async def get_each(conn: AsyncConnection, invitation_ids: Collection[str]) -> dict[str, Invitation]:
    """Those of these that there are, by id; of EACH_LIMIT at most."""
    wanted = invitations.c.id.in_(list(invitation_ids)[:EACH_LIMIT])
    rows = await conn.execute(select(*_COLUMNS).select_from(_WITH_NAMES).where(wanted).limit(EACH_LIMIT))
    return {row.id: _invitation(row) for row in rows}


async def mark_sent(conn: AsyncConnection, invitation_id: str, now_ms: int) -> bool:
    """Notes when it was sent first; False when that is known already."""
    changed = await conn.execute(
        update(invitations)
        .where(invitations.c.id == invitation_id, invitations.c.sent_at_ms.is_(None))
        .values(sent_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def save_details(conn: AsyncConnection, invitation_id: str, *, details: dict[str, str], now_ms: int) -> bool:
    """Replaces the candidate's details; False once the invitation has ended or closed."""
    return await _change_open(conn, invitation_id, now_ms, details=as_text_by_name(details, "details"))


async def set_audio_only(conn: AsyncConnection, invitation_id: str, *, audio_only: bool, now_ms: int) -> bool:
    """False when the template does not allow it, or the invitation has ended or closed."""
    if audio_only:
        allowed = (
            select(template_versions.c.audio_only_allowed)
            .join(invitations, invitations.c.version_id == template_versions.c.id)
            .where(invitations.c.id == invitation_id)
        )
        if not await conn.scalar(allowed):
            return False
    return await _change_open(conn, invitation_id, now_ms, audio_only=audio_only)


async def _one(conn: AsyncConnection, which: ColumnElement[bool]) -> Invitation | None:
    row = (await conn.execute(select(*_COLUMNS).select_from(_WITH_NAMES).where(which))).one_or_none()
    return None if row is None else _invitation(row)


async def _change_open(conn: AsyncConnection, invitation_id: str, now_ms: int, **values: Any) -> bool:
    changed = await conn.execute(
        update(invitations)
        .where(invitations.c.id == invitation_id, invitations.c.status.in_(OPEN), not_(overdue_at(now_ms)))
        .values(**values)
    )
    return changed.rowcount == 1


def _invitation(row: Row[*tuple[Any, ...]]) -> Invitation:
    return Invitation(
        id=row.id,
        organisation_id=row.organisation_id,
        application_id=row.application_id,
        version_id=row.version_id,
        generation=row.generation,
        token_sha256=row.token_sha256,
        status=InvitationStatus(row.status),
        created_at_ms=row.created_at_ms,
        sent_at_ms=row.sent_at_ms,
        expires_at_ms=row.expires_at_ms,
        started_at_ms=row.started_at_ms,
        completed_at_ms=row.completed_at_ms,
        ended_at_ms=row.ended_at_ms,
        cancel_reason=row.cancel_reason,
        details=as_text_by_name(row.details, "invitations.details"),
        audio_only=row.audio_only,
        candidate_name=row.candidate_name,
        candidate_email=row.candidate_email,
        job_title=row.job_title,
        organisation_name=row.organisation_name,
        contact_name=row.contact_name,
        contact_email=row.contact_email,
        zone=row.zone,
        template_name=row.template_name,
        candidate_id=row.candidate_id,
        job_id=row.job_id,
        template_id=row.template_id,
        invited_by=row.invited_by,
    )
