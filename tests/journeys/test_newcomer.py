"""A newcomer's own browser: no special flags, every interface's address advertised, in a network of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.journeys.candidate import Candidate
from tests.journeys.conftest import CHROMIUM, FAKE_CAMERA, QUIET
from tests.journeys.house import Ask, House, until

ADDRESS = "10.99.0.1"


@pytest.fixture
def network() -> Iterator[list[str]]:
    """A namespace with loopback and one interface that leads nowhere; yields the words that run a command inside it."""
    name = f"greenroom-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    assert os.geteuid() == 0, "a network namespace needs root: run the tests as root, or in a container as its root"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            "ip link set lo up",
            "ip link add outside type veth peer name nowhere",
            f"ip addr add {ADDRESS}/24 dev outside",
            "ip link set outside up",
            "ip link set nowhere up",
        ):
            subprocess.run([*inside, *command.split()], check=True)
        yield inside
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


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
            browser = playwright.chromium.launch(executable_path=wrapper, args=[*QUIET, *FAKE_CAMERA])
            candidate = Candidate(browser, house, invited)
            candidate.accept_and_start()
            candidate.show(timed=False)
            candidate.camera_on()
            candidate.record()
            candidate.phase("answered")
            candidate.plays(candidate.at("playback").locator("video"))
            browser.close()
    finally:
        house.stop()
    assert house.rows("SELECT duration_ms FROM takes WHERE state = 'kept'")[0]["duration_ms"] > 2800
