"""The worker killed at random moments: what is on disk plays, and almost to the moment."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from tests.bench.compare import Corrupt, recorded_frames, recording, seconds_played
from tests.bench.finding import Figure, Finding
from tests.bench.measure import front, sending, state, until, whip_url
from tests.ports import free_port

MOST_LOST_S = 1.5
SAFE_MS = 1000


def kills(folder: Path, times: int = 50, streams: int = 2, within_s: float = 4.0, seed: int = 1) -> Finding:
    """SIGKILL `times` times, each at a random moment of `within_s` after every take's first second was said safe."""
    dice = random.Random(seed)
    lost_s: list[float] = []
    unplayable: list[str] = []
    for number in range(times):
        _kill(folder / f"{number:03d}", streams, dice.uniform(0, within_s), lost_s, unplayable)
    figures = [
        Figure("files that do not play", len(unplayable), 0),
        Figure("seconds lost at worst", max(lost_s, default=0.0), MOST_LOST_S),
    ]
    notes = {
        "kills": times,
        "files": len(lost_s) + len(unplayable),
        "seconds_lost_on_average": sum(lost_s) / max(1, len(lost_s)),
        "unplayable": unplayable,
    }
    return Finding("SIGKILL of the worker", figures, notes)


def _kill(folder: Path, streams: int, after_s: float, lost_s: list[float], unplayable: list[str]) -> None:
    port = free_port()
    with front("tests.bench.whip", folder, port) as (_, pid), sending(whip_url(port), streams, 60) as run:
        run.started()

        def takes() -> dict[str, Any]:
            found: dict[str, Any] = state(port)["takes"]
            return found

        until(lambda: all(take["safe_ms"] >= SAFE_MS for take in takes().values()), 15, "a second of each is safe")
        time.sleep(after_s)
        killed_unix_ms = time.time_ns() // 1_000_000
        os.kill(pid, signal.SIGKILL)
        until(lambda: all(take["result"] for take in takes().values()), 30, "every take is recovered")
        for take_id, take in takes().items():
            try:
                path = recording(folder, take["result"])
                played_s = seconds_played(path)
                recorded_frames(path)
            except Corrupt as error:
                unplayable.append(f"{folder.name} {take_id}: {error}")
            else:
                lost_s.append((killed_unix_ms - take["started_unix_ms"]) / 1000 - played_s)
