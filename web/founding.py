"""A new organisation with the texts that candidates accept before anything else."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import organisations
from storage.organisations import Organisation
from storage.schema import NoticeKind
from web import texts


async def found(
    conn: AsyncConnection, *, name: str, contact_name: str, contact_email: str, zone: str, now_ms: int
) -> Organisation:
    """The organisation, with its first privacy and cookie notices in English."""
    made = await organisations.create(
        conn, name=name, contact_name=contact_name, contact_email=contact_email, zone=zone, now_ms=now_ms
    )
    privacy = texts.privacy(name, f"{contact_name} at {contact_email}")
    for kind, text in ((NoticeKind.PRIVACY, privacy), (NoticeKind.COOKIE, texts.COOKIES)):
        await organisations.add_notice(
            conn, organisation_id=made.id, kind=kind, language="en", text=text, now_ms=now_ms
        )
    return made
