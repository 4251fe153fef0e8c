"""One run of the server: from the socket to the signal that ends it. Prints through what it is given."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from signaling.clock import Clock
from storage.database import Database
from web.app import build
from web.data_folder import DataFolder, only_server
from web.logs import AccessLog
from web.settings import Settings

SHUTDOWN_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 75.0
BACKLOG = 256


class CannotListen(Exception):
    """The address cannot be had; the text is a sentence for the operator."""


def listen(host: str, port: int) -> socket.socket:
    """A bound, listening socket. Raises CannotListen."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"listen_host {host!r} is not an address of this machine: {error}.") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise CannotListen(_why_not(host, port, error)) from error
    return sock


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program. Stop that, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}. Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine. Set listen_host to one of its own."
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}."


@asynccontextmanager
async def brought_up(folder: DataFolder) -> AsyncIterator[Database]:
    """The database, brought to this release's schema. For whoever holds the folder's lock. Raises StorageError."""
    database = Database(folder.database)
    await database.open()
    try:
        await database.migrate()
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def opened(folder: DataFolder) -> AsyncIterator[Database]:
    """The database for a command beside a running server: brought up only if need be, and never under one.

    Raises StorageError, and AnotherServer where one of another release runs.
    """
    database = Database(folder.database)
    await database.open()
    try:
        if not await database.at_head():
            with only_server(folder):
                await database.migrate()
        yield database
    finally:
        await database.close()


async def run(
    settings: Settings,
    folder: DataFolder,
    sock: socket.socket,
    advertised: tuple[str, ...],
    listening: Callable[[], None],
    clock: Clock | None = None,
) -> None:
    """Serves on `sock` until SIGINT or SIGTERM; `listening` is called once requests are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = runner_of(build(settings, folder, advertised, clock))
    try:
        await runner.setup()
        await web.SockSite(runner, sock).start()
        listening()
        await stop.wait()
    finally:
        await runner.cleanup()


def runner_of(app: web.Application) -> web.AppRunner:
    """How connections are kept: one without a whole request head for IDLE_TIMEOUT_S is closed, new or used before.

    Bytes that trickle in do not prolong it. Bodies have their own time, in `web.forms`.
    """
    return web.AppRunner(
        app,
        access_log_class=AccessLog,
        access_log=logging.getLogger("greenroom.access"),
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        keepalive_timeout=IDLE_TIMEOUT_S,
    )
