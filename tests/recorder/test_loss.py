"""What a take's file holds when the network loses, doubles and delays: every rule, on an injected clock."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from recorder.mux import Writer
from recorder.sdp import TrackOffer
from recorder.track import Track
from tests.recorder.encoded_media import packets_in
from tests.recorder.sender import FRAME_US, SOUND_US, Clocks, S, Sender
from tests.recorder.test_peer import HERE, VIDEO, Home, packet

SECONDS = 24
MS = 1_000


@pytest.fixture
def writer() -> Iterator[Writer]:
    found = Writer(0.02, 1)
    found.start()
    yield found
    found.close()


@pytest.fixture
def sender(tmp_path: Path, writer: Writer) -> Sender:
    return Sender(tmp_path / "take", writer, Clocks(), seconds=SECONDS)


def is_whole(numbers: list[int]) -> bool:
    return all(after == before + 1 for before, after in pairwise(numbers))


def test_bug_16_sequence_numbers_that_wrap_at_65535_under_loss_cost_nothing(sender: Sender) -> None:
    chance = random.Random(3)
    lost: set[int] = set()

    def network(kind: str, sequence: int, at_us: int) -> tuple[int, ...]:
        if chance.random() < 0.05 or (kind == "video" and sequence in (65_534, 65_535, 0, 1)):
            lost.add(sequence)
            return ()
        return (0,)

    sender.network = network
    sender.repeats = ("video", "audio")
    sender.run()
    _, media = sender.finished()
    assert {65_534, 65_535, 0, 1} < lost
    assert is_whole(sender.numbers(media, "video")) and is_whole(sender.numbers(media, "audio"))
    assert (sender.facts.video.lost, sender.facts.audio.lost) == (0, 0)
    assert sender.facts.video.recovered > 20 and sender.facts.gaps == ()


@pytest.mark.parametrize(("late_ms", "in_time"), [(940, True), (1_120, False)])
def test_a_picture_is_waited_for_for_a_second(sender: Sender, late_ms: int, in_time: bool) -> None:
    sender.repeats = ()
    sender.network = lambda kind, sequence, at_us: (late_ms * MS,) if (kind, sequence) == ("video", 65_200) else (0,)
    sender.run()
    _, media = sender.finished()
    assert is_whole(sender.numbers(media, "video")) is in_time
    assert (sender.facts.video.lost == 0) is in_time


@pytest.mark.parametrize(("late_ms", "in_time"), [(450, True), (620, False)])
def test_sound_is_waited_for_for_half_a_second(sender: Sender, late_ms: int, in_time: bool) -> None:
    sender.network = lambda kind, sequence, at_us: (late_ms * MS,) if (kind, sequence) == ("audio", 65_300) else (0,)
    sender.run()
    _, media = sender.finished()
    numbers = sender.numbers(media, "audio")
    assert (-1 not in numbers[50:]) is in_time, "silence stands for what did not come"
    places = [pts_us for pts_us, _, _ in packets_in(media, "audio")]
    assert max(after - before for before, after in pairwise(places)) <= SOUND_US + MS


def test_after_a_loss_that_nobody_repairs_pictures_go_on_at_a_key_frame_and_the_gap_is_told(sender: Sender) -> None:
    burst_us = (10 * S, 10 * S + 300 * MS)
    sender.repeats = ()
    sender.network = lambda kind, sequence, at_us: (
        () if kind == "video" and burst_us[0] <= at_us < burst_us[1] else (0,)
    )
    sender.run()
    _, media = sender.finished()
    found = packets_in(media, "video")
    numbers = sender.numbers(media, "video")
    (hole,) = [at for at, (before, after) in enumerate(pairwise(numbers), 1) if after != before + 1]
    assert found[hole][2], "a key frame"
    missing_us = found[hole][0] - found[hole - 1][0]
    assert 1_300 * MS <= missing_us <= 1_300 * MS + 250 * MS, "the burst, the hold, the key frame"
    (gap,) = sender.facts.gaps
    assert (gap.track, gap.filled) == ("video", False)
    assert abs(gap.length_ms * MS - missing_us) <= MS
    assert -1 not in sender.numbers(media, "audio")[50:], "its sound goes on"


def test_sound_that_is_lost_is_silence_of_the_same_length(sender: Sender) -> None:
    burst_us = (10 * S, 10 * S + 300 * MS)
    sender.network = lambda kind, sequence, at_us: (
        () if kind == "audio" and burst_us[0] <= at_us < burst_us[1] else (0,)
    )
    sender.run()
    _, media = sender.finished()
    assert sender.numbers(media, "audio")[50:].count(-1) == 15
    (gap,) = sender.facts.gaps
    assert (gap.track, gap.length_ms, gap.filled) == ("audio", 300, True)
    assert abs(packets_in(media, "audio")[-1][0] - SECONDS * S) <= 2 * SOUND_US


def test_packets_that_come_twice_late_and_out_of_order_are_in_the_file_once(sender: Sender) -> None:
    chance = random.Random(5)
    sender.network = lambda kind, sequence, at_us: [
        chance.randrange(80) * MS, *([chance.randrange(3_000) * MS] if chance.random() < 0.5 else [])
    ]  # fmt: skip
    sender.run()
    _, media = sender.finished()
    assert is_whole(sender.numbers(media, "video"))
    assert is_whole([number for number in sender.numbers(media, "audio") if number >= 0])
    assert abs(packets_in(media, "video")[-1][0] - SECONDS * S) <= 2 * FRAME_US


def test_padding_probes_are_in_no_file_and_break_none(sender: Sender) -> None:
    real = sender._picture

    def with_padding(at_us: int) -> None:
        sender._packet("video", b"", at_us, sender.clocks.picture_late_us, 0)
        real(at_us)

    sender._picture = with_padding  # type: ignore[method-assign]
    sender.run()
    _, media = sender.finished()
    assert is_whole(sender.numbers(media, "video"))


def test_a_key_frame_comes_at_least_every_4_s(sender: Sender) -> None:
    sender.run()
    _, media = sender.finished()
    keys = [pts_us for pts_us, _, key in packets_in(media, "video") if key]
    assert max(after - before for before, after in pairwise([*keys, SECONDS * S])) <= 4 * S + 200 * MS


def test_a_new_ssrc_begins_anew_at_a_key_frame() -> None:
    track = Track(TrackOffer("1", "video", "vp8", 96, 97, 90_000, 0, 0, {}, frozenset()))
    track.restart(1)
    key, delta = b"\x10\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00", b"\x10\x01\x00\x00"
    for sequence, payload in ((9, key), (10, delta)):
        track.receive(payload, sequence, sequence * 3000, 1, sequence * FRAME_US, -1)
    assert (track.counters.frames, track.needs_key) == (2, False)
    track.restart(2)
    track.receive(delta, 40_000, 7, 1, 12 * FRAME_US, -1)
    assert (track.counters.frames, track.needs_key) == (2, True), "nothing before its key frame"
    track.receive(key, 40_001, 3007, 1, 13 * FRAME_US, -1)
    assert (track.counters.frames, track.needs_key, track.counters.restarts) == (3, False, 1)


async def test_after_a_loss_that_nobody_repairs_a_key_frame_is_asked_for_at_once_and_every_500_ms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_us = 1000 * S
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_us * 1000)
    home = Home()
    peer = home.peer()
    peer.reach.address = HERE

    def arrives(number: int, key: bool) -> None:
        picture = b"\x10\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" if key else b"\x10\x01\x00\x00"
        home.deliver(peer, packet(VIDEO, number, number * 3000, 1, picture), now_us)

    arrives(1, key=True)
    for number in (2, 4, 5):
        now_us += FRAME_US
        arrives(number, key=False)
    lost_us, asked_us, number = now_us - FRAME_US, [], 6
    for turn in range(1, 280):
        now_us += 10 * MS
        if turn % 3 == 0:
            arrives(number, key=turn == 270)
            number += 1
        asked = peer.counters.plis
        if turn % 10 == 0:
            peer.tick(now_us)
        if peer.counters.plis != asked:
            asked_us.append(now_us - lost_us)
    # The hold of a second is over by then, to the next turn of the worker's timer.
    assert 1_000 * MS <= asked_us[0] <= 1_150 * MS
    assert len(asked_us) == 4 and all(500 * MS <= after - before <= 600 * MS for before, after in pairwise(asked_us)), (
        asked_us
    )
    assert peer.video is not None and not peer.video.needs_key
