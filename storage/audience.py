"""The people around an invitation: who sent it, who works on its job, who else recruits. Decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import job_members, users
from storage.errors import NotFound
from storage.schema import applications, invitations
from storage.schema import users as users_table
from storage.states import Role
from storage.users import User

PEOPLE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Around:
    """`inviter` is None for an invitation from before that was kept. Disabled people are among them."""

    inviter: User | None
    members: list[User]


async def of_invitation(conn: AsyncConnection, invitation_id: str) -> Around:
    """Raises NotFound."""
    row = (
        await conn.execute(
            select(invitations.c.invited_by, applications.c.job_id)
            .join(applications, invitations.c.application_id == applications.c.id)
            .where(invitations.c.id == invitation_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("invitation", invitation_id)
    inviter = await users.by_id(conn, row.invited_by) if row.invited_by else None
    return Around(inviter, await job_members.of_job(conn, row.job_id))


async def enabled(conn: AsyncConnection, organisation_id: str, roles: Collection[Role]) -> list[User]:
    """Those of these roles who may sign in, by name; never over PEOPLE_LIMIT."""
    rows = await conn.execute(
        select(*users.COLUMNS)
        .where(
            users_table.c.organisation_id == organisation_id,
            users_table.c.role.in_(roles),
            users_table.c.disabled_at_ms.is_(None),
        )
        .order_by(users_table.c.name, users_table.c.id)
        .limit(PEOPLE_LIMIT)
    )
    return [users.from_row(row) for row in rows]
