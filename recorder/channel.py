"""The calls across to one worker: over its control socket, or to one in this process.

The supervisor's half of `control`. Replies are matched by number; events are handed
on in order. Every wait has a timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from recorder.control import folder_alias, socket_path
from recorder.lines import LINE_LIMIT_BYTES, MessageMalformed, decode, encode
from recorder.messages import (
    Call,
    CallProblem,
    CallRefused,
    Event,
    OfferProblem,
    OfferRefused,
    Refused,
    Reply,
    Welcome,
    WorkerUnavailable,
)
from recorder.worker import Worker, WorkerSettings

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0


class Channel(Protocol):
    """`closed` is set when the worker is gone; `silent` says that a call timed out and nothing has come since."""

    closed: asyncio.Event
    silent: bool

    async def call(self, message: Call) -> Reply:
        """The worker's reply, a refusal included. Raises WorkerUnavailable."""

    async def close(self) -> None: ...


class SocketChannel:
    """To a worker process. `open` raises OSError or TimeoutError when nobody listens."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        events: Callable[[Event], None],
        welcomed: Callable[[SocketChannel, Welcome], None],
    ) -> None:
        self.closed = asyncio.Event()
        self.silent = False
        self._reader, self._writer, self._events, self._welcomed = reader, writer, events, welcomed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._task = asyncio.get_running_loop().create_task(self._listen(), name="worker events")

    @classmethod
    async def open(
        cls,
        run_dir: Path,
        number: int,
        events: Callable[[Event], None],
        welcomed: Callable[[SocketChannel, Welcome], None],
    ) -> SocketChannel:
        """`welcomed` is called before any event that came behind the `Welcome`, however close."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            with folder_alias(run_dir) as alias:
                path = alias / socket_path(run_dir, number).name
                reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_LIMIT_BYTES)
        return cls(reader, writer, events, welcomed)

    async def call(self, message: Call) -> Reply:
        if self.closed.is_set():
            raise WorkerUnavailable("the worker is gone")
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                self._writer.write(encode(message, number))
                await self._writer.drain()
                return await future
        except (OSError, TimeoutError) as error:
            self.silent = True
            raise WorkerUnavailable(f"{type(message).__name__}: {type(error).__name__}") from error
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self.silent = False
                message, number = decode(line)
                if isinstance(message, Event):
                    try:
                        self._events(message)
                    except Exception:
                        log.exception("an event could not be taken: %s", type(message).__name__)
                elif isinstance(message, Reply) and number is not None:
                    if isinstance(message, Welcome):
                        self._welcomed(self, message)
                    future = self._waiting.get(number)
                    if future is not None and not future.done():
                        future.set_result(message)
        except (OSError, ValueError, MessageMalformed) as error:
            log.warning("the connection to a worker broke: %s", error)
        finally:
            self.closed.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(WorkerUnavailable("the worker is gone"))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._writer.wait_closed()


class LocalChannel:
    """To a worker inside this process (`--workers 0`, tests): the same calls, no socket."""

    def __init__(self, settings: WorkerSettings, events: Callable[[Event], None]) -> None:
        self.closed = asyncio.Event()
        self.silent = False
        self.worker = Worker(settings, events)

    async def call(self, message: Call) -> Reply:
        return await self.worker.call(message)

    async def close(self) -> None:
        await self.worker.stop()
        self.closed.set()


def refusal(refused: Refused) -> CallRefused | OfferRefused:
    """The exception that a refusal stands for."""
    if refused.problem in set(OfferProblem):
        return OfferRefused(OfferProblem(refused.problem), refused.detail)
    if refused.problem in set(CallProblem):
        return CallRefused(CallProblem(refused.problem), refused.detail)
    return CallRefused(CallProblem.FAILED, refused.problem)
