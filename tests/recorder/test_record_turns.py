"""DTLS records in rotation: nobody's flood is before another's handshake."""

from __future__ import annotations

from recorder.record_turns import RECORDS_A_TURN, RECORDS_WAITING, RecordTurns


class Peer:
    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def record(self, record: bytes) -> None:
        self.taken.append(record)


def fault(taker: object) -> None:
    raise


def test_a_quiet_peer_is_heard_beside_twenty_that_flood() -> None:
    turns, floods, quiet = RecordTurns(fault), [Peer() for _ in range(20)], Peer()
    for number in range(1000):
        for flood in floods:
            turns.put(flood, b"%d" % number)
    turns.put(quiet, b"hello")
    needed = 0
    while not quiet.taken:
        turns.hand_on()
        needed += 1
    assert needed <= 21 // RECORDS_A_TURN + 1
    assert max(len(flood.taken) for flood in floods) <= 2
    assert turns.dropped == 20 * (1000 - RECORDS_WAITING)


def test_a_turn_hands_on_a_few_and_each_peers_in_order() -> None:
    turns, peer, other = RecordTurns(fault), Peer(), Peer()
    for number in range(6):
        turns.put(peer, b"%d" % number)
    turns.put(other, b"x")
    turns.hand_on()
    assert len(peer.taken) + len(other.taken) == RECORDS_A_TURN
    turns.hand_on()
    turns.hand_on()
    assert peer.taken == [b"0", b"1", b"2", b"3", b"4", b"5"] and other.taken == [b"x"]


def test_one_that_raises_is_told_of_and_keeps_nobody_behind_it_waiting() -> None:
    class Broken(Peer):
        def record(self, record: bytes) -> None:
            raise ZeroDivisionError

    told: list[object] = []
    turns, broken, peer = RecordTurns(told.append), Broken(), Peer()
    turns.put(broken, b"x")
    turns.put(peer, b"x")
    turns.hand_on()
    assert told == [broken] and peer.taken == [b"x"]


def test_what_waits_for_a_peer_that_left_is_forgotten() -> None:
    turns, peer = RecordTurns(fault), Peer()
    turns.put(peer, b"x")
    turns.forget(peer)
    turns.hand_on()
    assert not peer.taken
