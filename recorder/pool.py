"""All recorder workers as one: which of them holds a peer or a take, and the calls across.

A `Supervisor` keeps each worker's process up; with no workers there is one inside this
process. What a dead worker was writing is recovered from disk here.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recorder.channel import Channel, LocalChannel, refusal
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
    PeerChanged,
    PeerId,
    PeerState,
    RecorderError,
    Refused,
    Reply,
    Restart,
    Stats,
    Stop,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeResult,
    TakeStarted,
    Verdict,
    Welcome,
    WorkerLost,
    WorkerUnavailable,
)
from recorder.recovery import recover, recover_take
from recorder.sidecar import read_result
from recorder.supervisor import PoolError, Supervisor
from recorder.worker import WorkerSettings

__all__ = ["Pool", "PoolError", "PoolSettings"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many workers, where they listen and what they may use. All limits are inclusive."""

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
            max_live=max(1, self.max_live // max(1, self.workers)),
            min_free_disk_bytes=self.min_free_disk_bytes,
        )
        settings = json.dumps(dataclasses.asdict(plain), sort_keys=True)
        return dataclasses.replace(plain, version=f"{self.version} {settings}")


@dataclass(slots=True)
class _Held:
    """What the pool knows of a take that a worker holds."""

    number: int
    folder: Path
    peer_id: PeerId
    phase: str
    confirmed: bool = True
    """Named by the worker since the connection to it was made."""


class Pool:
    """Owned by one server. `events` is called on the loop, in order, never concurrently."""

    def __init__(self, settings: PoolSettings, events: Callable[[Event], None]) -> None:
        self._settings = settings
        self._events = events
        self._supervisors: dict[int, Supervisor] = {}
        self._local: LocalChannel | None = None
        self._peers: dict[PeerId, int] = {}
        self._held: dict[TakeId, _Held] = {}

    # Life.

    async def start(self) -> None:
        """Adopts running workers of this version, else starts them; recovers unlocked `.part` files.

        After it returns, `takes` is what the workers hold now. What an adopted worker
        says again (`PeerChanged`, `TakeStarted`) comes as events. Raises PoolError.
        """
        settings = self._settings
        for folder in (settings.run_dir, settings.recordings_dir):
            await asyncio.to_thread(folder.mkdir, 0o700, True, True)
        if settings.workers == 0:
            await self._start_local()
        for number in range(settings.workers):
            supervisor = Supervisor(settings.worker(number), settings.run_dir, self, self._from_worker)
            self._supervisors[number] = supervisor
            await supervisor.start()
        for result in await asyncio.to_thread(recover, settings.recordings_dir):
            log.info("take %s was recovered: %s", result.take_id, result.verdict)

    async def _start_local(self) -> None:
        try:
            self._local = LocalChannel(self._settings.worker(0), self._from_worker)
            await self._local.worker.start()
        except OSError as error:
            raise PoolError(f"UDP port {self._settings.udp_port}: {error}") from error

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
        for held in self._held.values():
            held.confirmed = held.confirmed and held.number != number
        present = {PeerId(str(peer["peer_id"])) for peer in welcome.peers}
        absent = [peer_id for peer_id, holder in self._peers.items() if holder == number and peer_id not in present]
        self._peers |= dict.fromkeys(present, number)
        for peer_id in absent:  # they left while nobody was connected
            self._from_worker(PeerChanged(peer_id, PeerState.GONE, "left"))
        for take in welcome.takes:
            self._held[TakeId(str(take["take_id"]))] = _Held(
                number, Path(str(take["folder"])), PeerId(str(take["peer_id"])), str(take["phase"])
            )

    async def returned(self, number: int) -> None:
        """Says how the takes ended that the worker finished while nobody was connected to it."""
        for take_id, held in list(self._held.items()):
            if held.number != number or held.confirmed:
                continue
            result = await asyncio.to_thread(read_result, held.folder, take_id)
            ended = TakeNotStarted(take_id, NeverStarted.WORKER_DIED) if result is None else TakeFinished(result)
            self._from_worker(ended)

    async def died(self, number: int) -> None:
        """Says what it took along: its peers, and its takes as far as they are on disk."""
        peers = [peer_id for peer_id, holder in self._peers.items() if holder == number]
        self._events(WorkerLost(number, [str(peer_id) for peer_id in peers]))
        for peer_id in peers:
            self._from_worker(PeerChanged(peer_id, PeerState.GONE, "worker died"))
        for take_id, held in [item for item in self._held.items() if item[1].number == number]:
            try:
                result = await asyncio.to_thread(recover_take, held.folder, take_id)
            except (RecorderError, OSError):
                log.exception("take %s could not be recovered now", take_id)
                result = None
            if result is None and held.phase == "countdown":
                self._from_worker(TakeNotStarted(take_id, NeverStarted.WORKER_DIED))
            else:
                lost = TakeResult(take_id, Verdict.FAILED, ["unreadable"], EndReason.WORKER_DIED)
                self._from_worker(TakeFinished(result or lost))

    def _from_worker(self, event: Event) -> None:
        match event:
            case PeerChanged() if event.state is PeerState.GONE:
                self._peers.pop(event.peer_id, None)
            case TakeStarted():
                self._phase(event.take_id, "recording")
            case TakeEnding():
                self._phase(event.take_id, "ending")
            case TakeNotStarted():
                self._held.pop(event.take_id, None)
            case TakeFinished():
                self._held.pop(event.result.take_id, None)
            case _:
                pass
        self._events(event)

    def _phase(self, take_id: TakeId, phase: str) -> None:
        if take_id in self._held:
            self._held[take_id].phase = phase

    # Calls.

    @property
    def takes(self) -> dict[TakeId, str]:
        """The takes that workers hold now, with their phase: countdown, recording or ending."""
        return {take_id: held.phase for take_id, held in self._held.items()}

    async def _call(self, number: int | None, message: Call) -> Reply:
        channel = self._channels().get(number) if number is not None else None
        if channel is None:
            raise WorkerUnavailable("no worker holds this")
        reply = await channel.call(message)
        if isinstance(reply, Refused):
            raise refusal(reply)
        return reply

    async def connect(self, peer_id: PeerId, offer_sdp: str, take_id: TakeId | None = None) -> Connected:
        """A new peer; a take that records goes on with it. Raises OfferRefused, WorkerUnavailable."""
        loads = dict.fromkeys(self._channels(), 0)
        if not loads:
            raise WorkerUnavailable("no worker is up")
        for number in self._peers.values():
            if number in loads:
                loads[number] += 1
        held = self._held.get(take_id) if take_id is not None else None
        number = min(loads, key=loads.__getitem__) if held is None else held.number
        self._peers[peer_id] = number
        try:
            reply = await self._call(number, Connect(peer_id, offer_sdp, take_id))
        except RecorderError:
            self._peers.pop(peer_id, None)
            raise
        if not isinstance(reply, Connected):
            raise WorkerUnavailable("an answer of another kind")
        return reply

    async def restart(self, peer_id: PeerId, offer_sdp: str) -> Connected:
        """The answer to an ICE restart. Raises OfferRefused, CallRefused (unknown peer), WorkerUnavailable."""
        number = self._peers.get(peer_id)
        if number is None:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        reply = await self._call(number, Restart(peer_id, offer_sdp))
        if not isinstance(reply, Connected):
            raise WorkerUnavailable("an answer of another kind")
        return reply

    async def disconnect(self, peer_id: PeerId) -> None:
        """Idempotent; never raises for an unknown peer."""
        number = self._peers.pop(peer_id, None)
        if number is not None:
            with contextlib.suppress(RecorderError):
                await self._call(number, Disconnect(peer_id))

    async def arm(self, order: Arm) -> None:
        """Raises CallRefused, WorkerUnavailable; after the latter the worker may hold the take all the same."""
        number = self._peers.get(order.peer_id)
        if number is None:
            raise WorkerUnavailable("the peer is gone")
        self._held[order.take_id] = _Held(number, Path(order.folder), order.peer_id, "countdown")
        try:
            await self._call(number, order)
        except CallRefused:
            self._held.pop(order.take_id, None)
            raise

    async def stop_take(self, take_id: TakeId) -> None:
        """Raises CallRefused (unknown take), WorkerUnavailable."""
        held = self._held.get(take_id)
        try:
            await self._call(held.number if held else None, Stop(take_id))
        except CallRefused:
            self._held.pop(take_id, None)  # it never got there
            raise

    async def counters(self) -> dict[int, dict[str, int]]:
        """Each worker's counters, by its number; one that does not answer is left out."""
        found: dict[int, dict[str, int]] = {}
        for number in self._channels():
            with contextlib.suppress(RecorderError):
                reply = await self._call(number, Stats())
                if isinstance(reply, Counters):
                    found[number] = reply.values
        return found
