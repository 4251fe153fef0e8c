"""What the network lets through: the browser uses what there is, and backs off from what there is not."""

from __future__ import annotations

import time
from typing import Any

import av
import pytest
from playwright.sync_api import Browser

from tests.journeys.candidate import Candidate
from tests.journeys.house import Ask, House, until
from tests.journeys.test_staying import plays_through, the_take
from tests.recorder.udp_path import UdpPath

NARROW_BPS = 800_000
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


@pytest.mark.parametrize("house", [("vp8",), pytest.param(("h264",), marks=pytest.mark.long)], indirect=True)
def test_a_bottleneck_is_backed_off_from_within_3_s(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    with UdpPath(house.udp_port) as path:
        candidate = Candidate(browser, house, invited)
        candidate.detour(path)
        candidate.context.add_init_script(NOISY)
        candidate.accept_and_start()
        candidate.show(timed=False)
        candidate.camera_on()
        until(lambda: candidate.figures() and picture(candidate)["target"] > 2 * NARROW_BPS, 10, "a wide path is used")
        candidate.record()
        started_s = time.monotonic()
        candidate.until_safe(1)

        narrowed_s = time.monotonic()
        path.narrow(NARROW_BPS)
        until(lambda: picture(candidate)["target"] <= NARROW_BPS, 3, "the browser backs off")
        time.sleep(max(0.0, narrowed_s + 3 - time.monotonic()))
        dropped, sent = path.dropped, picture(candidate)["frames"]
        settled_s = time.monotonic() - started_s
        time.sleep(4)
        sent = picture(candidate)["frames"] - sent
        assert path.dropped == dropped, "no more is sent than gets through"
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
