"""A recorder: peers and takes over one port. Runs in a process of its own (`control`) or inside another.

Answers calls, emits events; knows nothing of sockets to the server. All deadlines
are its own, so that a take ends on time even if nobody is listening.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from recorder.chain import Chain
from recorder.finishers import Finishers
from recorder.messages import (
    Arm,
    Call,
    CallProblem,
    CallRefused,
    Connect,
    Connected,
    Counters,
    Disconnect,
    Done,
    EndReason,
    Event,
    Hello,
    NeverStarted,
    OfferProblem,
    OfferRefused,
    PeerChanged,
    PeerState,
    Quit,
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
)
from recorder.mux import MuxClosed, Writer
from recorder.orders import within_bounds
from recorder.peer import Peer
from recorder.phases import Phase
from recorder.rejoin import Rejoin
from recorder.roster import Roster, WorkerSettings
from recorder.sdp import read_offer
from recorder.seeing import LoopLag, peer_figures, welcome
from recorder.take import Take

__all__ = ["Worker", "WorkerSettings"]

log = logging.getLogger(__name__)

TICK_S, TICK_HURRIED_S = 0.2, 0.1
"""For peers, and for takes that record; each wake-up costs as much as ten packets, so there are few."""
TAKE_TICK_S = 0.02
"""While a take is about to start or to end."""
DISK_LOOK_S = 2.0
STOP_TIMEOUT_S = 60.0


class Worker:
    """`emit` is called on the loop, in order. `call` answers every call, and raises nothing a caller sent."""

    def __init__(self, settings: WorkerSettings, emit: Callable[[Event], None]) -> None:
        self.settings = settings
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self.roster = Roster(settings, self._peer_changed, self._loop)
        self.udp = self.roster.udp
        self._peers = self.roster.peers
        self._takes: dict[TakeId, Take] = {}
        self._rejoins: dict[TakeId, Rejoin] = {}
        self._writer = Writer()
        self._finishers = Finishers(Chain(Path(settings.recordings_dir)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.Task[None]] = []
        self._take_timer: asyncio.TimerHandle | None = None
        self._free_bytes = 0
        self._lag = LoopLag()
        self.quitting = asyncio.Event()
        self._counts = dict.fromkeys(("refused_offers", "takes", "takes_finished", "frames_recorded", "rejoins"), 0)

    async def start(self) -> None:
        """Opens the port. Raises OSError when the recordings folder cannot be used."""
        await asyncio.to_thread(os.makedirs, self.settings.recordings_dir, 0o700, True)
        self._look_at_disk()
        self._writer.start()
        await self.roster.start()
        self._timers = [
            self._loop.create_task(self._tick(), name="feedback and takes"),
            self._loop.create_task(self._watch_disk(), name="disk"),
        ]

    async def stop(self) -> None:
        """Ends running takes, keeps them, and closes everything. Bounded by the finishing of takes."""
        self.quitting.set()
        self.udp.turn()
        for rejoin in list(self._rejoins.values()):
            rejoin.settle()
        now_us = _now_us()
        for take in list(self._takes.values()):
            take.end(EndReason.ABANDONED_BY_SERVER, now_us)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while self._takes or self._tasks:
                    await asyncio.wait([*self._tasks, self._loop.create_task(asyncio.sleep(TAKE_TICK_S))],
                                       return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        for timer in self._timers:
            timer.cancel()
        if self._take_timer is not None:
            self._take_timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        await self.roster.stop()
        await asyncio.to_thread(self._writer.close)
        self._finishers.close()

    # Calls.

    async def call(self, message: Call) -> Reply:
        try:
            return await self._answer(message)
        except OfferRefused as refused:
            self._counts["refused_offers"] += 1
            return Refused(str(refused.reason), str(refused))
        except CallRefused as refused:
            return Refused(str(refused.reason), str(refused))

    async def _answer(self, message: Call) -> Reply:
        match message:
            case Hello():
                return self._welcome()
            case Connect():
                return self._connect(message)
            case Restart():
                peer, answer = self.roster.restart(message.peer_id, message.offer_sdp)
                return Connected(answer, peer.video is not None)
            case Disconnect():
                if message.peer_id in self._peers:
                    self._peers[message.peer_id].become(PeerState.GONE, "disconnected")
                return Done()
            case Arm():
                self._arm(message)
                return Done()
            case Stop():
                self.udp.turn()  # what came before the stop belongs to the take
                take = self._takes.get(message.take_id)
                if take is None:
                    raise CallRefused(CallProblem.UNKNOWN_TAKE)
                if message.take_id in self._rejoins:
                    self._rejoins[message.take_id].settle()
                take.end(EndReason.STOPPED, _now_us())
                self._tick_takes()
                return Done()
            case Stats():
                return Counters(self.counters(), peer_figures(self._peers.values(), self._takes.values(), _now_us()))
            case Quit():
                self.quitting.set()
                return Done()

    def _welcome(self) -> Welcome:
        """Who and what is here; what a server that adopts us missed is said again right after."""
        self._loop.call_soon(self._say_again)
        return welcome(self.settings.version, self.udp.port, self._peers.values(), self._takes.values())

    def _say_again(self) -> None:
        for peer in self._peers.values():
            self._emit(PeerChanged(peer.peer_id, peer.state, peer.detail))
        for take in self._takes.values():
            take.say_again(_now_us())

    def _connect(self, message: Connect) -> Connected:
        if self.quitting.is_set():
            raise OfferRefused(OfferProblem.BUSY)
        take = self._takes.get(message.take_id) if message.take_id is not None else None
        if take is None or take.phase is not Phase.RECORDING:
            offer = read_offer(message.offer_sdp, self.settings.video_codecs)
            peer, answer = self.roster.connect(message.peer_id, offer, going_on=False)
        else:
            # One file has one codec, and a picture all through or none.
            offer = read_offer(message.offer_sdp, (take.codec,) if take.codec else ())
            peer, answer = self.roster.connect(message.peer_id, offer, going_on=True)
            if offer.video is not None or not take.codec:
                take.peer_id = peer.peer_id
                rejoin = self._rejoins[take.order.take_id] = Rejoin(take, peer, self._rejoined)
                peer.listen(rejoin)
        return Connected(answer, offer.video is not None)

    def _rejoined(self, take: Take, peer: Peer, before: object) -> None:
        """A take goes on with another peer; that of before has nothing to do any more."""
        self._rejoins.pop(take.order.take_id, None)
        self._counts["rejoins"] += 1
        peer.listen(take)
        if isinstance(before, Peer) and before is not peer:
            before.listen(None)
            before.become(PeerState.GONE, "replaced")

    def _arm(self, order: Arm) -> None:
        if self.quitting.is_set():
            raise CallRefused(CallProblem.FAILED, "the worker is stopping")
        peer = self._peers.get(order.peer_id)
        if peer is None or peer.state is PeerState.GONE:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        if order.take_id in self._takes:
            raise CallRefused(CallProblem.DUPLICATE_TAKE)
        if any(take.peer_id == order.peer_id for take in self._takes.values() if take.phase is not Phase.DONE):
            raise CallRefused(CallProblem.PEER_BUSY)
        within_bounds(order)
        self._look_at_disk()
        if self._free_bytes < self.settings.min_free_disk_bytes:
            raise CallRefused(CallProblem.DISK_FULL)
        take = Take(order, peer, self._writer, self._emit, self._take_ended, _now_us(), _unix_ms)
        self._takes[order.take_id] = take
        self._counts["takes"] += 1
        peer.listen(take)
        self._look_at_takes()

    # Timers.

    async def _tick(self) -> None:
        while True:
            due_s = self._loop.time() + (wait_s := TICK_HURRIED_S if self.roster.hurried else TICK_S)
            await asyncio.sleep(wait_s)
            self._lag.note(due_s, self._loop.time())
            self.udp.turn()  # so that the feedback is of now
            try:
                self.roster.tick(_now_us())
            except Exception:  # the takes are looked at all the same, and the next tick comes
                self.udp.failed("the tick of peers")
            try:
                self._tick_takes()
            except Exception:
                self.udp.failed("the tick of takes")

    def _look_at_takes(self) -> None:
        """Out of the tick's rhythm; what came, and waits in the kernel while the loop stalls, is no outage."""
        self.udp.turn()
        self._tick_takes()

    def _tick_takes(self) -> None:
        """Looks at every take; again before the next tick if one of them wants it."""
        if self._take_timer is not None:
            self._take_timer.cancel()
        now_us, wait_s = _now_us(), TICK_S
        for take in list(self._takes.values()):
            try:
                take.tick(now_us)
            except Exception:
                self.udp.failed(f"take {take.order.take_id}")
                self._give_up(take)
            else:
                wait_s = min(wait_s, _next_look_s(take, now_us))
        if wait_s < TICK_S and self._takes:
            self._take_timer = self._loop.call_later(max(wait_s, 0.001), self._look_at_takes)

    def _look_at_disk(self) -> None:
        try:
            self._free_bytes = shutil.disk_usage(self.settings.recordings_dir).free
        except OSError:
            self._free_bytes = 0

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.to_thread(self._look_at_disk)
            await asyncio.sleep(DISK_LOOK_S)

    # Peers and takes that end.

    def _peer_changed(self, peer: Peer) -> None:
        self._emit(PeerChanged(peer.peer_id, peer.state, peer.detail))
        if peer.state is PeerState.GONE:
            for take in list(self._takes.values()):
                # A running take outlives its transport for as long as an outage may last.
                if take.peer_id == peer.peer_id and (
                    take.phase is Phase.COUNTDOWN or (peer.detail == "disconnected" and take.source is peer)
                ):
                    take.end(EndReason.OUTAGE, _now_us())
            self._own(self.roster.free(peer))

    def _give_up(self, take: Take) -> None:
        """A take whose own clock raises: it ends where it is, and what is on disk is kept."""
        take.give_up()
        self._take_ended(take)
        if take.mux is None:
            self._emit(TakeNotStarted(take.order.take_id, NeverStarted.PEER_GONE))

    def _take_ended(self, take: Take) -> None:
        self._rejoins.pop(take.order.take_id, None)
        for peer in (self._peers.get(take.peer_id), take.source):
            if isinstance(peer, Peer):
                peer.listen(None)
        if take.mux is None:
            self._takes.pop(take.order.take_id, None)
        else:
            self._own(self._finish(take, take.mux.close()))

    async def _finish(self, take: Take, closing: Future[MuxClosed]) -> None:
        """Closes, verifies and reports a take; whatever happens, a result is reported."""
        order = take.order
        try:
            result = await self._finishers.finish(
                order,
                closing,
                lambda closed: take.facts(closed.written, take.elapsed_us(_now_us()) // 1000, _unix_ms()),
            )
        except Exception:
            log.exception("take %s could not be finished", order.take_id)
            result = TakeResult(order.take_id, Verdict.FAILED, ["unreadable"], EndReason.FAULT)
        self._takes.pop(order.take_id, None)
        self._counts["takes_finished"] += 1
        self._counts["frames_recorded"] += result.video_frames
        self._emit(TakeFinished(result))

    def _own(self, work: object) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def counters(self) -> dict[str, int]:
        """Since the worker began."""
        values = self._counts | self.roster.counters() | self._lag.counters() | {"live_takes": len(self._takes)}
        return values | {f"writer_{name}": value for name, value in self._writer.counters().items()}


def _next_look_s(take: Take, now_us: int) -> float:
    if take.phase is not Phase.RECORDING:
        return TAKE_TICK_S
    left_us = take.remaining_us(now_us)
    return TICK_S if left_us is None else left_us / 1e6


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
