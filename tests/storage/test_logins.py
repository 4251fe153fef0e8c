"""Logins that end, and failures that are counted."""

from __future__ import annotations

from storage import logins, users
from storage.database import Database
from storage.logins import FAILURES_COUNTED, FAILURES_KEPT_MS
from storage.states import Role
from tests.storage.world import HOUR_MS, NOW_MS, World, furnish, sha256


async def sign_in(conn, world: World, token: str, now_ms: int = NOW_MS) -> str:  # type: ignore[no-untyped-def]
    return await logins.create(
        conn,
        user_id=world.recruiter.id,
        token_sha256=sha256(token),
        now_ms=now_ms,
        expires_at_ms=now_ms + HOUR_MS,
        address="192.0.2.1",
        user_agent="Firefox",
    )


async def test_a_login_is_found_by_its_token_with_its_user(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        login_id = await sign_in(conn, world, "token")
        found = await logins.find(conn, sha256("token"), NOW_MS)
        assert found is not None
        assert (found.id, found.user, found.address) == (login_id, world.recruiter, "192.0.2.1")
        assert sha256("token") not in repr(found)
        assert await logins.find(conn, sha256("another"), NOW_MS) is None


async def test_a_login_ends_at_its_expiry(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await sign_in(conn, world, "token")
        assert await logins.find(conn, sha256("token"), NOW_MS + HOUR_MS - 1) is not None
        assert await logins.find(conn, sha256("token"), NOW_MS + HOUR_MS) is None


async def test_a_revoked_login_is_gone_and_stays_gone_when_touched(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        login_id = await sign_in(conn, world, "token")
        assert await logins.revoke(conn, login_id, world.recruiter.id, NOW_MS + 1)
        assert not await logins.revoke(conn, login_id, world.recruiter.id, NOW_MS + 2)
        await logins.touch(conn, login_id, NOW_MS + 3)
        assert await logins.find(conn, sha256("token"), NOW_MS + 3) is None
        assert await logins.of_user(conn, world.recruiter.id, NOW_MS + 3) == []


async def test_nobody_revokes_the_login_of_another(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        login_id = await sign_in(conn, world, "token")
        other = await users.create(
            conn,
            organisation_id=world.organisation.id,
            email="other@example.org",
            name="Other",
            role=Role.ADMIN,
            password_hash="hash",
            now_ms=NOW_MS,
        )
        assert not await logins.revoke(conn, login_id, other.id, NOW_MS)
        assert await logins.revoke_all(conn, other.id, NOW_MS) == 0
        assert await logins.find(conn, sha256("token"), NOW_MS) is not None


async def test_all_logins_but_the_one_kept_are_revoked(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        ids = [await sign_in(conn, world, f"token {number}") for number in range(3)]
        assert await logins.revoke_all(conn, world.recruiter.id, NOW_MS, keep=ids[1]) == 2
        assert [login.id for login in await logins.of_user(conn, world.recruiter.id, NOW_MS)] == [ids[1]]


async def test_a_new_password_ends_every_login(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await sign_in(conn, world, "token")
        await users.set_password(conn, world.recruiter.id, "another hash", NOW_MS + 1)
        assert await logins.find(conn, sha256("token"), NOW_MS + 1) is None
        changed = await users.by_id(conn, world.recruiter.id)
        assert changed is not None and changed.password_hash == "another hash"


async def test_the_login_seen_last_is_listed_first(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        first, second = [await sign_in(conn, world, f"token {number}") for number in range(2)]
        await logins.touch(conn, second, NOW_MS + 5)
        await logins.touch(conn, first, NOW_MS + 9)
        await logins.touch(conn, first, NOW_MS + 7)
        listed = await logins.of_user(conn, world.recruiter.id, NOW_MS + 10)
        assert [(login.id, login.seen_at_ms) for login in listed] == [(first, NOW_MS + 9), (second, NOW_MS + 5)]


async def test_failures_are_counted_by_key_and_since_a_moment(database: Database) -> None:
    async with database.write() as conn:
        for at_ms in (NOW_MS, NOW_MS + 10, NOW_MS + 20):
            await logins.note_failure(conn, "account:kim@example.org", at_ms)
        await logins.note_failure(conn, "address:192.0.2.1", NOW_MS)
        assert await logins.failures_since(conn, "account:kim@example.org", NOW_MS) == 3
        assert await logins.failures_since(conn, "account:kim@example.org", NOW_MS + 10) == 2
        await logins.clear_failures(conn, "account:kim@example.org")
        assert await logins.failures_since(conn, "account:kim@example.org", 0) == 0
        assert await logins.failures_since(conn, "address:192.0.2.1", 0) == 1


async def test_old_failures_are_forgotten_and_counting_has_an_end(database: Database) -> None:
    async with database.write() as conn:
        await logins.note_failure(conn, "address:192.0.2.1", NOW_MS)
        await logins.note_failure(conn, "address:192.0.2.2", NOW_MS + FAILURES_KEPT_MS + 1)
        assert await logins.failures_since(conn, "address:192.0.2.1", 0) == 0
        for _ in range(FAILURES_COUNTED + 5):
            await logins.note_failure(conn, "k", NOW_MS + FAILURES_KEPT_MS + 1)
        assert await logins.failures_since(conn, "k", 0) == FAILURES_COUNTED


async def test_an_endless_key_is_counted_like_any_other(database: Database) -> None:
    async with database.write() as conn:
        key = "account:" + "x" * 5000
        await logins.note_failure(conn, key, NOW_MS)
        assert await logins.failures_since(conn, key, 0) == 1
        await logins.clear_failures(conn, key)
        assert await logins.failures_since(conn, key, 0) == 0
