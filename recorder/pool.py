"""The supervisor of recorder workers, and the calls across to them.

Starts a process per worker, adopts one that a former server left running, restarts
one that dies and recovers its takes. With no workers it holds one inside this process.
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
from dataclasses import dataclass
from pathlib import Path

from recorder.channel import Channel, LocalChannel, SocketChannel, refusal
from recorder.control import EXIT_PORT, lock_is_free, lock_path
from recorder.messages import (
    Arm,
    Call,
    CallRefused,
    Connect,
    Connected,
    Counters,
    Disconnect,
    EndReason,
    Event,
    Hello,
    NeverStarted,
    PeerChanged,
    PeerId,
    PeerState,
    Quit,
    RecorderError,
    Refused,
    Reply,
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
from recorder.worker import WorkerSettings

log = logging.getLogger(__name__)

START_TIMEOUT_S = 15.0
QUIT_TIMEOUT_S = 20.0
RECONNECT_S = 10.0
LOOK_EVERY_S = 0.05
RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Between restarts of a worker that keeps dying; the last is repeated."""
STEADY_AFTER_S = 30.0


class PoolError(RecorderError):
    """The recorder cannot be started; `str` is for the operator."""


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
        self._channels: dict[int, Channel] = {}
        self._peers: dict[PeerId, int] = {}
        self._held: dict[TakeId, _Held] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self.ports: dict[int, int] = {}
        self.process_ids: dict[int, int] = {}
        self._stopping = False

    # Life.

    async def start(self) -> None:
        """Adopts running workers of this version, else starts them; recovers unlocked `.part` files.

        After it returns, `takes` is what the workers hold now. What an adopted worker
        says again (`PeerChanged`, `TakeStarted`) comes as events. Raises PoolError.
        """
        for folder in (self._settings.run_dir, self._settings.recordings_dir):
            await asyncio.to_thread(folder.mkdir, 0o700, True, True)
        if self._settings.workers == 0:
            await self._start_local()
        else:
            for number in range(self._settings.workers):
                await self._bring_up(number)
                watcher = asyncio.get_running_loop().create_task(self._watch(number), name=f"worker {number}")
                self._watchers.append(watcher)
        for result in await asyncio.to_thread(recover, self._settings.recordings_dir):
            log.info("take %s was recovered: %s", result.take_id, result.verdict)

    async def _start_local(self) -> None:
        try:
            channel = LocalChannel(self._settings.worker(0), self._from_worker)
            await channel.worker.start()
        except OSError as error:
            raise PoolError(f"UDP port {self._settings.udp_port}: {error}") from error
        self._channels[0] = channel
        self.ports[0] = channel.worker.udp.port

    async def _bring_up(self, number: int) -> None:
        """Adopts worker `number` or starts it, replacing one of another version."""
        settings = self._settings.worker(number)
        with contextlib.suppress(OSError, TimeoutError, WorkerUnavailable):
            channel = await self._open(number)
            reply = await channel.call(Hello(settings.version))
            if isinstance(reply, Welcome):
                log.info("worker %d (process %d) goes on", number, reply.pid)
                return
            log.info("worker %d is of another version or other settings: it ends its takes and is replaced", number)
            with contextlib.suppress(WorkerUnavailable):
                await channel.call(Quit())
            await self._until_gone(channel)
            await channel.close()
        await self._spawn(number, settings)

    async def _open(self, number: int) -> SocketChannel:
        """A connection to worker `number`; a `Welcome` on it makes it the one in use. Raises OSError, TimeoutError."""
        return await SocketChannel.open(
            self._settings.run_dir, number, self._from_worker, lambda *greeting: self._adopt(number, *greeting)
        )

    def _adopt(self, number: int, channel: Channel, welcome: Welcome) -> None:
        self._channels[number] = channel
        for held in self._held.values():
            held.confirmed = held.confirmed and held.number != number
        self.ports[number] = welcome.udp_port
        self.process_ids[number] = welcome.pid
        present = {PeerId(str(peer["peer_id"])) for peer in welcome.peers}
        absent = [peer_id for peer_id, holder in self._peers.items() if holder == number and peer_id not in present]
        self._peers |= dict.fromkeys(present, number)
        for peer_id in absent:  # they left while nobody was connected
            del self._peers[peer_id]
            self._events(PeerChanged(peer_id, PeerState.GONE, "left"))
        for take in welcome.takes:
            folder = Path(str(take.get("folder", "")))
            self._held[TakeId(str(take["take_id"]))] = _Held(
                number, folder, PeerId(str(take["peer_id"])), str(take["phase"])
            )

    async def _spawn(self, number: int, settings: WorkerSettings) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder.control",
            json.dumps(dataclasses.asdict(settings)), str(self._settings.run_dir),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C is the server's to handle
        )  # fmt: skip
        self._processes[number] = process
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError, TimeoutError, WorkerUnavailable):
                channel = await self._open(number)
                reply = await channel.call(Hello(settings.version))
                if isinstance(reply, Welcome):
                    return
                await channel.close()
            if process.returncode is not None:
                raise PoolError(_why_not(process.returncode, number, settings, self._settings.run_dir))
            if asyncio.get_running_loop().time() > deadline:
                raise PoolError(f"worker {number} did not answer within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _until_gone(self, channel: Channel) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(channel.closed.wait(), QUIT_TIMEOUT_S)

    async def _watch(self, number: int) -> None:
        """Connects again to a worker that lives, restarts one that died and recovers what it was writing."""
        deaths = 0
        while not self._stopping:
            began = asyncio.get_running_loop().time()
            channel = self._channels[number]
            await channel.closed.wait()
            await channel.close()
            try:
                if await self._reconnect(number):
                    continue
                log.error("worker %d died", number)
                await self._bury(number)
            except Exception:
                log.exception("worker %d could not be buried in order", number)
            steady = asyncio.get_running_loop().time() - began > STEADY_AFTER_S
            deaths = 0 if steady else deaths + 1
            while not self._stopping:
                await asyncio.sleep(RESTART_PAUSES_S[min(deaths, len(RESTART_PAUSES_S) - 1)])
                try:
                    await self._bring_up(number)
                    break
                except (PoolError, OSError) as error:
                    deaths += 1
                    log.error("worker %d cannot be started: %s", number, error)

    async def _reconnect(self, number: int) -> bool:
        """Whether the worker behind a broken connection goes on; one that lives but never answers is killed."""
        deadline = asyncio.get_running_loop().time() + RECONNECT_S
        held = [take_id for take_id, take in self._held.items() if take.number == number]
        while self._lives(number):
            with contextlib.suppress(OSError, TimeoutError, WorkerUnavailable):
                channel = await self._open(number)
                if isinstance(await channel.call(Hello(self._settings.worker(number).version)), Welcome):
                    log.warning("the connection to worker %d broke and was made again", number)
                    await self._settle(held)
                    return True
                await channel.close()
            if asyncio.get_running_loop().time() > deadline:
                log.error("worker %d lives but does not answer; it is killed", number)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process_ids[number], signal.SIGKILL)
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def _settle(self, take_ids: list[TakeId]) -> None:
        """Says how the takes ended that a worker finished while nobody was connected to it."""
        for take_id in take_ids:
            held = self._held.get(take_id)
            if held is None or held.confirmed:
                continue
            result = await asyncio.to_thread(read_result, held.folder, take_id)
            if result is not None:
                self._emit(TakeFinished(result))
            else:
                self._emit(TakeNotStarted(take_id, NeverStarted.WORKER_DIED))

    def _lives(self, number: int) -> bool:
        """Whether the worker's process is there: it holds its lock for its life."""
        process = self._processes.get(number)
        if process is not None and process.returncode is not None:
            return False
        return not lock_is_free(self._settings.run_dir, number)

    async def _bury(self, number: int) -> None:
        """Says what a dead worker took along: its peers, and its takes as far as they are on disk."""
        process = self._processes.pop(number, None)
        if process is not None:
            await process.wait()
        peers = [peer_id for peer_id, holder in self._peers.items() if holder == number]
        self._emit(WorkerLost(number, [str(peer_id) for peer_id in peers]))
        for peer_id in peers:
            self._emit(PeerChanged(peer_id, PeerState.GONE, "worker died"))
        for take_id, held in [item for item in self._held.items() if item[1].number == number]:
            try:
                result = await asyncio.to_thread(recover_take, held.folder, take_id)
            except (RecorderError, OSError):
                log.exception("take %s could not be recovered now", take_id)
                result = None
            if result is None and held.phase == "countdown":
                self._emit(TakeNotStarted(take_id, NeverStarted.WORKER_DIED))
            else:
                lost = TakeResult(take_id, Verdict.FAILED, ["unreadable"], EndReason.WORKER_DIED)
                self._emit(TakeFinished(result or lost))

    async def stop(self) -> None:
        """Ends the workers: each ends and keeps its running takes first (bounded)."""
        self._stopping = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(self._quit(number) for number in {*self._channels, *self._processes}))
        self._channels.clear()

    async def _quit(self, number: int) -> None:
        channel = self._channels.get(number)
        process = self._processes.pop(number, None)
        if isinstance(channel, SocketChannel):
            with contextlib.suppress(WorkerUnavailable):
                await channel.call(Quit())
                await self._until_gone(channel)
        if channel is not None:
            await channel.close()
        if process is not None:
            if process.returncode is None:
                process.terminate()  # one that was started and not yet spoken to
            try:
                await asyncio.wait_for(process.wait(), QUIT_TIMEOUT_S)
            except TimeoutError:
                log.error("worker %d does not end; it is killed, its takes are recovered at the next start", number)
                process.kill()
                await process.wait()

    # Events.

    def _from_worker(self, event: Event) -> None:
        match event:
            case PeerChanged() if event.state is PeerState.GONE:
                self._peers.pop(event.peer_id, None)
            case TakeStarted():
                self._phase(event.take_id, "recording")
            case TakeEnding():
                self._phase(event.take_id, "ending")
            case _:
                pass
        self._emit(event)

    def _phase(self, take_id: TakeId, phase: str) -> None:
        if take_id in self._held:
            self._held[take_id].phase = phase

    def _emit(self, event: Event) -> None:
        if isinstance(event, TakeNotStarted):
            self._held.pop(event.take_id, None)
        elif isinstance(event, TakeFinished):
            self._held.pop(event.result.take_id, None)
        elif isinstance(event, WorkerLost):
            self._peers = {peer_id: number for peer_id, number in self._peers.items() if number != event.worker}
        self._events(event)

    # Calls.

    @property
    def takes(self) -> dict[TakeId, str]:
        """The takes that workers hold now, with their phase: countdown, recording or ending."""
        return {take_id: held.phase for take_id, held in self._held.items()}

    async def _call(self, number: int | None, message: Call) -> Reply:
        channel = self._channels.get(number) if number is not None else None
        if channel is None or channel.closed.is_set():
            raise WorkerUnavailable("no worker holds this")
        reply = await channel.call(message)
        if isinstance(reply, Refused):
            raise refusal(reply)
        return reply

    async def connect(self, peer_id: PeerId, offer_sdp: str) -> Connected:
        """Raises OfferRefused, WorkerUnavailable."""
        loads = dict.fromkeys((n for n, channel in self._channels.items() if not channel.closed.is_set()), 0)
        if not loads:
            raise WorkerUnavailable("no worker is up")
        for number in self._peers.values():
            if number in loads:
                loads[number] += 1
        number = min(loads, key=loads.__getitem__)
        self._peers[peer_id] = number
        try:
            reply = await self._call(number, Connect(peer_id, offer_sdp))
        except RecorderError:
            self._peers.pop(peer_id, None)
            raise
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
        """Raises CallRefused, WorkerUnavailable."""
        number = self._peers.get(order.peer_id)
        if number is None:
            raise WorkerUnavailable("the peer is gone")
        self._held[order.take_id] = _Held(number, Path(order.folder), order.peer_id, "countdown")
        try:
            await self._call(number, order)
        except CallRefused:  # without a reply the worker may hold it all the same, and must be told to stop
            self._held.pop(order.take_id, None)
            raise

    async def stop_take(self, take_id: TakeId) -> None:
        """Raises CallRefused (unknown take), WorkerUnavailable."""
        held = self._held.get(take_id)
        await self._call(held.number if held else None, Stop(take_id))

    async def counters(self) -> dict[int, dict[str, int]]:
        """Each worker's counters, by its number; one that does not answer is left out."""
        found: dict[int, dict[str, int]] = {}
        for number in list(self._channels):
            with contextlib.suppress(RecorderError):
                reply = await self._call(number, Stats())
                if isinstance(reply, Counters):
                    found[number] = reply.values
        return found


def _why_not(code: int, number: int, settings: WorkerSettings, run_dir: Path) -> str:
    if code == EXIT_PORT:
        return f"UDP port {settings.port} is taken; choose another `udp_port`"
    return f"worker {number} ended with code {code}; is another server using {lock_path(run_dir, number)}?"
