"""The queue that lasts: with its cause or not at all, once per key, later if asked, and across the end of a process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from croniter import croniter  # type: ignore[import-untyped]

from storage.database import Database
from storage.schema import metadata
from web.durable import Durable, Schedule
from web.schedules import PURGING

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "data" / "greenroom.db")
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


@asynccontextmanager
async def running(
    database: Database, work: Callable[..., Awaitable[object]], *schedules: Schedule
) -> AsyncIterator[Durable]:
    queue = Durable(database.path)
    await queue.start({"work": work}, schedules)
    try:
        yield queue
    finally:
        await queue.stop()


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_work_is_done_in_the_servers_loop_with_its_arguments(database: Database) -> None:
    done: list[tuple[object, ...]] = []

    async def work(*arguments: object) -> None:
        done.append((*arguments, asyncio.get_running_loop()))

    async with running(database, work) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "a", "mail", 3)
        await until(lambda: done)
    assert done == [("mail", 3, asyncio.get_running_loop())]


async def test_work_shares_the_fate_of_its_transaction_and_is_done_once_per_key(database: Database) -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    async with running(database, work) as queue:
        with pytest.raises(ZeroDivisionError):
            async with database.write() as conn:
                await queue.enqueue(conn, "work", "lost", "lost")
                raise ZeroDivisionError
        for _ in range(3):
            async with database.write() as conn:
                await queue.enqueue(conn, "work", "kept", "kept")
                await queue.enqueue(conn, "work", "kept", "kept")
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "last", "last", delay_s=1.0)
        await until(lambda: "last" in done)
    assert sorted(done) == ["kept", "last"]


async def test_delayed_work_waits(database: Database) -> None:
    done: list[float] = []

    async def work() -> None:
        done.append(time.monotonic())

    async with running(database, work) as queue:
        asked = time.monotonic()
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "later", delay_s=2.0)
        await until(lambda: done)
    assert done[0] - asked >= 1.9


async def test_work_that_fails_holds_up_nothing(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        if name == "bad":
            raise ZeroDivisionError
        done.append(name)

    async with running(database, work) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "bad", "bad")
            await queue.enqueue(conn, "work", "good", "good")
        await until(lambda: done)
    assert "a piece of work failed" in caplog.text


async def test_what_an_error_says_is_not_kept(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The queue's tables are no place for a link, and an error may repeat one."""

    async def work() -> None:
        raise ValueError("cannot fetch https://interviews.example.com/i/a-token-of-a-link")

    async with running(database, work) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "bad")
        await until(lambda: traces(database, "ERROR"))
    [(error,)] = rows(
        database,
        "SELECT coalesce(s.error, '') || coalesce(o.error, '') FROM workflow_status s "
        "LEFT JOIN workflow_output o USING (workflow_uuid) WHERE s.status = 'ERROR'",
    )
    assert "ValueError" in error
    for file in database.path.parent.iterdir():
        assert b"a-token-of-a-link" not in file.read_bytes()
    assert "a piece of work failed" in caplog.text


async def test_what_was_cut_off_or_waited_at_the_end_is_done_after_the_next_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.durable.STOP_WAIT_S", 0.1)
    begun, done = asyncio.Event(), []

    async def endless(name: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work(name: str) -> None:
        done.append(name)

    async with running(database, endless) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "cut", "cut")
        await asyncio.wait_for(begun.wait(), 15)
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "waiting", "waiting", delay_s=1.0)
    assert done == []
    async with running(database, work):
        await until(lambda: len(done) == 2, 30)
    assert sorted(done) == ["cut", "waiting"]


async def test_what_runs_at_the_end_may_come_to_its_own(database: Database) -> None:
    begun, done = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.5)
        done.append(1)

    async with running(database, work) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "short")
        await asyncio.wait_for(begun.wait(), 15)
    assert done == [1]


async def test_a_schedule_calls_its_sweep_and_its_traces_are_purged(database: Database) -> None:
    swept: list[int] = []

    async def sweep() -> None:
        swept.append(1)

    async def work() -> None:
        pass

    async with running(database, work, Schedule("tick", "* * * * * *", sweep)) as queue:
        await until(lambda: len(swept) >= 2)
        assert await queue.purge(0) == 0
        await until(lambda: traces(database) >= 2)
        before = traces(database)
        assert await queue.purge(time.time_ns() // 1_000_000) >= 2
        assert traces(database) < before + 2


def traces(database: Database, status: str = "SUCCESS") -> int:
    [(count,)] = rows(database, f"SELECT count(*) FROM workflow_status WHERE status = '{status}'")
    return int(count)


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(f"sqlite:///{database.path}")
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found


def test_a_server_that_runs_for_office_hours_only_purges_every_day() -> None:
    for hour in range(24):
        began = datetime(2026, 11, 21, hour, 20, tzinfo=UTC)
        purges = croniter(PURGING, began, second_at_beginning=True)
        assert purges.get_next(datetime) - began <= timedelta(hours=1)


async def test_the_servers_loop_keeps_its_own_threads(database: Database) -> None:
    async def work() -> None:
        await asyncio.to_thread(lambda: None)

    own = ThreadPoolExecutor(2, thread_name_prefix="own")
    asyncio.get_running_loop().set_default_executor(own)
    async with running(database, work) as queue:
        async with database.write() as conn:
            await queue.enqueue(conn, "work", "a")
        await asyncio.sleep(2)
        name = await asyncio.to_thread(lambda: __import__("threading").current_thread().name)
        assert name.startswith("own")
    assert await asyncio.to_thread(lambda: 1) == 1


async def test_its_tables_disturb_neither_the_schemas_version_nor_a_migration(database: Database) -> None:
    async def work() -> None:
        pass

    async with running(database, work):
        pass
    assert await database.at_head()
    await database.migrate()

    def difference(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.read() as conn:
        found = await conn.run_sync(difference)
    assert {each[0] for each in found} <= {"remove_table", "remove_index"}
    strangers = {each[1].name for each in found if each[0] == "remove_table"}
    assert strangers.isdisjoint(metadata.tables)
    assert "workflow_status" in strangers


_ENDLESS = """
import asyncio, sys
from pathlib import Path
from storage.database import Database
from web.durable import Durable

async def main():
    database = Database(Path(sys.argv[1]))
    await database.open()
    queue = Durable(database.path)
    async def work(name):
        print("begun", flush=True)
        await asyncio.Event().wait()
    await queue.start({"work": work}, ())
    async with database.write() as conn:
        await queue.enqueue(conn, "work", "cut", "cut")
        await queue.enqueue(conn, "work", "waiting", "waiting", delay_s=3.0)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_work_of_a_killed_process_is_done_by_the_next_one(database: Database) -> None:
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(database.path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait, 10)
    process.stdout.close()
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    async with running(database, work):
        await until(lambda: len(done) == 2, 30)
    assert sorted(done) == ["cut", "waiting"]
    assert process.returncode == -signal.SIGKILL
