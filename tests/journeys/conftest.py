"""Real browsers and a real server for every journey."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.journeys.house import House

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
FAKE_CAMERA = ["--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"]
DIM_CAMERA = ["--use-fake-device-for-media-stream=fps=10", "--use-fake-ui-for-media-stream"]
"""As in a dark room: a third of the work for whoever only wants something recorded."""
ADDRESS = "10.99.0.1"
PAGES = ("test_newcomer", "test_pages", "test_shortlist", "test_template_editor")
DIM = (*PAGES, "test_cheats", "test_kills")
LOOPBACK = "--allow-loopback-in-peer-connection"


@pytest.hookimpl(wrapper=True)  # before pytest-xdist reads the groups, whichever of the two was registered first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, object, object]:
    """One browser at a time whose pictures count, since it wants a core for its encoder; beside it one that looks at
    pages, and records with a dim camera at most."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        group = "pages" if item.path.stem in PAGES else "recordings"
        item.add_marker(pytest.mark.xdist_group(group))
    done = yield
    if config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in ours):
        raise pytest.UsageError("pytest-xdist took no notice of the groups: these journeys would run side by side")
    return done


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    camera = DIM_CAMERA if request.path.stem in DIM else FAKE_CAMERA
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera, LOOPBACK])
        yield chromium
        chromium.close()


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """A house of its own; `@pytest.mark.parametrize("house", [codecs], indirect=True)` chooses what it records."""
    codecs = getattr(request, "param", ("h264", "vp8"))
    found = House(tmp_path / "house", codecs=codecs)
    yield found
    found.end()


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
