"""The queue that lasts, on dbos, in the application's own database file: the only file that knows dbos.

dbos is one per process, brings threads and an event loop of its own, and would replace the default executor of a
loop that it is started in. So it is started, used and ended on threads of its own, and only the work itself comes back
to the loop of the server. A piece of work that is cut off, by the end of the process or by SIGKILL, begins anew at the
next start: each must be safe to repeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy.ext.asyncio import AsyncConnection

log = logging.getLogger("greenroom.durable")

Work = Callable[..., Awaitable[object]]

NAME = "greenroom"
QUEUE = "greenroom"
# Changes only when pieces queued by an older release could not be done by this one.
WORK_VERSION = "1"
AT_ONCE = 8
POLL_S = 1.0
STOP_WAIT_S = 10.0
QUEUES_END_S = 1
PURGED_AT_ONCE = 500
_DO, _SWEEP = "do", "sweep"
_OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A sweep by a cron of six fields, seconds first, in UTC. One that was missed is not caught up with."""

    name: str
    cron: str
    sweep: Callable[[], Awaitable[object]]


class WorkFailed(Exception):
    """All that dbos is told of a failure, and keeps: its kind. What it said is in the log, which cuts links out."""


class Durable:
    """A `queueing.Queue` from `start` to `stop`; both once, and one at a time in a process."""

    def __init__(self, database: Path) -> None:
        self._url = f"sqlite:///{database}"
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="durable")
        self._works: Mapping[str, Work] = {}
        self._sweeps: Mapping[str, Callable[[], Awaitable[object]]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: DBOSClient | None = None

    async def start(self, works: Mapping[str, Work], schedules: Sequence[Schedule]) -> None:
        """What was queued before goes on at once. `works` are done in the running loop, at most AT_ONCE together."""
        self._works = works
        self._sweeps = {schedule.name: schedule.sweep for schedule in schedules}
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._aside, self._launch, schedules)

    async def stop(self) -> None:
        """Lets what runs come to its end, for STOP_WAIT_S; cuts off the rest, which begins anew at the next start."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_WAIT_S)
        if self._loop is not None:
            await self._loop.run_in_executor(self._aside, self._destroy)
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_WAIT_S)
        self._aside.shutdown(wait=False)

    async def enqueue(
        self, conn: AsyncConnection, work: str, key: str, *arguments: str | int, delay_s: float = 0.0
    ) -> None:
        """As `queueing.Queue`: a row of dbos's in the caller's transaction."""
        if self._client is None:
            raise RuntimeError("the queue is not running")
        client = self._client
        options: EnqueueOptions = {
            "workflow_name": _DO,
            "queue_name": QUEUE,
            "workflow_id": key,
            "app_version": WORK_VERSION,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        await conn.run_sync(lambda sync: client.enqueue_in_transaction(sync, options, work, *arguments))

    async def purge(self, before_ms: int) -> int:
        """Removes the traces of work that was over by then, and says of how many."""
        if self._loop is None:
            return 0
        return await self._loop.run_in_executor(self._aside, _purge, before_ms)

    # On threads of dbos's own, without a loop of the server's.

    def _launch(self, schedules: Sequence[Schedule]) -> None:
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            # Without one it would print past our own formatter, which is what cuts links out.
            logger.addHandler(logging.NullHandler())
        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": self._url,
            "application_version": WORK_VERSION,
            "executor_id": "main",
            "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": AT_ONCE,
        }
        DBOS(config=config)

        @DBOS.workflow(name=_DO)
        async def do(work: str, *arguments: str | int) -> None:
            await self._in_server(self._works[work], *arguments)

        @DBOS.workflow(name=_SWEEP)
        async def sweep(_at: object, name: str) -> None:
            if name in self._sweeps:
                await self._in_server(self._sweeps[name])

        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=POLL_S)
        DBOS.apply_schedules(
            [
                {
                    "schedule_name": schedule.name,
                    "workflow_fn": sweep,
                    "schedule": schedule.cron,
                    "context": schedule.name,
                }
                for schedule in schedules
            ]
        )
        self._client = DBOSClient(
            system_database_url=self._url, serializer=DBOSPortableJSONSerializer(), application_name=NAME, lazy=True
        )

    def _destroy(self) -> None:
        # With a wait, dbos first tells its queues to end. Without one it ends its loop at once, under a queue that has
        # just taken something up.
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=QUEUES_END_S)
        if self._client is not None:
            self._client.destroy()
            self._client = None

    async def _in_server(self, work: Work, *arguments: str | int) -> None:
        """Done in the server's loop, waited for in dbos's."""
        if self._loop is None or self._stopping:
            # Never begun, and never ended either: so it is begun anew at the next start.
            await asyncio.Event().wait()
            return
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._owned(work, *arguments), self._loop))

    async def _owned(self, work: Work, *arguments: str | int) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._running.add(task)
        try:
            await work(*arguments)
        except Exception as error:
            log.exception("a piece of work failed")
            raise WorkFailed(type(error).__name__) from None
        finally:
            self._running.discard(task)


def _purge(before_ms: int) -> int:
    end_time = datetime.fromtimestamp(before_ms / 1000, UTC).isoformat()
    gone = 0
    while True:
        found = DBOS.list_workflows(
            status=_OVER, end_time=end_time, limit=PURGED_AT_ONCE, load_input=False, load_output=False
        )
        if not found:
            return gone
        DBOS.delete_workflows([each.workflow_id for each in found])
        gone += len(found)
