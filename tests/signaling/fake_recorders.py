"""A recorder without media: keeps the contract of `recorder.pool.Pool`, and does what a test says when it says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from recorder.messages import (
    Arm,
    CallProblem,
    CallRefused,
    Connected,
    EndReason,
    Event,
    NeverStarted,
    OfferProblem,
    OfferRefused,
    OutageBegan,
    OutageEnded,
    PeerChanged,
    PeerId,
    PeerState,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeProgress,
    TakeResult,
    TakeStarted,
    Verdict,
    WorkerLost,
)
from tests.signaling.fake_clock import FakeClock


class FakeRecorders:
    """`armed`, `stopped`, `disconnected`, `joined`, `restarted` are what was ordered, in order. Set `trouble` to let a
    call fail, `silent` to let every call hang, `refuse_offer` and `audio_only` to shape the next answers."""

    def __init__(self, clock: FakeClock) -> None:
        self.events: Callable[[Event], None] = lambda event: None
        self.peers: dict[PeerId, PeerState] = {}
        self.armed: list[Arm] = []
        self.stopped: list[TakeId] = []
        self.disconnected: list[PeerId] = []
        self.connected: list[PeerId] = []
        self.joined: list[tuple[TakeId, PeerId]] = []
        self.restarted: list[PeerId] = []
        self.trouble: Exception | None = None
        self.refuse_offer: OfferProblem | None = None
        self.audio_only = False
        self.live_at_once = True
        self.hold_offers: asyncio.Event | None = None
        self._takes: dict[TakeId, str] = {}
        self._orders: dict[TakeId, Arm] = {}
        self._started_ms: dict[TakeId, int] = {}
        self._clock = clock

    # What Pool has.

    @property
    def takes(self) -> dict[TakeId, str]:
        return dict(self._takes)

    async def connect(self, peer_id: PeerId, offer_sdp: str, take_id: TakeId | None = None) -> Connected:
        await self._call()
        if take_id is not None:
            self.joined.append((take_id, peer_id))
        if self.hold_offers is not None:
            await self.hold_offers.wait()
        if self.refuse_offer is not None:
            raise OfferRefused(self.refuse_offer)
        self.peers[peer_id] = PeerState.CONNECTING
        self.connected.append(peer_id)
        if self.live_at_once:
            asyncio.get_running_loop().call_soon(self.peer, peer_id, PeerState.LIVE)
        return Connected(f"answer to {offer_sdp}", has_video=not self.audio_only)

    async def restart(self, peer_id: PeerId, offer_sdp: str) -> Connected:
        await self._call()
        if self.hold_offers is not None:
            await self.hold_offers.wait()
        if self.refuse_offer is not None:
            raise OfferRefused(self.refuse_offer)
        if peer_id not in self.peers:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        self.restarted.append(peer_id)
        return Connected(f"answer to {offer_sdp}", has_video=not self.audio_only)

    async def disconnect(self, peer_id: PeerId) -> None:
        await asyncio.sleep(0)
        self.disconnected.append(peer_id)
        self.peers.pop(peer_id, None)

    async def arm(self, order: Arm) -> None:
        await self._call()
        if order.peer_id not in self.peers:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        if order.take_id in self._takes:
            raise CallRefused(CallProblem.DUPLICATE_TAKE)
        assert Path(order.folder).is_absolute()
        self.armed.append(order)
        self._orders[order.take_id] = order
        self._takes[order.take_id] = "countdown"

    async def stop_take(self, take_id: TakeId) -> None:
        await self._call()
        if take_id not in self._takes:
            raise CallRefused(CallProblem.UNKNOWN_TAKE)
        self.stopped.append(take_id)

    async def _call(self) -> None:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble

    # What a test says.

    def peer(self, peer_id: PeerId, state: PeerState) -> None:
        if state is PeerState.GONE:
            self.peers.pop(peer_id, None)
        elif peer_id in self.peers:
            self.peers[peer_id] = state
        self.events(PeerChanged(peer_id, state))

    def everybody(self, state: PeerState) -> None:
        for peer_id in list(self.peers):
            self.peer(peer_id, state)

    @property
    def last(self) -> TakeId:
        return self.armed[-1].take_id

    def start(self, take_id: TakeId | None = None, *, say: bool = True) -> TakeId:
        """The first key frame; with `say` false the server does not hear of it."""
        started = take_id or self.last
        self._takes[started] = "recording"
        self._started_ms[started] = self._clock.wall_ms()
        if say:
            self.events(TakeStarted(started, self._clock.wall_ms(), self._orders[started].limit_ms))
        return started

    def never(self, reason: NeverStarted, take_id: TakeId | None = None) -> None:
        self._takes.pop(take_id or self.last, None)
        self.events(TakeNotStarted(take_id or self.last, reason))

    def progress(self, elapsed_ms: int, *, stalled: bool = False) -> None:
        left_ms, safe_ms = self._orders[self.last].limit_ms - elapsed_ms, max(0, elapsed_ms - 100)
        self.events(TakeProgress(self.last, elapsed_ms, left_ms, safe_ms, 90, 0, stalled))

    def outage(self, *, since_ms: int = 1_000) -> None:
        self.events(OutageBegan(self.last, self._clock.wall_ms() - since_ms, 90_000))

    def outage_over(self, remaining_ms: int) -> None:
        self.events(OutageEnded(self.last, 5_000, remaining_ms))

    def ending(self, reason: EndReason = EndReason.STOPPED) -> None:
        self._takes[self.last] = "ending"
        self.events(TakeEnding(self.last, reason, 5_000))

    def finish(
        self,
        take_id: TakeId | None = None,
        *,
        verdict: Verdict = Verdict.GOOD,
        reason: EndReason = EndReason.STOPPED,
        recovered: bool = False,
        say: bool = True,
    ) -> TakeResult:
        """Writes file and sidecar as the recorder does; with `say` false the server does not hear of it."""
        done = take_id or self.last
        self._takes.pop(done, None)
        folder = Path(self._orders[done].folder)
        body = f"recording {done}".encode() * 10
        kept = verdict is not Verdict.FAILED
        result = TakeResult(
            take_id=done,
            verdict=verdict,
            reasons=[] if kept else ["no_key_frame"],
            end_reason=reason,
            media_type="video/webm",
            started_unix_ms=self._started_ms.get(done, 0),
            elapsed_ms=5_000,
            recovered=recovered,
        )
        if kept:
            (folder / f"{done}.webm").write_bytes(body)
            (folder / f"{done}.jpg").write_bytes(b"jpeg")
            sha256 = hashlib.sha256(body).hexdigest()
            poster = f"{done}.jpg"
            result = replace(
                result, file=f"{done}.webm", size_bytes=len(body), duration_ms=5_000, sha256=sha256, poster=poster
            )
        (folder / f"{done}.json").write_text(json.dumps(asdict(result)))
        if say:
            self.events(TakeFinished(result))
        return result

    def die(self) -> None:
        """The worker is killed: it holds nothing any more, and the pool says so."""
        lost = [str(peer_id) for peer_id in self.peers]
        self.peers.clear()
        self.events(WorkerLost(0, lost))

    def forget_takes(self) -> None:
        self._takes.clear()
