"""Another camera in the middle of an answer: one file, two sizes, and both browsers play it through."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.journeys.candidate import Candidate
from tests.journeys.firefox import Firefox
from tests.journeys.house import House
from tests.journeys.playing import PLAY_THROUGH, played
from tests.journeys.test_staying import QUESTION, plays_through, recording, the_take

# What a browser does when the camera it was given is another one: the sender stays, its track is replaced.
SWAP = """
async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 480];
  const pen = canvas.getContext("2d");
  let frame = 0;
  setInterval(() => {
    pen.fillStyle = `hsl(${frame++} 70% 40%)`;
    pen.fillRect(0, 0, 640, 480);
    pen.fillStyle = "white";
    pen.fillRect((frame * 6) % 640, 200, 80, 80);
  }, 1000 / 30);
  const sender = window.peers.at(-1).getSenders().find((one) => one.track?.kind === "video");
  await sender.replaceTrack(canvas.captureStream(30).getVideoTracks()[0]);
}
"""
SIZES = ((1280, 720), (640, 480))


@pytest.mark.long
@pytest.mark.parametrize("house", [("h264",), ("vp8",)], indirect=True)
def test_bug_09_a_camera_of_another_size_in_the_middle_of_an_answer_plays_through_in_both_browsers(
    house: House, browser: Browser
) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    candidate = Candidate(browser, house, invited)
    recording(candidate)
    candidate.until_safe(1)
    candidate.page.evaluate(SWAP)
    candidate.until_safe(3)
    candidate.press("Stop")
    candidate.phase("answered")
    _, sidecar, path = the_take(house)
    assert tuple((size["width"], size["height"]) for size in sidecar["sizes"]) == SIZES
    assert len(sidecar["segments"]) == 1 and sidecar["gaps"] == []
    plays_through(path, sidecar)
    player = candidate.at("playback").locator("video")
    in_chromium = played(player.evaluate(PLAY_THROUGH, {"rate": 1, "withinMs": 20_000}))
    candidate.close()
    with Firefox() as firefox:
        in_firefox = firefox.play(path, within_s=20)
    for found in (in_chromium, in_firefox):
        assert found.ended and not found.error, found
        assert found.sizes == SIZES and min(found.colours) > 1, found
        assert abs(found.duration_s - sidecar["elapsed_ms"] / 1000) <= 0.3, found
