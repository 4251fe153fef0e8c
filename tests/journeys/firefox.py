"""Debian's Firefox, driven by WebDriver BiDi through firefox.mjs; and how it plays a file."""

from __future__ import annotations

import json
import selectors
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.journeys.house import ROOT

DRIVER = Path(__file__).with_suffix(".mjs")
EXECUTABLE = "/usr/bin/firefox-esr"
START_S = 60.0
REPLY_S = 30.0
DARK, LIGHT = 0, 1
PREFERENCES: dict[str, object] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    "security.fileuri.strict_origin_policy": False,  # a page from a file may look at a video from a file
}


class FirefoxFailed(AssertionError):
    """The browser did not do what it was told; the text is its own."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of playing a file from its beginning to its end."""

    sizes: tuple[tuple[int, int], ...]
    """Width and height of the pictures shown, in order, one entry for each change."""
    colours: tuple[int, ...]
    """How many colours the last picture of each size had, of 4096; a picture of one colour is none."""
    frames: int
    """Pictures decoded."""
    ended: bool
    error: str
    """Empty, or the media error's code and words."""
    at_s: float
    """Where it stood at the end of this look."""
    duration_s: float

    @property
    def width(self) -> int:
        return self.sizes[-1][0] if self.sizes else 0

    @property
    def height(self) -> int:
        return self.sizes[-1][1] if self.sizes else 0


class Firefox:
    """One browser with one page, in a process of its own. Every call waits for the page, and raises FirefoxFailed."""

    def __init__(self, *, width: int = 1280, height: int = 900, dark: bool = False, **preferences: object) -> None:
        scheme = {"layout.css.prefers-color-scheme.content-override": DARK if dark else LIGHT}
        settings = {
            "executable": EXECUTABLE,
            "preferences": {**PREFERENCES, **scheme, **preferences},
            "width": width,
            "height": height,
            "timeoutMs": 20_000,
        }
        self._process = subprocess.Popen(
            [ROOT / ".venv" / "bin" / "node", str(DRIVER), json.dumps(settings)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._readable = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._readable.register(self._process.stdout, selectors.EVENT_READ)
        self.version: str = self.tell("version", START_S)

    def tell(self, command: str, within_s: float = REPLY_S, **given: object) -> Any:
        """One command of firefox.mjs and its result."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        if not self._readable.select(within_s):
            raise FirefoxFailed(f"{command} {given}: no reply within {within_s} s")
        line = self._process.stdout.readline()
        if not line:
            raise FirefoxFailed(f"{command}: the driver ended with {self._process.wait(10)}")
        reply = json.loads(line)
        if "error" in reply:
            raise FirefoxFailed(f"{command} {given}: {reply['error']}")
        return reply["result"]

    def open(self, url: str) -> None:
        self.tell("open", url=url)

    def press(self, name: str, role: str = "button") -> None:
        """Clicks what has this role and name as soon as it can be clicked."""
        self.tell("press", role=role, name=name)

    def evaluate(self, script: str, given: object = None, *, within_s: float = REPLY_S) -> Any:
        """What this JavaScript function (it may be async) returns in the page."""
        return self.tell("evaluate", within_s, script=script, given=given)

    def play(self, path: Path, *, within_s: float = 60.0, rate: float = 1.0) -> Played:
        """Plays a media file from its beginning until it ends, fails or the time is over, and says what was shown."""
        page = path.resolve().with_name(f"{path.stem}.play.html")
        page.write_text(f"<!doctype html><title>play</title><video muted src='{path.resolve().as_uri()}'></video>")
        try:
            self.open(page.as_uri())
            found = self.evaluate(PLAY, {"rate": rate, "withinMs": within_s * 1000}, within_s=within_s + REPLY_S)
        finally:
            page.unlink()
        return Played(sizes=tuple((width, height) for width, height in found.pop("sizes")),
                      colours=tuple(found.pop("colours")), **found)  # fmt: skip

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._readable.close()

    def __enter__(self) -> Firefox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


PLAY = """
async ({ rate, withinMs }) => {
  const video = document.querySelector("video");
  const sizes = [], colours = [];
  const canvas = document.createElement("canvas");
  canvas.width = 64; canvas.height = 36;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const look = (_, { width, height }) => {
    const last = sizes.at(-1);
    if (last?.[0] !== width || last?.[1] !== height) { sizes.push([width, height]); colours.push(0); }
    pen.drawImage(video, 0, 0, 64, 36);
    const pixels = pen.getImageData(0, 0, 64, 36).data;
    const seen = new Set();
    for (let i = 0; i < pixels.length; i += 4) {
      seen.add((pixels[i] >> 4) << 8 | (pixels[i + 1] >> 4) << 4 | pixels[i + 2] >> 4);
    }
    colours[colours.length - 1] = seen.size;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const over = new Promise((done) => {
    for (const name of ["ended", "error"]) video.addEventListener(name, done, { once: true });
    setTimeout(done, withinMs);
  });
  video.playbackRate = rate;
  if (!video.error) {
    video.play().catch(() => undefined);
    await over;
  }
  const error = video.error ? `${video.error.code} ${video.error.message}` : "";
  return { sizes, colours, frames: video.getVideoPlaybackQuality().totalVideoFrames, ended: video.ended, error,
    at_s: video.currentTime, duration_s: Number.isFinite(video.duration) ? video.duration : 0 };
}
"""
