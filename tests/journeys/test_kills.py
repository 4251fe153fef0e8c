"""SIGKILL in the middle of an answer: of the recorder, of the server."""

from __future__ import annotations

import json
import os
import signal
import time

from playwright.sync_api import Browser, expect

from tests.journeys.candidate import Candidate
from tests.journeys.house import Ask, House, until

# Its next sockets lead nowhere, until `late` is false.
LATE = """
window.WebSocket = class extends WebSocket {
  constructor(url) { super(window.late ? `${url}/nowhere` : url); }
};
window.late = true;
"""


def test_a_killed_recorder_costs_no_more_than_a_second_and_a_half_and_no_attempt(
    house: House, browser: Browser
) -> None:
    invited = house.furnish(Ask("What do you sow in autumn?", limit_s=60, retakes=0))
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    began = time.monotonic()
    candidate.until_safe(3)
    (worker,) = house.workers()
    elapsed_ms = (time.monotonic() - began) * 1000
    os.kill(worker, signal.SIGKILL)
    candidate.phase("answered")
    expect(candidate.at("notice")).to_be_visible()
    candidate.plays(candidate.at("playback").locator("video"))
    (take,) = house.rows("SELECT * FROM takes WHERE state = 'kept'")
    assert take["recovered"]
    assert take["duration_ms"] >= elapsed_ms - 1500
    assert candidate.question(1)["attempts_left"] == 1, "the attempt is credited"

    # And it can go on: the worker is back, the answer is recorded again.
    until(lambda: [pid for pid in house.workers() if pid != worker], 10, "another worker")
    candidate.press("Retake (1 left)")
    candidate.record()
    candidate.phase("recording")
    candidate.until_safe(2)
    candidate.press("Stop")
    candidate.phase("answered")
    assert len(house.rows("SELECT id FROM takes WHERE state = 'kept'")) == 1
    candidate.close()


def test_a_killed_server_costs_nothing_and_the_same_link_goes_on(house: House, browser: Browser) -> None:
    invited = house.furnish(
        Ask("What do you prune first?", limit_s=60, retakes=1), Ask("And what last?", limit_s=8, retakes=1)
    )
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.until_safe(2)
    (worker,) = house.workers()
    house.kill()
    assert house.workers() == [worker], "the worker records on"
    house.start()
    assert house.workers() == [worker], "and is adopted"

    # The page's socket comes back by itself, the same take goes on, and its clock never stood still.
    until(lambda: candidate.page.evaluate("window.sockets.filter((each) => each.readyState === 1).length"), 20, "again")
    before_s = candidate.safe_s()
    candidate.until_safe(before_s + 2)
    (ran,) = house.rows("SELECT * FROM takes")
    expected_ms = 60_000 - (time.time_ns() // 1_000_000 - ran["started_at_ms"])
    told = candidate.page.evaluate("window.heard.findLast((word) => word.type === 'progress')")
    assert abs(told["remaining_ms"] - expected_ms) <= 1500 and not candidate.question(1)["stalled"]
    # The take's connection was never touched; the next take gets one that this server knows.
    assert candidate.page.evaluate("window.peers.length") == 1
    candidate.press("Stop")
    candidate.phase("answered")
    (take,) = house.rows("SELECT * FROM takes")
    assert (take["state"], take["end_reason"], take["recovered"]) == ("kept", "stopped", 0)
    (file,) = house.files(take["file"])
    sidecar = json.loads(file.with_suffix(".json").read_text())
    assert len(sidecar["segments"]) == 1 and sidecar["detail"]["outages"] == 0 and sidecar["gaps"] == []
    assert abs(take["duration_ms"] - sidecar["elapsed_ms"]) <= 150 and take["duration_ms"] >= (before_s + 2) * 1000
    candidate.plays(candidate.at("playback").locator("video"))
    assert candidate.question(1)["attempts_left"] == 1

    # The limit passes while nobody is there.
    candidate.press("Keep")
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.until_safe(3)
    house.kill()
    until(lambda: not house.files(".part"), 20, "the worker ended the take by itself")
    house.start()
    candidate.phase("answered", 40)
    takes = house.rows("SELECT * FROM takes WHERE state = 'kept' ORDER BY started_at_ms")
    assert len(takes) == 2 and abs(takes[1]["duration_ms"] - 8000) <= 150
    assert not takes[1]["recovered"] and takes[1]["end_reason"] == "limit"
    candidate.close()


def test_a_full_server_says_try_again_in_a_minute_and_the_page_goes_on_when_there_is_room(
    house: House, browser: Browser
) -> None:
    house.settings["max_live"] = "1"
    first, second = (house.furnish(Ask("What grows in the shade?", think_s=5)) for _ in range(2))
    house.start()
    here, late = Candidate(browser, house, first), Candidate(browser, house, second)
    for each in (here, late):
        each.accept_and_start()
    here.press("Get ready")
    expect(here.button("Show question")).to_be_enabled()
    late.press("Get ready")
    expect(late.page.get_by_text("try again in a minute")).to_be_visible()
    assert late.question(1)["state"] == "hidden" and late.question(1)["attempts_left"] == 2
    here.press("Turn camera off")
    expect(late.page.get_by_text("try again in a minute")).to_be_hidden()
    until(lambda: late.state()["media"] == "live", 20, "there is room now")
    assert late.question(1)["attempts_left"] == 2
    here.close()
    late.close()


def test_after_a_kill_the_recorded_tab_goes_on_though_another_came_back_first(house: House, browser: Browser) -> None:
    invited = house.furnish(Ask("Which weed do you leave?", limit_s=60))
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.until_safe(2)
    other = candidate.new_page()
    other.goto(candidate.page.url)
    expect(other.get_by_test_id("elsewhere")).to_be_visible()
    candidate.page.evaluate(LATE)
    house.kill()
    house.start()
    expect(other.get_by_test_id("question")).to_have_attribute("data-phase", "recording", timeout=20_000)
    candidate.page.evaluate("window.late = false")
    expect(other.get_by_test_id("elsewhere")).to_contain_text("open in another tab", timeout=30_000)
    candidate.phase("recording")
    candidate.until_safe(candidate.safe_s() + 2)
    assert candidate.page.evaluate("window.peers.length") == 1 and not candidate.question(1)["stalled"]
    candidate.press("Stop")
    candidate.phase("answered")
    (take,) = house.rows("SELECT * FROM takes")
    (file,) = house.files(take["file"])
    sidecar = json.loads(file.with_suffix(".json").read_text())
    assert len(sidecar["segments"]) == 1 and sidecar["detail"]["outages"] == 0
    candidate.close()
