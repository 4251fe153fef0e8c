"""A database with an organisation and its people in it."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.storage.world import World, furnish


@pytest.fixture
async def world(database: Database) -> World:
    async with database.write() as conn:
        return await furnish(conn, audio_only_allowed=True)
