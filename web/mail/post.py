"""Where letters are posted: a row, and a durable job that delivers it, both in the transaction of their cause."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.invitations import Invitation
from storage.states import MailKind
from storage.users import User


class Post:
    """Everything here is statements in the caller's transaction; what leaves, leaves after its commit."""

    async def to_candidate(
        self, conn: AsyncConnection, invitation: Invitation, kind: MailKind, now_ms: int, *, once: str | None = None
    ) -> str | None:
        """The mail's id; None if one was posted under the name `once` before."""
        return None

    async def team_invite(
        self, conn: AsyncConnection, *, invite_id: str, organisation_id: str, to_address: str, now_ms: int
    ) -> str:
        """The mail's id."""
        return ""

    async def trial(self, conn: AsyncConnection, user: User, now_ms: int) -> str:
        """The mail's id."""
        return ""

    async def completed(self, conn: AsyncConnection, invitation: Invitation, now_ms: int) -> None:
        """Tells the team: in the app, and by mail those who want it."""
