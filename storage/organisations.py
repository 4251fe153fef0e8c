"""The organisation and the versions of its privacy and cookie texts. Its people are in `storage.users`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.ids import new_id
from storage.schema import NoticeKind, notices, organisations


@dataclass(frozen=True, slots=True)
class Organisation:
    """`zone` is an IANA name: dates without a time are meant in it."""

    id: str
    name: str
    contact_name: str
    contact_email: str
    zone: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One version of a text that candidates accept; it never changes."""

    id: str
    organisation_id: str
    kind: NoticeKind
    language: str
    version: int
    text: str
    created_at_ms: int


_ORGANISATION = (
    organisations.c.id,
    organisations.c.name,
    organisations.c.contact_name,
    organisations.c.contact_email,
    organisations.c.zone,
    organisations.c.created_at_ms,
)
_NOTICE = (
    notices.c.id,
    notices.c.organisation_id,
    notices.c.kind,
    notices.c.language,
    notices.c.version,
    notices.c.text,
    notices.c.created_at_ms,
)


async def create(
    conn: AsyncConnection, *, name: str, contact_name: str, contact_email: str, zone: str, now_ms: int
) -> Organisation:
    """A new organisation, without texts yet. `zone` was checked by the caller."""
    made = Organisation(new_id(now_ms), name, contact_name, contact_email, zone, now_ms)
    await conn.execute(
        insert(organisations).values(
            id=made.id,
            name=made.name,
            contact_name=made.contact_name,
            contact_email=made.contact_email,
            zone=made.zone,
            created_at_ms=made.created_at_ms,
        )
    )
    return made


async def get(conn: AsyncConnection, organisation_id: str) -> Organisation:
    """Raises NotFound."""
    row = (await conn.execute(select(*_ORGANISATION).where(organisations.c.id == organisation_id))).one_or_none()
    if row is None:
        raise NotFound("organisation", organisation_id)
    return Organisation(*row)


async def first(conn: AsyncConnection) -> Organisation | None:
    """The oldest organisation: the only one, on most servers."""
    query = select(*_ORGANISATION).order_by(organisations.c.created_at_ms, organisations.c.id).limit(1)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Organisation(*row)


async def add_notice(
    conn: AsyncConnection, *, organisation_id: str, kind: NoticeKind, language: str, text: str, now_ms: int
) -> Notice:
    """The next version of this text in this language; earlier ones stay, and consents to them too."""
    newest = await conn.scalar(
        select(func.max(notices.c.version)).where(
            notices.c.organisation_id == organisation_id, notices.c.kind == kind, notices.c.language == language
        )
    )
    made = Notice(new_id(now_ms), organisation_id, kind, language, (newest or 0) + 1, text, now_ms)
    await conn.execute(
        insert(notices).values(
            id=made.id,
            organisation_id=made.organisation_id,
            kind=made.kind,
            language=made.language,
            version=made.version,
            text=made.text,
            created_at_ms=made.created_at_ms,
        )
    )
    return made


async def current_notice(conn: AsyncConnection, organisation_id: str, kind: NoticeKind, language: str) -> Notice | None:
    """The newest version of this text in exactly this language; None if there is none."""
    row = (
        await conn.execute(
            select(*_NOTICE)
            .where(notices.c.organisation_id == organisation_id, notices.c.kind == kind, notices.c.language == language)
            .order_by(notices.c.version.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else _notice(row)


async def notice(conn: AsyncConnection, notice_id: str) -> Notice:
    """Any version, as it was accepted. Raises NotFound."""
    row = (await conn.execute(select(*_NOTICE).where(notices.c.id == notice_id))).one_or_none()
    if row is None:
        raise NotFound("notice", notice_id)
    return _notice(row)


def _notice(row: Row[*tuple[Any, ...]]) -> Notice:
    return Notice(
        id=row.id,
        organisation_id=row.organisation_id,
        kind=NoticeKind(row.kind),
        language=row.language,
        version=row.version,
        text=row.text,
        created_at_ms=row.created_at_ms,
    )
