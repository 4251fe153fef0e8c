"""Which interviews a signed-in person may open: their organisation's, and a reviewer those of their jobs alone."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import invitations
from storage.invitations import Invitation
from storage.logins import Login
from storage.states import Role
from web.errors import not_found


def member_id(login: Login) -> str | None:
    """Whose jobs alone may be seen: a reviewer's own id; None for those who see all jobs."""
    return login.user.id if login.user.role is Role.REVIEWER else None


async def own_invitation(conn: AsyncConnection, request: web.Request, login: Login) -> Invitation:
    """The invitation of the path's {id}. What one may not open is as unknown as what does not exist."""
    found = await invitations.by_id(
        conn, request.match_info["id"], organisation_id=login.user.organisation_id, member_id=member_id(login)
    )
    return found if found is not None else not_found()
