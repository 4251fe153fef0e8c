"""The threads that finish takes, below everything else on the machine: a file may wait, a packet may not.

A worker's threads inherit its priority, which goes before other processes; reading a file back, hashing it and drawing
its poster is CPU that would otherwise be taken from takes that run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from recorder.chain import Chain
from recorder.facts import TakeFacts
from recorder.finish import finish
from recorder.messages import Arm, TakeResult
from recorder.mux import MuxClosed

log = logging.getLogger(__name__)

THREADS = 2
NICE = 5
SLOW_S = 60.0
LONGEST_S = 600.0
"""A disk that hangs for minutes may come back: until then the take is not called lost."""

R = TypeVar("R")


def give_way() -> None:
    """Lowers the calling thread alone (on Linux each has its own nice value, setpriority(2))."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class Finishers:
    """Owned by one worker; used on its loop. Each take becomes a link of `chain`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="finish", initializer=give_way)

    async def finish(
        self, order: Arm, closing: Future[MuxClosed], facts: Callable[[MuxClosed], TakeFacts]
    ) -> TakeResult:
        """The result of a take whose file is being closed; `facts` is asked once it is.

        Raises TimeoutError, and what `recorder.finish.finish` raises.
        """
        closed = await _patiently(asyncio.wrap_future(closing), f"take {order.take_id}: closing its file")
        if closed.fault is not None:
            log.warning("take %s: %s %s", order.take_id, closed.fault, closed.fault_detail)
        finishing = asyncio.get_running_loop().run_in_executor(
            self._threads,
            partial(finish, Path(order.folder), order.take_id, facts(closed), closed.lock, chain=self._chain),
        )
        return await _patiently(finishing, f"take {order.take_id}: finishing it")

    def close(self) -> None:
        self._threads.shutdown(wait=False)


async def _patiently(work: asyncio.Future[R], what: str) -> R:
    """Its result. Says so when it is slow; raises TimeoutError after LONGEST_S."""
    done, _ = await asyncio.wait({work}, timeout=SLOW_S)
    if not done:
        log.error("%s takes long: is the disk all right?", what)
    return await asyncio.wait_for(asyncio.shield(work), LONGEST_S - SLOW_S)
