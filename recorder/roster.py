"""The peers of a worker: made by offers, found by ufrag or address, restarted, freed; their shared timers.

Knows transport and no take. One `Roster` owns the worker's port, and is what peers call their home.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from recorder.address import Address, interface_addresses
from recorder.dtls import Certificate, Slots
from recorder.ice import Credentials, local_ufrag, new_credentials
from recorder.messages import (
    CallProblem,
    CallRefused,
    OfferProblem,
    OfferRefused,
    PeerId,
    PeerState,
)
from recorder.pace import WAKE_NEEDY_S
from recorder.peer import Peer
from recorder.probe import Answerer, Probe
from recorder.record_turns import RecordTurns, Taker
from recorder.routes import Route, Routes, UdpRoute
from recorder.sdp import Offer, read_offer, write_answer
from recorder.tcp import TcpPort
from recorder.udp import UdpPort

log = logging.getLogger(__name__)

WAKE_CONNECTING_S = 0.002
CONNECTS_WITHIN_US = 3_000_000
"""Who has not reached us by then, or not shaken hands so long after, waits a little longer for its answers."""
REFILL_US = 150_000
"""What a peer may send, and ask, is renewed by each tick of 200 ms, and by every second one of 100 ms."""
MOST_CONNECTING = 100
GIVES_WAY_AFTER_US = 10_000_000
"""Who has not connected by then, for whatever reason, leaves a full worker to the next; its page tries again."""
PORT_TRIES = 20
"""The kernel chooses a port that is free for UDP; that it is for TCP, too, is likely."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What one worker may use. `port` 0 lets the kernel choose; no `advertised_ips` means every interface's."""

    number: int
    version: str
    port: int
    recordings_dir: str
    advertised_ips: tuple[str, ...] = ()
    video_codecs: tuple[str, ...] = ("h264", "vp8")
    max_bitrate_bps: int = 2_500_000
    max_live: int = 200
    min_free_disk_bytes: int = 1_000_000_000


class Roster:
    """`changed` is called on the loop whenever a peer's state is another; after GONE the caller frees it."""

    def __init__(
        self, settings: WorkerSettings, changed: Callable[[Peer], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.certificate = Certificate()
        self.needy: set[Peer] = set()
        self._refilled_us = 0
        self.peers: dict[PeerId, Peer] = {}
        self._settings = settings
        self._changed = changed
        self._records = RecordTurns(self._fault)
        self._connecting = self._unreached = False
        self._ufrags: dict[str, Peer] = {}
        self._answerer = Answerer(settings.number)
        self.udp, self.tcp = self._ports(loop)
        self.routes = Routes(self.udp.routes)
        self.slots = Slots(self.udp)
        self.udp.after_turn = self.after_turn
        self._counts = dict.fromkeys(
            ("peers", "restarts", "frames", "nacks", "plis", "forged", "over_rate", "unknown_check", "packets",
             "packets_lost", "packets_recovered"), 0)  # fmt: skip

    def _ports(self, loop: asyncio.AbstractEventLoop) -> tuple[UdpPort, TcpPort]:
        """Both on one number. Raises OSError."""
        wanted = self._settings.port
        tries = PORT_TRIES if wanted == 0 else 1
        while True:
            udp = UdpPort(wanted, self, lambda: bool(self.peers), loop)
            try:
                return udp, TcpPort(udp, self, loop)
            except OSError:
                udp.close()
                tries -= 1
                if not tries:
                    raise

    @property
    def probe(self) -> Probe:
        """What a check that is for no peer is signed with."""
        credentials = self._answerer.credentials
        return Probe(self.udp.port, credentials.ufrag, credentials.password)

    async def start(self) -> None:
        self.udp.start()
        await self.tcp.start()

    async def stop(self) -> None:
        """Frees every peer, and closes the ports."""
        for peer in list(self.peers.values()):
            await self.free(peer)
        self.udp.close()
        await self.tcp.close()

    def connect(self, peer_id: PeerId, offer: Offer, *, going_on: bool) -> tuple[Peer, str]:
        """A new peer and the answer to its offer. Raises OfferRefused.

        `going_on`: a take waits for it, so it finds a place in a full worker, too (each take has one such peer).
        """
        if peer_id in self.peers:
            raise OfferRefused(OfferProblem.MALFORMED, "this peer is connected")
        if not self._has_room(going_on) and not self._make_room():
            raise OfferRefused(OfferProblem.BUSY)
        credentials = new_credentials(self._settings.number)
        peer = Peer(peer_id, offer, credentials, self, self._settings.max_bitrate_bps)
        self.peers[peer_id] = peer
        self._ufrags[credentials.ufrag] = peer
        self._counts["peers"] += 1
        self._begin_connecting()
        return peer, self._answer(offer, credentials)

    def _has_room(self, going_on: bool) -> bool:
        there = [peer for peer in self.peers.values() if peer.state is not PeerState.GONE]
        connecting = sum(not peer.connected for peer in there)
        return len(there) < self._settings.max_live * (2 if going_on else 1) and connecting < MOST_CONNECTING

    def _make_room(self) -> bool:
        """The oldest of those that do not get connected gives way, if that is long enough ago."""
        for peer in self.peers.values():
            if not peer.connected and peer.state is not PeerState.GONE:
                if time.monotonic_ns() // 1000 - peer.born_us < GIVES_WAY_AFTER_US:
                    return False
                peer.become(PeerState.GONE, "made room")
                return True
        return False

    def restart(self, peer_id: PeerId, offer_sdp: str) -> tuple[Peer, str]:
        """The answer to an ICE restart of a peer that is here. Raises CallRefused, OfferRefused."""
        peer = self.peers.get(peer_id)
        if peer is None or peer.state is PeerState.GONE:
            raise CallRefused(CallProblem.UNKNOWN_PEER)
        video = peer.offer.video
        offer = read_offer(offer_sdp, (video.codec,) if video else ())
        credentials = new_credentials(self._settings.number)
        for ufrag in peer.restart(offer, credentials):
            self._ufrags.pop(ufrag, None)
        self._ufrags[credentials.ufrag] = peer
        self._counts["restarts"] += 1
        self._begin_connecting()
        return peer, self._answer(offer, credentials)

    def _begin_connecting(self) -> None:
        """Who waits for an answer gets it at once: the pause that was begun is cut short."""
        self._connecting = True
        self.udp.hurry(WAKE_CONNECTING_S)

    def _answer(self, offer: Offer, credentials: Credentials) -> str:
        settings = self._settings
        addresses = settings.advertised_ips or interface_addresses()
        if self.udp.family.version == 4:
            addresses = [address for address in addresses if ":" not in address]
        return write_answer(
            offer, credentials, self.certificate.fingerprint, addresses, self.udp.port, settings.max_bitrate_bps
        )

    async def free(self, peer: Peer) -> None:
        if self.peers.pop(peer.peer_id, None) is None:
            return
        self._records.forget(peer)
        for ufrag in peer.reach.ufrags:
            self._ufrags.pop(ufrag, None)
        figures = peer.figures()
        for name, value in figures.items():
            self._counts[name] += value
        said = " ".join(f"{name}={value}" for name, value in figures.items())
        log.info("peer %s is gone (%s): %s", peer.peer_id, peer.detail, said)
        await peer.close()

    # Datagrams and frames that are not media (`udp.Receiver`, `tcp.Switch`).

    def stun(self, message: bytes, address: Address, local: bytes, peer_key: bytes) -> None:
        self.checked(message, UdpRoute(self.udp, peer_key, address, local))

    def checked(self, message: bytes, route: Route) -> None:
        ufrag = local_ufrag(message)
        peer = self._ufrags.get(ufrag) if ufrag is not None else None
        if ufrag == self._answerer.credentials.ufrag:
            self._answerer.check(message, route)
            return
        if peer is None:
            self._counts["unknown_check"] += 1
            return
        peer.check(message, route, time.monotonic_ns() // 1000)

    def dtls(self, record: bytes, peer_key: bytes) -> None:
        peer = self._at(peer_key)
        if peer is not None:
            self._records.put(peer, record)
        else:
            self.udp.unknown_sender += 1

    def failed(self, peer_key: bytes) -> None:
        peer = self._at(peer_key)
        if peer is not None:
            peer.become(PeerState.GONE, "fault")

    def closed(self, peer_key: bytes) -> None:
        peer = self._at(peer_key)
        if peer is not None:
            peer.reach.lost(peer_key)

    def _at(self, peer_key: bytes) -> Peer | None:
        peer = self.routes.owner(peer_key)
        return peer if isinstance(peer, Peer) else None

    # What peers call (`peer.Home`), and the timers they share.

    def peer_changed(self, peer: Peer) -> None:
        self._changed(peer)

    def after_turn(self) -> None:
        self._records.hand_on()
        if self.needy:
            now_ms = time.monotonic_ns() // 1_000_000
            for peer in list(self.needy):
                try:
                    peer.ask_again(now_ms)
                except Exception:
                    self._fault(peer)
        self._choose_pace()

    def _fault(self, peer: Taker) -> None:
        """What was done for this peer raises: it ends, and no other waits for it."""
        self.udp.failed("what a peer waits for")
        if isinstance(peer, Peer):
            peer.become(PeerState.GONE, "fault")

    def _choose_pace(self) -> None:
        """How long packets may wait in the kernel before the next turn."""
        if self._connecting:
            self.udp.wake_every_s = WAKE_CONNECTING_S
        elif self.needy or self._unreached:
            self.udp.wake_every_s = WAKE_NEEDY_S
        else:
            self.udp.wake_every_s = self.udp.pace.pause_s(self.udp.room)

    @property
    def hurried(self) -> bool:
        """Someone connects, or waits for a packet that is missing."""
        return bool(self.needy or self._connecting or self._unreached)

    def tick(self, now_us: int) -> None:
        """Every 200 ms, or 100 while `hurried`: feedback of all peers, their states judged."""
        connecting = unreached = False
        refill = now_us - self._refilled_us >= REFILL_US
        if refill:
            self._refilled_us = now_us
            self._answerer.refill()
        for peer in list(self.peers.values()):
            try:
                if refill:
                    peer.refill()
                peer.tick(now_us)
                for ufrag in peer.reach.outdated(now_us):
                    self._ufrags.pop(ufrag, None)
            except Exception:
                self._fault(peer)
            if not peer.connected and peer.state is PeerState.CONNECTING:
                unreached = True
                began_us = max(peer.born_us, peer.reach.reached_us)
                connecting = connecting or now_us - began_us < CONNECTS_WITHIN_US
        self._connecting, self._unreached = connecting, unreached
        self.tcp.tick(now_us)

    def counters(self) -> dict[str, int]:
        """Since the worker began; `frames` are whole pictures of all peers, inside takes and outside."""
        values = dict(self._counts)
        for peer in self.peers.values():
            for name, value in peer.figures().items():
                values[name] += value
        udp = self.udp
        return (
            values
            | self.tcp.counters()
            | {
                "live_peers": len(self.peers),
                "datagrams": udp.datagrams,
                "bad_size": udp.bad_size,
                "bad_kind": udp.bad_kind,
                "unknown_sender": udp.unknown_sender,
                "errors": udp.errors,
                "send_errors": udp.send_errors,
                "largest_turn": udp.largest_turn,
                "records_dropped": self._records.dropped,
            }
        )
