"""The organisation and the versions of its privacy and cookie texts. Its people are in `storage.users`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound, NoticeChanged
from storage.ids import new_id
from storage.schema import NoticeKind, notices, organisations

NOTICES_LISTED = 100


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


async def edit(
    conn: AsyncConnection, organisation_id: str, *, name: str, contact_name: str, contact_email: str, zone: str
) -> None:
    """Changes what candidates read of it. All four were checked by the caller. Raises NotFound."""
    changed = await conn.execute(
        update(organisations)
        .where(organisations.c.id == organisation_id)
        .values(name=name, contact_name=contact_name, contact_email=contact_email, zone=zone)
    )
    if changed.rowcount != 1:
        raise NotFound("organisation", organisation_id)


async def add_notice(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    kind: NoticeKind,
    language: str,
    text: str,
    now_ms: int,
    after: int | None = None,
) -> Notice:
    """The next version of this text in this language; earlier ones stay, and consents to them too.

    `after` is the version that its writer saw, 0 for none. Raises NoticeChanged if it is not the newest any more.
    """
    newest = await conn.scalar(
        select(func.max(notices.c.version)).where(
            notices.c.organisation_id == organisation_id, notices.c.kind == kind, notices.c.language == language
        )
    )
    if after is not None and after != (newest or 0):
        raise NoticeChanged(f"version {newest or 0} of the {kind} text is newer than {after}")
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


async def current_notices(conn: AsyncConnection, organisation_id: str) -> list[Notice]:
    """The newest version of each text in each language there is one in."""
    of_one_text = (notices.c.kind, notices.c.language)
    newest = (
        select(*of_one_text, func.max(notices.c.version).label("version"))
        .where(notices.c.organisation_id == organisation_id)
        .group_by(*of_one_text)
        .subquery()
    )
    same = and_(
        notices.c.kind == newest.c.kind,
        notices.c.language == newest.c.language,
        notices.c.version == newest.c.version,
    )
    query = select(*_NOTICE).join(newest, same).where(notices.c.organisation_id == organisation_id)
    rows = await conn.execute(query.order_by(notices.c.language, notices.c.kind).limit(NOTICES_LISTED))
    return [_notice(row) for row in rows]


async def notice_history(conn: AsyncConnection, organisation_id: str, language: str) -> list[Notice]:
    """Every version of both texts in this language, the newest first; never over NOTICES_LISTED."""
    rows = await conn.execute(
        select(*_NOTICE)
        .where(notices.c.organisation_id == organisation_id, notices.c.language == language)
        .order_by(notices.c.created_at_ms.desc(), notices.c.kind.desc(), notices.c.version.desc())
        .limit(NOTICES_LISTED)
    )
    return [_notice(row) for row in rows]


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
