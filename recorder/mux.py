"""Frames of a take into its `.part` file, by PyAV, without decoding.

`Mux` is what a take holds: its calls only put frames into a bounded queue.
`Writer` owns the two threads of a worker that do the rest: one writes the
queues of all takes in batches (a thread for each take costs a wake-up for each,
see tests/bench), the other makes what was written durable once a second and
settles those that close. No fsync runs on the first: all takes share it.
It decides nothing about a take; trouble is a `fault` for the take to read.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from recorder.frames import FRAME_LIMIT_BYTES
from recorder.part import PartLock
from recorder.part_file import MuxOrder, PartFile, Written

__all__ = ["Mux", "MuxClosed", "MuxFault", "MuxOrder", "Writer", "Written"]

PENDING_LIMIT_BYTES: Final = 4 * FRAME_LIMIT_BYTES
PENDING_LIMIT_FRAMES: Final = 8192
SLOW_DISK_S: Final = 2.0
"""A queue that overflows sooner after it was last emptied does so by the sender's rate, not by the disk's."""
VIDEO_FRAMES_A_SECOND: Final = 120
AUDIO_PACKETS_A_SECOND: Final = 400
"""Opus packets of 2.5 ms, the shortest. What a sender puts into one second of a take beyond these is dropped."""


class MuxFault(StrEnum):
    """Why a mux takes no more; what was written before stays good.

    TOO_LARGE is the sender's doing (bytes of the take, or a rate beyond any
    disk's); QUEUE_FULL, DISK_FULL and FAILED are ours.
    """

    DISK_FULL = "disk_full"
    TOO_LARGE = "too_large"
    QUEUE_FULL = "queue_full"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MuxClosed:
    """The end of a mux. `lock` is for `finish`, which lets go of it; None if no file came to be."""

    written: Written
    lock: PartLock | None
    fault: MuxFault | None
    fault_detail: str = ""


class Mux:
    """One take's file. The event loop calls its methods, which never block and never raise.

    Any thread may read the plain attributes: `fault`, once set, means nothing
    more is taken; `safe_us` is the media time that survives a power cut;
    `size_bytes` counts payload accepted; `dropped` counts frames that were not,
    `crowded` those among them that were too many for their second.
    """

    __slots__ = (
        "_close",
        "_counts",
        "_discard",
        "_emptied_s",
        "_file",
        "_note",
        "_pending",
        "_putting",
        "_seconds",
        "_taken_bytes",
        "_writer",
        "crowded",
        "dropped",
        "fault",
        "fault_detail",
        "order",
        "size_bytes",
    )

    def __init__(self, writer: Writer, order: MuxOrder) -> None:
        self.order = order
        self.fault: MuxFault | None = None
        self.fault_detail = ""
        self.size_bytes = 0
        self.dropped = 0
        self.crowded = 0
        self._putting = not order.codec
        self._seconds = [0, 0]  # of the take's timeline, of sound and of video, and what was put into each
        self._counts = [0, 0]
        self._emptied_s = writer.clock()
        self._pending: deque[tuple[bytes, int, int, int, int]] = deque()
        self._taken_bytes = 0
        self._close: Future[MuxClosed] | None = None
        self._discard = False
        self._note: dict[str, Any] | None = None
        self._file = PartFile(order)
        self._writer = writer
        writer.adopt(self)

    @property
    def safe_us(self) -> int:
        return self._file.safe_us

    def video(self, payload: bytes, pts_us: int, key: bool, width: int, height: int) -> None:
        """A whole frame. The first must be a key frame; those before it are dropped and counted.

        So is what is too many for its second, and then what follows up to a key
        frame of a later second, which would decode to rubbish without it.
        """
        if not self._putting and (not key or self._close is not None):
            self.dropped += 1
            return
        self._putting = self._put(1, VIDEO_FRAMES_A_SECOND, (payload, pts_us, 2 if key else 1, width, height))

    def audio(self, payload: bytes, pts_us: int) -> None:
        """An Opus packet, also before the first frame of video."""
        self._put(0, AUDIO_PACKETS_A_SECOND, (payload, pts_us, 0, 0, 0))

    def _put(self, track: int, limit: int, frame: tuple[bytes, int, int, int, int]) -> bool:
        """False if it is too many for its second."""
        pts_us = frame[1]
        second = pts_us // 1_000_000
        if second > self._seconds[track]:
            self._seconds[track] = second
            self._counts[track] = 0
        elif self._counts[track] >= limit:
            self.dropped += 1
            self.crowded += 1
            return False
        self._counts[track] += 1
        if self.fault is not None or self._close is not None or pts_us < 0:
            self.dropped += 1
            return True
        size = self.size_bytes + len(frame[0])
        if size > self.order.max_bytes:
            self.fail(MuxFault.TOO_LARGE, f"{self.order.max_bytes} bytes")
        elif size - self._taken_bytes > PENDING_LIMIT_BYTES or len(self._pending) >= PENDING_LIMIT_FRAMES:
            # The oldest that waits came after the last batch began.
            waits_s = self._writer.clock() - self._emptied_s
            fault = MuxFault.QUEUE_FULL if waits_s > SLOW_DISK_S else MuxFault.TOO_LARGE
            self.fail(fault, f"{len(self._pending)} frames, {size - self._taken_bytes} bytes in {waits_s:.1f} s")
        else:
            self.size_bytes = size
            self._pending.append(frame)
            return True
        self.dropped += 1
        return True

    def note(self, facts: dict[str, Any]) -> None:
        """These are in the journal soon, for a recovery: what the media itself does not tell. The last ones count."""
        self._note = facts

    def close(self) -> Future[MuxClosed]:
        """Writes what is queued, then the end of the file, and syncs it.

        The same future at each call; it never fails and cannot be cancelled.
        """
        if self._close is None:
            self._close = Future()
            self._close.set_running_or_notify_cancel()
            self._writer.wake()
        return self._close

    def discard(self) -> Future[MuxClosed]:
        """As `close`, and the files are gone after it: for a take that never started."""
        self._discard = True
        return self.close()

    def fail(self, fault: MuxFault, detail: str) -> None:
        """Ends the taking of frames; the first fault stays."""
        if self.fault is None:
            self.fault_detail = detail
            self.fault = fault

    def _fail_by(self, error: Exception) -> None:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        self.fail(MuxFault.DISK_FULL if full else MuxFault.FAILED, str(error))

    def write_pending(self) -> int:
        """Writer thread: what is queued goes into the container. The number of frames."""
        pending, file = self._pending, self._file
        began_s = self._writer.clock()
        count = taken = len(pending)
        try:
            file.open()
            note, self._note = self._note, None
            if note is not None:
                file.note(note)
            while taken:
                taken -= 1
                frame = pending.popleft()
                self._taken_bytes += len(frame[0])
                file.write(*frame)
            self._emptied_s = began_s
            file.mark_written()
        except Exception as error:  # one take's trouble, a hostile header say, must not end the others' thread
            self._fail_by(error)
            pending.clear()
        return count

    def sync(self) -> None:
        """Sync thread: makes what was written durable."""
        try:
            self._file.sync()
        except OSError as error:
            self._fail_by(error)

    def finish(self) -> bool:
        """Writer thread: True when the mux was asked to close and its container now is; `settle` comes next."""
        if self._close is None:
            return False
        if not self._discard:
            self.write_pending()
        try:
            self._file.close(intact=self.fault in (None, MuxFault.TOO_LARGE, MuxFault.QUEUE_FULL))
        except Exception as error:  # as above
            self._fail_by(error)
        return True

    def settle(self) -> None:
        """Sync thread, once, after `finish`: what was written is durable, or gone, and the future done."""
        file = self._file
        try:
            if self._discard:
                file.remove()
            else:
                file.settle()
        except Exception as error:  # as above
            self._fail_by(error)
        lock = None if self._discard else file.lock
        written = file.written(self.size_bytes, self.dropped)
        if self._close is not None:
            self._close.set_result(MuxClosed(written, lock, self.fault, self.fault_detail))


class Writer:
    """The writing threads of one worker. Made and closed by it; `Mux` objects join by themselves."""

    def __init__(
        self, interval_s: float = 0.25, sync_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._interval_s = interval_s
        self._sync_s = sync_s
        self._joining: deque[Mux] = deque()
        self._muxes: list[Mux] = []
        self._closing: deque[Mux] = deque()
        self._wake = threading.Event()
        self._wake_sync = threading.Event()
        self._ending = threading.Event()
        self._all_written = threading.Event()
        self._threads: list[threading.Thread] = []
        self._packets = self._batches = self._write_us = self._write_max_us = self._sync_max_us = 0

    def start(self) -> None:
        """Starts the threads."""
        for name, run in (("mux-write", self._write), ("mux-sync", self._sync)):
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Closes what is open and ends the threads; blocks. False if the disk did not let them in time."""
        for mux in (*self._muxes, *self._joining):
            mux.close()
        self._ending.set()
        self._wake.set()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def adopt(self, mux: Mux) -> None:
        self._joining.append(mux)
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def counters(self) -> dict[str, int]:
        """Takes open now, frames and batches written, the last and the longest batch, the longest sync."""
        return {
            "takes": len(self._muxes) + len(self._joining) + len(self._closing),
            "packets": self._packets,
            "batches": self._batches,
            "write_us": self._write_us,
            "write_max_us": self._write_max_us,
            "sync_max_us": self._sync_max_us,
        }

    def _write(self) -> None:
        while True:
            ending = self._ending.is_set()
            while self._joining:
                self._muxes.append(self._joining.popleft())
            began = time.monotonic()
            for mux in self._muxes:
                self._packets += mux.write_pending()
            if self._muxes:
                self._batches += 1
                self._write_us = int((time.monotonic() - began) * 1e6)
                self._write_max_us = max(self._write_max_us, self._write_us)
            finished = [mux for mux in self._muxes if mux.finish()]
            if finished:
                self._muxes = [mux for mux in self._muxes if mux not in finished]
                self._closing.extend(finished)
                self._wake_sync.set()
            if ending and not self._muxes and not self._joining:
                self._all_written.set()
                self._wake_sync.set()
                return
            # A close or a new take wakes it; else it sleeps, for good while there is no take.
            self._wake.wait(self._interval_s if self._muxes else None)
            self._wake.clear()

    def _sync(self) -> None:
        next_s = time.monotonic() + self._sync_s
        while True:
            self._wake_sync.wait(max(0.0, next_s - time.monotonic()))
            self._wake_sync.clear()
            last = self._all_written.is_set()
            while self._closing:
                self._timed(self._closing.popleft().settle)
            if last:
                return
            if time.monotonic() >= next_s:
                for mux in tuple(self._muxes):
                    self._timed(mux.sync)
                next_s = time.monotonic() + self._sync_s

    def _timed(self, sync: Callable[[], None]) -> None:
        began = time.monotonic()
        sync()
        self._sync_max_us = max(self._sync_max_us, int((time.monotonic() - began) * 1e6))
