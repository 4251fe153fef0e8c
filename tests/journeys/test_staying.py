"""An answer that outlives its connection: a reload, a cut network, another address. One take, one file, one clock."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.candidate import Candidate
from tests.journeys.house import Ask, House, until
from tests.recorder.udp_path import UdpPath

QUESTION = Ask("What do you do when it rains?", limit_s=60, retakes=1)


# A socket whose path dies without a word: `deaf` is set on it.
DEAF = """
window.WebSocket = class extends WebSocket {
  send(frame) { if (!this.deaf) super.send(frame); }
  set onmessage(then) { super.onmessage = then && ((event) => this.deaf || then(event)); }
};
"""


@contextmanager
def over_a_path(house: House, browser: Browser) -> Iterator[tuple[Candidate, UdpPath]]:
    """A candidate whose media go over a network that can be cut."""
    invited = house.furnish(QUESTION)
    house.start()
    with UdpPath(house.udp_port) as path:
        candidate = Candidate(browser, house, invited)
        candidate.detour(path)
        yield candidate, path
        candidate.close()


def recording(candidate: Candidate) -> None:
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()


def the_take(house: House) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """The one kept take, its sidecar and its file."""
    (row,) = house.rows("SELECT * FROM takes WHERE state = 'kept'")
    assert len(house.rows("SELECT id FROM takes")) == 1
    (path,) = house.files(row["file"])
    assert house.files(".part") == []
    return row, json.loads(path.with_suffix(".json").read_text()), path


def plays_through(path: Path, sidecar: dict[str, Any]) -> None:
    """One header, rising timestamps, every picture decoded, sound beside picture to the end, as long as the clock."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        ends: dict[int, float] = {}
        for stream in (video, audio):
            container.seek(0)
            times = [packet.pts for packet in container.demux(stream) if packet.size]
            assert times == sorted(set(times))
            ends[stream.index] = float(times[-1] * stream.time_base)
            holes = [float((after - before) * stream.time_base) for before, after in pairwise(times)]
            # A busy encoder leaves pictures out; sound has none missing.
            assert stream is video or max(holes) <= 0.045, max(holes)
        assert abs(ends[video.index] - ends[audio.index]) <= 0.1
        length_ms = (container.duration or 0) / 1000
        assert abs(length_ms - sidecar["elapsed_ms"]) <= 300, (length_ms, sidecar["elapsed_ms"])
        container.seek(0)
        video.codec_context.options = {"err_detect": "explode"}
        assert sum(1 for _ in container.decode(video)) == sidecar["video_frames"]


@pytest.mark.parametrize("house", [pytest.param(("h264",), marks=pytest.mark.long), ("vp8",)], indirect=True)
def test_after_a_reload_the_same_answer_goes_on_by_a_press(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    candidate = Candidate(browser, house, invited)
    recording(candidate)
    candidate.until_safe(3)
    candidate.page.reload()
    candidate.phase("recording")
    expect(candidate.button("Stop and keep")).to_be_visible()
    until(lambda: candidate.question(1)["stalled"], 10, "the clock stands still")
    before_ms = candidate.question(1)["remaining_ms"]
    time.sleep(2)
    candidate.press("Continue")
    until(lambda: not candidate.question(1)["stalled"], 10, "the answer goes on")
    assert candidate.question(1)["remaining_ms"] <= before_ms + 300
    candidate.until_safe(7)
    (sent,) = candidate.figures()
    candidate.press("Stop")
    candidate.phase("answered")
    _, sidecar, path = the_take(house)
    plays_through(path, sidecar)
    assert len(sidecar["segments"]) == 2
    assert sidecar["segments"][0]["ssrc_video"] != sidecar["segments"][1]["ssrc_video"]
    (gap,) = [gap for gap in sidecar["gaps"] if gap["length_ms"] > 1000]
    assert abs(gap["at_ms"] - (60_000 - before_ms)) <= 300
    assert sidecar["detail"]["outages"] == 1 and sidecar["detail"]["outage_ms"] >= 2000
    joint_ms = gap["at_ms"]
    assert sidecar["key_frames_ms"][0] == 0 and any(0 <= at - joint_ms <= 100 for at in sidecar["key_frames_ms"])
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times_ms = [float(each.pts * video.time_base) * 1000 for each in container.demux(video) if each.size]
    assert sum(at_ms <= joint_ms + 1 for at_ms in times_ms) >= 30, "the first half"
    assert sum(at_ms > joint_ms + 1 for at_ms in times_ms) >= sent["frames"] - 3, "the second, from its first frame on"
    candidate.plays(candidate.at("playback").locator("video"))
    assert candidate.question(1)["attempts_left"] == 1
    candidate.close()


def test_a_cut_network_and_another_address_are_survived_without_a_press(house: House, browser: Browser) -> None:
    with over_a_path(house, browser) as (candidate, path):
        path.lose(0.05)
        recording(candidate)
        candidate.until_safe(3)
        assert path.passed > 100
        path.lose(0)

        path.cut()
        until(lambda: candidate.question(1)["stalled"], 10, "the outage is seen")
        expect(candidate.at("next")).to_contain_text("safe")
        until(lambda: candidate.page.evaluate("window.restarts") > 0, 15, "the page restarts by itself")
        path.mend()
        until(lambda: not candidate.question(1)["stalled"], 15, "the answer goes on")
        candidate.until_safe(5)

        path.move()
        candidate.until_safe(8)
        candidate.press("Stop")
        candidate.phase("answered")
        row, sidecar, file = the_take(house)
        plays_through(file, sidecar)
        assert len(sidecar["segments"]) == 1, "the same connection, with its keys and streams"
        assert 1 <= sidecar["detail"]["outages"] <= 2
        assert candidate.sound_sent()["again"] > 0 and sidecar["packets"]["audio"]["recovered"] > 0
        assert candidate.page.evaluate("window.peers.length") == 1
        assert row["end_reason"] == "stopped"
        candidate.plays(candidate.at("playback").locator("video"))


def test_a_recorder_killed_after_a_reload_leaves_both_halves(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    candidate = Candidate(browser, house, invited)
    recording(candidate)
    candidate.until_safe(2)
    candidate.page.reload()
    candidate.phase("recording")
    until(lambda: candidate.question(1)["stalled"], 10, "the clock stands still")
    candidate.press("Continue")
    candidate.until_safe(6)
    (worker,) = house.workers()
    os.kill(worker, signal.SIGKILL)
    candidate.phase("answered")
    row, sidecar, path = the_take(house)
    assert row["recovered"] and row["duration_ms"] >= 6000
    assert len(sidecar["segments"]) == 2
    (gap,) = [gap for gap in sidecar["gaps"] if gap["length_ms"] > 1000]
    assert gap["at_ms"] >= 2000
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == sidecar["video_frames"]
    candidate.plays(candidate.at("playback").locator("video"))
    candidate.close()


@pytest.mark.long
@pytest.mark.parametrize("house", [("h264",), ("vp8",)], indirect=True)
def test_an_outage_that_begins_with_a_full_queue_is_not_charged(house: House, browser: Browser) -> None:
    """What a router had room for comes first, seconds late. The rest is lost, but for the sound of the last seconds:
    the browser still has that when it is asked for."""
    with over_a_path(house, browser) as (candidate, path):
        recording(candidate)
        candidate.until_safe(5)
        path.cut(room_s=0.4)
        time.sleep(8)
        path.mend()
        until(lambda: not candidate.question(1)["stalled"], 15, "the answer goes on")
        candidate.until_safe(15)  # as many pictures a second as before
        candidate.press("Stop")
        candidate.phase("answered")
        _, sidecar, file = the_take(house)
        plays_through(file, sidecar)
        assert sidecar["detail"]["outages"] == 1
        assert 4000 <= sidecar["detail"]["outage_ms"] <= 8500, sidecar["detail"]
        silent_ms = sum(gap["length_ms"] for gap in sidecar["gaps"] if gap["track"] == "audio" and gap["filled"])
        assert silent_ms <= 500, "charged is what was heard"
        assert "timestamps" not in sidecar["reasons"], sidecar["reasons"]


@pytest.mark.long
def test_a_connection_that_the_server_gave_up_is_replaced_without_a_press(house: House, browser: Browser) -> None:
    with over_a_path(house, browser) as (candidate, path):
        recording(candidate)
        candidate.until_safe(2)
        path.cut()
        until(lambda: candidate.question(1)["stalled"], 10, "the outage is seen")
        assert 80_000 <= candidate.question(1)["outage_left_ms"] <= 90_000
        until(lambda: candidate.page.evaluate("window.peers.length") >= 3, 60, "restarts did not help: new connections")
        path.mend()
        until(lambda: not candidate.question(1)["stalled"], 30, "the answer goes on")
        candidate.until_safe(6)
        candidate.press("Stop")
        candidate.phase("answered")
        _, sidecar, file = the_take(house)
        plays_through(file, sidecar)
        assert len(sidecar["segments"]) == 2 and sidecar["detail"]["outages"] == 1
        assert sidecar["detail"]["outage_ms"] >= 15_000


@pytest.mark.long
def test_a_socket_that_died_without_a_word_is_replaced_before_a_recording_and_in_its_countdown(
    house: House, browser: Browser
) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.context.add_init_script(DEAF)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    expect(candidate.button("Record")).to_be_enabled()
    candidate.page.evaluate("window.sockets.at(-1).deaf = true")
    candidate.press("Record")
    expect(candidate.page.get_by_text("if nothing has changed then, press again")).to_be_visible(timeout=15_000)
    until(lambda: candidate.page.evaluate("window.sockets.length") == 2, 10, "the page connects again")
    candidate.phase("seen")
    expect(candidate.at("banner")).to_be_hidden()
    candidate.press("Record")
    candidate.phase("countdown")
    candidate.page.evaluate("window.sockets.at(-1).deaf = true")
    candidate.phase("recording")
    assert candidate.page.evaluate("window.sockets.length") == 3
    candidate.until_safe(2)
    candidate.press("Stop")
    candidate.phase("answered")
    the_take(house)
    candidate.close()
