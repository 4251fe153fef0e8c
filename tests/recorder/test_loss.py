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


class Lossy:
    """A connection whose picture number 3 never came; one follows each 25 ms."""

    EACH_US = 25 * MS

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_us = 1000 * S
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.now_us * 1000)
        self._home = Home()
        self.peer = self._home.peer()
        self.peer.reach.address = HERE
        self._number = 0
        for key in (True, False, None, False, False):
            self.picture(key)
        self.lost_us = self.now_us - self.EACH_US
        self.asked_us: list[int] = []
        """When a key frame was asked for, since the loss was seen."""

    def picture(self, key: bool | None) -> None:
        """The next one; None: it is lost."""
        self.now_us += self.EACH_US
        self._number += 1
        self.arrives(self._number, key)

    def arrives(self, number: int, key: bool | None) -> None:
        content = b"\x10\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" if key else b"\x10\x01\x00\x00"
        if key is not None:
            self._home.deliver(self.peer, packet(VIDEO, number, number * 3000, 1, content), self.now_us)

    def run(self, frames: int, *keys: int) -> None:
        """So many pictures, those of `keys` whole; the worker's timer ticks with each fourth."""
        for frame in range(frames):
            self.picture(frame in keys)
            asked = self.peer.counters.plis
            if frame % 4 == 3:
                self.peer.tick(self.now_us)
            if self.peer.counters.plis != asked:
                self.asked_us.append(self.now_us - self.lost_us)

    @property
    def frames(self) -> int:
        assert self.peer.video is not None
        return self.peer.video.counters.frames


async def test_after_a_loss_that_nobody_repairs_a_key_frame_is_asked_for_in_half_a_second_and_every_500_ms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lossy = Lossy(monkeypatch)
    lossy.run(116, 112)
    asked_us = lossy.asked_us
    # Half the hold, to the next turn of the worker's timer: the key frame is there when the hold ends.
    assert 500 * MS <= asked_us[0] <= 650 * MS
    assert len(asked_us) == 5 and all(500 * MS <= after - before <= 600 * MS for before, after in pairwise(asked_us)), (
        asked_us
    )
    assert lossy.peer.video is not None and not lossy.peer.video.needs_key


async def test_a_key_frame_that_came_while_a_loss_was_waited_for_ends_the_hole_with_the_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lossy = Lossy(monkeypatch)
    lossy.run(44, 28)
    assert len(lossy.asked_us) == 1, "once is enough"
    assert lossy.frames == 2 + 16, "what came before the loss, and all from the key frame on"


async def test_a_packet_that_comes_after_a_key_frame_was_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = Lossy(monkeypatch)
    lossy.run(32, 28)
    assert lossy.frames == 2, "waited for"
    lossy.arrives(3, key=False)
    assert lossy.frames == 5 + 32


async def test_a_loss_that_is_repaired_in_time_costs_no_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = Lossy(monkeypatch)
    lossy.run(16)
    lossy.arrives(3, key=False)
    lossy.run(28)
    assert not lossy.asked_us
    assert lossy.frames == 5 + 44
