"""What the network lets through: the browser uses what there is, and backs off from what there is not.

It must have a core to encode with: these run alone, in `make test-long`.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

import av
import pytest
from playwright.sync_api import Browser

from tests.journeys.candidate import Candidate
from tests.journeys.conftest import CHROMIUM, FAKE_CAMERA, LOOPBACK, QUIET
from tests.journeys.house import Ask, House, until
from tests.journeys.test_staying import plays_through, the_take
from tests.recorder.udp_path import UdpPath

CAP_BPS = 2_500_000
NARROW_BPS = 800_000
QUEUE_S = 0.3
QUESTION = Ask("What do you do when it rains?", limit_s=120, retakes=1)
# A picture that no encoder gets small: of the browser's fake camera 1 Mbit/s is left over whatever it may have.
NOISY = """
navigator.mediaDevices.getUserMedia = ((ask) => async (asked) => {
  const stream = await ask({ audio: asked.audio });
  const pictures = Array.from({ length: 8 }, (_, number) => {
    const canvas = new OffscreenCanvas(1280, 720);
    const pen = canvas.getContext("2d");
    for (let y = 0; y < 720; y += 8) {
      for (let x = 0; x < 1280; x += 8) {
        const light = 110 + (x / 1280) * 40 + Math.random() * 20;
        pen.fillStyle = `rgb(${light} ${light} ${light + number})`;
        pen.fillRect(x, y, 8, 8);
      }
    }
    return canvas;
  });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1280, 720];
  const pen = canvas.getContext("2d");
  let frame = 0;
  setInterval(() => pen.drawImage(pictures[frame++ % pictures.length], 0, 0), 1000 / 30);
  stream.addTrack(canvas.captureStream(30).getVideoTracks()[0]);
  return stream;
})(navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices));
"""


def picture(candidate: Candidate) -> dict[str, Any]:
    """What the browser aims at for the picture (bit/s), its size, and the frames sent so far."""
    found: dict[str, Any] = candidate.figures()[-1]
    return found


class Road(Protocol):
    """What lies between the browser and the recorder."""

    def narrow(self, rate_bps: int, /) -> None: ...


class TrafficControl:
    """The kernel's own bottleneck, on loopback and for one UDP port alone, in the namespace of this prefix."""

    def __init__(self, prefix: list[str], port: int) -> None:
        self._prefix, self._port = prefix, port

    def narrow(self, rate_bps: int, /) -> None:
        self._tc("qdisc add dev lo root handle 1: htb")  # what no filter names passes as before
        self._tc(f"class add dev lo parent 1: classid 1:2 htb rate {rate_bps}bit burst 5kb")
        self._tc(f"qdisc add dev lo parent 1:2 bfifo limit {int(rate_bps * QUEUE_S / 8)}")
        port = f"match ip protocol 17 0xff match ip dport {self._port} 0xffff"
        self._tc(f"filter add dev lo parent 1: protocol ip prio 1 u32 {port} flowid 1:2")

    def _tc(self, words: str) -> str:
        return subprocess.run([*self._prefix, "tc", *words.split()], check=True, capture_output=True, text=True).stdout


def backs_off(house: House, candidate: Candidate, road: Road) -> None:
    """All of a wide road is used in 8 s, less within 3 s of its narrowing; from then on every frame arrives."""
    candidate.context.add_init_script(NOISY)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    until(lambda: candidate.figures() and picture(candidate)["target"] >= 0.9 * CAP_BPS, 8, "90 % of the cap is used")
    assert (picture(candidate)["width"], picture(candidate)["height"]) == (1280, 720)
    candidate.record()
    started_s = time.monotonic()
    candidate.until_safe(1)

    narrowed_s = time.monotonic()
    road.narrow(NARROW_BPS)
    until(lambda: picture(candidate)["target"] <= NARROW_BPS, 3, "the browser backs off")
    time.sleep(max(0.0, narrowed_s + 3 - time.monotonic()))
    sent = picture(candidate)["frames"]
    settled_s = time.monotonic() - started_s
    time.sleep(4)
    sent = picture(candidate)["frames"] - sent
    candidate.press("Stop")
    candidate.phase("answered")
    assert (picture(candidate)["width"], picture(candidate)["height"]) == (1280, 720)
    candidate.close()
    _, sidecar, file = the_take(house)
    plays_through(file, sidecar)
    assert [gap for gap in sidecar["gaps"] if gap["at_ms"] > settled_s * 1000] == []
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        times_s = [float(each.pts * video.time_base) for each in container.demux(video) if each.size]
    kept = sum(at_s > settled_s for at_s in times_s)
    assert kept >= sent - 3, (kept, sent)


@pytest.mark.long
@pytest.mark.parametrize("house", [("vp8",), ("h264",)], indirect=True)
def test_a_bottleneck_is_backed_off_from_within_3_s(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    with UdpPath(house.udp_port) as path:
        candidate = Candidate(browser, house, invited)
        candidate.detour(path)
        backs_off(house, candidate, path)


@pytest.mark.long
def test_a_bottleneck_of_the_kernels_is_backed_off_from_too(
    tmp_path: Path, browser: Browser, network: list[str]
) -> None:
    wrapper = tmp_path / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(network)} {CHROMIUM} "$@"\n')
    wrapper.chmod(0o755)
    house = House(tmp_path / "house", prefix=network)
    invited = house.furnish(QUESTION)
    inside = browser.browser_type.launch(executable_path=wrapper, args=[*QUIET, *FAKE_CAMERA, LOOPBACK])
    try:
        house.start()
        backs_off(house, Candidate(inside, house, invited), TrafficControl(network, house.udp_port))
    finally:
        inside.close()
        house.end()
