"""A worker's process: its control socket, its lock, and its life without a server.

`python -m recorder.control '<settings as JSON>' <run folder>`. One server at a time:
the newest that said Hello; others may look on (`Stats`). Alone for 60 s, the worker ends its takes and exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import logging
import os
import signal
import sys
import time
from collections import deque
from pathlib import Path

import uvloop
from pydantic import TypeAdapter

from recorder import probe
from recorder.lines import LINE_LIMIT_BYTES, MessageMalformed, decode, encode
from recorder.messages import (
    Call,
    CallProblem,
    Event,
    Hello,
    Quit,
    Refused,
    Reply,
    Stats,
    Welcome,
)
from recorder.worker import Worker, WorkerSettings

log = logging.getLogger(__name__)

ALONE_FOR_S = 60.0
WRITE_TIMEOUT_S = 5.0
EVENTS_WAITING_BYTES = 1024 * 1024
MOST_ONLOOKERS = 8
"""Connections that have not said Hello: `greenroom top`, say. The oldest makes room."""
NICE = -10
YOUNG_OBJECTS = 10_000
"""A turn of the socket makes hundreds of tuples, none of them garbage for a collector: it need not run each time."""
EXIT_LOCKED = 3
EXIT_PORT = 4


def socket_path(run_dir: Path, number: int) -> Path:
    return run_dir / f"worker-{number}.sock"


def lock_path(run_dir: Path, number: int) -> Path:
    return run_dir / f"worker-{number}.lock"


def lock_is_free(run_dir: Path, number: int) -> bool:
    """Whether no worker of this number runs."""
    try:
        lock = os.open(lock_path(run_dir, number), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def lock_holder(run_dir: Path, number: int) -> int | None:
    """The process that has the lock; None when nobody has it, or its holder has not said who it is."""
    if lock_is_free(run_dir, number):
        return None
    try:
        return int(lock_path(run_dir, number).read_text())
    except (OSError, ValueError):
        return None


class Control:
    """The server side of the control socket."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.worker = Worker(settings, self._emit)
        self._client: asyncio.StreamWriter | None = None
        self._onlookers: deque[asyncio.StreamWriter] = deque()
        self._left_s = time.monotonic()
        self._stop = asyncio.Event()

    def _emit(self, event: Event) -> None:
        client = self._client
        if client is None or client.is_closing():
            return
        if client.transport.get_write_buffer_size() > EVENTS_WAITING_BYTES:
            log.warning("the server does not read; its connection is closed")
            client.transport.abort()
            return
        client.write(encode(event))

    async def serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._onlookers.append(writer)
        if len(self._onlookers) > MOST_ONLOOKERS:
            self._onlookers.popleft().close()
        try:
            while line := await reader.readline():
                reply, call_id = await self._answer(line, writer)
                if isinstance(reply, Welcome):
                    self._adopted_by(writer)
                writer.write(encode(reply, call_id))
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:
            log.info("the control connection ended: %s", error)
        finally:
            writer.close()
            if writer in self._onlookers:
                self._onlookers.remove(writer)
            if self._client is writer:
                self._client = None
                self._left_s = time.monotonic()

    def _adopted_by(self, writer: asyncio.StreamWriter) -> None:
        """It said Hello as a server of our version does: events go to it, and its predecessor is let go."""
        if writer in self._onlookers:
            self._onlookers.remove(writer)
        previous, self._client = self._client, writer
        if previous is not None and previous is not writer:
            previous.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> tuple[Reply, int | None]:
        try:
            message, call_id = decode(line)
        except MessageMalformed as error:
            return Refused(CallProblem.MALFORMED, str(error)), None
        if not isinstance(message, Call):
            return Refused(CallProblem.MALFORMED, "not a call"), call_id
        if writer is not self._client and not isinstance(message, Hello | Stats | Quit):
            return Refused(CallProblem.MALFORMED, "say Hello first"), call_id
        if isinstance(message, Hello) and message.version != self.worker.settings.version:
            return Refused("version", self.worker.settings.version), call_id
        try:
            reply = await self.worker.call(message)
        except Exception:
            log.exception("a call failed: %s", type(message).__name__)
            reply = Refused(CallProblem.FAILED, type(message).__name__)
        if isinstance(message, Quit):
            self._stop.set()
        elif not isinstance(message, Stats):
            log.debug("%s: %s", type(message).__name__, type(reply).__name__)
        return reply, call_id

    async def run(self, run_dir: Path) -> None:
        """Until told to quit, signalled, or alone for too long."""
        number = self.worker.settings.number
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        await self.worker.start()
        probe.leave(run_dir, number, self.worker.roster.probe)
        path = socket_path(run_dir, number)
        path.unlink(missing_ok=True)
        with folder_alias(run_dir) as alias:
            server = await asyncio.start_unix_server(self.serve_client, str(alias / path.name), limit=LINE_LIMIT_BYTES)
        path.chmod(0o600)
        try:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), 1.0)
                if self._client is None and time.monotonic() - self._left_s > ALONE_FOR_S:
                    log.warning("no server for %.0f s: takes are ended, the worker exits", ALONE_FOR_S)
                    break
        finally:
            await self.worker.stop()
            server.close()
            if self._client is not None:
                self._client.close()
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_alias(folder: Path):  # type: ignore[no-untyped-def]
    """A short name for a folder: the path of a Unix socket may have 107 bytes only (unix(7))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _ask_for_priority() -> None:
    """Media cannot wait for long, and a worker needs little: it goes before all else, where we may (CAP_SYS_NICE).

    A session of its own is also a group of its own to the scheduler (sched(7), autogroup), with its own nice value.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        Path("/proc/self/autogroup").write_text(str(NICE))
    except OSError as error:
        log.debug("no priority over other processes: %s", error)


def main(arguments: list[str]) -> int:
    """The worker's process. Exits 3 if another has its lock, 4 if its port is taken."""
    settings = TypeAdapter(WorkerSettings).validate_python(json.loads(arguments[0]))
    run_dir = Path(arguments[1])
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s worker {settings.number} %(levelname)s %(message)s")
    logging.raiseExceptions = False  # the server that held our standard error may be gone
    _ask_for_priority()
    lock = os.open(lock_path(run_dir, settings.number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return EXIT_LOCKED
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)

    async def run() -> int:
        try:
            control = Control(settings)
        except OSError as error:
            log.error("port %d: %s", settings.port, error)
            return EXIT_PORT
        gc.freeze()  # modules and classes live as long as the process: no collection need look at them
        gc.set_threshold(YOUNG_OBJECTS)
        await control.run(run_dir)
        return 0

    return uvloop.run(run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
