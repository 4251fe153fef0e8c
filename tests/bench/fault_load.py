"""Many at once: forty streams on one worker, and fifty people who arrive within a second."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.compare import Corrupt, compare, read_log, recording
from tests.bench.finding import Figure, Finding
from tests.bench.measure import cpu_seconds, free_port, front, post, sending, state, whip_url

MOST_CPU_MS = 25.0


def many(folder: Path, streams: int = 40, seconds: float = 60) -> Finding:
    """Every frame that was sent is in its file, by hash."""
    port, log = free_port(), folder / "sent.json"
    with front("tests.bench.whip", folder, port) as (_, pid):
        with sending(whip_url(port), streams, seconds, "-log", str(log)) as run:
            run.started()
            before = cpu_seconds(pid)
            run.sent()
            cpu_percent = 100 * (cpu_seconds(pid) - before) / seconds
            run.done()
        answer = post(port, "/finish")
    missing, sent = _missing(folder, log, {take["take_id"]: take for take in answer["takes"]})
    notes = {"frames_sent": sent, "worker_cpu_percent": round(cpu_percent, 1), "seconds": seconds,
             "largest_turn": answer["counters"].get("largest_turn", 0)}  # fmt: skip
    return Finding(f"{streams} streams on one worker", [Figure("frames missing", missing, 0)], notes)


def crowd(folder: Path, arriving: int = 50, running: int = 10, within_s: float = 1.0, calm_s: float = 4.0) -> Finding:
    """The CPU of a connection is what the worker used beyond its usual while they arrived."""
    port = free_port()
    logs = {name: folder / f"{name}.json" for name in ("running", "arriving")}
    with front("tests.bench.whip", folder, port) as (_, pid):
        url = whip_url(port)
        length_s = 2 * calm_s + within_s + 3
        with sending(url, running, length_s, "-name", "running", "-log", str(logs["running"])) as before:
            before.started()
            time.sleep(calm_s / 2)
            began, cpu_began = time.monotonic(), cpu_seconds(pid)
            time.sleep(calm_s / 2)
            usual = (cpu_seconds(pid) - cpu_began) / (time.monotonic() - began)
            came, cpu_came = time.monotonic(), cpu_seconds(pid)
            options = ("-name", "arriving", "-within", f"{within_s}s", "-log", str(logs["arriving"]))
            with sending(url, arriving, calm_s / 2, *options) as after:
                after.started()
                took_s = time.monotonic() - came
                cpu_ms = 1000 * (cpu_seconds(pid) - cpu_came - usual * took_s) / arriving
                after.sent()
                connected = state(port)["counters"]["live_peers"] - running
                after.done()
            before.sent()
            before.done()
        takes = {take["take_id"]: take for take in post(port, "/finish")["takes"]}
    figures = [
        Figure("peers that did not connect", arriving - connected, 0),
        Figure("ms of CPU a connection", cpu_ms, MOST_CPU_MS),
        Figure("frames missing of running takes", _missing(folder, logs["running"], takes)[0], 0),
        Figure("frames missing of those who came", _missing(folder, logs["arriving"], takes)[0], 0),
    ]
    notes = {"running": running, "all_connected_after_s": round(took_s, 2)}
    return Finding(f"{arriving} peers within {within_s:g} s", figures, notes)


def _missing(folder: Path, log: Path, takes: dict[str, dict[str, object]]) -> tuple[int, int]:
    """How many frames are missing, or not what was sent, and how many were sent."""
    missing = sent_frames = 0
    for sent in read_log(log):
        sent_frames += len(sent.frames)
        try:
            missing += compare(recording(folder, takes[sent.take_id]), sent).missing
        except Corrupt:
            missing += len(sent.frames)
    return missing, sent_frames
