"""The hiring team: who may sign in. Knows nothing of how a password is hashed; logins are in `storage.logins`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import EmailTaken, NotFound
from storage.ids import new_id
from storage.schema import logins, users
from storage.states import Role


@dataclass(frozen=True, slots=True)
class User:
    id: str
    organisation_id: str
    email: str
    name: str
    role: Role
    password_hash: str = field(repr=False)
    created_at_ms: int
    disabled_at_ms: int | None = None
    mail_on_completion: bool = True


COLUMNS = (
    users.c.id,
    users.c.organisation_id,
    users.c.email,
    users.c.name,
    users.c.role,
    users.c.password_hash,
    users.c.created_at_ms,
    users.c.disabled_at_ms,
    users.c.mail_on_completion,
)


def folded(email: str) -> str:
    """An address as it is compared: without spaces around it, case folded."""
    return email.strip().casefold()


async def create(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    email: str,
    name: str,
    role: Role,
    password_hash: str,
    now_ms: int,
) -> User:
    """A new user; the address is kept folded. Raises EmailTaken."""
    made = User(new_id(now_ms), organisation_id, folded(email), name, role, password_hash, now_ms)
    row = insert(users).values(
        id=made.id,
        organisation_id=made.organisation_id,
        email=made.email,
        name=made.name,
        role=made.role,
        password_hash=made.password_hash,
        created_at_ms=made.created_at_ms,
    )
    try:
        async with conn.begin_nested():
            await conn.execute(row)
    except IntegrityError as error:
        if await by_email(conn, made.email) is None:
            raise
        raise EmailTaken(f"{made.email} has an account already") from error
    return made


async def by_email(conn: AsyncConnection, email: str) -> User | None:
    """Found however the address is written."""
    return _found((await conn.execute(select(*COLUMNS).where(users.c.email == folded(email)))).one_or_none())


async def by_id(conn: AsyncConnection, user_id: str) -> User | None:
    return _found((await conn.execute(select(*COLUMNS).where(users.c.id == user_id))).one_or_none())


async def set_password(conn: AsyncConnection, user_id: str, password_hash: str, now_ms: int) -> None:
    """Also revokes every login of this user. Raises NotFound."""
    changed = await conn.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
    if changed.rowcount != 1:
        raise NotFound("user", user_id)
    await conn.execute(
        update(logins).where(logins.c.user_id == user_id, logins.c.revoked_at_ms.is_(None)).values(revoked_at_ms=now_ms)
    )


async def count(conn: AsyncConnection) -> int:
    """How many users there are, of all organisations."""
    return await conn.scalar(select(func.count()).select_from(users)) or 0


def from_row(row: Row[*tuple[Any, ...]]) -> User:
    """A user from a row that begins with COLUMNS."""
    identity, organisation_id, email, name, role, password_hash, *rest = row[: len(COLUMNS)]
    return User(identity, organisation_id, email, name, Role(role), password_hash, *rest)


def _found(row: Row[*tuple[Any, ...]] | None) -> User | None:
    return None if row is None else from_row(row)
