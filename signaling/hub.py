"""Every live session of this server: finds or makes the one a page belongs to, and routes what recorders tell.

At start-up it settles what a dead process left behind. Owns the sessions' tasks and the threads that read the disk.
Decides nothing about an interview.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat

from recorder.messages import (
    Event,
    OutageBegan,
    OutageEnded,
    PeerChanged,
    PeerId,
    RecorderError,
    TakeFinished,
    TakeId,
    TakeProgress,
    TakeStarted,
    WorkerLost,
)
from signaling import record
from signaling.clock import Clock
from signaling.conduct import DatabaseTrouble
from signaling.discarding import discard
from signaling.happenings import Reload, Settled, TakeEvent, take_of
from signaling.interview import TakeLost, Tick
from signaling.link import PeerLost
from signaling.messages import CloseCode
from signaling.orders import whereabouts
from signaling.rate import Buckets
from signaling.relays import Relay
from signaling.session import LiveSession
from signaling.surroundings import (
    CALL_TIMEOUT_S,
    DISK_TIMEOUT_S,
    Consequences,
    Limits,
    NoConsequences,
    Recorders,
    Surroundings,
)
from signaling.sweeping import keep_sweeping
from signaling.tabs import Page
from storage.database import Database
from storage.errors import NotFound
from storage.interviews import TakeRow
from storage.recordings import Recordings
from storage.states import TakeState

log = logging.getLogger(__name__)

DISK_THREADS = 4
CHECKER_THREADS = 4
BEGIN_ANEW_S = (2.0, 4.0, 8.0, 15.0, 30.0)
"""Between looks at what a failed session left; the last is repeated."""
STOP_TIMEOUT_S = 10.0


class Hub:
    """One for each server. Everything but `start`, `stop`, `start_interview` and `end` only enqueues."""

    def __init__(
        self,
        database: Database,
        recordings: Recordings,
        recorders: Recorders,
        clock: Clock,
        limits: Limits | None = None,
        consequences: Consequences | None = None,
        relays: tuple[Relay, ...] = (),
    ) -> None:
        self.limits = limits or Limits()
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="signaling-disk")
        self._checkers = ThreadPoolExecutor(CHECKER_THREADS, thread_name_prefix="signaling-check")
        self._around = Surroundings(
            database,
            recordings,
            recorders,
            clock,
            self.limits,
            self._disk,
            self._checkers,
            Buckets(clock, self.limits.offers_burst, self.limits.offers_per_s, self.limits.buckets),
            consequences or NoConsequences(),
            relays,
        )
        self.asks = Buckets(clock, self.limits.asks_burst, self.limits.asks_per_s, self.limits.buckets)
        """By invitation; `endpoint` takes from them."""
        self._sessions: dict[str, LiveSession] = {}
        self._by_peer: dict[PeerId, LiveSession] = {}
        self._by_take: dict[TakeId, LiveSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._strays: asyncio.Queue[TakeEvent] = asyncio.Queue(self.limits.strays_waiting)
        self._sockets: Counter[str] = Counter()
        self._beginning_anew: set[str] = set()
        self._stopping = False

    @property
    def clock(self) -> Clock:
        return self._around.clock

    @property
    def live(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    async def start(self) -> None:
        """Settles what a dead process left: call it after the pool has started. Raises what the database raises.

        A take that a worker still holds goes on; one with a sidecar is finished by it; any other failed, and is
        credited. Think clocks run on.
        """
        seen: set[str] = set()
        while left := [each for each in await record.unsettled(self._around.database) if each[0].id not in seen]:
            for take, invitation_id in left:
                seen.add(take.id)
                await self._settle(take, invitation_id)
            await self.settled({invitation_id for _, invitation_id in left})
        for invitation_id in await record.thinking(self._around.database):
            self._open(invitation_id)
        self._own(self._route_strays(), "strays")
        self._own(keep_sweeping(self._around), "sweeping")

    async def stop(self) -> None:
        """Closes every page (they connect again later) and ends the sessions; takes go on in the workers."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        for threads in (self._disk, self._checkers):
            threads.shutdown(wait=False, cancel_futures=True)

    # For web.

    async def start_interview(self, invitation_id: str) -> bool:
        """The Start press: pending to in progress. False if it was not pending any more, or has expired.

        Raises storage's NoticeNotAccepted and NotFound.
        """
        started = await record.start(self._around.database, invitation_id, self.clock.wall_ms())
        self._reload(invitation_id)
        return started

    async def end(self, invitation_id: str) -> None:
        """The invitation was cancelled or expired in the database: a running take is stopped, the pages are closed."""
        session = self._reload(invitation_id)
        if session is not None:
            await self.settled({invitation_id})

    def changed(self, invitation_id: str) -> None:
        """Something about it changed in the database that ends nothing, like its deadline: it is read again."""
        self._reload(invitation_id)

    def on_recorder_event(self, event: Event) -> None:
        """The pool's callback: on the loop, never waits."""
        match event:
            case PeerChanged():
                if (session := self._by_peer.get(event.peer_id)) is not None:
                    session.post(event)
            case WorkerLost():
                for peer_id in map(PeerId, event.peer_ids):
                    if (session := self._by_peer.get(peer_id)) is not None:
                        session.post(PeerLost(peer_id))
            case _:
                session = self._by_take.get(take_of(event))
                if session is not None:
                    session.post(event)
                else:
                    self.stray(event)

    def tick(self) -> None:
        """Every session looks at the clock now. It does so by itself as well; tests that move the clock call it."""
        for session in list(self._sessions.values()):
            session.post(Tick())

    async def settled(self, invitation_ids: Iterable[str]) -> None:
        """Waits until these sessions have handled what they were told so far."""
        waiting: list[asyncio.Future[None]] = []
        for invitation_id in invitation_ids:
            if (session := self._sessions.get(invitation_id)) is not None:
                done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                session.post(Settled(done))
                waiting.append(done)
        if waiting:
            await asyncio.wait(waiting, timeout=DISK_TIMEOUT_S)

    # For endpoint.

    def enter(self, invitation_id: str) -> bool:
        """Counts a socket in; False when this invitation has too many already. `leave` follows a True."""
        if self._sockets[invitation_id] >= self.limits.sockets_per_invitation:
            return False
        self._sockets[invitation_id] += 1
        return True

    def leave(self, invitation_id: str) -> None:
        self._sockets[invitation_id] -= 1
        if self._sockets[invitation_id] <= 0:
            del self._sockets[invitation_id]

    def attach(self, invitation_id: str, page: Page) -> LiveSession | None:
        """The page said hello. None, and the page closed, when this server takes no more sessions."""
        full = invitation_id not in self._sessions and len(self._sessions) >= self.limits.sessions
        if self._stopping or full:
            page.close(CloseCode.RESTARTING)
            return None
        session = self._open(invitation_id)
        session.attach(page)
        return session

    # For sessions (`happenings.Registry`).

    def claim_peer(self, session: LiveSession, peer_id: PeerId) -> None:
        self._by_peer[peer_id] = session

    def release_peer(self, peer_id: PeerId) -> None:
        self._by_peer.pop(peer_id, None)

    def hold_takes(self, session: LiveSession, take_ids: Iterable[TakeId]) -> None:
        held = set(take_ids)
        for take_id in [each for each, owner in self._by_take.items() if owner is session and each not in held]:
            del self._by_take[take_id]
        self._by_take.update(dict.fromkeys(held, session))

    def forget(self, session: LiveSession) -> None:
        if self._sessions.get(session.invitation_id) is session:
            del self._sessions[session.invitation_id]
        self.hold_takes(session, ())
        for peer_id in [each for each, owner in self._by_peer.items() if owner is session]:
            del self._by_peer[peer_id]

    def stray(self, event: TakeEvent) -> None:
        """An event of a take that no session holds: looked up in the database, later."""
        if isinstance(event, TakeProgress | OutageBegan | OutageEnded | TakeLost):
            return
        try:
            self._strays.put_nowait(event)
        except asyncio.QueueFull:
            log.error("take %s: %s was lost, too many takes are unknown", take_of(event), type(event).__name__)

    # Its own.

    def _open(self, invitation_id: str) -> LiveSession:
        session = self._sessions.get(invitation_id)
        if session is None:
            session = LiveSession(self._around, invitation_id, self)
            self._sessions[invitation_id] = session
            self._own(self._run(session), f"session {invitation_id}")
        return session

    async def _run(self, session: LiveSession) -> None:
        try:
            await session.run()
            return
        except Exception:
            log.exception("invitation %s: its live session failed", session.invitation_id)
        await self._begin_anew(session.invitation_id)

    async def _begin_anew(self, invitation_id: str) -> None:
        """Opens a session again if a take or a think clock runs: somebody has to be there when it ends.

        Looks until it can be read; a page that comes meanwhile opens the session itself.
        """
        if invitation_id in self._beginning_anew:
            return
        self._beginning_anew.add(invitation_id)
        try:
            for pause_s in chain(BEGIN_ANEW_S, repeat(BEGIN_ANEW_S[-1])):
                await asyncio.sleep(pause_s)
                if invitation_id in self._sessions:
                    return
                try:
                    loaded = await record.load(self._around.database, invitation_id)
                except NotFound:
                    return
                except DatabaseTrouble:
                    log.exception("invitation %s: cannot be read, so its session cannot begin anew", invitation_id)
                else:
                    break
        finally:
            self._beginning_anew.discard(invitation_id)
        if loaded.situation(media_live=False).active() is not None:
            self._open(invitation_id)

    def _reload(self, invitation_id: str) -> LiveSession | None:
        session = self._sessions.get(invitation_id)
        if session is not None:
            session.post(Reload())
        return session

    async def _settle(self, take: TakeRow, invitation_id: str) -> None:
        take_id = TakeId(take.id)
        session = self._open(invitation_id)
        if (found := await whereabouts(self._around, invitation_id, take_id)) is not None:
            session.post(found)

    async def _route_strays(self) -> None:
        while True:
            event = await self._strays.get()
            try:
                await self._route_stray(event)
            except (*DatabaseTrouble, OSError, TimeoutError):
                log.exception("take %s: %s could not be looked up", take_of(event), type(event).__name__)

    async def _route_stray(self, event: TakeEvent) -> None:
        take_id = take_of(event)
        found = await record.take_and_owner(self._around.database, take_id)
        if found is None:
            log.error("take %s: %s, but nobody knows this take", take_id, type(event).__name__)
            return
        take, invitation_id = found
        if take.state in record.RUNNING_TAKES:
            self._open(invitation_id).post(event)
        elif take.state is TakeState.ABANDONED and isinstance(event, TakeStarted):
            await self._stop_abandoned(take_id)
        elif take.state is TakeState.ABANDONED and isinstance(event, TakeFinished):
            async with asyncio.timeout(DISK_TIMEOUT_S):
                await asyncio.get_running_loop().run_in_executor(
                    self._disk, discard, self._around.recordings, invitation_id, take_id
                )

    async def _stop_abandoned(self, take_id: TakeId) -> None:
        """Its countdown was given up, but the worker had the order."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._around.recorders.stop_take(take_id)
        except (RecorderError, TimeoutError) as error:
            log.warning("take %s: abandoned, and could not be stopped: %s", take_id, error or "timeout")

    def _own(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
