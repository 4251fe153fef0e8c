"""Chromium on a worker's stage: it publishes flashes and beeps of one clock, and the file says what became of them."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import statistics
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from playwright.async_api import Page, async_playwright

from recorder.messages import (
    Arm,
    Connect,
    Connected,
    Done,
    PeerChanged,
    PeerId,
    PeerState,
    Stop,
    TakeFinished,
    TakeId,
    TakeResult,
    TakeStarted,
)
from recorder.opus import SILENCE
from tests.journeys.conftest import CHROMIUM, LOOPBACK, QUIET
from tests.recorder.test_udp import Bench

SCRIPT = Path(__file__).with_name("flash_and_beep.js")
TAKE = TakeId("take")
PEER = PeerId("peer")
CELLS = 24
RATE = 48_000
QUIET_BEFORE = RATE // 4
LOUD = 3000
TONES = (600, 1000, 1400, 1800, 2200)
PITCH_OF = RATE // 20
"""Samples: half a beep."""
NEXT_TO_MS = 1000


class Stage(Bench):
    """A worker, and one page that sends to it. `record`, let time pass, `stop`."""

    page: Page

    async def publish(self, codec: str, *, width: int = 1280, height: int = 720) -> None:
        given = {"codec": codec, "width": width, "height": height}
        offer = await self.page.evaluate("given => window.stage(given)", given)
        reply = await self.worker.call(Connect(PEER, offer))
        assert isinstance(reply, Connected), reply
        await self.page.evaluate("sdp => window.answered(sdp)", reply.answer_sdp)
        await self.said(lambda event: event == PeerChanged(PEER, PeerState.LIVE))

    async def said(self, what: Any, seconds: float = 20) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := [event for event in self.events if what(event)]):
                await asyncio.sleep(0.02)
        return found[-1]

    async def record(self, *, countdown_ms: int = 1000, limit_ms: int = 3_600_000) -> None:
        order = Arm(TAKE, PEER, str(self.folder / "x"), countdown_ms, limit_ms, 1 << 32)
        assert isinstance(await self.worker.call(order), Done)
        await self.said(lambda event: isinstance(event, TakeStarted))

    async def sent(self) -> dict[str, int]:
        """What the browser says of its pictures: `frames`, `width`, `height`, `target` in bit/s."""
        found: dict[str, int] = await self.page.evaluate("window.sent()")
        return found

    async def now_ms(self) -> int:
        """The clock of the page's pictures and sound."""
        found: int = await self.page.evaluate("window.nowMs()")
        return found

    def freeze(self, signal_number: int) -> None:
        """Sends SIGSTOP or SIGCONT to the pages' processes."""
        for process in _children(os.getpid()):
            if b"--type=renderer" in Path(f"/proc/{process}/cmdline").read_bytes():
                os.kill(process, signal_number)

    async def stop(self) -> tuple[TakeResult, Path]:
        assert isinstance(await self.worker.call(Stop(TAKE)), Done)
        finished: TakeFinished = await self.said(lambda event: isinstance(event, TakeFinished))
        return finished.result, self.folder / "x" / finished.result.file


@contextlib.asynccontextmanager
async def stage(folder: Path, codec: str) -> AsyncIterator[Stage]:
    found = Stage(folder, advertised_ips=("127.0.0.1",), video_codecs=(codec,))
    await found.worker.start()
    try:
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, LOOPBACK])
            found.page = await chromium.new_page()
            await found.page.goto("about:blank")
            await found.page.add_script_tag(content=SCRIPT.read_text())
            yield found
            await chromium.close()
    finally:
        found.socket.close()
        await found.worker.stop()


def _children(parent: int) -> list[int]:
    """All that descend from a process: those of other tests' browsers are not ours to stop."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = [], [parent]
    while new:
        new = [process for process, of in parents.items() if of in new]
        found += new
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """One decoded picture: its place in the file and the moment it was drawn, in milliseconds, and its size."""

    at_ms: float
    drawn_ms: int
    width: int
    height: int


def pictures(media: Path) -> list[Seen]:
    """Every picture, its barcode read."""
    found = []
    with av.open(str(media)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            plane = frame.planes[0]
            row = bytes(plane)[frame.height // 12 * plane.line_size :][: frame.width]
            drawn_ms = 0
            for cell in range(CELLS):
                drawn_ms |= (row[(2 * cell + 1) * frame.width // (2 * CELLS)] > 128) << cell
            assert frame.time is not None
            found.append(Seen(frame.time * 1000, drawn_ms, frame.width, frame.height))
    return found


@dataclass(frozen=True, slots=True)
class Beep:
    """Where in the file it begins, in milliseconds, and at which of the sender's seconds, modulo as many as TONES."""

    at_ms: float
    second: int


def beeps(media: Path) -> list[Beep]:
    """Every beep that begins after a quarter of a second of silence, known by its pitch."""
    found: list[Beep] = []
    quiet = 0
    started_ms, heard = 0.0, array.array("h")
    with av.open(str(media)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        for decoded in container.decode(container.streams.audio[0]):
            assert decoded.time is not None
            at_ms = decoded.time * 1000
            for frame in resampler.resample(decoded):
                samples = array.array("h", bytes(frame.planes[0])[: frame.samples * 2])
                for index, sample in enumerate(samples):
                    if abs(sample) < LOUD:
                        quiet += 1
                    else:
                        if quiet >= QUIET_BEFORE:
                            started_ms, heard = at_ms + index * 1000 / RATE, array.array("h", [0])
                        quiet = 0
                    if 0 < len(heard) < PITCH_OF:
                        heard.append(sample)
                        if len(heard) == PITCH_OF:
                            found.append(Beep(started_ms, _tone(heard)))
                at_ms += frame.samples * 1000 / RATE
    return found


def _tone(samples: Sequence[int]) -> int:
    """Which of TONES is next to its pitch, by the periods of what is loud."""
    rises, low = [0], False
    for index, sample in enumerate(samples):
        if low and sample > LOUD:
            rises.append(index)
        low = sample < -LOUD or (low and sample <= LOUD)
    hertz = RATE / statistics.median(later - before for before, later in pairwise(rises)) if rises[1:] else 0.0
    return min(range(len(TONES)), key=lambda index: abs(TONES[index] - hertz))


@dataclass(frozen=True, slots=True)
class Together:
    """How late sound is beside its picture, for each picture that has a beep next to it: (place, lateness) in
    milliseconds."""

    apart: list[tuple[float, float]]
    beeps: list[Beep]

    def p95_ms(self, from_s: float, until_s: float) -> float:
        """Of the pictures there, at least half as many as a camera gives, with a beep each second, but at the ends."""
        found = self._within(from_s, until_s)
        heard = [beep for beep in self.beeps if from_s * 1000 <= beep.at_ms < until_s * 1000]
        assert len(found) >= 15 * (until_s - from_s), "too few pictures beside sound"
        assert len(heard) >= int(until_s - from_s) - 2, "too few beeps"
        return statistics.quantiles(map(abs, found), n=20)[-1]

    def median_ms(self, from_s: float, until_s: float) -> float:
        return statistics.median(self._within(from_s, until_s))

    def _within(self, from_s: float, until_s: float) -> list[float]:
        return [apart for at, apart in self.apart if from_s * 1000 <= at < until_s * 1000]


def together(seen: list[Seen], media: Path) -> Together:
    """Each of the file's pictures beside the beep next to it: one begins at each full second of the sender's clock."""
    sounds = beeps(media)
    at_ms = [beep.at_ms for beep in sounds]
    apart = []
    for each in seen:
        index = bisect_left(at_ms, each.at_ms)
        for beep in sorted(sounds[max(0, index - 1) : index + 1], key=lambda beep: abs(beep.at_ms - each.at_ms))[:1]:
            if abs(beep.at_ms - each.at_ms) <= NEXT_TO_MS:
                # Of the seconds with that pitch the one that is nearest to when the picture was drawn.
                second = round((each.drawn_ms / 1000 - beep.second) / len(TONES)) * len(TONES) + beep.second
                apart.append((each.at_ms, (beep.at_ms - second * 1000) - (each.at_ms - each.drawn_ms)))
    return Together(apart, sounds)


def silences(media: Path) -> int:
    """How many packets of the sound are the recorder's own silence, of 20 ms each."""
    with av.open(str(media)) as container:
        return sum(bytes(packet) == SILENCE for packet in container.demux(audio=0) if packet.size)
