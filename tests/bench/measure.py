"""Runs a recorder under load from outside: its processes, their CPU and memory, and loadgen beside them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOADGEN = ROOT / "build" / "loadgen"
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 30.0
SEND_SLACK_S = 60.0
"""What loadgen may take beyond what it sends: to connect, and to answer the last NACKs."""


def loadgen_folder() -> Path:
    """The folder with loadgen, video.ivf and audio.ogg, which `make` builds."""
    if not all((LOADGEN / name).exists() for name in ("loadgen", "video.ivf", "audio.ogg")):
        raise RuntimeError("loadgen is not built: run `make build/loadgen/loadgen`")
    return LOADGEN


def cpu_seconds(pid: int) -> float:
    """User and system time of one process so far, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND


def waited_for_cpu_seconds(pid: int) -> float:
    """How long the process' main thread was ready and had no CPU, so far: the machine's fault, not its own."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _memory_mib(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def peak_rss_mib(pid: int) -> float:
    return _memory_mib(pid, "VmHWM")


def rss_mib(pid: int) -> float:
    return _memory_mib(pid, "VmRSS")


def dropped_by_kernel(pid: int) -> int:
    """Datagrams that found the receive buffers of the process' UDP sockets full."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if found := re.match(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                inodes.add(found[1])
    rows = [
        line.split()
        for table in ("udp", "udp6")
        if (path := Path(f"/proc/{pid}/net/{table}")).exists()
        for line in path.read_text().splitlines()[1:]
    ]
    return sum(int(row[12]) for row in rows if row[9] in inodes)


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns when the condition holds. Raises TimeoutError, naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


@contextlib.contextmanager
def front(module: str, folder: Path, port: int, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A WHIP front as a process, and the id of the process that records."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "front.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--folder", str(folder), "--port", str(port), *options],
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


class Sending:
    """loadgen while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def started(self) -> None:
        """Returns when every peer is connected. Raises RuntimeError."""
        self._read(r"START")

    def sent(self) -> tuple[int, int]:
        """Returns how many video frames and audio packets were sent, when all were. Raises RuntimeError."""
        found = self._read(r"SENT video=(\d+) audio=(\d+)")
        return int(found[1]), int(found[2])

    def done(self) -> None:
        """Returns when its peers have said goodbye."""
        self._process.wait(SEND_SLACK_S)

    def _read(self, pattern: str) -> re.Match[str]:
        assert self._process.stdout is not None
        other = []
        for line in self._process.stdout:
            if found := re.match(pattern, line):
                return found
            other.append(line)
        raise RuntimeError("loadgen failed: " + "".join(other))


@contextlib.contextmanager
def sending(url: str, streams: int, seconds: float, *options: str, prefix: Sequence[str] = ()) -> Iterator[Sending]:
    """loadgen in the background; it is killed at the end if it still runs, and when it runs much too long."""
    media = loadgen_folder()
    command = [
        *prefix, str(media / "loadgen"), "-url", url, "-n", str(streams), "-d", f"{seconds}s",
        "-v", str(media / "video.ivf"), "-a", str(media / "audio.ogg"), *options,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        guard = threading.Timer(seconds + SEND_SLACK_S, process.kill)
        guard.start()
        try:
            yield Sending(process)
        finally:
            guard.cancel()
            process.kill()


def load(
    pids: Sequence[int], url: str, streams: int, seconds: float, *options: str, prefix: Sequence[str] = ()
) -> Load:
    """Sends `streams` for `seconds`, while the CPU of these processes is counted."""
    with sending(url, streams, seconds, *options, prefix=prefix) as run:
        run.started()
        before = sum(map(cpu_seconds, pids))
        video, audio = run.sent()
        after = sum(map(cpu_seconds, pids))
        run.done()
    return Load(video, audio, 100 * (after - before) / (streams * seconds))


def whip_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/whip"


def call(method: str, url: str, body: bytes = b"") -> bytes:
    request = urllib.request.Request(url, method=method, data=body or None)
    with urllib.request.urlopen(request, timeout=90) as response:
        content: bytes = response.read()
        return content


def post(port: int, path: str) -> Any:
    return json.loads(call("POST", f"http://127.0.0.1:{port}{path}"))


def state(port: int) -> Any:
    """What the WHIP front knows: {"pid" and "pids" by number, "counters" of all workers,
    "takes": {take_id: {"started_unix_ms", "safe_ms", "result", "worker" by number}}}."""
    return json.loads(call("GET", f"http://127.0.0.1:{port}/state"))
