"""The database file: its engines, its transactions, its schema's version. No query on a subject is here.

SQLite in WAL mode. One writer, whose transactions are BEGIN IMMEDIATE, since a transaction that turns into a writer
half-way loses updates or meets "database is locked". Readers are four, cannot write, and see one snapshot each.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import AsyncAdaptedQueuePool, event, exc
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from storage import migrations
from storage.errors import Busy, DatabaseUnusable

READERS = 4
CONNECTION_WAIT_S = 15.0
LOCK_WAIT_MS = 10_000


class Database:
    """One database, for one process. `open` first, `close` last; in between any number of tasks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    @property
    def path(self) -> Path:
        return self._path

    async def open(self) -> None:
        """Makes the directory (0700) and the file (0600) if needed. Raises DatabaseUnusable.

        The schema is left as it is: see `at_head` and `migrate`.
        """
        if self._writer is not None:
            return
        try:
            await asyncio.to_thread(_make_private, self._path)
        except OSError as error:
            raise DatabaseUnusable(f"cannot open the database {self._path}: {error.strerror or error}") from error
        writer = _engine(self._path, size=1, begin="BEGIN IMMEDIATE", pragmas=_WRITER_PRAGMAS)
        try:
            async with writer.connect() as connection:
                await connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")
        except exc.DBAPIError as error:
            await writer.dispose()
            raise DatabaseUnusable(f"cannot open the database {self._path}: {error.orig}") from error
        self._writer = writer
        self._reader = _engine(self._path, size=READERS, begin="BEGIN", pragmas=_READER_PRAGMAS)

    async def close(self) -> None:
        """Closes every connection. Harmless when closed already."""
        engines = (self._reader, self._writer)
        self._reader = self._writer = None
        for engine in engines:
            if engine is not None:
                await engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """The one writer's connection, in a transaction: committed at the end, rolled back by an exception.

        Others wait meanwhile, so statements only: no network, no file, no sleep. Raises Busy after CONNECTION_WAIT_S.
        """
        async with _transaction(self._opened(self._writer)) as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A reader's connection, on one snapshot. Raises Busy after CONNECTION_WAIT_S."""
        async with _transaction(self._opened(self._reader)) as connection:
            yield connection

    async def at_head(self) -> bool:
        """Whether the schema is the one this code was written for."""
        async with self.read() as connection:
            return await connection.run_sync(migrations.at_head)

    async def migrate(self) -> None:
        """Brings the schema to this code's, in one transaction: all of it or nothing. Raises DatabaseTooNew.

        A second process that migrates meanwhile waits, then finds nothing to do.
        """
        self._opened(self._writer)
        engine = _engine(self._path, size=1, begin="BEGIN IMMEDIATE", pragmas=_MIGRATION_PRAGMAS)
        try:
            async with _transaction(engine) as connection:
                await connection.run_sync(migrations.upgrade)
        finally:
            await engine.dispose()

    def _opened(self, engine: AsyncEngine | None) -> AsyncEngine:
        if engine is None:
            raise DatabaseUnusable(f"the database {self._path} is not open")
        return engine


# A commit that the candidate was told about survives a power cut: hence FULL.
_WRITER_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_READER_PRAGMAS = ("query_only=ON", "foreign_keys=ON")
# SQLite rebuilds a table to change it, and enforced keys would forbid that: they are checked at the end instead.
_MIGRATION_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF")


def _make_private(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # SQLite gives its -wal and -shm files the mode of the file they belong to.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _engine(path: Path, *, size: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=CONNECTION_WAIT_S,
    )

    def on_connect(dbapi_connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own transactions start too late (at the first write): "begin" below starts them.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in (f"busy_timeout={LOCK_WAIT_MS}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
            await stack.enter_async_context(connection.begin())
        except exc.TimeoutError as error:
            raise Busy(f"no database connection came free within {CONNECTION_WAIT_S:.0f} s") from error
        except exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise Busy(f"another process kept the database locked for {LOCK_WAIT_MS / 1000:.0f} s") from error
        yield connection
