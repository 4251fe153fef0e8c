"""The composition of the server: what there is, in which order it starts, and in which it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from recorder.pool import Pool, PoolSettings
from signaling.clock import Clock, SystemClock
from signaling.hub import Hub
from signaling.relays import Relay
from signaling.surroundings import Limits, Recorders
from storage.database import Database
from storage.recordings import Recordings
from web import middlewares, rendering, routes
from web.data_folder import DataFolder
from web.keys import DATABASE, FOLDER, HUB, NOW_MS, PASSWORDS, POST, RECORDINGS, SETTINGS, STATIC, VIEWS
from web.looking import looking
from web.mail.post import Post
from web.passwords import Passwords
from web.queueing import Queue, Unkept
from web.recruiter.views import RecentViews
from web.settings import Settings
from web.static import own_files
from web.version import release


def pool_settings(settings: Settings, folder: DataFolder, advertised: tuple[str, ...]) -> PoolSettings:
    """What the operator set, as the recorders take it."""
    return PoolSettings(
        run_dir=folder.run,
        recordings_dir=folder.recordings,
        version=release(),
        workers=settings.workers,
        udp_port=settings.udp_port,
        advertised_ips=advertised,
        video_codecs=tuple(settings.video_codecs),
        max_bitrate_bps=settings.max_bitrate_bps,
        max_live=settings.max_live,
        min_free_disk_bytes=settings.min_free_disk_bytes,
    )


def relays(settings: Settings) -> tuple[Relay, ...]:
    """What the operator set, as live interviews hand it out."""
    return tuple(
        Relay(tuple(server.urls), server.username, server.credential, server.secret, server.lifetime_s)
        for server in settings.ice_servers
    )


def build(
    settings: Settings, folder: DataFolder, advertised: tuple[str, ...], clock: Clock | None = None
) -> web.Application:
    """The whole server. Nothing runs before its start-up; its database must have been migrated by then."""
    clock = clock or SystemClock()
    pool = Pool(pool_settings(settings, folder, advertised), lambda event: app[HUB].on_recorder_event(event))

    async def recorders(_: web.Application) -> AsyncIterator[None]:
        try:
            await pool.start()
            yield
        finally:
            await pool.stop()

    # Not above: what lasts takes as long to import as all else together, and few commands serve.
    from web import schedules
    from web.durable import Durable

    queue = Durable(folder.database)
    app = compose(settings, folder, pool, clock, queue)
    app.cleanup_ctx.extend((recorders, live_interviews, schedules.running(queue), looking))
    return app


def compose(
    settings: Settings, folder: DataFolder, recorders: Recorders, clock: Clock, queue: Queue | None = None
) -> web.Application:
    """All but what runs by itself (recorders, live interviews, letters): tests bring their own, or none.

    Without a queue letters are rows, and stay.
    """
    app = web.Application(
        middlewares=[middlewares.error_pages, middlewares.same_site, middlewares.request_bounds],
        client_max_size=max(settings.limits.form_bytes, settings.limits.team_form_bytes),
    )
    app[SETTINGS] = settings
    app[FOLDER] = folder
    app[DATABASE] = Database(folder.database)
    app[RECORDINGS] = Recordings(folder.recordings)
    app[NOW_MS] = clock.wall_ms
    app[PASSWORDS] = Passwords()
    app[VIEWS] = RecentViews()
    app[STATIC] = own_files()
    limits = Limits(sessions=settings.limits.sessions, max_bitrate_bps=settings.max_bitrate_bps)
    app[POST] = Post(queue or Unkept())
    app[HUB] = Hub(app[DATABASE], app[RECORDINGS], recorders, clock, limits, app[POST], relays(settings))
    rendering.set_up(app, app[STATIC], clock.wall_ms)
    routes.register(app)
    app.on_response_prepare.append(middlewares.security_headers)
    app.cleanup_ctx.append(_database)
    app.on_shutdown.append(_stop_hub)
    return app


async def _database(app: web.Application) -> AsyncIterator[None]:
    database = app[DATABASE]
    await database.open()
    try:
        yield
    finally:
        await database.close()


async def live_interviews(app: web.Application) -> AsyncIterator[None]:
    """Settles what was left of the last run."""
    await app[HUB].start()
    yield


async def _stop_hub(app: web.Application) -> None:
    """Closes every socket with 1012 before the server waits for its handlers to end."""
    await app[HUB].stop()
