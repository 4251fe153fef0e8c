"""Carrying out a sending: invitations, applications and outcomes, for one candidate or for many, in one transaction.

A sending has the id its form was shown with, and happens once, however often the form arrives. The mails are for
the caller to post, in the same transaction. What happened is found again by `storage.sendings`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, invitations
from storage.errors import NotFound, TemplateNotAttached, TooManyCandidates, VersionNotPublished
from storage.ids import new_id
from storage.invitations import Invitation
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
from storage.sendings import CANDIDATES_LIMIT, Outcome, open_invitations, recipients
from storage.states import InvitationStatus, Stage


@dataclass(frozen=True, slots=True)
class Order:
    """What one press of "Send" asks for. `candidate_ids` in the order of the page."""

    sending_id: str
    organisation_id: str
    user_id: str
    job_id: str
    version_id: str
    candidate_ids: Sequence[str]
    expires_at_ms: int | None


def invitation_id_of(sending_id: str, candidate_id: str) -> str:
    """The id of the invitation that this sending makes for this candidate: always the same."""
    return hashlib.sha256(f"{sending_id}\n{candidate_id}".encode()).hexdigest()[:32]


async def carry_out(
    conn: AsyncConnection,
    order: Order,
    *,
    deliverable: Callable[[str], bool],
    token_sha256_of: Callable[[str], str],
    now_ms: int,
) -> list[Invitation] | None:
    """The invitations made, in the order of the candidates; None if this sending happened before.

    Whoever has an open invitation to the same template, or an address that `deliverable` refuses, is skipped, and
    the sending's rows say so. Who had not applied to the job has now; a new application moves on to the interview.

    Raises NotFound when candidates, job or version are not this organisation's, VersionNotPublished,
    TemplateNotAttached (also for an archived template and a closed job), and TooManyCandidates.
    """
    ids = list(dict.fromkeys(order.candidate_ids))
    if len(ids) > CANDIDATES_LIMIT:
        raise TooManyCandidates(f"one sending has at most {CANDIDATES_LIMIT} candidates")
    offered = await _offered(conn, order)
    people = {each.id: each for each in await recipients(conn, order.organisation_id, ids)}
    if strangers := [each for each in ids if each not in people]:
        raise NotFound("candidate", ", ".join(strangers))
    if not await _begin(conn, order, now_ms):
        return None
    open_to = await open_invitations(conn, order.organisation_id, ids, now_ms)
    outcomes: list[tuple[str, Outcome, str | None]] = []
    for each in ids:
        if (open_id := open_to.get((each, offered.template_id))) is not None:
            outcomes.append((each, Outcome.OPEN_ALREADY, open_id))
        elif not deliverable(people[each].email):
            outcomes.append((each, Outcome.NO_ADDRESS, None))
        else:
            outcomes.append((each, Outcome.SENT, invitation_id_of(order.sending_id, each)))
    made = {each: made_id for each, outcome, made_id in outcomes if outcome is Outcome.SENT and made_id}
    applied = await _apply(conn, order, list(made), offered.job_title, now_ms)
    if made:
        await _invite(conn, order, made, applied, token_sha256_of, now_ms)
    await conn.execute(
        insert(sending_rows),
        [
            {
                "sending_id": order.sending_id,
                "candidate_id": candidate_id,
                "position": position,
                "outcome": outcome,
                "invitation_id": invitation_id,
            }
            for position, (candidate_id, outcome, invitation_id) in enumerate(outcomes, start=1)
        ],
    )
    found = await invitations.get_each(conn, list(made.values()))
    detail = {"template": offered.template_name, "expires_at_ms": order.expires_at_ms}
    await _tell(conn, order, "invitation.sent", "invitation", dict.fromkeys(made.values(), detail), now_ms)
    return [found[each] for each in made.values()]


@dataclass(frozen=True, slots=True)
class _Offered:
    template_id: str
    template_name: str
    job_title: str


async def _offered(conn: AsyncConnection, order: Order) -> _Offered:
    row = (
        await conn.execute(
            select(
                templates.c.id,
                templates.c.name,
                jobs.c.title,
                template_versions.c.published_at_ms,
                templates.c.archived_at_ms,
                jobs.c.closed_at_ms,
                template_jobs.c.job_id.label("attached"),
            )
            .join_from(template_versions, templates, template_versions.c.template_id == templates.c.id)
            .join(jobs, jobs.c.organisation_id == templates.c.organisation_id)
            .outerjoin(
                template_jobs, (template_jobs.c.template_id == templates.c.id) & (template_jobs.c.job_id == jobs.c.id)
            )
            .where(
                template_versions.c.id == order.version_id,
                jobs.c.id == order.job_id,
                templates.c.organisation_id == order.organisation_id,
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound("template version and job together", f"{order.version_id}, {order.job_id}")
    if row.published_at_ms is None:
        raise VersionNotPublished("only published templates can be sent")
    if row.attached is None or row.archived_at_ms is not None or row.closed_at_ms is not None:
        raise TemplateNotAttached("this template is not offered for the job")
    return _Offered(row.id, row.name, row.title)


async def _begin(conn: AsyncConnection, order: Order, now_ms: int) -> bool:
    """Takes the sending's id; False if it is taken."""
    row = insert(sendings).values(
        id=order.sending_id,
        organisation_id=order.organisation_id,
        user_id=order.user_id,
        job_id=order.job_id,
        version_id=order.version_id,
        expires_at_ms=order.expires_at_ms,
        created_at_ms=now_ms,
    )
    try:
        async with conn.begin_nested():
            await conn.execute(row)
    except IntegrityError:
        if await conn.scalar(select(sendings.c.id).where(sendings.c.id == order.sending_id)) is None:
            raise
        return False
    return True


async def _apply(
    conn: AsyncConnection, order: Order, candidate_ids: Sequence[str], job_title: str, now_ms: int
) -> dict[str, str]:
    """The application of each to the job, by candidate: made where there was none, and moved on from "new"."""
    its_applications = select(applications.c.candidate_id, applications.c.id).where(
        applications.c.job_id == order.job_id, applications.c.candidate_id.in_(candidate_ids)
    )
    applied = {row.candidate_id: row.id for row in await conn.execute(its_applications.limit(CANDIDATES_LIMIT))}
    missing = {each: new_id(now_ms) for each in candidate_ids if each not in applied}
    if missing:
        await conn.execute(
            insert(applications),
            [
                {
                    "id": application_id,
                    "candidate_id": candidate_id,
                    "job_id": order.job_id,
                    "stage": Stage.NEW,
                    "created_at_ms": now_ms,
                    "stage_at_ms": now_ms,
                }
                for candidate_id, application_id in missing.items()
            ],
        )
    created = {application_id: {"job": job_title} for application_id in missing.values()}
    await _tell(conn, order, "application.created", "application", created, now_ms)
    applied |= missing
    moved = await conn.scalars(
        update(applications)
        .where(applications.c.id.in_(applied.values()), applications.c.stage == Stage.NEW)
        .values(stage=Stage.INTERVIEW, stage_at_ms=now_ms)
        .returning(applications.c.id)
    )
    detail = {"from": Stage.NEW, "to": Stage.INTERVIEW, "job": job_title}
    await _tell(conn, order, "application.moved", "application", dict.fromkeys(moved.all(), detail), now_ms)
    return applied


async def _tell(
    conn: AsyncConnection,
    order: Order,
    kind: str,
    subject_kind: str,
    details: Mapping[str, Mapping[str, object]],
    now_ms: int,
) -> None:
    """One event for each subject."""
    await events.append_each(
        conn,
        organisation_id=order.organisation_id,
        at_ms=now_ms,
        actor=f"user:{order.user_id}",
        kind=kind,
        subject_kind=subject_kind,
        details={subject_id: dict(detail) for subject_id, detail in details.items()},
    )


async def _invite(
    conn: AsyncConnection,
    order: Order,
    made: dict[str, str],
    applied: dict[str, str],
    token_sha256_of: Callable[[str], str],
    now_ms: int,
) -> None:
    """One pending invitation for each candidate of `made`, which holds their ids; each candidate's latest now."""
    await conn.execute(
        insert(invitations_table),
        [
            {
                "id": invitation_id,
                "organisation_id": order.organisation_id,
                "application_id": applied[candidate_id],
                "version_id": order.version_id,
                "generation": 1,
                "token_sha256": token_sha256_of(invitation_id),
                "status": InvitationStatus.PENDING,
                "created_at_ms": now_ms,
                "expires_at_ms": order.expires_at_ms,
                "cancel_reason": "",
                "details": {},
                "audio_only": False,
                "invited_by": order.user_id,
            }
            for candidate_id, invitation_id in made.items()
        ],
    )
    await conn.execute(
        update(candidates)
        .where(candidates.c.id == bindparam("of_candidate"))
        .values(latest_invitation_id=bindparam("its_invitation")),
        [{"of_candidate": each, "its_invitation": invitation_id} for each, invitation_id in made.items()],
    )
