"""What a worker can say of itself and of each peer to who looks on: numbers, no contents, no names of people."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from recorder.messages import Welcome

if TYPE_CHECKING:
    from recorder.peer import Peer
    from recorder.take import Take

PEERS_SHOWN = 1000
WINDOW_S = 5.0

PeerFigures = dict[str, int | str]


class LoopLag:
    """By how much later than due the loop's timers ran; `note` is called with the loop's own clock."""

    def __init__(self) -> None:
        self.most_us = 0
        self._now_us = self._before_us = 0
        self._window_ends_s = 0.0

    def note(self, due_s: float, now_s: float) -> None:
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + WINDOW_S
            self._before_us, self._now_us = self._now_us, 0
        late_us = int((now_s - due_s) * 1e6)
        self._now_us = max(self._now_us, late_us)
        self.most_us = max(self.most_us, late_us)

    def counters(self) -> dict[str, int]:
        """The most of the last 5 to 10 seconds, and of all."""
        return {"loop_lag_us": max(self._now_us, self._before_us), "loop_lag_max_us": self.most_us}


def welcome(version: str, udp_port: int, peers: Iterable[Peer], takes: Iterable[Take]) -> Welcome:
    """Who and what is here, for a server that adopts this worker."""
    return Welcome(
        version=version,
        pid=os.getpid(),
        udp_port=udp_port,
        peers=[{"peer_id": peer.peer_id, "state": str(peer.state)} for peer in peers],
        takes=[
            {
                "take_id": take.order.take_id,
                "peer_id": take.peer_id,
                "phase": str(take.phase),
                "folder": take.order.folder,
            }
            for take in takes
        ],
    )


def peer_figures(peers: Iterable[Peer], takes: Iterable[Take], now_us: int) -> list[PeerFigures]:
    """A row for each peer (at most PEERS_SHOWN), with its take's where it has one.

    `key_age_ms` is -1 before the first key frame and without a picture. What a take has is `Take.figures`.
    """
    of_peer = {take.peer_id: take for take in takes}
    rows = []
    for peer, _ in zip(peers, range(PEERS_SHOWN), strict=False):
        key_ms = peer.video.key_arrived_ms if peer.video is not None else 0
        row: PeerFigures = {
            "peer_id": peer.peer_id,
            "state": str(peer.state),
            **peer.figures(),
            "received_bytes": peer.counters.received_bytes,
            "key_age_ms": now_us // 1000 - key_ms if key_ms else -1,
        }
        take = of_peer.get(peer.peer_id)
        rows.append(row if take is None else row | take.figures(now_us))
    return rows
