"""A migrated database for each test (migrated once, then copied), and the room around it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.signaling.room import Room


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
async def room(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Room]:
    path = tmp_path / "data" / "greenroom.db"
    path.parent.mkdir()
    shutil.copy(migrated_file, path)
    database = Database(path)
    await database.open()
    made = Room(database, tmp_path / "recordings")
    yield made
    await made.hub.stop()
    await database.close()
