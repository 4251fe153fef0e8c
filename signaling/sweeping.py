"""Deletes what is left on disk of takes that nobody wants any more: discarded, abandoned, or failed with nothing kept.

Their files are deleted at once when that is decided (`orders`); here is what makes sure of it, after a disk that
failed for a moment or a server that died. A take whose files are gone is noted as such, and not looked at again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from recorder.messages import TakeId
from signaling import record
from signaling.discarding import discard
from signaling.surroundings import DISK_TIMEOUT_S, Surroundings
from storage.errors import StorageError

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 600.0
BATCH = 200
LEAVE_ALONE_MS = 60_000
"""A take this young may be given up at the server and yet reach a worker; by then it is known to hold it."""


async def keep_sweeping(around: Surroundings, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """At once, and then every SWEEP_EVERY_S. Never raises for what a disk or a database does."""
    while True:
        try:
            await sweep(around)
        except (SQLAlchemyError, StorageError):
            log.exception("discarded recordings could not be swept; they are in %.0f s", SWEEP_EVERY_S)
        await pause(SWEEP_EVERY_S)


async def sweep(around: Surroundings) -> int:
    """Goes once through all unwanted takes; how many are known to be gone now. Raises what the database raises."""
    now_ms = around.clock.wall_ms()
    after, gone_in_all, left = "", 0, 0
    while found := await record.unwanted(around.database, before_ms=now_ms - LEAVE_ALONE_MS, after=after, limit=BATCH):
        after = found[-1][0]
        held = around.recorders.takes
        gone = [take_id for take_id, owner in found if take_id not in held and await _deleted(around, owner, take_id)]
        if gone:
            await record.note_gone(around.database, gone, now_ms)
        gone_in_all += len(gone)
        left += len(found) - len(gone)
    if left:
        log.warning("the files of %d discarded takes are still there; they are tried again", left)
    return gone_in_all


async def _deleted(around: Surroundings, invitation_id: str, take_id: TakeId) -> bool:
    try:
        async with asyncio.timeout(DISK_TIMEOUT_S):
            await asyncio.get_running_loop().run_in_executor(
                around.disk, discard, around.recordings, invitation_id, take_id
            )
    except (OSError, StorageError, TimeoutError) as error:
        log.info("take %s: its discarded files cannot be deleted: %s", take_id, error or "timeout")
        return False
    return True
