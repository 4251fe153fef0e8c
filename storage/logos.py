"""The organisation's picture, as it was uploaded. Whether it is one, and how large it may be, was checked before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import logos


@dataclass(frozen=True, slots=True)
class Logo:
    """`sha256` of the body is also its address: another picture is another address."""

    organisation_id: str
    media_type: str
    sha256: str
    body: bytes = field(repr=False)
    created_at_ms: int


async def put(conn: AsyncConnection, organisation_id: str, *, media_type: str, body: bytes, now_ms: int) -> str:
    """Replaces the picture there was; returns the SHA-256 (hexadecimal) of the new one."""
    sha256 = hashlib.sha256(body).hexdigest()
    await conn.execute(delete(logos).where(logos.c.organisation_id == organisation_id))
    await conn.execute(
        insert(logos).values(
            organisation_id=organisation_id, media_type=media_type, sha256=sha256, body=body, created_at_ms=now_ms
        )
    )
    return sha256


async def remove(conn: AsyncConnection, organisation_id: str) -> bool:
    """False when there was none."""
    return (await conn.execute(delete(logos).where(logos.c.organisation_id == organisation_id))).rowcount == 1


async def sha256_of(conn: AsyncConnection, organisation_id: str) -> str | None:
    """The address of the organisation's picture, without its bytes; None if it has none."""
    return await conn.scalar(select(logos.c.sha256).where(logos.c.organisation_id == organisation_id))


async def of(conn: AsyncConnection, organisation_id: str) -> Logo | None:
    """With its bytes: for a mail."""
    return await _one(conn, logos.c.organisation_id == organisation_id)


async def by_sha256(conn: AsyncConnection, sha256: str) -> Logo | None:
    """With its bytes: for a page."""
    return await _one(conn, logos.c.sha256 == sha256)


async def _one(conn: AsyncConnection, which: ColumnElement[bool]) -> Logo | None:
    query = select(logos.c.organisation_id, logos.c.media_type, logos.c.sha256, logos.c.body, logos.c.created_at_ms)
    row = (await conn.execute(query.where(which).limit(1))).one_or_none()
    return None if row is None else Logo(*row)
