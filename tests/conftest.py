"""What holds for every test: property tests draw the same examples in every run, without a clock of their own; and a
migrated database for each test that asks for one, migrated once, then copied."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.database import Database

settings.register_profile("greenroom", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, print_blob=True)  # pytest --hypothesis-profile=explore
settings.load_profile("greenroom")


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
