"""The demo: one organisation, one recruiter, one job, one template, one candidate, one invitation.

Made once, in an empty database and in one transaction; later starts find it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates, invitations, jobs, organisations, templates, users
from storage.database import Database
from storage.ids import new_id
from storage.shapes import DetailsField
from storage.states import Role, Stage
from web import links
from web.founding import found

EMAIL = "recruiter@example.com"
CANDIDATE_EMAIL = "robin.lindgren@example.com"
ORGANISATION = "Meadow Studio"
_CONTACT = ("Alex Berg", "hiring@example.com")

_INTRODUCTION = """Thank you for your interest in Meadow Studio. We make quiet tools for loud places.

There are no trick questions here. Take your time, speak as you would to a colleague, and record again if you like."""

_FIELDS: tuple[DetailsField, ...] = (
    {"name": "name", "label": "Full name", "required": True, "kind": "text"},
    {"name": "email", "label": "E-mail address", "required": True, "kind": "email"},
    {"name": "phone", "label": "Telephone", "required": False, "kind": "tel"},
)
# Text, think time, limit, retakes.
_QUESTIONS: tuple[tuple[str, int, int, int | None], ...] = (
    ("Tell us about a piece of work you are proud of. What was your part in it?", 0, 120, None),
    ("A customer writes that everything is broken, and nothing more. What do you do first?", 30, 90, 2),
    ("What would you like to get better at in the next year, and how would you go about it?", 45, 120, 1),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo's people go. `password` is known only at the moment it is made."""

    email: str
    password: str | None
    candidate: str
    link_path: str


class NoDemo(Exception):
    """The database holds something else."""


async def prepare(database: Database, secret: bytes, *, password: str, password_hash: str, now_ms: int) -> Demo:
    """The demo, made now if the database is empty, else found. Raises NoDemo."""
    async with database.write() as conn:
        if await users.count(conn) == 0 and await organisations.first(conn) is None:
            await _make(conn, secret, password_hash, now_ms)
            return await _find(conn, secret, password)
        return await _find(conn, secret, None)


async def _find(conn: AsyncConnection, secret: bytes, password: str | None) -> Demo:
    user = await users.by_email(conn, EMAIL)
    if user is None:
        raise NoDemo
    for row in await invitations.listing(conn, user.organisation_id, limit=invitations.LISTING_LIMIT):
        invitation = await invitations.get(conn, row.id)
        token = links.link_token(secret, invitation.id, invitation.generation)
        if invitation.candidate_email == CANDIDATE_EMAIL and links.token_sha256(token) == invitation.token_sha256:
            return Demo(user.email, password, invitation.candidate_name, f"/i/{token}")
    raise NoDemo


async def _make(conn: AsyncConnection, secret: bytes, password_hash: str, now_ms: int) -> None:
    organisation = await found(
        conn, name=ORGANISATION, contact_name=_CONTACT[0], contact_email=_CONTACT[1], zone="UTC", now_ms=now_ms
    )
    await users.create(
        conn,
        organisation_id=organisation.id,
        email=EMAIL,
        name=_CONTACT[0],
        role=Role.ADMIN,
        password_hash=password_hash,
        now_ms=now_ms,
    )
    job = await jobs.create(conn, organisation_id=organisation.id, title="Support engineer", now_ms=now_ms)
    version = await templates.create(
        conn,
        organisation_id=organisation.id,
        name="First conversation",
        introduction=_INTRODUCTION,
        details_fields=_FIELDS,
        now_ms=now_ms,
    )
    for text, think_s, limit_s, retakes in _QUESTIONS:
        await templates.add_question(
            conn, version.id, text=text, think_s=think_s, limit_s=limit_s, retakes=retakes, now_ms=now_ms
        )
    await templates.publish(conn, version.id, now_ms)
    await templates.attach(conn, version.template_id, job.id)
    candidate = await candidates.create(
        conn, organisation_id=organisation.id, name="Robin Lindgren", email=CANDIDATE_EMAIL, now_ms=now_ms
    )
    application = await candidates.apply(conn, candidate.id, job.id, now_ms=now_ms, stage=Stage.INTERVIEW)
    invitation_id = new_id(now_ms)
    await invitations.create(
        conn,
        invitation_id=invitation_id,
        organisation_id=organisation.id,
        application_id=application.id,
        version_id=version.id,
        token_sha256=links.token_sha256(links.link_token(secret, invitation_id, 1)),
        expires_at_ms=None,
        now_ms=now_ms,
    )
