"""The second part of the verdict, moments after the first: each kept take is looked at once, by a process of its own.

One at a time, behind everything else (`recorder.look`), and whatever it finds or fails at, no recording waits for it.
What is still to be looked at is in the database, so that a restart only puts it off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path

from aiohttp import web

from recorder.chain import Chain
from recorder.look import OUTPUT_LIMIT_BYTES, Look, from_json, write_look
from recorder.messages import TakeId
from storage import looks
from storage.database import Database
from storage.errors import StorageError
from storage.interviews import TakeRow
from storage.recordings import Recordings
from web.keys import DATABASE, HUB, NOW_MS, RECORDINGS

log = logging.getLogger("greenroom.looking")

LOOK_EVERY_S = 2.0
AGAIN_AFTER_S = 60.0
TIMEOUT_S = 900.0
DISK_TIMEOUT_S = 60.0
KILLED_TIMEOUT_S = 5.0
TRIES = 3
"""Of a look that was ended from outside, or could not read the disk: the server stops, most likely."""
_OF_THE_LOOK = (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGSEGV, -signal.SIGABRT)
_ENDED = "ended"
_AGAIN = (_ENDED, "OSError")
MOST_FOUND = 1_000
"""Looks that wait to be noted; of more, the one that waits longest is made again."""
PAUSE_SHARE = 1.0
"""So long as a look took, nothing is looked at after it: at most half of one core, were it alone on the machine."""


class LookAgain(Exception):
    """It says nothing about the recording."""


class Looker:
    """`run` until cancelled; what it was at then is looked at again. `noted` is told the invitation of each take whose
    second verdict is in the database, and does not wait."""

    def __init__(
        self,
        database: Database,
        recordings: Recordings,
        now_ms: Callable[[], int],
        noted: Callable[[str], None],
    ) -> None:
        self._database, self._recordings, self._now_ms, self._noted = database, recordings, now_ms, noted
        self._chain = Chain(recordings.root)
        self.left = 0
        self._tries: dict[str, int] = {}
        self._found: dict[str, Look] = {}
        """By take, what could not be noted yet: a full disk costs no second look."""

    async def run(self) -> None:
        while True:
            try:
                self.left = 0
                await self.look_at_all()
            except Exception:  # the database cannot be read, most likely
                self.left += 1
                log.exception("recordings could not be looked at; they are in %.0f s", AGAIN_AFTER_S)
            await asyncio.sleep(AGAIN_AFTER_S if self.left else LOOK_EVERY_S)

    async def look_at_all(self) -> int:
        """What is due now; how many takes. One that cannot be noted is `left`, and holds up no other.

        Raises what the database raises when it is asked which are due.
        """
        after, count = "", 0
        while True:
            async with self._database.read() as conn:
                found = await looks.next_unlooked(conn, after=after)
            if found is None:
                return count
            after = found[0].id
            began_s = asyncio.get_running_loop().time()
            try:
                await self._look(*found)
                count += 1
            except (OSError, StorageError, LookAgain) as error:  # TimeoutError is an OSError
                self.left += 1
                log.error("take %s: its look cannot be noted: %s", after, error or "timeout")
            except Exception:  # whatever it is, the takes behind it are looked at
                self.left += 1
                log.exception("take %s: its look cannot be noted", after)
            await asyncio.sleep(PAUSE_SHARE * (asyncio.get_running_loop().time() - began_s))

    async def _look(self, take: TakeRow, invitation_id: str) -> None:
        path = self._recordings.path(invitation_id, take.file or f"{take.id}.none")
        look = self._found.pop(take.id, None) or await self._looked(path, take.id)
        if len(self._found) >= MOST_FOUND:
            del self._found[next(iter(self._found))]
        self._found[take.id] = look
        async with asyncio.timeout(DISK_TIMEOUT_S):
            if await asyncio.to_thread(path.exists):  # else it was discarded meanwhile
                await asyncio.to_thread(write_look, path.parent, TakeId(take.id), look, self._chain)
        async with self._database.write() as conn:
            noted = await looks.note_look(conn, take.id, look.reasons, asdict(look), self._now_ms())
        del self._found[take.id]
        if noted:
            self._noted(invitation_id)

    async def _looked(self, path: Path, take_id: str) -> Look:
        """Raises LookAgain, a few times for each take."""
        look = await looked(path)
        tries = self._tries.pop(take_id, 0) + 1
        if look.problem in _AGAIN and tries < TRIES:
            self._tries[take_id] = tries
            raise LookAgain(look.problem)
        if look.problem:
            log.warning("take %s could not be looked at: %s", take_id, look.problem)
        return look


async def looked(path: Path, timeout_s: float = TIMEOUT_S) -> Look:
    """By a process of its own, which is gone when this returns or is cancelled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recorder.look", str(path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # a group of its own to the scheduler, with its own nice value
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            said = await _to_end(process.stdout) if process.stdout is not None else b""
            await process.wait()
    except TimeoutError:
        return Look(problem="timeout")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):  # it hangs in the disk, and is gone when that answers
                await asyncio.wait_for(process.wait(), KILLED_TIMEOUT_S)
    code = process.returncode or 0
    problem = _ENDED if code < 0 and code not in _OF_THE_LOOK else f"exit code {code}"
    return from_json(said) or Look(problem=problem)


async def _to_end(stream: asyncio.StreamReader) -> bytes:
    """All of it, which may come in parts; never more than OUTPUT_LIMIT_BYTES."""
    said = b""
    while part := await stream.read(OUTPUT_LIMIT_BYTES - len(said)):
        said += part
    return said


async def looking(app: web.Application) -> AsyncIterator[None]:
    """A cleanup context: looks while it is entered."""
    looker = Looker(app[DATABASE], app[RECORDINGS], app[NOW_MS], app[HUB].changed)
    task = asyncio.create_task(looker.run(), name="looking")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
