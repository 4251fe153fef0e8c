"""The hiring team: who may sign in. Knows nothing of how a password is hashed; logins are in `storage.logins`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import EmailTaken, LastAdmin, NotFound
from storage.ids import new_id
from storage.schema import logins, organisations, users
from storage.states import Role

TEAM_LIMIT = 500


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


async def team(conn: AsyncConnection, organisation_id: str) -> list[User]:
    """Everybody of the organisation by name, those disabled last; never over TEAM_LIMIT."""
    rows = await conn.execute(
        select(*COLUMNS)
        .where(users.c.organisation_id == organisation_id)
        .order_by(users.c.disabled_at_ms.is_not(None), func.lower(users.c.name), users.c.id)
        .limit(TEAM_LIMIT)
    )
    return [from_row(row) for row in rows]


async def last_seen(conn: AsyncConnection, organisation_id: str) -> dict[str, int]:
    """When each was last signed in (milliseconds since the epoch), by id; who never was is left out."""
    rows = await conn.execute(
        select(logins.c.user_id, func.max(logins.c.seen_at_ms))
        .join(users, users.c.id == logins.c.user_id)
        .where(users.c.organisation_id == organisation_id)
        .group_by(logins.c.user_id)
    )
    return {user_id: seen_at_ms for user_id, seen_at_ms in rows}


async def of_organisation(conn: AsyncConnection, user_id: str, organisation_id: str) -> User | None:
    """None for another organisation's, too."""
    query = select(*COLUMNS).where(users.c.id == user_id, users.c.organisation_id == organisation_id)
    return _found((await conn.execute(query)).one_or_none())


async def set_role(conn: AsyncConnection, user_id: str, *, organisation_id: str, role: Role) -> bool:
    """False when they have this role already. Raises NotFound, and LastAdmin when no admin would be left."""
    user = await _alone_with_the_team(conn, user_id, organisation_id)
    if role is not Role.ADMIN:
        await _require_another_admin(conn, user)
    changed = await conn.execute(update(users).where(users.c.id == user_id, users.c.role != role).values(role=role))
    return changed.rowcount == 1


async def disable(conn: AsyncConnection, user_id: str, *, organisation_id: str, now_ms: int) -> bool:
    """They are signed out everywhere and cannot sign in; all that they did stays. False when disabled before.

    Raises NotFound, and LastAdmin when no admin would be left.
    """
    user = await _alone_with_the_team(conn, user_id, organisation_id)
    await _require_another_admin(conn, user)
    changed = await conn.execute(
        update(users).where(users.c.id == user_id, users.c.disabled_at_ms.is_(None)).values(disabled_at_ms=now_ms)
    )
    await _end_logins(conn, user_id, now_ms)
    return changed.rowcount == 1


async def enable(conn: AsyncConnection, user_id: str, *, organisation_id: str) -> bool:
    """They may sign in again. False when they are not disabled. Raises NotFound."""
    await _alone_with_the_team(conn, user_id, organisation_id)
    changed = await conn.execute(
        update(users).where(users.c.id == user_id, users.c.disabled_at_ms.is_not(None)).values(disabled_at_ms=None)
    )
    return changed.rowcount == 1


async def set_own(conn: AsyncConnection, user_id: str, *, name: str, mail_on_completion: bool) -> None:
    """What people say of themselves. Raises NotFound."""
    changed = await conn.execute(
        update(users).where(users.c.id == user_id).values(name=name, mail_on_completion=mail_on_completion)
    )
    if changed.rowcount != 1:
        raise NotFound("user", user_id)


async def set_password(
    conn: AsyncConnection, user_id: str, password_hash: str, now_ms: int, *, keep: str | None = None
) -> None:
    """Also revokes every login of this user but the one with id `keep`. Raises NotFound."""
    changed = await conn.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
    if changed.rowcount != 1:
        raise NotFound("user", user_id)
    await _end_logins(conn, user_id, now_ms, keep=keep)


async def count(conn: AsyncConnection) -> int:
    """How many users there are, of all organisations."""
    return await conn.scalar(select(func.count()).select_from(users)) or 0


def from_row(row: Row[*tuple[Any, ...]]) -> User:
    """A user from a row that begins with COLUMNS."""
    identity, organisation_id, email, name, role, password_hash, *rest = row[: len(COLUMNS)]
    return User(identity, organisation_id, email, name, Role(role), password_hash, *rest)


def _found(row: Row[*tuple[Any, ...]] | None) -> User | None:
    return None if row is None else from_row(row)


async def _alone_with_the_team(conn: AsyncConnection, user_id: str, organisation_id: str) -> User:
    """The user, with the organisation locked: of two who give up the last two admins' role, one is told no.

    SQLite has one writer anyway. Raises NotFound.
    """
    await conn.execute(select(organisations.c.id).where(organisations.c.id == organisation_id).with_for_update())
    user = await of_organisation(conn, user_id, organisation_id)
    if user is None:
        raise NotFound("user", user_id)
    return user


async def _require_another_admin(conn: AsyncConnection, user: User) -> None:
    """Raises LastAdmin when the user is the only enabled admin of the organisation."""
    if user.role is not Role.ADMIN or user.disabled_at_ms is not None:
        return
    others = select(users.c.id).where(
        users.c.organisation_id == user.organisation_id,
        users.c.role == Role.ADMIN,
        users.c.disabled_at_ms.is_(None),
        users.c.id != user.id,
    )
    if await conn.scalar(others.limit(1)) is None:
        raise LastAdmin(f"{user.email} is the only admin")


async def _end_logins(conn: AsyncConnection, user_id: str, now_ms: int, *, keep: str | None = None) -> None:
    query = update(logins).where(logins.c.user_id == user_id, logins.c.revoked_at_ms.is_(None))
    if keep is not None:
        query = query.where(logins.c.id != keep)
    await conn.execute(query.values(revoked_at_ms=now_ms))
