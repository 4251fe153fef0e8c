"""The list of interviews: every invitation with its status, its progress and what is known of its mail.

`storage.invitations` is the way in for whoever lists all of them as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.mails import TO_CANDIDATES
from storage.schema import (
    answers,
    applications,
    candidates,
    invitations,
    job_members,
    jobs,
    mails,
    questions,
    template_versions,
    templates,
)
from storage.search import folded
from storage.states import InvitationStatus, MailKind, MailState
from storage.transitions import overdue_at

LISTING_LIMIT = 200
JOBS_LIMIT = 200


class MailFact(StrEnum):
    """What is known of the latest mail to the candidate. `opened` is a maybe: mail programs prefetch pictures."""

    QUEUED = "queued"
    SENT = "sent"
    OPENED = "opened"
    REFUSED = "refused"
    FAILED = "failed"
    OUTBOX = "outbox"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which invitations are listed; nothing given means all. `member_id`: only of jobs this person works on."""

    status: InvitationStatus | None = None
    mail: MailFact | None = None
    job_id: str | None = None
    candidate_id: str | None = None
    member_id: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class InterviewListRow:
    """One line of the list of interviews. `answered` counts answers that hold a take: how many, never which.

    `mail` is None where none was ever posted; `mail_reply` is what the receiving server said last.
    """

    id: str
    candidate_id: str
    candidate_name: str
    candidate_email: str
    job_id: str
    job_title: str
    template_name: str
    status: InvitationStatus
    created_at_ms: int
    expires_at_ms: int | None
    started_at_ms: int | None
    completed_at_ms: int | None
    ended_at_ms: int | None
    answered: int
    questions: int
    mail: MailFact | None
    mail_reply: str


async def listing(
    conn: AsyncConnection,
    organisation_id: str,
    *,
    wanted: Wanted | None = None,
    now_ms: int | None = None,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> list[InterviewListRow]:
    """The newest first, at most `limit` (never over LISTING_LIMIT), in one query.

    With `now_ms` statuses, shown and wanted ones alike, reckon with the clock: what has closed by then is expired,
    though no sweep has been there yet. Without it they are as stored. `before` is (created_at_ms, id) of the last
    row of the page before.
    """
    which = and_(*_conditions(organisation_id, wanted or Wanted(), now_ms))
    if before is not None:
        which = and_(which, tuple_(invitations.c.created_at_ms, invitations.c.id) < before)
    newest_first = (invitations.c.created_at_ms.desc(), invitations.c.id.desc())
    of_people = invitations.join(applications, invitations.c.application_id == applications.c.id).join(
        candidates, applications.c.candidate_id == candidates.c.id
    )
    page = select(invitations.c.id).select_from(of_people).where(which).order_by(*newest_first)
    shown = page.limit(max(0, min(limit, LISTING_LIMIT))).subquery()
    answered = (
        select(func.count())
        .where(answers.c.invitation_id == invitations.c.id, answers.c.take_id.is_not(None))
        .scalar_subquery()
    )
    asked = (
        select(func.count())
        .select_from(questions)
        .where(questions.c.version_id == invitations.c.version_id)
        .scalar_subquery()
    )
    rows = await conn.execute(
        select(
            invitations.c.id,
            applications.c.candidate_id,
            candidates.c.name.label("candidate_name"),
            candidates.c.email.label("candidate_email"),
            applications.c.job_id,
            jobs.c.title.label("job_title"),
            templates.c.name.label("template_name"),
            invitations.c.status,
            invitations.c.created_at_ms,
            invitations.c.expires_at_ms,
            invitations.c.started_at_ms,
            invitations.c.completed_at_ms,
            invitations.c.ended_at_ms,
            _closed(now_ms).label("closed"),
            answered.label("answered"),
            asked.label("asked"),
            mail_fact().label("mail"),
            _latest_mail(mails.c.reply).label("mail_reply"),
        )
        .select_from(
            of_people.join(jobs, applications.c.job_id == jobs.c.id)
            .join(template_versions, invitations.c.version_id == template_versions.c.id)
            .join(templates, template_versions.c.template_id == templates.c.id)
        )
        .where(invitations.c.id.in_(select(shown.c.id)))
        .order_by(*newest_first)
        .limit(LISTING_LIMIT)
    )
    return [_line(row) for row in rows]


async def jobs_with_some(
    conn: AsyncConnection, organisation_id: str, *, member_id: str | None = None
) -> list[tuple[str, str]]:
    """Id and title of the jobs that can be listed by, open ones and closed, by title; with `member_id` theirs alone.

    The newest JOBS_LIMIT of them.
    """
    which = and_(jobs.c.organisation_id == organisation_id)
    if member_id is not None:
        works_on_it = exists().where(job_members.c.job_id == jobs.c.id, job_members.c.user_id == member_id)
        which = and_(which, works_on_it)
    newest = select(jobs.c.id, jobs.c.title).where(which).order_by(jobs.c.created_at_ms.desc(), jobs.c.id.desc())
    rows = await conn.execute(newest.limit(JOBS_LIMIT))
    return sorted(((row.id, row.title) for row in rows), key=lambda job: folded(job[1]))


async def has_closed(conn: AsyncConnection, invitation_id: str, now_ms: int) -> bool:
    """Whether it is open in its row, and yet over by the clock."""
    query = select(invitations.c.id).where(invitations.c.id == invitation_id, overdue_at(now_ms))
    return await conn.scalar(query) is not None


async def resent(conn: AsyncConnection, invitation_id: str) -> tuple[int, int | None]:
    """How often it was sent again by a person, and when last."""
    row = (
        await conn.execute(
            select(func.count(), func.max(mails.c.created_at_ms)).where(
                mails.c.invitation_id == invitation_id, mails.c.kind == MailKind.RESENT
            )
        )
    ).one()
    return row[0], row[1]


async def was_posted(conn: AsyncConnection, once: str) -> bool:
    """Whether there is the mail that has this name."""
    return await conn.scalar(select(mails.c.id).where(mails.c.once == once)) is not None


def shown_as(status: InvitationStatus, now_ms: int | None) -> ColumnElement[bool]:
    """A row of `invitations` that people see as `status` at `now_ms`; as stored without it."""
    if status is InvitationStatus.EXPIRED:
        return or_(invitations.c.status == status, _closed(now_ms))
    return and_(invitations.c.status == status, not_(_closed(now_ms)))


def _conditions(organisation_id: str, wanted: Wanted, now_ms: int | None) -> list[ColumnElement[bool]]:
    found = [invitations.c.organisation_id == organisation_id]
    if wanted.status is not None:
        found.append(shown_as(wanted.status, now_ms))
    if wanted.mail is not None:
        found.append(invitations.c.id.in_(_mailed_about(organisation_id, wanted.mail)))
        found.append(mail_fact() == wanted.mail)
    if wanted.job_id is not None:
        found.append(applications.c.job_id == wanted.job_id)
    if wanted.candidate_id is not None:
        found.append(applications.c.candidate_id == wanted.candidate_id)
    if wanted.member_id is not None:
        found.append(
            exists().where(job_members.c.job_id == applications.c.job_id, job_members.c.user_id == wanted.member_id)
        )
    if text := folded(wanted.text).strip():
        found.append(candidates.c.search.contains(text, autoescape=True))
    return found


def _mailed_about(organisation_id: str, fact: MailFact) -> Select[tuple[str | None]]:
    """The invitations of which the fact can be true at all: few, where it tells of trouble. Others are not weighed."""
    can_be = mails.c.opened_at_ms.is_not(None) if fact is MailFact.OPENED else mails.c.state == fact
    of_candidates = and_(mails.c.invitation_id.is_not(None), mails.c.kind.in_(TO_CANDIDATES))
    return select(mails.c.invitation_id).where(mails.c.organisation_id == organisation_id, of_candidates, can_be)


def _closed(now_ms: int | None) -> ColumnElement[bool]:
    return false() if now_ms is None else overdue_at(now_ms)


def _latest_mail(column: ColumnElement[Any]) -> ScalarSelect[Any]:
    """This column of the latest mail to the candidate; one that was stopped only if there is no other."""
    return (
        select(column)
        .where(mails.c.invitation_id == invitations.c.id, mails.c.kind.in_(TO_CANDIDATES))
        .order_by(mails.c.state == MailState.STOPPED, mails.c.created_at_ms.desc(), mails.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def mail_fact() -> ScalarSelect[Any]:
    """A MailFact, or NULL. A mail that left is maybe opened as soon as any of the invitation's mails was."""
    any_of_them = mails.alias()
    opened = exists().where(
        any_of_them.c.invitation_id == mails.c.invitation_id,
        any_of_them.c.kind.in_(TO_CANDIDATES),
        any_of_them.c.opened_at_ms.is_not(None),
    )
    left = mails.c.state.in_((MailState.SENT, MailState.OUTBOX))
    return _latest_mail(case((and_(left, opened), MailFact.OPENED.value), else_=mails.c.state))


def _line(row: Row[*tuple[Any, ...]]) -> InterviewListRow:
    return InterviewListRow(
        id=row.id,
        candidate_id=row.candidate_id,
        candidate_name=row.candidate_name,
        candidate_email=row.candidate_email,
        job_id=row.job_id,
        job_title=row.job_title,
        template_name=row.template_name,
        status=InvitationStatus.EXPIRED if row.closed else InvitationStatus(row.status),
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        started_at_ms=row.started_at_ms,
        completed_at_ms=row.completed_at_ms,
        ended_at_ms=row.expires_at_ms if row.closed else row.ended_at_ms,
        answered=row.answered,
        questions=row.asked,
        mail=None if row.mail is None else MailFact(row.mail),
        mail_reply=row.mail_reply or "",
    )
