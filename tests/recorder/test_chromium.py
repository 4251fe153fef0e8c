"""A real browser flashes and beeps by one clock, and the file is held against it: decoded, picture by picture.

To 40 ms only in `make test-long`: a browser that shares its cores draws late and loses sound before it has a
timestamp, which no recorder can see. `test_sync` has the same bound, by simulated clocks.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from recorder.messages import OutageEnded, TakeResult, TakeStarted, Verdict
from tests.recorder.stage import Seen, Together, pictures, silences, stage, together

pytestmark = pytest.mark.xdist_group("recordings")
BOUND_MS = 40.0
MOST_LOST_AT_ONCE_MS = 250.0
"""Of sound, by a browser that is short of time: pieces of up to 200 ms were seen."""
ABOUT_NOW_MS = 500
"""What a page says of its clock is so much older when we hear it, at most."""
BITRATE_FLOOR_BPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer; `swapped_ms` is when its camera was replaced, on the file's timeline."""

    result: TakeResult
    media: Path
    third_second: dict[str, int]
    swapped_ms: float
    seen: list[Seen]
    apart: Together


async def answer(folder: Path) -> Answer:
    async with stage(folder, "h264") as found:
        await found.publish("h264")
        loop = asyncio.get_running_loop()
        live_s = loop.time()
        await found.record(countdown_ms=500)
        began_s = loop.time()
        await asyncio.sleep(live_s + 3 - loop.time())
        third_second = await found.sent()
        await asyncio.sleep(began_s + 6 - loop.time())
        await found.page.evaluate("window.swap(1280, 720)")
        swapped_ms = (loop.time() - began_s) * 1000
        await asyncio.sleep(began_s + 9 - loop.time())
        result, media = await found.stop()
        assert len([event for event in found.events if isinstance(event, TakeStarted)]) == 1
    seen = pictures(media)
    return Answer(result, media, third_second, swapped_ms, seen, together(seen, media))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answer]:
    yield asyncio.run(answer(tmp_path_factory.mktemp("chromium")))


def test_a_browsers_answer_is_good_and_its_sound_laid_beside_its_picture_by_its_reports(recorded: Answer) -> None:
    assert (recorded.result.verdict, recorded.result.reasons) == (Verdict.GOOD, [])
    sidecar = json.loads(recorded.media.with_suffix(".json").read_text())
    assert sidecar["sync"]["source"] == "sender_report"
    assert abs(recorded.apart.median_ms(0, 9)) <= MOST_LOST_AT_ONCE_MS


@pytest.mark.long
def test_sound_and_picture_of_a_browser_are_together_in_its_file(recorded: Answer) -> None:
    assert recorded.apart.p95_ms(0, 9) <= BOUND_MS


@pytest.mark.long
def test_sound_and_picture_are_together_after_another_camera_took_its_place(recorded: Answer) -> None:
    assert recorded.apart.p95_ms(recorded.swapped_ms / 1000 + 0.5, 9) <= BOUND_MS


def test_bug_11_the_first_seconds_are_not_blurred(recorded: Answer) -> None:
    assert {(each.width, each.height) for each in recorded.seen if each.at_ms <= 3000} == {(1280, 720)}
    assert (recorded.third_second["width"], recorded.third_second["height"]) == (1280, 720)
    assert recorded.third_second["target"] >= BITRATE_FLOOR_BPS


def test_bug_19_a_camera_that_replace_track_swaps_goes_on_in_the_same_file(recorded: Answer) -> None:
    after = [each for each in recorded.seen if each.at_ms > recorded.swapped_ms + 500]
    assert len(after) > 45
    drawn = [each.drawn_ms for each in recorded.seen]
    assert drawn == sorted(drawn), "one clock, before and after"
    around = [each.at_ms for each in recorded.seen if abs(each.at_ms - recorded.swapped_ms) < 1500]
    assert max(later - before for before, later in pairwise(around)) <= 500


@pytest.mark.long
@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_browser_that_is_frozen_for_8_s_goes_on_in_sync(tmp_path: Path, codec: str) -> None:
    async with stage(tmp_path, codec) as found:
        await found.publish(codec)
        await found.record()
        await asyncio.sleep(6)
        found.freeze(signal.SIGSTOP)
        await asyncio.sleep(8)
        found.freeze(signal.SIGCONT)
        # A busy machine may have stalled before that: then all was only late.
        ended = await found.said(lambda event: isinstance(event, OutageEnded) and event.outage_ms > 0)
        assert ended.outage_ms == pytest.approx(8000, abs=500)
        await asyncio.sleep(12)
        result, media = await found.stop()
    assert result.duration_ms == pytest.approx(18_000, abs=1_500)
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    apart = together(pictures(media), media)
    assert apart.p95_ms(0, 5) <= BOUND_MS
    assert apart.p95_ms(8, 18) <= BOUND_MS


@pytest.mark.long
@pytest.mark.parametrize(("minutes", "codec"), [(5, "vp8"), (5, "h264"), (30, "h264")])
async def test_a_real_take_is_in_sync_in_its_first_and_in_its_last_ten_seconds(
    tmp_path: Path, minutes: int, codec: str
) -> None:
    async with stage(tmp_path, codec) as found:
        await found.publish(codec, width=640, height=360)
        await found.record()
        began_ms = await found.now_ms()
        await asyncio.sleep(minutes * 60)
        sent, ended_ms = await found.sent(), await found.now_ms()
        result, media = await found.stop()
    seen = pictures(media)
    apart, end_s = together(seen, media), result.duration_ms / 1000
    for from_s, until_s in ((0, 10), (end_s - 10, end_s)):
        print(f"{minutes} min {codec}: p95 {apart.p95_ms(from_s, until_s):.1f} ms from {from_s:.0f} s on")
        assert apart.p95_ms(from_s, until_s) <= BOUND_MS
    assert result.elapsed_ms == pytest.approx(minutes * 60_000, abs=1_000)
    # From its first picture to its last as the page has it, and silence where the page lost sound.
    assert (seen[0].drawn_ms, seen[-1].drawn_ms) == pytest.approx((began_ms, ended_ms), abs=ABOUT_NOW_MS)
    drawn_ms = seen[-1].drawn_ms - seen[0].drawn_ms
    assert result.duration_ms == pytest.approx(drawn_ms + silences(media) * 20, abs=ABOUT_NOW_MS)
    assert result.video_frames >= sent["frames"] - 90, "but those of the countdown"
    sidecar = json.loads(media.with_suffix(".json").read_text())
    assert (result.verdict, result.reasons) == (Verdict.GOOD, []), sidecar["gaps"]
