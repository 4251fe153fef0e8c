"""How mail stands for an organisation, as its settings page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import mails
from storage.states import MailState
from web.mail.sender import sender
from web.settings import Settings

RECENT_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """`configured`: letters leave through `host`. Else they are files, `outbox_count` of them in all.

    `waiting` have not left yet; `failed_recently` were refused or given up within a week. Each count ends at
    `mails.COUNTED`.
    """

    configured: bool
    host: str
    from_address: str
    outbox_count: int
    waiting: int
    failed_recently: int


async def standing(conn: AsyncConnection, settings: Settings, organisation_id: str, now_ms: int) -> Standing:
    """As it is now; three short counts."""
    return Standing(
        configured=bool(settings.mail.host),
        host=settings.mail.host,
        from_address=str(sender(settings)),
        outbox_count=await mails.count(conn, organisation_id, [MailState.OUTBOX]),
        waiting=await mails.count(conn, organisation_id, [MailState.QUEUED]),
        failed_recently=await mails.count(
            conn, organisation_id, [MailState.REFUSED, MailState.FAILED], since_ms=now_ms - RECENT_MS
        ),
    )
