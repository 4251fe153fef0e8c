"""One interview while somebody is in it: everything that happens waits in one queue, and one loop decides.

Each step is decided and written by `conduct`, carried out by `orders` and `link`, then told to the pages (`view`).
Knows no socket: pages are `tabs.Page`. Which sessions exist, and whose a recorder's event is, is `hub`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from recorder.messages import PeerChanged, TakeId, TakeProgress, TakeStarted
from signaling import record, relays, view, wire
from signaling.asks import Asks
from signaling.codes import ErrorCode
from signaling.conduct import RETRY_S, Conduct
from signaling.decision import Effect, ForgiveServer, StopTake
from signaling.happenings import Asked, Attached, Detached, Item, Registry, Reload, Settled, TakeEvent, take_of
from signaling.inbox import Inbox
from signaling.interview import Resumed, Tick
from signaling.link import Link, OfferAnswered, PeerLost, RestartAnswered
from signaling.messages import Ask, CloseCode, IceServers, Media, State
from signaling.orders import Doubtful, Orders, StopFailed
from signaling.recording import Recording
from signaling.sending import Checked, Submission
from signaling.surroundings import Surroundings
from signaling.tabs import Page, Tabs
from storage.states import AnswerState

log = logging.getLogger(__name__)

LONGEST_SLEEP_S = 5.0


class LiveSession:
    """Everything public but `run` only enqueues. `run` is the hub's, and ends when nothing is left to wait for."""

    def __init__(self, around: Surroundings, invitation_id: str, registry: Registry) -> None:
        self.invitation_id = invitation_id
        self._around = around
        self._registry = registry
        self._inbox: Inbox[Item] = Inbox(around.limits.asks_waiting, around.limits.events_waiting)
        self._tabs = Tabs()
        self._orders = Orders(around, invitation_id, self._spawn, self.post)
        self._link = Link(
            around.recorders,
            self._spawn,
            self.post,
            lambda peer_id: registry.claim_peer(self, peer_id),
            registry.release_peer,
            lambda: self._conduct.recording,
            self._tabs.tell,
        )
        self._submission = Submission(around, invitation_id, self._spawn, self.post)
        self._recording = Recording()
        self._conduct: Conduct
        self._asks: Asks
        self._tasks: asyncio.TaskGroup
        self._alone_since_s = around.clock.monotonic()
        self._had_expired = False
        self._end_again_s: float | None = None  # when to order the end of a take again
        self._changed = False

    def attach(self, page: Page) -> None:
        """A page said hello; it gets the state."""
        if not self._inbox.put(Attached(page)):
            page.close(CloseCode.RESTARTING)

    def detach(self, page: Page) -> None:
        self._inbox.put(Detached(page))

    def ask(self, page: Page, ask: Ask) -> None:
        if not self._inbox.put_ask(Asked(page, ask)):
            page.tell(wire.refusal(ErrorCode.BUSY, ask))

    def post(self, item: Item) -> None:
        """An event of the recorder, of the clock, or of our own tasks."""
        self._inbox.put(item, may_be_lost=isinstance(item, TakeProgress | Tick))

    async def run(self) -> None:
        """Until nobody is here and nothing runs. Raises what it did not foresee; the hub then begins anew."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                loaded = await record.load(self._around.database, self.invitation_id)
                self._conduct = Conduct(
                    self._around,
                    loaded,
                    media_live=lambda: self._link.live,
                    server_failed=lambda: self._link.server_failed,
                    carry_out=self._carry_out,
                    changed=self._after_decision,
                )
                self._asks = Asks(
                    self._conduct,
                    self._tabs,
                    self._link,
                    self._submission,
                    lambda: self._around.offers.take(self.invitation_id),
                    self._ice_servers,
                )
                await self._begin()
                while not self._done():
                    item = await self._inbox.next(self._sleep_s())
                    if self._inbox.overflowed:
                        self._after_overflow()
                    if item is not None:
                        await self._handle(item)
                    await self._advance()
                    self._tell_if_changed()
                self._registry.forget(self)
                self._link.drop()
        finally:
            self._registry.forget(self)
            self._close_all()

    # The loop's own.

    async def _begin(self) -> None:
        now_ms, now_s = self._around.clock.wall_ms(), self._around.clock.monotonic()
        self._recording.resume(self._conduct.record, self._conduct.busy, now_ms, now_s)
        self._follow()
        busy = self._conduct.busy
        if busy is not None and busy.next_take_id is not None:
            self._orders.look(TakeId(busy.next_take_id))  # its end may have been told to nobody
        await self._conduct.happened(Resumed())
        await self._advance()

    async def _handle(self, item: Item) -> None:
        match item:
            case Attached():
                self._attach(item.page)
            case Detached():
                self._detach(item.page)
            case Asked():
                await self._advance()  # whatever was due before the ask came is decided before it
                if await self._asks.asked(item.page, item.ask):
                    self._changed = True  # a decision may have set it meanwhile
            case OfferAnswered():
                await self._asks.offer_answered(item)
                self._changed = True
            case RestartAnswered():
                self._changed |= self._link.restarted(item)
            case Checked():
                await self._submission.checked(item, self._conduct)
                self._changed = True
            case PeerChanged():
                self._changed |= self._link.changed(item.peer_id, item.state)
            case PeerLost():
                self._changed |= self._link.lost(item.peer_id)
            case StopFailed():
                if self._tabs.owner is not None:
                    self._tabs.owner.tell(wire.error(ErrorCode.RECORDER_UNAVAILABLE, "stop"))
            case Doubtful():
                self._orders.look(item.take_id)
            case Reload():
                await self._conduct.reload()
            case Settled():
                if not item.done.done():
                    item.done.set_result(None)
            case Tick():
                pass
            case _:
                await self._take_event(item)

    def _attach(self, page: Page) -> None:
        running = self._conduct.running is not None
        self._tabs.attach(page, recording=running, holder=self._holder(), recorder=self._link.tab if running else None)
        self._changed = True

    def _detach(self, page: Page) -> None:
        if self._tabs.detach(page):
            self._alone_since_s = self._around.clock.monotonic()
            self._changed = True

    def _holder(self) -> str | None:
        """The tab whose camera the running take records, while its media flow."""
        flows = self._conduct.running is not None and self._link.live and not self._recording.clock.stalled
        return self._link.tab if flows else None

    async def _take_event(self, event: TakeEvent) -> None:
        take_id = take_of(event)
        answer = self._conduct.situation.by_next_take(take_id)
        if answer is None:
            if not self._conduct.behind:
                self._registry.stray(event)
            return
        now_ms, now_s = self._around.clock.wall_ms(), self._around.clock.monotonic()
        if isinstance(event, TakeProgress):
            if answer.state is AnswerState.COUNTDOWN and not self._conduct.behind:
                # Its start was told to nobody: the server was away.
                limit_ms = event.elapsed_ms + event.remaining_ms
                await self._conduct.happened(TakeStarted(take_id, now_ms - event.elapsed_ms, limit_ms))
            if self._tabs.owner is not None:
                self._tabs.owner.tell(view.progress(answer.question.id, event))
        else:
            await self._conduct.happened(event)
            self._changed = True
        self._recording.heard(event, now_ms, now_s)

    def _after_decision(self) -> None:
        self._submission.follow(self._conduct)
        self._changed = True
        self._follow()

    def _follow(self) -> None:
        """Keeps what hangs on the busy answer in step with it: whose take it is, its clock, when to look for it."""
        busy = self._conduct.busy
        self._registry.hold_takes(self, [TakeId(busy.next_take_id)] if busy and busy.next_take_id else [])
        self._recording.follow(busy, self._around.clock.monotonic())

    async def _advance(self) -> None:
        """Whatever is due by now."""
        await self._conduct.advance()
        busy = self._conduct.busy
        if self._recording.overdue(self._around.clock.monotonic()) and busy and busy.next_take_id:
            self._orders.look(TakeId(busy.next_take_id))
        expired = self._conduct.situation.expired(self._around.clock.wall_ms())
        self._changed |= expired is not self._had_expired
        self._had_expired = expired
        self._changed |= self._tabs.move_up(self._holder())
        self._end_if_over()
        self._match_link()

    def _end_if_over(self) -> None:
        """A take still runs in an interview that is over: it is stopped, and again until that arrived."""
        running, now_s = self._conduct.running, self._around.clock.monotonic()
        if running is None or running.next_take_id is None or self._conduct.open:
            self._end_again_s = None
        elif self._end_again_s is None or now_s >= self._end_again_s:
            self._end_again_s = now_s + RETRY_S
            self._orders.carry_out(StopTake(TakeId(running.next_take_id)), None)

    def _match_link(self) -> None:
        """A connection is its page's: once another page counts it is freed, but never under a take."""
        if self._conduct.busy is not None:
            return
        owner = self._tabs.owner
        if not self._conduct.open or (owner is not None and self._link.tab not in (None, owner.tab)):
            self._changed |= self._link.drop()

    def _after_overflow(self) -> None:
        """Something was lost: the pages begin anew, and the take is looked for."""
        log.error("invitation %s: more happened than its inbox holds", self.invitation_id)
        self._inbox.overflowed = False
        self._tabs.close(CloseCode.RESTARTING)
        self._recording.look_at_s = self._around.clock.monotonic()

    def _close_all(self) -> None:
        self._tabs.close(CloseCode.RESTARTING)
        for item in self._inbox.drain():
            if isinstance(item, Attached):
                item.page.close(CloseCode.RESTARTING)
            elif isinstance(item, Settled) and not item.done.done():
                item.done.set_result(None)

    def _tell_if_changed(self) -> None:
        if not self._changed:
            return
        self._changed = False
        if self._tabs.owner is not None:
            self._tabs.owner.tell(self._state())
        if self._tabs.waiting is not None:
            self._tabs.waiting.tell(self._state(elsewhere=True))
        if not self._conduct.open:
            self._tabs.close(CloseCode.ENDED)

    def _state(self, *, elsewhere: bool = False) -> State:
        live = view.Live(
            media=self._link.media,
            audio_only=self._link.audio_only or self._without_picture(),
            remaining_ms=self._recording.clock.left_ms(self._around.clock.monotonic()),
            stalled=self._recording.clock.stalled,
            sending=self._submission.state,
            sending_problems=self._submission.problems,
            outage_left_ms=self._recording.clock.outage_left_ms(self._around.clock.monotonic()),
        )
        return view.state(
            self._conduct.situation,
            self._conduct.record.takes,
            live,
            closes_at_ms=self._conduct.closes_at_ms(),
            now_ms=self._around.clock.wall_ms(),
            elsewhere=elsewhere,
        )

    def _without_picture(self) -> bool:
        """The recording waits for a connection, and goes on with sound alone as it began."""
        waits = self._conduct.recording is not None and self._link.peer_id is None
        return waits and self._conduct.record.invitation.audio_only

    def _ice_servers(self) -> IceServers:
        around = self._around
        return relays.ice_servers(around.relays, self.invitation_id, around.clock.wall_ms())

    def _done(self) -> bool:
        if self._tabs or len(self._inbox) or self._conduct.waits_for_database or self._conduct.busy is not None:
            return False
        if not self._conduct.open:
            return True
        if self._conduct.situation.active() is not None:
            return False
        return self._link.media is Media.NONE or self._linger_s() <= 0

    def _linger_s(self) -> float:
        """How much longer the connection is kept for a page that may come back."""
        return self._around.limits.linger_s - (self._around.clock.monotonic() - self._alone_since_s)

    def _sleep_s(self) -> float | None:
        """Until the next thing is due; never long when something is, so that a wall clock that is set is noticed."""
        due = [] if (due_s := self._conduct.due_in_s()) is None else [due_s]
        if self._end_again_s is not None:
            due.append(self._end_again_s - self._around.clock.monotonic())
        if self._recording.look_at_s is not None:
            due.append(self._recording.look_at_s - self._around.clock.monotonic())
        elif not self._tabs:
            due.append(max(0.0, self._linger_s()) or LONGEST_SLEEP_S)
        return max(0.01, min(*due, LONGEST_SLEEP_S)) if due else None

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, ForgiveServer):
            self._link.forgive_server()
        else:
            self._orders.carry_out(effect, self._link.peer_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)
