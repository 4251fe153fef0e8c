"""A candidate's media connection: which peer of the recorder it is, and what it is known to do.

One offer is answered at a time; the newest waits, those between are refused. Calls of the recorder run as tasks of the
session and come back as `OfferAnswered` and `RestartAnswered`; nothing here waits. Whether an offer may come now, and
which take goes on with it, is the session's to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from recorder.messages import (
    CallRefused,
    Connected,
    OfferProblem,
    OfferRefused,
    PeerId,
    PeerState,
    RecorderError,
    TakeId,
)
from signaling.codes import ErrorCode
from signaling.messages import Answer, Media, Offer, Restart, Tell
from signaling.surroundings import CALL_TIMEOUT_S, CONNECT_TIMEOUT_S, Recorders
from signaling.tabs import Page
from signaling.wire import error
from storage.ids import new_id

log = logging.getLogger(__name__)

OFFER_CODES: dict[OfferProblem, ErrorCode] = {
    OfferProblem.MALFORMED: ErrorCode.OFFER_MALFORMED,
    OfferProblem.NO_VIDEO_CODEC: ErrorCode.NO_VIDEO_CODEC,
    OfferProblem.NO_AUDIO_CODEC: ErrorCode.NO_AUDIO_CODEC,
    OfferProblem.NO_MEDIA: ErrorCode.NO_MEDIA,
    OfferProblem.NOT_SECURE: ErrorCode.NOT_SECURE,
    OfferProblem.BUSY: ErrorCode.RECORDER_BUSY,
}

_MEDIA: dict[PeerState, Media] = {
    PeerState.CONNECTING: Media.CONNECTING,
    PeerState.LIVE: Media.LIVE,
    PeerState.STALLED: Media.STALLED,
    PeerState.GONE: Media.NONE,
}


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The recorder answered, or refused with `problem`. `number` is the offer's; `take_id` what is to go on with it."""

    peer_id: PeerId
    page: Page
    number: int
    connected: Connected | None
    problem: ErrorCode | None
    take_id: TakeId | None = None


@dataclass(frozen=True, slots=True)
class RestartAnswered:
    """Likewise for an ICE restart of this peer; `gone` when the recorder has it no more."""

    peer_id: PeerId
    page: Page
    number: int
    connected: Connected | None
    problem: ErrorCode | None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The recorder's worker died with this peer: no doing of the candidate's."""

    peer_id: PeerId


SERVER_PROBLEMS = frozenset({ErrorCode.RECORDER_BUSY, ErrorCode.RECORDER_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class _Peer:
    id: PeerId
    tab: str
    has_video: bool
    state: PeerState


class Link:
    """Owned by one session. `spawn` runs a coroutine as the session's task, `post` puts into its inbox,
    `claim` and `release` tell the hub whose events a peer's are, `recording` names the take that records now, `tell`
    reaches the page that asked, or who came after it."""

    def __init__(
        self,
        recorders: Recorders,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        post: Callable[[OfferAnswered | RestartAnswered], None],
        claim: Callable[[PeerId], None],
        release: Callable[[PeerId], None],
        recording: Callable[[], TakeId | None],
        tell: Callable[[Page, Tell], None],
    ) -> None:
        self._recorders = recorders
        self._spawn = spawn
        self._post = post
        self._claim = claim
        self._release = release
        self._recording = recording
        self._tell = tell
        self._peer: _Peer | None = None
        self._tab: str | None = None
        self._connecting: PeerId | None = None
        self._early: PeerState | None = None
        self._next: tuple[Page, Offer] | None = None
        self._server_failed = False

    @property
    def peer_id(self) -> PeerId | None:
        return self._peer.id if self._peer else None

    @property
    def tab(self) -> str | None:
        """The page that made the connection, or the last one there was."""
        return self._tab

    @property
    def live(self) -> bool:
        return self._peer is not None and self._peer.state is PeerState.LIVE

    @property
    def server_failed(self) -> bool:
        """There is no connection, and the recorder is why: it took no offer, or died with the last one's peer."""
        return self._peer is None and self._server_failed

    @property
    def audio_only(self) -> bool:
        return self._peer is not None and not self._peer.has_video

    @property
    def media(self) -> Media:
        if self._peer is not None:
            return _MEDIA[self._peer.state]
        return Media.CONNECTING if self._connecting else Media.NONE

    def offer(self, page: Page, offer: Offer) -> None:
        """Answers this offer as soon as the one before is done with."""
        if self._connecting is None:
            self._begin(page, offer)
            return
        if self._next is not None:
            self._refuse(self._next[0], ErrorCode.OFFER_REPLACED, self._next[1].number)
        self._next = (page, offer)

    def restart(self, page: Page, ask: Restart) -> ErrorCode | None:
        """Answers an ICE restart of the connection that this page made; why not, when that is gone."""
        if self._peer is None or self._peer.tab != page.tab:
            return ErrorCode.CONNECTION_GONE
        self._spawn(self._restart(self._peer.id, page, ask))
        return None

    def restarted(self, done: RestartAnswered) -> bool:
        """Tells the page. True if that changed the connection: the recorder has it no more."""
        present = self._peer is not None and self._peer.id == done.peer_id
        problem = done.problem if present else ErrorCode.CONNECTION_GONE
        if problem is not None or done.connected is None:
            self._tell(done.page, error(problem or ErrorCode.RECORDER_UNAVAILABLE, "restart", done.number))
        else:
            self._tell(done.page, Answer(done.connected.answer_sdp, done.number))
        if present and done.gone:
            self.gone()
            return True
        return False

    def answered(self, done: OfferAnswered, refusal: ErrorCode | None) -> bool:
        """Takes the new connection, unless a newer offer waits or `refusal` is set. True if it is the one now."""
        self._connecting, early, self._early = None, self._early, None
        waiting, self._next = self._next, None
        problem = done.problem or (ErrorCode.OFFER_REPLACED if waiting else refusal)
        if problem is not ErrorCode.OFFER_REPLACED:
            self._server_failed = problem in SERVER_PROBLEMS
        if waiting is not None:
            self._begin(*waiting)
        if problem is not None or done.connected is None:
            self._free(done.peer_id)
            self._refuse(done.page, problem or ErrorCode.RECORDER_UNAVAILABLE, done.number)
            return False
        if self._peer is not None:
            self._free(self._peer.id)
        state, self._tab = early or PeerState.CONNECTING, done.page.tab
        self._peer = _Peer(done.peer_id, done.page.tab, done.connected.has_video, state)
        self._tell(done.page, Answer(done.connected.answer_sdp, done.number))
        if state is PeerState.GONE:
            self.gone()
        return True

    def changed(self, peer_id: PeerId, state: PeerState) -> bool:
        """The recorder says so. False if it is not about this connection, or says nothing new."""
        if peer_id == self._connecting:
            self._early = state
            return False
        if self._peer is None or self._peer.id != peer_id or self._peer.state is state:
            return False
        self._peer = replace(self._peer, state=state)
        if state is PeerState.GONE:
            self.gone()
        return True

    def lost(self, peer_id: PeerId) -> bool:
        """The worker died with this peer. False if that is not this connection."""
        if self._peer is None or self._peer.id != peer_id:
            return False
        self._server_failed = True
        self.gone()
        return True

    def forgive_server(self) -> None:
        """Its failure so far was made up for."""
        self._server_failed = False

    def gone(self) -> None:
        """The recorder knows this peer no more."""
        if self._peer is not None:
            self._release(self._peer.id)
            self._peer = None

    def drop(self) -> bool:
        """Frees the connection at the recorder; False if there was none."""
        if self._peer is None:
            return False
        self._free(self._peer.id)
        self._peer = None
        return True

    def _begin(self, page: Page, offer: Offer) -> None:
        peer_id = PeerId(new_id())
        self._connecting = peer_id
        self._claim(peer_id)
        self._spawn(self._connect(peer_id, page, offer, self._recording()))

    async def _connect(self, peer_id: PeerId, page: Page, offer: Offer, take_id: TakeId | None) -> None:
        connected: Connected | None = None
        problem: ErrorCode | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connected = await self._recorders.connect(peer_id, offer.sdp, take_id)
        except OfferRefused as refused:
            problem = OFFER_CODES[refused.reason]
        except (RecorderError, TimeoutError) as trouble:
            log.warning("peer %s: the recorder did not answer an offer: %s", peer_id, trouble or "timeout")
            problem = ErrorCode.RECORDER_UNAVAILABLE
        self._post(OfferAnswered(peer_id, page, offer.number, connected, problem, take_id))

    async def _restart(self, peer_id: PeerId, page: Page, ask: Restart) -> None:
        connected: Connected | None = None
        problem: ErrorCode | None = None
        gone = False
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                connected = await self._recorders.restart(peer_id, ask.sdp)
        except OfferRefused as refused:
            problem = OFFER_CODES[refused.reason]
        except CallRefused:
            problem, gone = ErrorCode.CONNECTION_GONE, True
        except (RecorderError, TimeoutError) as trouble:
            log.warning("peer %s: the recorder did not answer a restart: %s", peer_id, trouble or "timeout")
            problem = ErrorCode.RECORDER_UNAVAILABLE
        self._post(RestartAnswered(peer_id, page, ask.number, connected, problem, gone))

    def _free(self, peer_id: PeerId) -> None:
        self._release(peer_id)
        self._spawn(self._disconnect(peer_id))

    async def _disconnect(self, peer_id: PeerId) -> None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._recorders.disconnect(peer_id)
        except (RecorderError, TimeoutError) as trouble:
            log.warning("peer %s: not freed, it will be when it is silent: %s", peer_id, trouble or "timeout")

    def _refuse(self, page: Page, code: ErrorCode, number: int) -> None:
        self._tell(page, error(code, "offer", number))
