"""Packets in any order, lost, doubled, wrapped: what comes out is in order, once, and whole where it can be."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.reorder import FARTHEST_AHEAD, FARTHEST_BACK, MOST_ASKS, MOST_HELD, MOST_MISSING, Reorder

HOLD_MS = 1000


def numbers(released: list[tuple[int, int]]) -> list[int]:
    return [sequence for sequence, _ in released]


def test_packets_in_order_pass_at_once() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    assert [numbers(reorder.push(sequence, 0, 0)) for sequence in (70000, 70001, 70002)] == [[70000], [70001], [70002]]
    assert not reorder.held and not reorder.missing


def test_a_swapped_pair_comes_out_in_order_and_is_never_asked_for() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(10, 0, 0)
    assert reorder.push(12, 0, 0) == []
    assert reorder.requests(5) == []
    assert numbers(reorder.push(11, 0, 6)) == [11, 12]
    assert reorder.recovered == 0


def test_a_lost_packet_is_asked_for_again_and_again_and_then_given_up() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    reorder.push(3, 0, 0)
    asked = [now for now in range(0, HOLD_MS, 5) if reorder.requests(now)]
    assert asked == [15, 35, 75, 155, 315, 515, 715, 915], "soon at first, and to the end of the hold"
    assert len(asked) <= MOST_ASKS
    assert reorder.expire(HOLD_MS - 1) == []
    assert numbers(reorder.expire(HOLD_MS)) == [3]
    assert reorder.given_up == 1
    assert reorder.push(2, 0, HOLD_MS + 1) == []
    assert reorder.late == 1


def test_a_packet_that_comes_after_it_was_asked_for_is_recovered_and_times_the_way() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    reorder.push(3, 0, 0)
    assert reorder.requests(20) == [2]
    assert numbers(reorder.push(2, 0, 100)) == [2, 3]
    assert (reorder.recovered, reorder.rtt_ms) == (1, 80)
    assert reorder.requests(200) == []


def test_the_way_is_learned_on_a_slow_network_and_few_requests_are_wasted() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    asks: list[list[int]] = []
    sequence, now = 0, 0
    for _ in range(20):  # every tenth packet is lost; a retransmission comes 200 ms after its first request
        due: dict[int, int] = {}
        asked = 0
        for step in range(60):
            now += 10
            sequence += 1
            if step != 0:
                reorder.push(sequence, 0, now)
            for wanted in reorder.requests(now):
                asked += 1
                due.setdefault(wanted, now + 200)
            for wanted in [item for item, at in due.items() if at <= now and item in reorder.missing]:
                reorder.push(wanted, 0, now)
        asks.append([asked])
    assert 180 <= reorder.rtt_ms <= 230
    assert asks[-1] == [1], "once the way is known, one request a loss"
    assert reorder.given_up == 0


def given_up_in_bursts(seed: int, way_ms: int = 100, bursts: int = 12) -> tuple[int, int]:
    """300 ms at 30 % loss, either way, each 5 s; a packet each 6 ms. How many were given up, and the way as learned."""
    dice = random.Random(seed)
    reorder: Reorder[int] = Reorder(HOLD_MS)
    answers: list[tuple[int, int]] = []
    for sequence in range(bursts * 5000 // 6):
        now = sequence * 6
        loss = 0.3 if now % 5000 < 300 and now > 1000 else 0.0
        if dice.random() >= loss:
            reorder.push(sequence, 0, now)
        for wanted in reorder.requests(now):
            if dice.random() >= loss and dice.random() >= loss:
                answers.append((now + way_ms, wanted))
        for at_ms, wanted in [item for item in answers if item[0] <= now]:
            answers.remove((at_ms, wanted))
            reorder.push(wanted, 0, now)
        reorder.expire(now)
    return reorder.given_up, reorder.rtt_ms


def test_requests_lost_in_bursts_do_not_make_the_next_ones_too_rare() -> None:
    found = [given_up_in_bursts(seed) for seed in range(6)]
    assert [given_up for given_up, _ in found] == [0] * len(found)
    assert max(way_ms for _, way_ms in found) <= 130


def test_a_hole_wider_than_the_bound_starts_anew_instead_of_being_kept() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    for jump in range(1, 8):
        reorder.push(1 + jump * (FARTHEST_AHEAD - 1), 0, 0)
        assert len(reorder.missing) <= MOST_MISSING
    assert reorder.restarts > 0


def test_a_jump_back_starts_anew() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(5000, 0, 0)
    assert numbers(reorder.push(5000 - FARTHEST_BACK - 1, 0, 0)) == [4487]
    assert reorder.restarts == 1
    assert numbers(reorder.push(4488, 0, 0)) == [4488]


def test_a_jump_far_ahead_starts_anew_and_keeps_what_was_held() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    reorder.push(3, 0, 0)
    assert numbers(reorder.push(4 + FARTHEST_AHEAD, 0, 0)) == [3, 4 + FARTHEST_AHEAD]


def test_what_is_asked_for_late_is_waited_for_as_much_longer() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    reorder.push(3, 0, 0)
    assert reorder.requests(1500) == [2], "we stalled"
    assert reorder.missed_after(1000) is not None, "nor is a key frame needed sooner"
    assert reorder.expire(2400) == []
    reorder.push(5, 0, 2400)
    assert numbers(reorder.push(2, 0, 2450)) == [2, 3]
    assert reorder.requests(2500) == [4] and reorder.given_up == 0
    assert numbers(reorder.expire(3485)) == [5]


def test_behind_one_that_is_waited_for_long_a_stream_goes_on() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    released: list[int] = []
    for sequence in range(3, 3 + MOST_HELD):
        released += numbers(reorder.push(sequence, 0, sequence * 2))
    assert released == [] and len(reorder.held) == MOST_HELD
    assert numbers(reorder.push(3 + MOST_HELD, 0, 5000)) == list(range(3, 4 + MOST_HELD))
    assert reorder.restarts == 0 and reorder.given_up == 1


def test_the_fast_path_beside_it_keeps_the_order() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    for sequence in range(2, 50):  # what a caller does while nothing is held
        assert reorder.expected == sequence and not reorder.held
        reorder.expected = sequence + 1
    assert reorder.push(51, 0, 0) == []
    assert set(reorder.missing) == {50}
    assert numbers(reorder.push(50, 0, 1)) == [50, 51]


@settings(max_examples=200)
@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), st.integers(0, 40)), max_size=400),
)
def test_any_arrivals_come_out_once_rising_and_bounded(first: int, arrivals: list[tuple[int, int, int]]) -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    released = numbers(reorder.push(first, first, 0))
    now = 0
    for offset, _, pause in arrivals:
        now += pause
        out = reorder.push(first + offset, first + offset, now) + reorder.expire(now)
        assert all(sequence == packet for sequence, packet in out)
        released += numbers(out)
        reorder.requests(now)
        assert len(reorder.held) <= MOST_HELD
        assert all(now - missing.since_ms < HOLD_MS for missing in reorder.missing.values())
    released += numbers(reorder.flush())
    assert released == sorted(set(released))
    assert set(released) <= {first, *(first + offset for offset, _, _ in arrivals)}
    assert not reorder.held and not reorder.missing


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60, unique=True))
def test_within_the_hold_every_packet_that_arrives_is_released(order: list[int]) -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    released = numbers(reorder.push(0, 0, 0))
    for sequence in order:
        released += numbers(reorder.push(sequence + 1, 0, 1))
    released += numbers(reorder.flush())
    assert released == [0, *sorted(sequence + 1 for sequence in order)]


def test_after_a_silence_nothing_of_before_is_waited_for() -> None:
    reorder: Reorder[int] = Reorder(HOLD_MS)
    reorder.push(1, 0, 0)
    reorder.push(3, 0, 0)
    assert numbers(reorder.skip_to(5000)) == [3]
    assert not reorder.missing and not reorder.held
    assert numbers(reorder.push(5000, 0, 4000)) == [5000]
    assert reorder.requests(5000) == [] and reorder.restarts == 0
    assert reorder.push(4999, 0, 4000) == [] and reorder.late == 1
