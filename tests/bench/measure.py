"""Runs a recorder under load from outside: its CPU, its memory, and the frames that reached the files."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).parents[2]
LOADGEN = ROOT / "build" / "loadgen"
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 30.0


def loadgen_folder() -> Path:
    """The folder with loadgen, video.ivf and audio.ogg, which `make` builds."""
    if not all((LOADGEN / name).exists() for name in ("loadgen", "video.ivf", "audio.ogg")):
        raise RuntimeError("loadgen is not built: run `make build/loadgen/loadgen`")
    return LOADGEN


def cpu_seconds(pid: int) -> float:
    """User and system time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def peak_rss_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


@contextlib.contextmanager
def front(module: str, folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A WHIP front as a process, and the id of the process that records."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "front.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--folder", str(folder), "--port", str(port)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("READY"):
            raise RuntimeError(f"{module} did not start:\n{(folder / 'front.log').read_text()[-2000:]}")
        yield process, int(line.split()[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


@dataclass(frozen=True, slots=True)
class Load:
    """One run of loadgen. `cpu_percent_per_stream` is of one core, from START to SENT."""

    video_sent: int
    audio_sent: int
    cpu_percent_per_stream: float


def load(pid: int, port: int, streams: int, seconds: float) -> Load:
    """Sends `streams` for `seconds`, while the CPU of process `pid` is counted."""
    media = loadgen_folder()
    before = after = 0.0
    sent: re.Match[str] | None = None
    command = [
        str(media / "loadgen"), "-url", f"http://127.0.0.1:{port}/whip", "-n", str(streams), "-d", f"{seconds}s",
        "-v", str(media / "video.ivf"), "-a", str(media / "audio.ogg"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        rest = []
        for line in process.stdout:
            if line.startswith("START"):
                before = cpu_seconds(pid)
            elif found := re.match(r"SENT video=(\d+) audio=(\d+)", line):
                after, sent = cpu_seconds(pid), found
            else:
                rest.append(line)
    if sent is None:
        raise RuntimeError("loadgen failed: " + "".join(rest))
    return Load(int(sent[1]), int(sent[2]), 100 * (after - before) / (streams * seconds))


def post(port: int, path: str) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="POST", data=b"")
    with urllib.request.urlopen(request, timeout=90) as response:
        return json.load(response)


def sent_frames() -> list[bytes]:
    """The hash of every frame of the file that loadgen loops."""
    return _hashes(loadgen_folder() / "video.ivf")


def _hashes(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).digest() for packet in container.demux(video=0) if packet.size]


def recorded_frames(path: Path) -> int:
    """How many frames the file holds, each equal by hash to what loadgen sent in its place. Raises AssertionError."""
    found = _hashes(path)
    for index, (ours, theirs) in enumerate(zip(found, itertools.cycle(sent_frames()), strict=False)):
        assert ours == theirs, f"{path.name}: frame {index} is not the one that was sent"
    return len(found)
