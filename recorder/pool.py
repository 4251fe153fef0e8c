"""All recorder workers as one: new peers go to the least loaded, every other call to the worker that holds its object.

A `Supervisor` keeps each worker's process up; with no workers there is one inside this
process. What a dead worker was writing is recovered from disk here. Who holds what is `holdings`'.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recorder import probe
from recorder.chain import Chain
from recorder.channel import Channel, LocalChannel, refusal
from recorder.holdings import HeldTake, Holdings
from recorder.messages import (
    Arm,
    Call,
    CallProblem,
    CallRefused,
    Connect,
    Connected,
    Counters,
    Disconnect,
    EndReason,
    Event,
    NeverStarted,
    OfferProblem,
    OfferRefused,
    PeerChanged,
    PeerId,
    PeerState,
    RecorderError,
    Refused,
    Reply,
    Restart,
    Stats,
    Stop,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeResult,
    Verdict,
    Welcome,
    WorkerLost,
    WorkerUnavailable,
)
from recorder.recovery import recover, recover_take
from recorder.retiring import retire, running
from recorder.sidecar import read_result
from recorder.supervisor import PoolError, Supervisor
from recorder.worker import WorkerSettings

__all__ = ["Pool", "PoolError", "PoolSettings"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many workers, where they listen and what they may use. All limits are inclusive.

    `max_live` is of all workers together: each has its share, so that one's death takes no more than that along.
    """

    run_dir: Path
    recordings_dir: Path
    version: str
    workers: int = 1
    udp_port: int = 3478
    advertised_ips: tuple[str, ...] = ()
    video_codecs: tuple[str, ...] = ("h264", "vp8")
    max_bitrate_bps: int = 2_500_000
    max_live: int = 200
    min_free_disk_bytes: int = 1_000_000_000

    def worker(self, number: int) -> WorkerSettings:
        """Worker `number`'s share; its version covers the settings, so that a changed one is not adopted."""
        plain = WorkerSettings(
            number=number,
            version=self.version,
            port=self.udp_port + number if self.udp_port else 0,
            recordings_dir=str(self.recordings_dir),
            advertised_ips=self.advertised_ips,
            video_codecs=self.video_codecs,
            max_bitrate_bps=self.max_bitrate_bps,
            max_live=self._share(number),
            min_free_disk_bytes=self.min_free_disk_bytes,
        )
        settings = json.dumps(dataclasses.asdict(plain), sort_keys=True)
        return dataclasses.replace(plain, version=f"{self.version} {settings}")

    def _share(self, number: int) -> int:
        each, over = divmod(self.max_live, max(1, self.workers))
        return each + (number < over)


class Pool:
    """Owned by one server. `events` is called on the loop, in order, never concurrently."""

    def __init__(self, settings: PoolSettings, events: Callable[[Event], None]) -> None:
        self._settings = settings
        self._events = events
        self._chain = Chain(settings.recordings_dir)
        self._supervisors: dict[int, Supervisor] = {}
        self._local: LocalChannel | None = None
        self._holdings = Holdings()

    # Life.

    async def start(self) -> None:
        """Adopts running workers of this version, else starts them; recovers unlocked `.part` files.

        Those of another version, and those there are too many of, end their takes first.
        After it returns, `takes` is what the workers hold now. What an adopted worker
        says again (`PeerChanged`, `TakeStarted`) comes as events. Raises PoolError.
        """
        settings = self._settings
        for folder in (settings.run_dir, settings.recordings_dir):
            await asyncio.to_thread(folder.mkdir, 0o700, True, True)
        surplus = [number for number in running(settings.run_dir) if number >= settings.workers]
        await asyncio.gather(*(retire(settings.run_dir, number) for number in surplus))
        if settings.workers == 0:
            await self._start_local()
        for number in range(settings.workers):
            events = partial(self._from_worker, number)
            self._supervisors[number] = Supervisor(settings.worker(number), settings.run_dir, self, events)
        starting = [supervisor.start() for supervisor in self._supervisors.values()]
        for failed in await asyncio.gather(*starting, return_exceptions=True):
            if failed is not None:
                raise failed
        for result in await asyncio.to_thread(recover, settings.recordings_dir):
            log.info("take %s was recovered: %s", result.take_id, result.verdict)

    async def _start_local(self) -> None:
        try:
            self._local = LocalChannel(self._settings.worker(0), partial(self._from_worker, 0))
            await self._local.worker.start()
            probe.leave(self._settings.run_dir, 0, self._local.worker.roster.probe)
        except OSError as error:
            raise PoolError(f"port {self._settings.udp_port} (UDP and TCP): {error}") from error

    async def stop(self) -> None:
        """Ends the workers: each ends and keeps its running takes first (bounded)."""
        await asyncio.gather(*(supervisor.stop() for supervisor in self._supervisors.values()))
        self._supervisors.clear()
        if self._local is not None:
            await self._local.close()
            self._local = None

    def _channels(self) -> dict[int, Channel]:
        """The workers that can be called now, by number."""
        found: dict[int, Channel] = {} if self._local is None else {0: self._local}
        for number, supervisor in self._supervisors.items():
            if supervisor.channel is not None and not supervisor.channel.closed.is_set():
                found[number] = supervisor.channel
        return found

    @property
    def process_ids(self) -> dict[int, int]:
        """The workers' processes, by number."""
        return {number: supervisor.pid for number, supervisor in self._supervisors.items()}

    # What supervisors say.

    def greeted(self, number: int, welcome: Welcome) -> None:
        for peer_id in self._holdings.greeted(number, welcome):
            self._from_worker(number, PeerChanged(peer_id, PeerState.GONE, "left"))

    async def returned(self, number: int) -> None:
        """Says how the takes ended that the worker finished while nobody was connected to it."""
        for take_id, held in self._holdings.takes_of(number):
            if held.confirmed:
                continue
            result = await asyncio.to_thread(read_result, held.folder, take_id)
            ended = TakeNotStarted(take_id, NeverStarted.WORKER_DIED) if result is None else TakeFinished(result)
            self._from_worker(number, ended)

    async def died(self, number: int) -> None:
        """Says what it took along: its peers, and its takes as far as they are on disk."""
        peers = self._holdings.peers_of(number)
        self._events(WorkerLost(number, [str(peer_id) for peer_id in peers]))
        for peer_id in peers:
            self._from_worker(number, PeerChanged(peer_id, PeerState.GONE, "worker died"))
        for take_id, held in self._holdings.takes_of(number):
            try:
                result = await asyncio.to_thread(recover_take, held.folder, take_id, self._chain)
            except (RecorderError, OSError):
                log.exception("take %s could not be recovered now", take_id)
                result = None
            if result is None and held.phase == "countdown":
                self._from_worker(number, TakeNotStarted(take_id, NeverStarted.WORKER_DIED))
            else:
                lost = TakeResult(take_id, Verdict.FAILED, ["unreadable"], EndReason.WORKER_DIED)
                self._from_worker(number, TakeFinished(result or lost))

    def _from_worker(self, number: int, event: Event) -> None:
        if self._holdings.heard(number, event):
            self._events(event)

    # Calls.

    @property
    def takes(self) -> dict[TakeId, str]:
        """The takes that workers hold now, with their phase: countdown, recording or ending."""
        return {take_id: held.phase for take_id, held in self._holdings.takes.items()}

    def worker_of(self, take_id: TakeId) -> int | None:
        """The number of the worker that holds this take now."""
        held = self._holdings.takes.get(take_id)
        return None if held is None else held.number

    async def _call(self, number: int | None, message: Call) -> Reply:
        channel = self._channels().get(number) if number is not None else None
        if channel is None:
            raise WorkerUnavailable("no worker holds this")
        reply = await channel.call(message)
        if isinstance(reply, Refused):
            raise refusal(reply)
        return reply

    async def connect(self, peer_id: PeerId, offer_sdp: str, take_id: TakeId | None = None) -> Connected:
        """A new peer, at the worker that has the least to do; a take that records goes on with it, where that is.

        One that is full or does not answer is passed over. Raises OfferRefused (BUSY: all are full), WorkerUnavailable.
        """
        held = self._holdings.takes.get(take_id) if take_id is not None else None
        problem: RecorderError = WorkerUnavailable("no worker is up")
        for number in self._least_loaded_first() if held is None else [held.number]:
            self._holdings.peers[peer_id] = number
            try:
                reply = await self._call(number, Connect(peer_id, offer_sdp, take_id))
            except OfferRefused as refused:
                problem = refused
                if refused.reason is not OfferProblem.BUSY:
                    break
            except RecorderError as unavailable:
                problem = problem if isinstance(problem, OfferRefused) else unavailable
            else:
                if isinstance(reply, Connected):
                    if held is not None:
                        held.peer_id = peer_id
                    return reply
                problem = WorkerUnavailable("an answer of another kind")
        self._holdings.peers.pop(peer_id, None)
        raise problem

    def _least_loaded_first(self) -> list[int]:
        """The workers that are up; those that left a call unanswered come last."""
        channels = self._channels()
        loads = self._holdings.loads(channels)
        return sorted(channels, key=lambda number: (channels[number].silent, loads[number], number))

    async def restart(self, peer_id: PeerId, offer_sdp: str) -> Connected:
        """The answer to an ICE restart. Raises OfferRefused, CallRefused (unknown peer), WorkerUnavailable."""
        number = self._holdings.peers.get(peer_id)
        if number is None:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        reply = await self._call(number, Restart(peer_id, offer_sdp))
        if not isinstance(reply, Connected):
            raise WorkerUnavailable("an answer of another kind")
        return reply

    async def disconnect(self, peer_id: PeerId) -> None:
        """Idempotent; never raises for an unknown peer."""
        number = self._holdings.peers.pop(peer_id, None)
        if number is not None:
            with contextlib.suppress(RecorderError):
                await self._call(number, Disconnect(peer_id))

    async def arm(self, order: Arm) -> None:
        """Raises CallRefused, WorkerUnavailable; after the latter the worker may hold the take all the same."""
        number = self._holdings.peers.get(order.peer_id)
        if number is None:
            raise WorkerUnavailable("the peer is gone")
        self._holdings.takes[order.take_id] = HeldTake(number, Path(order.folder), order.peer_id, "countdown")
        try:
            await self._call(number, order)
        except CallRefused:
            self._holdings.takes.pop(order.take_id, None)
            raise

    async def stop_take(self, take_id: TakeId) -> None:
        """Raises CallRefused (unknown take), WorkerUnavailable."""
        held = self._holdings.takes.get(take_id)
        try:
            await self._call(held.number if held else None, Stop(take_id))
        except CallRefused:
            self._holdings.takes.pop(take_id, None)  # it never got there
            raise

    async def figures(self) -> dict[int, Counters]:
        """Each worker's counters and its peers', by its number; one that does not answer is left out."""
        found: dict[int, Counters] = {}
        for number in self._channels():
            with contextlib.suppress(RecorderError):
                reply = await self._call(number, Stats())
                if isinstance(reply, Counters):
                    found[number] = reply
        return found

    async def counters(self) -> dict[int, dict[str, int]]:
        """As `figures`, of the workers alone."""
        return {number: found.values for number, found in (await self.figures()).items()}
