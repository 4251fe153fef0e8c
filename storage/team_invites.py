"""Invitations into the hiring team: by mail, for one address, with a role; each is used once, revoked or runs out.

Like a candidate's link, a colleague's is derived when it is sent: here is its SHA-256 only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import users
from storage.errors import AlreadyInvited, EmailTaken, NotFound
from storage.schema import jobs, team_invites
from storage.shapes import as_texts
from storage.states import Role

LASTS_MS = 7 * 24 * 3600 * 1000
LISTING_LIMIT = 200


class InviteState(StrEnum):
    """What a team invite is now; only an open one lets anybody in."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class TeamInvite:
    """`job_ids` are the jobs that a reviewer will see. `expires_at_ms` moves with each time that it is sent again."""

    id: str
    organisation_id: str
    email: str
    role: Role
    job_ids: list[str]
    generation: int
    token_sha256: str = field(repr=False)
    invited_by: str
    created_at_ms: int
    expires_at_ms: int
    accepted_at_ms: int | None
    revoked_at_ms: int | None

    def state(self, now_ms: int) -> InviteState:
        if self.accepted_at_ms is not None:
            return InviteState.ACCEPTED
        if self.revoked_at_ms is not None:
            return InviteState.REVOKED
        return InviteState.EXPIRED if now_ms >= self.expires_at_ms else InviteState.OPEN


_COLUMNS = (
    team_invites.c.id,
    team_invites.c.organisation_id,
    team_invites.c.email,
    team_invites.c.role,
    team_invites.c.job_ids,
    team_invites.c.generation,
    team_invites.c.token_sha256,
    team_invites.c.invited_by,
    team_invites.c.created_at_ms,
    team_invites.c.expires_at_ms,
    team_invites.c.accepted_at_ms,
    team_invites.c.revoked_at_ms,
)
_STANDS = and_(team_invites.c.accepted_at_ms.is_(None), team_invites.c.revoked_at_ms.is_(None))


async def create(
    conn: AsyncConnection,
    *,
    invite_id: str,
    organisation_id: str,
    email: str,
    role: Role,
    job_ids: Collection[str],
    token_sha256: str,
    invited_by: str,
    now_ms: int,
) -> TeamInvite:
    """A new invite of generation 1, open for LASTS_MS. An expired one to the same address is replaced by it.

    Raises EmailTaken for an address with an account, AlreadyInvited for one with an open invite, NotFound for a
    job that is not this organisation's.
    """
    address = users.folded(email)
    if await users.by_email(conn, address) is not None:
        raise EmailTaken(f"{address} has an account already")
    await _require_jobs(conn, organisation_id, job_ids)
    same = and_(team_invites.c.organisation_id == organisation_id, team_invites.c.email == address, _STANDS)
    if await conn.scalar(select(team_invites.c.id).where(same, team_invites.c.expires_at_ms > now_ms).limit(1)):
        raise AlreadyInvited(f"{address} has an open invite already")
    await conn.execute(update(team_invites).where(same).values(revoked_at_ms=now_ms))
    made = TeamInvite(
        id=invite_id,
        organisation_id=organisation_id,
        email=address,
        role=role,
        job_ids=sorted(set(job_ids)),
        generation=1,
        token_sha256=token_sha256,
        invited_by=invited_by,
        created_at_ms=now_ms,
        expires_at_ms=now_ms + LASTS_MS,
        accepted_at_ms=None,
        revoked_at_ms=None,
    )
    await conn.execute(
        insert(team_invites).values(
            id=made.id,
            organisation_id=made.organisation_id,
            email=made.email,
            role=made.role,
            job_ids=made.job_ids,
            generation=made.generation,
            token_sha256=made.token_sha256,
            invited_by=made.invited_by,
            created_at_ms=made.created_at_ms,
            expires_at_ms=made.expires_at_ms,
        )
    )
    return made


async def by_token_sha256(conn: AsyncConnection, token_sha256: str) -> TeamInvite | None:
    """In whichever state it is."""
    return await _one(conn, team_invites.c.token_sha256 == token_sha256)


async def by_id(conn: AsyncConnection, invite_id: str, *, organisation_id: str) -> TeamInvite | None:
    """In whichever state it is; None for another organisation's."""
    return await _one(conn, and_(team_invites.c.id == invite_id, team_invites.c.organisation_id == organisation_id))


async def standing(conn: AsyncConnection, organisation_id: str) -> list[TeamInvite]:
    """Those neither accepted nor revoked, expired ones too, the newest first; never over LISTING_LIMIT."""
    rows = await conn.execute(
        select(*_COLUMNS)
        .where(team_invites.c.organisation_id == organisation_id, _STANDS)
        .order_by(team_invites.c.created_at_ms.desc(), team_invites.c.id.desc())
        .limit(LISTING_LIMIT)
    )
    return [_invite(row) for row in rows]


async def prolong(
    conn: AsyncConnection, invite_id: str, *, organisation_id: str, now_ms: int, not_within_ms: int
) -> bool:
    """Open for LASTS_MS from now, with the same link; an expired one too.

    False when it was accepted or revoked, or was sent less than `not_within_ms` ago: a second press sends nothing.
    """
    changed = await conn.execute(
        update(team_invites)
        .where(
            team_invites.c.id == invite_id,
            team_invites.c.organisation_id == organisation_id,
            _STANDS,
            team_invites.c.expires_at_ms <= now_ms + LASTS_MS - not_within_ms,
        )
        .values(expires_at_ms=now_ms + LASTS_MS)
    )
    return changed.rowcount == 1


async def revoke(conn: AsyncConnection, invite_id: str, *, organisation_id: str, now_ms: int) -> bool:
    """False when it was accepted or revoked before, or is another organisation's."""
    changed = await conn.execute(
        update(team_invites)
        .where(team_invites.c.id == invite_id, team_invites.c.organisation_id == organisation_id, _STANDS)
        .values(revoked_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def accept(conn: AsyncConnection, invite_id: str, now_ms: int) -> bool:
    """Uses it up; False when it is not open any more. Whoever gets True makes the account, in this transaction."""
    changed = await conn.execute(
        update(team_invites)
        .where(team_invites.c.id == invite_id, _STANDS, team_invites.c.expires_at_ms > now_ms)
        .values(accepted_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def _require_jobs(conn: AsyncConnection, organisation_id: str, job_ids: Collection[str]) -> None:
    wanted = set(job_ids)
    known = await conn.scalars(
        select(jobs.c.id).where(jobs.c.organisation_id == organisation_id, jobs.c.id.in_(wanted))
    )
    strangers = wanted - set(known)
    if strangers:
        raise NotFound("job of the organisation", ", ".join(sorted(strangers)))


async def _one(conn: AsyncConnection, which: ColumnElement[bool]) -> TeamInvite | None:
    row = (await conn.execute(select(*_COLUMNS).where(which))).one_or_none()
    return None if row is None else _invite(row)


def _invite(row: Row[*tuple[Any, ...]]) -> TeamInvite:
    return TeamInvite(
        id=row.id,
        organisation_id=row.organisation_id,
        email=row.email,
        role=Role(row.role),
        job_ids=as_texts(row.job_ids, "team_invites.job_ids"),
        generation=row.generation,
        token_sha256=row.token_sha256,
        invited_by=row.invited_by,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        accepted_at_ms=row.accepted_at_ms,
        revoked_at_ms=row.revoked_at_ms,
    )
