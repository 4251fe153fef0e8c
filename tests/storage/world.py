"""A small world to test in: one organisation, one recruiter, one job, one published template, one invitation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates, interviews, invitations, jobs, organisations, templates, users
from storage.candidates import Application
from storage.ids import new_id
from storage.interviews import AnswerRow, TakeRow
from storage.invitations import Invitation
from storage.jobs import Job
from storage.organisations import Notice, Organisation
from storage.schema import NoticeKind
from storage.states import AnswerState, Role, TakeState
from storage.templates import TemplateVersion
from storage.users import User

NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class World:
    organisation: Organisation
    privacy: Notice
    cookie: Notice
    recruiter: User
    job: Job
    version: TemplateVersion
    application: Application
    invitation: Invitation


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def furnish(
    conn: AsyncConnection,
    *,
    name: str = "Northwind",
    questions: tuple[bool, ...] = (True, True, False),
    expires_at_ms: int | None = None,
    audio_only_allowed: bool = False,
) -> World:
    """Everything up to a pending invitation; `questions` says of each whether it is required."""
    organisation = await organisations.create(
        conn,
        name=name,
        contact_name="Aino Virtanen",
        contact_email=f"aino@{name.casefold()}.example",
        zone="Europe/Helsinki",
        now_ms=NOW_MS,
    )
    privacy, cookie = [
        await organisations.add_notice(
            conn, organisation_id=organisation.id, kind=kind, language="en", text=f"The {kind} text.", now_ms=NOW_MS
        )
        for kind in NoticeKind
    ]
    recruiter = await users.create(
        conn,
        organisation_id=organisation.id,
        email=f"recruiter@{name.casefold()}.example",
        name="Robin",
        role=Role.RECRUITER,
        password_hash="$argon2id$…",
        now_ms=NOW_MS,
    )
    job = await jobs.create(conn, organisation_id=organisation.id, title="Baker", now_ms=NOW_MS)
    draft = await templates.create(
        conn,
        organisation_id=organisation.id,
        name="First talk",
        details_fields=[{"name": "phone", "label": "Phone", "required": False, "kind": "tel"}],
        audio_only_allowed=audio_only_allowed,
        now_ms=NOW_MS,
    )
    for number, required in enumerate(questions, start=1):
        await templates.add_question(
            conn,
            draft.id,
            text=f"Question {number}?",
            think_s=0 if number == 1 else 30,
            limit_s=60,
            retakes=None if number == 1 else 1,
            required=required,
            now_ms=NOW_MS,
        )
    await templates.publish(conn, draft.id, NOW_MS)
    await templates.attach(conn, draft.template_id, job.id)
    candidate = await candidates.create(
        conn, organisation_id=organisation.id, name="Kim", email="kim@example.org", now_ms=NOW_MS
    )
    application = await candidates.apply(conn, candidate.id, job.id, now_ms=NOW_MS)
    version = await templates.version(conn, draft.id)
    invitation = await invite(conn, organisation.id, application.id, version.id, expires_at_ms=expires_at_ms)
    return World(organisation, privacy, cookie, recruiter, job, version, application, invitation)


async def invite(
    conn: AsyncConnection,
    organisation_id: str,
    application_id: str,
    version_id: str,
    *,
    expires_at_ms: int | None = None,
    now_ms: int = NOW_MS,
) -> Invitation:
    invitation_id = new_id(now_ms)
    return await invitations.create(
        conn,
        invitation_id=invitation_id,
        organisation_id=organisation_id,
        application_id=application_id,
        version_id=version_id,
        token_sha256=sha256(invitation_id),
        expires_at_ms=expires_at_ms,
        now_ms=now_ms,
    )


async def start_interview(
    conn: AsyncConnection, world: World, *, invitation: Invitation | None = None, now_ms: int = NOW_MS
) -> list[AnswerRow]:
    """Accepts the privacy notice, starts, and gives the answers."""
    invitation_id = (invitation or world.invitation).id
    await invitations.accept_notice(conn, invitation_id, notice_id=world.privacy.id, now_ms=now_ms)
    assert await invitations.start(conn, invitation_id, now_ms)
    return (await interviews.load(conn, invitation_id)).answers


async def keep_take(
    conn: AsyncConnection, answer: AnswerRow, *, ended_at_ms: int = NOW_MS, file: str = "", sha: str = "", size: int = 0
) -> tuple[AnswerRow, TakeRow]:
    """A finished take, and the answer as a draft that holds it."""
    take = await interviews.add_take(conn, take_id=new_id(ended_at_ms), answer_id=answer.id, now_ms=ended_at_ms)
    kept = replace(
        take,
        state=TakeState.KEPT,
        started_at_ms=ended_at_ms,
        ended_at_ms=ended_at_ms,
        verdict="good",
        file=file or f"{take.id}.webm",
        sha256=sha,
        size_bytes=size,
    )
    assert await interviews.save_take(conn, kept, TakeState.COUNTDOWN)
    draft = replace(answer, state=AnswerState.DRAFT, take_id=kept.id, attempts_used=answer.attempts_used + 1)
    assert await interviews.save(conn, draft, from_revision=answer.revision)
    return replace(draft, revision=answer.revision + 1), kept


async def answer_everything(conn: AsyncConnection, answers: list[AnswerRow]) -> list[TakeRow]:
    """A draft for every answer."""
    return [(await keep_take(conn, answer))[1] for answer in answers]
