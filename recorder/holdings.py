"""Which worker holds which peer and which take, as far as workers have said. Pure: no calls, no processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from recorder.messages import (
    Event,
    PeerChanged,
    PeerId,
    PeerState,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeStarted,
    Welcome,
)


@dataclass(slots=True)
class HeldTake:
    """`peer_id` is the newest peer that feeds it; `phase` is countdown, recording or ending."""

    number: int
    folder: Path
    peer_id: PeerId
    phase: str
    confirmed: bool = True
    """Named by the worker since the connection to it was made."""


class Holdings:
    """`peers` and `takes` name the worker by its number."""

    def __init__(self) -> None:
        self.peers: dict[PeerId, int] = {}
        self.takes: dict[TakeId, HeldTake] = {}

    def greeted(self, number: int, welcome: Welcome) -> list[PeerId]:
        """Takes over what a worker says it holds; the peers that left it while nobody was connected to it."""
        for held in self.takes.values():
            held.confirmed = held.confirmed and held.number != number
        present = {PeerId(str(peer["peer_id"])) for peer in welcome.peers}
        absent = [peer_id for peer_id in self.peers_of(number) if peer_id not in present]
        for peer_id in present:
            self.peers.setdefault(peer_id, number)
        for take in welcome.takes:
            self.takes[TakeId(str(take["take_id"]))] = HeldTake(
                number, Path(str(take["folder"])), PeerId(str(take["peer_id"])), str(take["phase"])
            )
        return absent

    def heard(self, number: int, event: Event) -> bool:
        """Keeps up with an event. False when this worker has no say in it: the peer was given to another."""
        match event:
            case PeerChanged():
                if self.peers.get(event.peer_id, number) != number:
                    return False
                if event.state is PeerState.GONE:
                    self.peers.pop(event.peer_id, None)
            case TakeStarted():
                self._phase(event.take_id, "recording")
            case TakeEnding():
                self._phase(event.take_id, "ending")
            case TakeNotStarted():
                self.takes.pop(event.take_id, None)
            case TakeFinished():
                self.takes.pop(event.result.take_id, None)
            case _:
                pass
        return True

    def _phase(self, take_id: TakeId, phase: str) -> None:
        if take_id in self.takes:
            self.takes[take_id].phase = phase

    def peers_of(self, number: int) -> list[PeerId]:
        return [peer_id for peer_id, holder in self.peers.items() if holder == number]

    def takes_of(self, number: int) -> list[tuple[TakeId, HeldTake]]:
        return [(take_id, held) for take_id, held in self.takes.items() if held.number == number]

    def loads(self, numbers: Iterable[int]) -> dict[int, int]:
        """How many each of these workers has to serve: its peers, and its takes that wait for one."""
        loads = dict.fromkeys(numbers, 0)
        waiting = [held.number for held in self.takes.values() if held.peer_id not in self.peers]
        for number in (*self.peers.values(), *waiting):
            if number in loads:
                loads[number] += 1
        return loads
