"""Ends a worker that is not to go on: of another version, of other settings, or one too many.

It finishes its takes first. What one leaves that does not end in time, `recovery` settles from the disk, so that after
`retire` nothing that it recorded is still on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from recorder.channel import SocketChannel
from recorder.control import lock_holder, lock_is_free, lock_path
from recorder.messages import Quit, WorkerUnavailable

log = logging.getLogger(__name__)

RETIRE_TIMEOUT_S = 60.0
KILL_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.05


def running(run_dir: Path) -> list[int]:
    """The numbers of the workers that live now, whoever started them."""
    found = []
    for path in run_dir.glob("worker-*.lock"):
        number = path.stem.removeprefix("worker-")
        if number.isdecimal() and path == lock_path(run_dir, int(number)) and not lock_is_free(run_dir, int(number)):
            found.append(int(number))
    return sorted(found)


async def retire(run_dir: Path, number: int, timeout_s: float = RETIRE_TIMEOUT_S) -> None:
    """Returns when the worker's process is gone; it is killed when `timeout_s` did not do. Its events go nowhere."""
    log.info("worker %d ends its takes and is not used any more", number)
    with contextlib.suppress(OSError, TimeoutError, WorkerUnavailable):
        channel = await SocketChannel.open(run_dir, number, lambda event: None, lambda channel, welcome: None)
        try:
            await channel.call(Quit())
            async with asyncio.timeout(timeout_s):
                await channel.closed.wait()
        finally:
            await channel.close()
    if await _gone(run_dir, number, timeout_s):
        return
    log.error("worker %d does not end; it is killed, its takes are recovered", number)
    with contextlib.suppress(ProcessLookupError):
        if pid := lock_holder(run_dir, number):
            os.kill(pid, signal.SIGKILL)
    await _gone(run_dir, number, KILL_TIMEOUT_S)


async def _gone(run_dir: Path, number: int, within_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + within_s
    while not lock_is_free(run_dir, number):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True
