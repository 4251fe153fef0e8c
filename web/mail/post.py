"""Where letters are posted: a row, and durable work that delivers it, both in the transaction of their cause.

What they will say is decided when they leave (`web.mail.letters`), so nothing here and nothing queued holds a link.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import alerts, mails, pipeline
from storage.invitations import Invitation
from storage.states import MailKind, Stage
from storage.users import User
from web.queueing import Queue
from web.recruiter import recipients

# The name of the work, as `web.schedules` gives it to the queue; its arguments are the mail's id and the attempt.
DELIVER = "deliver"


def attempt_key(mail_id: str, number: int) -> str:
    """The queue's name for one attempt at one mail."""
    return f"mail:{mail_id}:{number}"


class Post:
    """Everything here is statements in the caller's transaction; what leaves, leaves after its commit."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def to_candidate(
        self, conn: AsyncConnection, invitation: Invitation, kind: MailKind, now_ms: int, *, once: str | None = None
    ) -> str | None:
        """The mail's id; None if one was posted under the name `once` before. `kind` is one of mails.TO_CANDIDATES."""
        mail_id = await mails.post(
            conn,
            organisation_id=invitation.organisation_id,
            kind=kind,
            to_address=invitation.candidate_email,
            invitation_id=invitation.id,
            once=once,
            now_ms=now_ms,
        )
        return await self._queued(conn, mail_id)

    async def team_invite(
        self, conn: AsyncConnection, *, invite_id: str, organisation_id: str, to_address: str, now_ms: int
    ) -> str:
        """The mail's id."""
        mail_id = await mails.post(
            conn,
            organisation_id=organisation_id,
            kind=MailKind.TEAM_INVITE,
            to_address=to_address,
            team_invite_id=invite_id,
            now_ms=now_ms,
        )
        return await self._queued(conn, mail_id) or ""

    async def trial(self, conn: AsyncConnection, user: User, now_ms: int) -> str:
        """The mail's id."""
        mail_id = await mails.post(
            conn,
            organisation_id=user.organisation_id,
            kind=MailKind.TRIAL,
            to_address=user.email,
            user_id=user.id,
            now_ms=now_ms,
        )
        return await self._queued(conn, mail_id) or ""

    async def completed(self, conn: AsyncConnection, invitation: Invitation, now_ms: int) -> None:
        """Moves the application on to review, unless somebody moved it elsewhere; and tells the team, each person
        once: in the app, and by mail those who want it (E12, R31)."""
        await pipeline.advance(
            conn,
            organisation_id=invitation.organisation_id,
            application_id=invitation.application_id,
            origin=Stage.INTERVIEW,
            to=Stage.REVIEW,
            now_ms=now_ms,
            actor="system",
        )
        told = await recipients.of_completion(conn, invitation)
        await alerts.raise_for(
            conn,
            user_ids=[user.id for user in told],
            kind="invitation.completed",
            invitation_id=invitation.id,
            now_ms=now_ms,
        )
        for user in told:
            if user.mail_on_completion:
                mail_id = await mails.post(
                    conn,
                    organisation_id=invitation.organisation_id,
                    kind=MailKind.COMPLETED,
                    to_address=user.email,
                    invitation_id=invitation.id,
                    user_id=user.id,
                    once=f"completed:{invitation.id}:{user.id}",
                    now_ms=now_ms,
                )
                await self._queued(conn, mail_id)

    async def _queued(self, conn: AsyncConnection, mail_id: str | None) -> str | None:
        if mail_id is not None:
            await self._queue.enqueue(conn, DELIVER, attempt_key(mail_id, 0), mail_id, 0)
        return mail_id
