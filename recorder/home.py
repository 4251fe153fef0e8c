"""What a peer needs of the worker it lives in, and what it counts there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recorder.dtls import Certificate, Slots
from recorder.routes import Routes
from recorder.udp import UdpPort

if TYPE_CHECKING:
    from recorder.peer import Peer


class Home(Protocol):
    """What a peer needs of its worker."""

    udp: UdpPort
    routes: Routes
    slots: Slots
    certificate: Certificate
    needy: set[Peer]
    """Peers with packets missing: they are looked at after every turn of the socket."""

    def peer_changed(self, peer: Peer) -> None: ...


@dataclass(slots=True)
class PeerCounters:
    """What came of this peer's media, datagrams that came to nothing, and what we asked for."""

    received_bytes: int = 0
    forged: int = 0
    malformed: int = 0
    over_rate: int = 0
    unknown_type: int = 0
    refused_checks: int = 0
    nacks: int = 0
    plis: int = 0
