"""Who is told that an interview was completed."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import audience
from storage.invitations import Invitation
from storage.states import Role
from storage.users import User

RECRUITS = frozenset({Role.ADMIN, Role.RECRUITER})


async def of_completion(conn: AsyncConnection, invitation: Invitation) -> list[User]:
    """Whoever sent the invitation, if they may sign in and still recruit; else every admin and recruiter. With them
    the reviewers of the job. Each once, by name; nobody who is disabled."""
    around = await audience.of_invitation(conn, invitation.id)
    inviter = around.inviter
    if inviter is not None and inviter.disabled_at_ms is None and inviter.role in RECRUITS:
        told = [inviter]
    else:
        told = await audience.enabled(conn, invitation.organisation_id, RECRUITS)
    reviewers = [user for user in around.members if user.role is Role.REVIEWER]
    by_id = {user.id: user for user in (*told, *reviewers) if user.disabled_at_ms is None}
    return sorted(by_id.values(), key=lambda user: (user.name.casefold(), user.id))
