"""Web logins and failed attempts to sign in. A token itself is never here, only its SHA-256 (hexadecimal).

How many failures are too many, and how long a login lasts, is the caller's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import users
from storage.ids import new_id
from storage.schema import logins, sign_in_failures
from storage.schema import users as users_table

FAILURES_KEPT_MS = 24 * 3600 * 1000
FAILURES_KEPT = 100_000
FAILURES_COUNTED = 1000
LOGINS_LISTED = 100


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that is signed in, with whose it is."""

    id: str
    user: users.User
    token_sha256: str = field(repr=False)
    created_at_ms: int
    expires_at_ms: int
    seen_at_ms: int
    address: str
    user_agent: str


_COLUMNS = (
    logins.c.id.label("login_id"),
    logins.c.token_sha256,
    logins.c.created_at_ms,
    logins.c.expires_at_ms,
    logins.c.seen_at_ms,
    logins.c.address,
    logins.c.user_agent,
)


async def create(
    conn: AsyncConnection,
    *,
    user_id: str,
    token_sha256: str,
    now_ms: int,
    expires_at_ms: int,
    address: str,
    user_agent: str,
) -> str:
    """The new login's id."""
    login_id = new_id(now_ms)
    await conn.execute(
        insert(logins).values(
            id=login_id,
            user_id=user_id,
            token_sha256=token_sha256,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            seen_at_ms=now_ms,
            address=address[:64],
            user_agent=user_agent[:400],
        )
    )
    return login_id


async def find(conn: AsyncConnection, token_sha256: str, now_ms: int) -> Login | None:
    """The login this token opens; None when there is none, it was revoked or has expired, or its user is disabled."""
    found = await _select(conn, logins.c.token_sha256 == token_sha256, now_ms=now_ms, limit=1)
    return found[0] if found else None


async def of_user(conn: AsyncConnection, user_id: str, now_ms: int) -> list[Login]:
    """This user's live logins, the one seen last first; at most LOGINS_LISTED."""
    return await _select(conn, logins.c.user_id == user_id, now_ms=now_ms, limit=LOGINS_LISTED)


async def revoke(conn: AsyncConnection, login_id: str, user_id: str, now_ms: int) -> bool:
    """Ends one login of this user; False when it is not theirs, or has been revoked before."""
    ended = await conn.execute(
        update(logins)
        .where(logins.c.id == login_id, logins.c.user_id == user_id, logins.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=now_ms)
    )
    return ended.rowcount == 1


async def revoke_all(conn: AsyncConnection, user_id: str, now_ms: int, *, keep: str | None = None) -> int:
    """Ends every login of this user but the one with id `keep`; says how many."""
    query = update(logins).where(logins.c.user_id == user_id, logins.c.revoked_at_ms.is_(None))
    if keep is not None:
        query = query.where(logins.c.id != keep)
    return (await conn.execute(query.values(revoked_at_ms=now_ms))).rowcount


async def touch(conn: AsyncConnection, login_id: str, now_ms: int) -> None:
    """Notes that it was used now. Never moves back, never revives."""
    await conn.execute(
        update(logins)
        .where(logins.c.id == login_id, logins.c.revoked_at_ms.is_(None), logins.c.seen_at_ms < now_ms)
        .values(seen_at_ms=now_ms)
    )


async def failures_since(conn: AsyncConnection, key: str, since_ms: int) -> int:
    """How often `key` failed from `since_ms` on, counted up to FAILURES_COUNTED.

    A key is "account:<folded address>" or "address:<IP address>".
    """
    some = (
        select(sign_in_failures.c.sequence)
        .where(sign_in_failures.c.key == key[:400], sign_in_failures.c.at_ms >= since_ms)
        .limit(FAILURES_COUNTED)
        .subquery()
    )
    return await conn.scalar(select(func.count()).select_from(some)) or 0


async def note_failure(conn: AsyncConnection, key: str, now_ms: int) -> None:
    """One more failure of `key`. Those of any key that are too old or too many (FAILURES_KEPT) are forgotten."""
    newest = select(func.max(sign_in_failures.c.sequence)).scalar_subquery()
    await conn.execute(
        delete(sign_in_failures).where(
            (sign_in_failures.c.at_ms < now_ms - FAILURES_KEPT_MS)
            | (sign_in_failures.c.sequence <= newest - FAILURES_KEPT)
        )
    )
    await conn.execute(insert(sign_in_failures).values(key=key[:400], at_ms=now_ms))


async def clear_failures(conn: AsyncConnection, key: str) -> None:
    """Forgets every failure of `key`."""
    await conn.execute(delete(sign_in_failures).where(sign_in_failures.c.key == key[:400]))


async def _select(conn: AsyncConnection, which: ColumnElement[bool], *, now_ms: int, limit: int) -> list[Login]:
    rows = await conn.execute(
        select(*users.COLUMNS, *_COLUMNS)
        .join_from(logins, users_table, logins.c.user_id == users_table.c.id)
        .where(which, logins.c.revoked_at_ms.is_(None), logins.c.expires_at_ms > now_ms)
        .where(users_table.c.disabled_at_ms.is_(None))
        .order_by(logins.c.seen_at_ms.desc(), logins.c.id.desc())
        .limit(limit)
    )
    width = len(users.COLUMNS)
    return [Login(row[width], users.from_row(row), *row[width + 1 :]) for row in rows]
