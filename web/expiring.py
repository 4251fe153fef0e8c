"""Ends invitations whose time is over, a little after it is: the rules are `storage.expiry`'s.

What people see does not wait for this: pages reckon with the clock themselves.
"""

from __future__ import annotations

from signaling.hub import Hub
from storage import events, invitations
from storage.database import Database


async def expire_overdue(database: Database, hub: Hub, now_ms: int) -> int:
    """Expires what is overdue and says how many; an event is written with each."""
    async with database.read() as conn:
        overdue = await invitations.overdue(conn, now_ms)
    ended = 0
    for invitation_id in overdue:
        async with database.write() as conn:
            if not await invitations.expire(conn, invitation_id, now_ms):
                continue
            invitation = await invitations.get(conn, invitation_id)
            await events.append(
                conn,
                organisation_id=invitation.organisation_id,
                at_ms=now_ms,
                actor="system",
                kind="invitation.expired",
                subject_kind="invitation",
                subject_id=invitation_id,
            )
        await hub.end(invitation_id)
        ended += 1
    return ended
