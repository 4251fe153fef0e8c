"""The database file, its transactions and its limits."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import exc, func, insert, select, text, update

from storage import database as database_module
from storage import organisations
from storage.database import READERS, Database
from storage.errors import Busy, DatabaseUnusable
from storage.schema import jobs
from storage.schema import organisations as organisations_table
from tests.storage.world import NOW_MS, furnish


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def add_organisation(database: Database, name: str) -> None:
    async with database.write() as conn:
        await organisations.create(conn, name=name, contact_name="", contact_email="", zone="UTC", now_ms=NOW_MS)


async def how_many(database: Database) -> int:
    async with database.read() as conn:
        return await conn.scalar(select(func.count()).select_from(organisations_table)) or 0


async def test_the_data_directory_and_every_file_in_it_are_private(tmp_path: Path) -> None:
    database = Database(tmp_path / "somewhere" / "data" / "greenroom.db")
    await database.open()
    await database.migrate()
    await add_organisation(database, "Northwind")
    assert mode(database.path.parent) == 0o700
    files = {path.name: mode(path) for path in database.path.parent.iterdir()}
    assert files == {"greenroom.db": 0o600, "greenroom.db-wal": 0o600, "greenroom.db-shm": 0o600}
    await database.close()


async def test_a_database_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "greenroom.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    database = Database(path)
    await database.open()
    await database.close()
    assert mode(path) == 0o600


async def test_a_path_with_odd_characters_is_opened_and_migrated(tmp_path: Path) -> None:
    database = Database(tmp_path / "a %(b)s?c#d é" / "green room.db")
    await database.open()
    await database.migrate()
    assert await database.at_head()
    await database.close()
    assert (tmp_path / "a %(b)s?c#d é" / "green room.db").stat().st_size > 0


async def test_a_file_that_is_no_database_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "greenroom.db"
    path.write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(DatabaseUnusable, match=r"greenroom\.db: file is not a database"):
        await Database(path).open()


async def test_a_directory_that_cannot_be_made_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(DatabaseUnusable, match=r"data/greenroom\.db"):
        await Database(tmp_path / "data" / "greenroom.db").open()


async def test_a_closed_database_says_so() -> None:
    with pytest.raises(DatabaseUnusable, match="not open"):
        async with Database(Path("never")).read():
            pass


async def test_the_settings_hold_on_every_connection(database: Database) -> None:
    async def pragma(connection, name: str) -> object:  # type: ignore[no-untyped-def]
        return await connection.scalar(text(f"PRAGMA {name}"))

    async with database.write() as conn:
        assert await pragma(conn, "journal_mode") == "wal"
        assert await pragma(conn, "foreign_keys") == 1
        assert await pragma(conn, "synchronous") == 2
        assert await pragma(conn, "busy_timeout") == database_module.LOCK_WAIT_MS
    for _ in range(READERS + 1):
        async with database.read() as conn:
            assert await pragma(conn, "query_only") == 1
            assert await pragma(conn, "foreign_keys") == 1


async def test_foreign_keys_are_enforced(database: Database) -> None:
    orphan = insert(jobs).values(id="j", organisation_id="nobody", title="Baker", created_at_ms=NOW_MS)
    with pytest.raises(exc.IntegrityError):
        async with database.write() as conn:
            await conn.execute(orphan)


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(exc.OperationalError, match="readonly"):
        async with database.read() as conn:
            await organisations.create(
                conn, name="Northwind", contact_name="", contact_email="", zone="UTC", now_ms=NOW_MS
            )


async def test_an_exception_in_a_write_leaves_nothing_of_it(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.write() as conn:
            await furnish(conn)
            raise ZeroDivisionError
    assert await how_many(database) == 0


async def test_a_cancelled_write_leaves_nothing_of_it_and_frees_the_writer(database: Database) -> None:
    inside = asyncio.Event()

    async def write_and_hang() -> None:
        async with database.write() as conn:
            await furnish(conn)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await add_organisation(database, "Southwind")
    assert await how_many(database) == 1


async def test_a_reader_sees_one_snapshot_while_the_writer_commits(database: Database) -> None:
    async with database.read() as conn:
        before = await conn.scalar(select(func.count()).select_from(organisations_table))
        await add_organisation(database, "Northwind")
        after = await conn.scalar(select(func.count()).select_from(organisations_table))
    assert (before, after) == (0, 0)
    assert await how_many(database) == 1


async def test_thirty_tasks_that_read_and_then_write_lose_no_update(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await conn.execute(update(jobs).values(created_at_ms=0))

    async def add_one() -> None:
        async with database.write() as conn:
            seen = await conn.scalar(select(jobs.c.created_at_ms).where(jobs.c.id == world.job.id))
            assert seen is not None
            await conn.execute(update(jobs).where(jobs.c.id == world.job.id).values(created_at_ms=seen + 1))

    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(add_one())
    async with database.read() as conn:
        assert await conn.scalar(select(jobs.c.created_at_ms)) == 30


async def test_waiting_for_the_writer_ends_with_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CONNECTION_WAIT_S", 0.05)
    database = Database(tmp_path / "greenroom.db")
    await database.open()
    async with database.write():
        with pytest.raises(Busy):
            async with database.write():
                pass
    async with database.write():
        pass
    await database.close()


async def test_a_lock_of_another_process_ends_with_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_WAIT_MS", 50)
    database = Database(tmp_path / "greenroom.db")
    await database.open()
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        async with database.write():
            pass
    other.execute("ROLLBACK")
    other.close()
    async with database.write():
        pass
    await database.close()


async def test_opening_and_closing_twice_is_harmless(tmp_path: Path) -> None:
    database = Database(tmp_path / "greenroom.db")
    await database.open()
    await database.open()
    await database.close()
    await database.close()
