"""One worker's process: adopted or started, connected to again, restarted when it dies, ended in order.

Knows nothing of what the worker holds: `Owner` is told when it greets, returns or dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from recorder.channel import SocketChannel
from recorder.control import EXIT_PORT, lock_is_free, lock_path
from recorder.messages import Event, Hello, Quit, RecorderError, Stats, Welcome, WorkerUnavailable
from recorder.retiring import retire
from recorder.worker import WorkerSettings

log = logging.getLogger(__name__)

START_TIMEOUT_S = 15.0
QUIT_TIMEOUT_S = 20.0
RECONNECT_S = 10.0
LOOK_EVERY_S = 0.05
RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Between restarts of a worker that keeps dying; the last is repeated."""
STEADY_AFTER_S = 30.0
ASK_EVERY_S = 10.0
MOST_UNANSWERED = 3
"""A worker that does not answer so often in a row hangs; what it recorded until then is worth more than its life."""


class PoolError(RecorderError):
    """The recorder cannot be started; `str` is for the operator."""


class Owner(Protocol):
    def greeted(self, number: int, welcome: Welcome) -> None:
        """Worker `number` said what it holds; called before any event that came behind it."""

    async def returned(self, number: int) -> None:
        """It went on while the connection to it was broken."""

    async def died(self, number: int) -> None:
        """Its process is gone."""


class Supervisor:
    """`channel` is the connection in use, None before the first; `pid` and `port` are the worker's own words."""

    def __init__(self, settings: WorkerSettings, run_dir: Path, owner: Owner, events: Callable[[Event], None]) -> None:
        self.number = settings.number
        self.channel: SocketChannel | None = None
        self.pid = 0
        self.port = 0
        self._settings, self._run_dir, self._owner, self._events = settings, run_dir, owner, events
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Returns when the worker answers. Raises PoolError."""
        await self._bring_up()
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name=f"worker {self.number}")

    async def _greet(self) -> bool | None:
        """Whether the worker welcomes us, and is the one in use then; None when nobody answers."""
        with contextlib.suppress(OSError, TimeoutError):
            channel = await SocketChannel.open(self._run_dir, self.number, self._events, self._greeted)
            with contextlib.suppress(WorkerUnavailable):
                welcome = isinstance(await channel.call(Hello(self._settings.version)), Welcome)
                if not welcome:
                    await channel.close()
                return welcome
            await channel.close()
        return None

    def _greeted(self, channel: SocketChannel, welcome: Welcome) -> None:
        self.channel, self.pid, self.port = channel, welcome.pid, welcome.udp_port
        self._owner.greeted(self.number, welcome)

    async def _bring_up(self) -> None:
        """Adopts a running worker, replaces one of another version or other settings, else starts one."""
        deadline = asyncio.get_running_loop().time() + RECONNECT_S
        while not lock_is_free(self._run_dir, self.number):
            welcome = await self._greet()
            if welcome:
                log.info("worker %d (process %d) goes on", self.number, self.pid)
                return
            if welcome is False or asyncio.get_running_loop().time() > deadline:
                await retire(self._run_dir, self.number)
                break
            await asyncio.sleep(LOOK_EVERY_S)
        await self._spawn()

    async def _spawn(self) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder.control",
            json.dumps(dataclasses.asdict(self._settings)), str(self._run_dir),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C is the server's to handle
        )  # fmt: skip
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while True:
            if await self._greet():
                return
            if process.returncode is not None:
                raise PoolError(self._why_not(process.returncode))
            if asyncio.get_running_loop().time() > deadline:
                raise PoolError(f"worker {self.number} did not answer within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)

    def _why_not(self, code: int) -> str:
        if code == EXIT_PORT:
            return f"port {self._settings.port} is taken, for UDP or for TCP; choose another `udp_port`"
        lock = lock_path(self._run_dir, self.number)
        return f"worker {self.number} ended with code {code}; is another server using {lock}?"

    async def _watch(self) -> None:
        """Connects again to a worker that lives; restarts one that died, with growing pauses."""
        deaths = 0
        while not self._stopping and self.channel is not None:
            began = asyncio.get_running_loop().time()
            channel = self.channel
            await self._until_broken(channel)
            await channel.close()
            try:
                if await self._reconnect():
                    await self._owner.returned(self.number)
                    continue
                log.error("worker %d died", self.number)
                if self._process is not None:
                    await self._process.wait()
                    self._process = None
                await self._owner.died(self.number)
            except Exception:
                log.exception("what worker %d held could not be settled", self.number)
            deaths = 0 if asyncio.get_running_loop().time() - began > STEADY_AFTER_S else deaths + 1
            while not self._stopping:
                await asyncio.sleep(RESTART_PAUSES_S[min(deaths, len(RESTART_PAUSES_S) - 1)])
                try:
                    await self._bring_up()
                    break
                except (PoolError, OSError) as error:
                    deaths += 1
                    log.error("worker %d cannot be started: %s", self.number, error)

    async def _until_broken(self, channel: SocketChannel) -> None:
        """Until the connection is; a worker that hangs is killed, which breaks it."""
        unanswered = 0
        while not channel.closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(channel.closed.wait(), ASK_EVERY_S)
                return
            try:
                await channel.call(Stats())
                unanswered = 0
            except WorkerUnavailable:
                unanswered += 1
            if unanswered >= MOST_UNANSWERED and not channel.closed.is_set():
                self._kill()
                return

    def _kill(self) -> None:
        log.error("worker %d lives but does not answer; it is killed", self.number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def _reconnect(self) -> bool:
        """Whether the worker behind a broken connection goes on; one that lives but never answers is killed."""
        deadline = asyncio.get_running_loop().time() + RECONNECT_S
        while self._lives():
            if await self._greet():
                log.warning("the connection to worker %d broke and was made again", self.number)
                return True
            if asyncio.get_running_loop().time() > deadline:
                self._kill()
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    def _lives(self) -> bool:
        """Whether the worker's process is there: it holds its lock for its life."""
        if self._process is not None and self._process.returncode is not None:
            return False
        return not lock_is_free(self._run_dir, self.number)

    async def stop(self) -> None:
        """Asks the worker to end and keep its takes; kills it when it does not (bounded)."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self.channel is not None:
            with contextlib.suppress(WorkerUnavailable):
                await self.channel.call(Quit())
                await _until_closed(self.channel)
            await self.channel.close()
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()  # one that was started and not yet spoken to
        try:
            await asyncio.wait_for(process.wait(), QUIT_TIMEOUT_S)
        except TimeoutError:
            log.error("worker %d does not end; it is killed, its takes are recovered at the next start", self.number)
            process.kill()
            await process.wait()


async def _until_closed(channel: SocketChannel) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(channel.closed.wait(), QUIT_TIMEOUT_S)
