"""Debian's Firefox, driven by WebDriver BiDi through firefox.mjs; and how it plays a file."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.journeys.house import ROOT
from tests.journeys.playing import PLAY_THROUGH, Played, played

DRIVER = Path(__file__).with_suffix(".mjs")
EXECUTABLE = "/usr/bin/firefox-esr"
START_S = 60.0
REPLY_S = 30.0
DARK, LIGHT = 0, 1
PREFERENCES: dict[str, object] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "permissions.default.camera": 1,  # without it only the default route's address is offered, and never loopback
    "permissions.default.microphone": 1,
    "media.autoplay.default": 0,
    "security.fileuri.strict_origin_policy": False,  # a page from a file may look at a video from a file
}


class FirefoxFailed(AssertionError):
    """The browser did not do what it was told; the text is its own."""


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
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
        )  # fmt: skip
        self._readable = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._readable.register(self._process.stdout, selectors.EVENT_READ)
        try:
            self.version: str = self.tell("version", START_S)
        except BaseException:
            self.close()
            raise

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
        page.write_text(f"<!doctype html><title>play</title><video src='{path.resolve().as_uri()}'></video>")
        try:
            self.open(page.as_uri())
            script = f"(given) => ({PLAY_THROUGH})(document.querySelector('video'), given)"
            given = {"rate": rate, "withinMs": within_s * 1000}
            return played(self.evaluate(script, given, within_s=within_s + REPLY_S))
        finally:
            page.unlink()

    def close(self) -> None:
        """Ends the driver and its browser, whatever state they are in."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):  # the driver may have ended before
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._readable.close()
        self._process.stdout.close()

    def __enter__(self) -> Firefox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
