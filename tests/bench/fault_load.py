"""Many at once: forty streams on one worker, and fifty people who arrive within a second."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.compare import Corrupt, compare, read_log, recording, sidecar
from tests.bench.finding import Figure, Finding
from tests.bench.measure import (
    cpu_seconds,
    dropped_by_kernel,
    front,
    post,
    sending,
    state,
    waited_for_cpu_seconds,
    whip_url,
)
from tests.ports import free_port

MOST_CPU_MS = 25.0


def many(folder: Path, streams: int = 40, seconds: float = 60) -> Finding:
    """Every frame that was sent is in its file, by hash."""
    port, log = free_port(), folder / "sent.json"
    with front("tests.bench.whip", folder, port) as (_, pid):
        with sending(whip_url(port), streams, seconds, "-log", str(log)) as run:
            run.started()
            before, waited = cpu_seconds(pid), waited_for_cpu_seconds(pid)
            run.sent()
            cpu_percent = 100 * (cpu_seconds(pid) - before) / seconds
            run.done()
        dropped, waited = dropped_by_kernel(pid), waited_for_cpu_seconds(pid) - waited
        answer = post(port, "/finish")
    took = _Took(folder, log, {take["take_id"]: take for take in answer["takes"]})
    notes = {
        "seconds": seconds,
        "worker_cpu_percent": round(cpu_percent, 1),
        "worker_waited_for_cpu_percent": round(100 * waited / seconds, 1),
        "datagrams_dropped_by_the_kernel": dropped,
        "largest_turn": answer["counters"]["largest_turn"],
        **took.notes(),
    }
    return Finding(f"{streams} streams on one worker", [Figure("frames missing", took.missing, 0)], notes)


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
            came, cpu_came, waited = time.monotonic(), cpu_seconds(pid), waited_for_cpu_seconds(pid)
            options = ("-name", "arriving", "-within", f"{within_s}s", "-log", str(logs["arriving"]))
            with sending(url, arriving, calm_s / 2, *options) as after:
                after.started()
                took_s = time.monotonic() - came
                cpu_ms = 1000 * (cpu_seconds(pid) - cpu_came - usual * took_s) / arriving
                after.sent()
                waited = (waited_for_cpu_seconds(pid) - waited) / (time.monotonic() - came)
                connected = state(port)["counters"]["live_peers"] - running
                after.done()
            before.sent()
            before.done()
        dropped = dropped_by_kernel(pid)
        takes = {take["take_id"]: take for take in post(port, "/finish")["takes"]}
    ran, came_late = (_Took(folder, logs[name], takes) for name in ("running", "arriving"))
    figures = [
        Figure("peers that did not connect", arriving - connected, 0),
        Figure("ms of CPU a connection", cpu_ms, MOST_CPU_MS),
        Figure("frames missing of running takes", ran.missing, 0),
        Figure("frames missing of those who came", came_late.missing, 0),
    ]
    notes = {
        "running": running,
        "all_connected_after_s": round(took_s, 2),
        "worker_waited_for_cpu_percent": round(100 * waited, 1),
        "datagrams_dropped_by_the_kernel": dropped,
        **ran.notes(),
    }
    return Finding(f"{arriving} peers within {within_s:g} s", figures, notes)


class _Took:
    """What became of the streams of one log."""

    def __init__(self, folder: Path, log: Path, takes: dict[str, dict[str, object]]) -> None:
        self.sent = self.missing = self.lost = self.recovered = 0
        self.corrupt: list[str] = []
        for sent in read_log(log):
            self.sent += len(sent.frames)
            try:
                self.missing += compare(recording(folder, takes[sent.take_id]), sent).missing
            except Corrupt as error:
                self.missing += len(sent.frames)
                self.corrupt.append(str(error))
                continue
            packets = sidecar(folder, sent.take_id)["packets"]
            self.lost += packets["video"]["lost"]
            self.recovered += packets["video"]["recovered"]

    def notes(self) -> dict[str, object]:
        """Where frames are missing: the packets that never came, or the recorder with what came."""
        return {"frames_sent": self.sent, "packets_lost": self.lost, "packets_recovered": self.recovered,
                "corrupt": self.corrupt}  # fmt: skip
