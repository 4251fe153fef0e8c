"""SIGKILL in the middle of an answer: of the recorder, of the server."""

from __future__ import annotations

import os
import signal
import time

from playwright.sync_api import Browser, expect

from tests.journeys.candidate import Candidate
from tests.journeys.house import Ask, House, until


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
        Ask("What do you prune first?", limit_s=8, retakes=1), Ask("And what last?", limit_s=8, retakes=1)
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
    candidate.phase("answered", 40)
    (take,) = house.rows("SELECT * FROM takes WHERE state = 'kept'")
    assert abs(take["duration_ms"] - 8000) <= 150
    assert not take["recovered"] and take["end_reason"] == "limit"
    candidate.plays(candidate.at("playback").locator("video"))
    assert candidate.question(1)["attempts_left"] == 1

    candidate.press("Keep")
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.phase("answered")
    assert len(house.rows("SELECT id FROM takes WHERE state = 'kept'")) == 2
    candidate.close()
