"""Several workers: one is killed, and what the others record does not lose a frame."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

from tests.bench.compare import Corrupt, compare, read_log, recorded_frames, recording, seconds_played
from tests.bench.fault_kill import MOST_LOST_S, SAFE_MS
from tests.bench.finding import Figure, Finding
from tests.bench.measure import front, post, sending, state, until, whip_url
from tests.ports import free_port


def one_worker_dies(folder: Path, workers: int = 3, streams: int = 12, calm_s: float = 5.0) -> Finding:
    """As many come back as the dead worker had, while the others go on."""
    port, logs = free_port(), {name: folder / f"{name}.json" for name in ("first", "back")}
    lost = streams // workers
    with front("tests.bench.whip", folder, port, "--workers", str(workers)) as _:
        url = whip_url(port)
        with sending(url, streams, 3 * calm_s + 3, "-name", "first", "-log", str(logs["first"])) as run:
            run.started()
            until(lambda: all(take["safe_ms"] >= SAFE_MS for take in state(port)["takes"].values()), 15, "a second")
            time.sleep(calm_s)
            before = state(port)
            spread = Counter(take["worker"] for take in before["takes"].values())
            victim = min(spread)
            own = {take_id for take_id, take in before["takes"].items() if take["worker"] == victim}
            killed_ms = time.time_ns() // 1_000_000
            os.kill(before["pids"][str(victim)], signal.SIGKILL)
            with sending(url, lost, calm_s + 1, "-name", "back", "-log", str(logs["back"])) as back:
                back.started()
                back_after_s = time.time() - killed_ms / 1000
                back.sent()
                post(port, "/finish?of=back")  # at once: from now on it only answers requests
                back.done()
            after = state(port)
            run.sent()
            run.done()
        takes = {take["take_id"]: take for take in post(port, "/finish")["takes"]}
    others_missing = back_missing = unplayable = 0
    touched = []
    lost_s = [0.0]
    for sent in (*read_log(logs["first"]), *read_log(logs["back"])):
        take = takes[sent.take_id]
        try:
            if sent.take_id in own:
                lost_s.append((killed_ms - take["started_unix_ms"]) / 1000 - seconds_played(recording(folder, take)))
                recorded_frames(recording(folder, take))
                continue
            missing = compare(recording(folder, take), sent).missing
            back_missing += missing if sent.take_id.startswith("back") else 0
            others_missing += missing if sent.take_id.startswith("first") else 0
            if take["recovered"] or take["verdict"] != "good":
                touched.append(f"{sent.take_id}: {take['verdict']} {take['reasons']}")
        except Corrupt:
            unplayable += 1
    others = [number for number in before["pids"] if number != str(victim)]
    figures = [
        Figure("takes of the busiest worker beyond an even share", max(spread.values()) - lost, 0),
        Figure("other workers that died", sum(after["pids"][each] != before["pids"][each] for each in others), 0),
        Figure("frames missing of others' takes", others_missing, 0),
        Figure("takes of others that were touched", len(touched), 0),
        Figure("files that do not play", unplayable, 0),
        Figure("seconds lost at worst of its own takes", max(lost_s), MOST_LOST_S),
        Figure("frames missing of those who came back", back_missing, 0),
    ]
    notes = {
        "workers": workers,
        "streams": streams,
        "takes_of_the_dead": len(own),
        "back_after_s": round(back_after_s, 2),
        "touched": touched,
    }
    return Finding(f"one of {workers} workers killed", figures, notes)
