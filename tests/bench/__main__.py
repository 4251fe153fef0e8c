"""`make bench`: the same streams into one worker and into Janus, and one into aiortc's MediaRecorder, in the same run.

Prints a table and writes build/bench.json; every figure is the median of `--runs`. What is
compared is the CPU time of the whole process, children included, over the same seconds of the
same streams; who comes first alternates. Exits 1 when a frame is missing, when Janus could not be
measured, or when the recorder costs more than 1/120 of MediaRecorder, more than 0.8 of Janus or
more than 2 MiB a live stream.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import janus
from tests.bench.compare import recorded_frames, recording
from tests.bench.link import Cable, cable
from tests.bench.measure import ROOT, front, load, peak_rss_mib, post, rss_mib, whip_url
from tests.ports import free_port

LEAST_RATIO = 120.0
MOST_TO_JANUS = 0.8
MOST_MIB_PER_STREAM = 2.0
STREAM_BYTES_A_SECOND = 190_000
LEAST_SHARE_WRITTEN = 0.8


@dataclass(frozen=True, slots=True)
class Run:
    """`janus_cpu_percent` is None where Janus could not be run; `mib_per_stream` is the most while they were live."""

    cpu_percent: float
    janus_cpu_percent: float | None
    mediarecorder_cpu_percent: float
    sent: int
    recorded: int
    peak_rss_mib: float
    mib_per_stream: float

    @property
    def ratio(self) -> float:
        return self.mediarecorder_cpu_percent / self.cpu_percent

    @property
    def to_janus(self) -> float | None:
        return None if self.janus_cpu_percent is None else self.cpu_percent / self.janus_cpu_percent


def run_once(streams: int, seconds: float, yardstick_seconds: float, modules: Path | None, *, janus_first: bool) -> Run:
    with tempfile.TemporaryDirectory() as name, cable() as laid:
        folder = Path(name)
        port = free_port()
        prefix, options = (laid.prefix, laid.options) if laid is not None else ((), ())
        address = laid.address if laid is not None else "127.0.0.1"
        theirs = None
        if janus_first and laid is not None and modules is not None:
            theirs = _janus_cpu_percent(folder / "janus", modules, laid, streams, seconds)
        with front("tests.bench.whip", folder / "ours", port, "--ip", address) as (_, pid):
            idle = rss_mib(pid)
            ours = load([pid], f"http://{address}:{port}/whip", streams, seconds, *options, prefix=prefix)
            each = (peak_rss_mib(pid) - idle) / streams
            takes = post(port, "/finish")["takes"]
            rss = peak_rss_mib(pid)
        recorded = sum(recorded_frames(recording(folder / "ours", take)) for take in takes)
        if theirs is None and laid is not None and modules is not None:
            theirs = _janus_cpu_percent(folder / "janus", modules, laid, streams, seconds)
        port = free_port()
        with front("tests.bench.mediarecorder", folder / "mediarecorder", port) as (_, pid):
            decoding = load([pid], whip_url(port), 1, yardstick_seconds)
            post(port, "/finish")
    mediarecorder = decoding.cpu_percent_per_stream
    return Run(ours.cpu_percent_per_stream, theirs, mediarecorder, ours.video_sent, recorded, rss, each)


def _janus_cpu_percent(folder: Path, modules: Path, laid: Cable, streams: int, seconds: float) -> float:
    """Raises RuntimeError when it did not record: an idle yardstick would flatter nobody but us."""
    with janus.janus(folder, modules, laid) as gateway:
        options = ("-signalling", "janus", *laid.options)
        found = load([gateway.pid], gateway.url, streams, seconds, *options, prefix=laid.prefix)
        written = gateway.written_bytes()
    if written < LEAST_SHARE_WRITTEN * streams * seconds * STREAM_BYTES_A_SECOND:
        raise RuntimeError(
            f"Janus wrote {written} bytes only; see its log:\n{(folder / 'janus.log').read_text()[-2000:]}"
        )
    return found.cpu_percent_per_stream


def machine() -> str:
    """What the figures were measured on."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    cores = f"{os.cpu_count()} cores" + (f" of {model[1].strip()}" if model else "")
    return f"{platform.platform()}, {cores}, Python {platform.python_version()}"


def median(values: Iterable[float | None]) -> float | None:
    """None when one is missing."""
    found = list(values)
    known = [value for value in found if value is not None]
    return statistics.median(known) if known and len(known) == len(found) else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--yardstick-seconds", type=float, default=15)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    console = Console()
    modules = janus.installed()
    load_average = round(os.getloadavg()[0], 2)
    runs = []
    for number in range(arguments.runs):
        console.print(f"run {number + 1} of {arguments.runs} …", style="dim")
        runs.append(
            run_once(
                arguments.streams, arguments.seconds, arguments.yardstick_seconds, modules, janus_first=number % 2 == 1
            )
        )
    console.print(_table(runs, arguments.streams, arguments.seconds))
    ratio = statistics.median(run.ratio for run in runs)
    to_janus = median(run.to_janus for run in runs)
    figures = {
        "streams": arguments.streams,
        "seconds": arguments.seconds,
        "runs": arguments.runs,
        "cpu_percent_per_stream": statistics.median(run.cpu_percent for run in runs),
        "janus_cpu_percent_per_stream": median(run.janus_cpu_percent for run in runs),
        "janus_version": janus.version() if modules is not None else None,
        "mediarecorder_cpu_percent_per_stream": statistics.median(run.mediarecorder_cpu_percent for run in runs),
        "ratio": ratio,
        "ratio_to_janus": to_janus,
        "frames_sent": sum(run.sent for run in runs),
        "frames_recorded": sum(run.recorded for run in runs),
        "peak_rss_mib": max(run.peak_rss_mib for run in runs),
        "mib_per_stream": statistics.median(run.mib_per_stream for run in runs),
        "machine": machine(),
        "load_average_before": load_average,
    }
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
    missing = figures["frames_sent"] - figures["frames_recorded"]
    console.print(f"{machine()}; load average before: {load_average}")
    console.print(
        f"median {ratio:.0f} × less than MediaRecorder (wanted: at least {LEAST_RATIO:.0f} ×), {missing} frames missing"
    )
    if to_janus is None:
        console.print("Janus was not measured: that needs root, network namespaces and Debian's janus package")
    else:
        console.print(f"median {to_janus:.2f} × Janus (wanted: at most {MOST_TO_JANUS} ×)")
    mib = figures["mib_per_stream"]
    console.print(f"median {mib:.2f} MiB a live stream (wanted: at most {MOST_MIB_PER_STREAM} MiB)")
    cheap = ratio >= LEAST_RATIO and to_janus is not None and to_janus <= MOST_TO_JANUS
    return 0 if cheap and missing == 0 and mib <= MOST_MIB_PER_STREAM else 1


def _table(runs: list[Run], streams: int, seconds: float) -> Table:
    title = f"{streams} streams of VP8 720p30 at 1.5 Mbit/s + Opus, {seconds:.0f} s; CPU of one core for each"
    table = Table(title=title, padding=(0, 0))
    for name in ("run", "ours", "Janus", "× Janus", "MediaRec.", "ratio", "frames", "missing", "peak MiB", "MiB each"):
        table.add_column(name, justify="right")
    for number, run in enumerate(runs):
        table.add_row(
            str(number + 1), f"{run.cpu_percent:.3f} %", _or_dash(run.janus_cpu_percent, ".3f", " %"),
            _or_dash(run.to_janus, ".2f", ""), f"{run.mediarecorder_cpu_percent:.1f} %", f"{run.ratio:.0f} ×",
            str(run.sent), str(run.sent - run.recorded), f"{run.peak_rss_mib:.0f}",
            f"{run.mib_per_stream:.2f}",
        )  # fmt: skip
    return table


def _or_dash(value: float | None, form: str, unit: str) -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


if __name__ == "__main__":
    sys.exit(main())
