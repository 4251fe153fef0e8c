"""A newcomer's own browser: no special flags, every interface's address advertised, in a network of its own."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journeys.candidate import Candidate
from tests.journeys.conftest import ADDRESS, CHROMIUM, DIM_CAMERA, QUIET
from tests.journeys.house import Ask, House, until


def test_a_browser_without_flags_reaches_one_of_the_advertised_addresses(tmp_path: Path, network: list[str]) -> None:
    wrapper = tmp_path / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(network)} {CHROMIUM} "$@"\n')
    wrapper.chmod(0o755)
    house = House(tmp_path / "house", prefix=network)
    del house.settings["advertised_ips"]
    invited = house.furnish(Ask("What do you grow?", limit_s=3, retakes=0))
    try:
        house.start()
        until(lambda: ADDRESS in house.log.read_text(), 5, "the server says where it can be reached")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=wrapper, args=[*QUIET, *DIM_CAMERA])
            candidate = Candidate(browser, house, invited)
            candidate.accept_and_start()
            candidate.show(timed=False)
            candidate.camera_on()
            candidate.record()
            candidate.phase("answered")
            candidate.plays(candidate.at("playback").locator("video"))
            browser.close()
    finally:
        house.end()
    assert house.rows("SELECT duration_ms FROM takes WHERE state = 'kept'")[0]["duration_ms"] > 2800
