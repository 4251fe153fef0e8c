"""The room around a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.signaling.room import Room


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(database, tmp_path / "recordings")
    yield made
    await made.hub.stop()
