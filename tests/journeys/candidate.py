"""A candidate in a real browser: what they press, and what they see. Names as the pages have them."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.house import House, Invited, until
from tests.recorder.udp_path import UdpPath

WAIT_MS = 20_000
# The page keeps its connection to itself; a test wants the browser's own figures.
SPY = """
window.peers = [];
window.sockets = [];
window.heard = [];
window.sent = new Map();
window.soundSent = new Map();
const note = async (peer) => {
  for (const report of (await peer.getStats()).values()) {
    if (report.type === "outbound-rtp" && report.kind === "video") {
      window.sent.set(peer, { frames: report.framesSent, width: report.frameWidth, height: report.frameHeight,
        target: report.targetBitrate ?? 0 });
    }
    if (report.type === "outbound-rtp" && report.kind === "audio") {
      window.soundSent.set(peer, { asked: report.nackCount, again: report.retransmittedPacketsSent });
    }
  }
};
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.peers.push(this); }
  close() { note(this).finally(() => super.close()); }  // its last figures, then as asked
};
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    window.sockets.push(this);
    this.addEventListener("message", (event) => window.heard.push(JSON.parse(event.data)));
  }
};
window.figures = async () => {
  for (const peer of window.peers) if (peer.connectionState !== "closed") await note(peer);
  return [...window.sent.values()];
};
window.forge = (message) => window.sockets.at(-1).send(JSON.stringify(message));
window.stopTheClocks = () => {
  for (let timer = setTimeout(() => 0); timer > 0; timer--) {
    clearTimeout(timer); clearInterval(timer); cancelAnimationFrame(timer);
  }
  window.setTimeout = window.setInterval = window.requestAnimationFrame = () => 0;
};
"""

# The page meets the recorder by a path that the test owns.
DETOUR = """
{
  const accept = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (given) {
    return accept.call(this, { type: given.type, sdp: given.sdp.replaceAll(" FROM typ host", " TO typ host") });
  };
  window.restarts = 0;
  const restart = RTCPeerConnection.prototype.restartIce;
  RTCPeerConnection.prototype.restartIce = function () { window.restarts += 1; return restart.call(this); };
}
"""


class Candidate:
    """One browser context on one invitation. `problems` collects what the console and the policy complain of."""

    def __init__(self, browser: Browser, house: House, invited: Invited, **context: Any) -> None:
        self.house, self.invited = house, invited
        self.context = browser.new_context(permissions=["camera", "microphone"], **context)
        self.context.add_init_script(SPY)
        self.problems: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def detour(self, path: UdpPath) -> None:
        """Every page opened from now on reaches the recorder by this path alone."""
        script = DETOUR.replace("FROM", str(self.house.udp_port)).replace("TO", str(path.port))
        self.context.add_init_script(script)

    def press(self, name: str, *, within: Locator | None = None) -> None:
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True).first

    def at(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    def open(self) -> None:
        self.page.goto(self.house.url + self.invited.path)

    def accept_and_start(self) -> None:
        """Notice, details if there are any, introduction, Start."""
        self.open()
        self.page.get_by_role("checkbox").check()
        self.press("Accept and go on")
        if self.page.url.endswith("/details"):
            self.press("Save and go on")
        self.press("Start")
        expect(self.at("question")).to_be_visible()

    def phase(self, name: str, seconds: float = 20) -> None:
        """Waits until the question shown is in this phase."""
        expect(self.at("question")).to_have_attribute("data-phase", name, timeout=seconds * 1000)

    def show(self, *, timed: bool) -> None:
        """Reveals the question shown; a timed one needs the camera first, which stays on between questions."""
        expect(self.button("Get ready").or_(self.button("Show question"))).to_be_visible()
        if timed and self.button("Get ready").is_visible():
            self.press("Get ready")
        self.press("Show question")

    def camera_on(self) -> None:
        expect(self.button("Record your response").or_(self.button("Record"))).to_be_visible()
        if self.button("Record your response").is_visible():
            self.press("Record your response")

    def record(self) -> None:
        """Presses Record (in whatever words) and waits for the recording."""
        self.button("Start recording").or_(self.button("Record")).first.click()
        self.phase("recording")

    def record_for(self, seconds: float) -> None:
        self.record()
        self.until_safe(seconds)
        self.press("Stop")
        self.phase("answered")

    def safe_s(self) -> int:
        """How many seconds of the take are on the server's disk, as the page says."""
        found = re.search(r"(\d+) s", self.at("safe").inner_text())
        return int(found[1]) if found else 0

    def until_safe(self, seconds: float) -> None:
        """Waits until the page says that at least so much of the take is on the server's disk."""
        until(lambda: self.safe_s() >= seconds, seconds + 15, f"{seconds} s are safe")

    def figures(self) -> list[dict[str, Any]]:
        """What the browser says it sent, one entry a connection."""
        found: list[dict[str, Any]] = self.page.evaluate("window.figures()")
        return found

    def sound_sent(self) -> dict[str, int]:
        """How many packets of sound the browser was asked for again, and sent again, over its last connection."""
        self.figures()
        found: dict[str, int] = self.page.evaluate("[...window.soundSent.values()].at(-1)")
        return found

    def frames_sent(self) -> int:
        return sum(entry["frames"] for entry in self.figures())

    def plays(self, player: Locator) -> None:
        """The player's time advances, and seeking to the middle shows a picture."""
        result = player.evaluate(PLAY)
        assert result["advanced"] > 0.2, result
        assert result["width"] > 0 and result["seeked"], result
        assert result["drawn"] > 0, result

    def forge(self, kind: str, **fields: object) -> dict[str, Any]:
        """Sends a message that the page did not mean to; the server's next word of it, an error or a state."""
        before = self.page.evaluate("window.heard.length")
        self.page.evaluate("message => window.forge(message)", {"type": kind, **fields})
        found: dict[str, Any] = until(
            lambda: self.page.evaluate(
                "before => window.heard.slice(before).find((word) => ['error', 'state'].includes(word.type))", before
            ),
            10,
            f"an answer to {kind}",
        )
        return found

    def until_state(self, number: int, *states: str, seconds: float = 20) -> None:
        """Waits until the server says that a question is in one of these states; needs no clock of the page's."""
        until(lambda: self.question(number)["state"] in states, seconds, f"question {number} is {' or '.join(states)}")

    def state(self) -> dict[str, Any]:
        """The last state the server told."""
        found: dict[str, Any] = self.page.evaluate("window.heard.findLast((word) => word.type === 'state')")
        return found

    def question(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.state()["questions"][number - 1]
        return found

    def close(self) -> None:
        self.context.close()


PLAY = """
async (video) => {
  const event = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true });
    video.addEventListener("error", () => fail(new Error(`media error ${video.error?.code}`)), { once: true });
    setTimeout(() => fail(new Error(`no ${name} within 10 s, ready state ${video.readyState}`)), 10000);
  });
  video.muted = true;
  if (video.readyState < 1) {
    const ready = event("loadedmetadata");
    video.preload = "auto"; video.load();
    await ready;
  }
  const began = video.currentTime;
  await video.play();
  while (video.currentTime - began < 0.3) await event("timeupdate");
  const advanced = video.currentTime - began;
  video.pause();
  const seeked = event("seeked");
  video.currentTime = video.duration / 2;
  await seeked;
  const canvas = document.createElement("canvas");
  canvas.width = 64; canvas.height = 36;
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0, 64, 36);
  const pixels = pen.getImageData(0, 0, 64, 36).data;
  const drawn = new Set();
  for (let i = 0; i < pixels.length; i += 4) drawn.add(pixels[i] >> 4 | (pixels[i + 1] >> 4) << 4);
  return { advanced, seeked: Math.abs(video.currentTime - video.duration / 2) < 0.5, width: video.videoWidth,
    duration: video.duration, drawn: drawn.size > 1 ? drawn.size : 0 };
}
"""
