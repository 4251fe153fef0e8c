"""One application a test, over a fresh data directory."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from storage import invitations, users
from tests.web.world import PASSWORD, PASSWORD_HASH, QUICK, START_MS, Client, NoRecorders, Site, StillClock
from web import demo
from web.app import compose, live_interviews
from web.data_folder import open_folder
from web.keys import DATABASE, PASSWORDS
from web.passwords import Passwords
from web.serving import brought_up
from web.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """`@pytest.mark.parametrize("settings", [{…}], indirect=True)` sets more."""
    return Settings(**{"data_dir": tmp_path / "data", "udp_port": 20000, **getattr(request, "param", {})})


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the demo in it, made once and copied for each test."""
    folder = open_folder(tmp_path_factory.mktemp("seed") / "data")

    async def fill() -> None:
        async with brought_up(folder) as database:
            await demo.prepare(database, folder.secret, password=PASSWORD, password_hash=PASSWORD_HASH, now_ms=START_MS)

    asyncio.run(fill())
    return folder.root


@pytest.fixture
async def site(seed: Path, settings: Settings, aiohttp_client: Callable[..., Awaitable[Client]]) -> Site:
    shutil.copytree(seed, settings.data_dir)
    folder, clock = open_folder(settings.data_dir), StillClock()
    app = compose(settings, folder, NoRecorders(), clock)
    app[PASSWORDS] = Passwords(QUICK)
    app.cleanup_ctx.append(live_interviews)
    client = await aiohttp_client(app)
    async with app[DATABASE].read() as conn:
        user = await users.by_email(conn, demo.EMAIL)
        assert user is not None
        [row] = await invitations.listing(conn, user.organisation_id)
        return Site(client, app, folder, clock, await invitations.get(conn, row.id))
