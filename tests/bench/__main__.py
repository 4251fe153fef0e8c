"""`make bench`: n streams into one worker, then one stream into aiortc's MediaRecorder, in the same run.

Prints a table and writes build/bench.json. Exits 1 when a frame is missing or the
recorder costs more than 1/90 of MediaRecorder; every figure is the median of `--runs`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.measure import ROOT, front, load, peak_rss_mib, post, recorded_frames

LEAST_RATIO = 90.0


@dataclass(frozen=True, slots=True)
class Run:
    cpu_percent: float
    mediarecorder_cpu_percent: float
    sent: int
    recorded: int
    peak_rss_mib: float

    @property
    def ratio(self) -> float:
        return self.mediarecorder_cpu_percent / self.cpu_percent


def run_once(streams: int, seconds: float, yardstick_seconds: float) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with front("tests.bench.whip", folder / "ours", 8099) as (_, pid):
            ours = load(pid, 8099, streams, seconds)
            takes = post(8099, "/finish")["takes"]
            rss = peak_rss_mib(pid)
        files = [folder / "ours" / "recordings" / take["take_id"] / take["file"] for take in takes if take.get("file")]
        recorded = sum(recorded_frames(path) for path in files)
        (folder / "theirs").mkdir()
        with front("tests.bench.mediarecorder", folder / "theirs", 8098) as (_, pid):
            theirs = load(pid, 8098, 1, yardstick_seconds)
            post(8098, "/finish")
    return Run(ours.cpu_percent_per_stream, theirs.cpu_percent_per_stream, ours.video_sent, recorded, rss)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--yardstick-seconds", type=float, default=15)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    console = Console()
    runs = []
    table = Table(title=f"{arguments.streams} streams of VP8 720p30 at 1.5 Mbit/s + Opus, {arguments.seconds:.0f} s")
    for title in ("run", "CPU a stream", "MediaRecorder", "ratio", "frames sent", "in the files", "peak memory"):
        table.add_column(title, justify="right")
    for number in range(arguments.runs):
        run = run_once(arguments.streams, arguments.seconds, arguments.yardstick_seconds)
        runs.append(run)
        table.add_row(
            str(number + 1), f"{run.cpu_percent:.3f} %", f"{run.mediarecorder_cpu_percent:.1f} %", f"{run.ratio:.0f} ×",
            str(run.sent), str(run.recorded), f"{run.peak_rss_mib:.0f} MiB",
        )  # fmt: skip
    console.print(table)
    ratio = statistics.median(run.ratio for run in runs)
    figures = {
        "streams": arguments.streams,
        "seconds": arguments.seconds,
        "cpu_percent_per_stream": statistics.median(run.cpu_percent for run in runs),
        "mediarecorder_cpu_percent_per_stream": statistics.median(run.mediarecorder_cpu_percent for run in runs),
        "ratio": ratio,
        "frames_sent": sum(run.sent for run in runs),
        "frames_recorded": sum(run.recorded for run in runs),
        "peak_rss_mib": max(run.peak_rss_mib for run in runs),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
    missing = figures["frames_sent"] - figures["frames_recorded"]
    console.print(f"median ratio {ratio:.0f} × (wanted: at least {LEAST_RATIO:.0f} ×), frames missing: {missing}")
    return 0 if ratio >= LEAST_RATIO and missing == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
