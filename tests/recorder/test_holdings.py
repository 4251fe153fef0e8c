"""Who holds what, as workers say it."""

from __future__ import annotations

from pathlib import Path

from recorder.holdings import HeldTake, Holdings
from recorder.messages import NeverStarted as Never
from recorder.messages import PeerChanged, PeerId, PeerState, TakeId, TakeNotStarted, TakeStarted, Welcome

PEER, TAKE = PeerId("peer"), TakeId("take")


def held(number: int, peer_id: PeerId = PEER) -> HeldTake:
    return HeldTake(number, Path("/x"), peer_id, "countdown")


def test_a_take_that_waits_for_a_peer_is_a_load_and_one_with_a_peer_is_counted_once() -> None:
    holdings = Holdings()
    holdings.peers |= {PEER: 0, PeerId("second"): 1}
    holdings.takes |= {TAKE: held(0), TakeId("waits"): held(1, PeerId("gone"))}
    assert holdings.loads([0, 1, 2]) == {0: 1, 1: 2, 2: 0}


def test_a_peer_that_was_given_to_another_worker_is_not_the_first_ones_any_more() -> None:
    holdings = Holdings()
    holdings.peers[PEER] = 1
    assert not holdings.heard(0, PeerChanged(PEER, PeerState.GONE))
    assert holdings.peers == {PEER: 1}
    assert holdings.greeted(0, Welcome("v", 1, 1, [{"peer_id": PEER, "state": "connecting"}], [])) == []
    assert holdings.peers == {PEER: 1}
    assert holdings.heard(1, PeerChanged(PEER, PeerState.GONE)) and not holdings.peers


def test_a_greeting_tells_what_is_held_who_left_and_which_takes_are_not_named_any_more() -> None:
    holdings = Holdings()
    holdings.peers |= {PEER: 0, PeerId("other"): 1}
    holdings.takes |= {TAKE: held(0), TakeId("elsewhere"): held(1)}
    told = {"take_id": "new", "peer_id": "third", "folder": "/y", "phase": "recording"}
    welcome = Welcome("v", 1, 1, [{"peer_id": "third", "state": "live"}], [told])
    assert holdings.greeted(0, welcome) == [PEER]
    assert holdings.peers[PeerId("third")] == 0
    assert {take_id: take.confirmed for take_id, take in holdings.takes.items()} == {
        TAKE: False, TakeId("elsewhere"): True, TakeId("new"): True,
    }  # fmt: skip


def test_a_take_has_the_phase_its_worker_said_last() -> None:
    holdings = Holdings()
    holdings.takes[TAKE] = held(0)
    holdings.heard(0, TakeStarted(TAKE, 1, 1))
    assert holdings.takes[TAKE].phase == "recording"
    holdings.heard(0, TakeNotStarted(TAKE, Never.CANCELLED))
    assert not holdings.takes_of(0)
