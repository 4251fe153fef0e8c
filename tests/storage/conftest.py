"""A migrated database for each test: migrated once, then copied."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.storage.world import World, furnish


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "greenroom.db"

    async def migrate() -> None:
        database = Database(path)
        await database.open()
        await database.migrate()
        await database.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "data" / "greenroom.db"
    path.parent.mkdir()
    shutil.copy(migrated_file, path)
    opened = Database(path)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def world(database: Database) -> World:
    async with database.write() as conn:
        return await furnish(conn, audio_only_allowed=True)
