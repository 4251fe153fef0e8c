"""Networks that lose: at random, in bursts, and in bursts that the sender does not make good.

The loss is in loadgen, at each peer's own socket (`loadgen/path.go`): the same on every machine,
while `tc netem` needs root and a kernel module that many kernels lack.

Frames of the first and the last second do not count, as loadgen's streams begin and end with the
take, which a browser's do not: nobody can know what came before the first packet that arrived, and
nothing comes after the last one that would show it to be missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.compare import Compared, Corrupt, Hole, compare, read_log, recording, seconds_played, sidecar
from tests.bench.finding import Figure, Finding
from tests.bench.measure import front, post, sending, whip_url
from tests.ports import free_port

LEAST_SHARE = 0.999
DELAY_MS = 50
LISTED_FROM_MS = 100
"""Three frames missing; fewer are no gap that anybody sees."""
PLACE_TOLERANCE_MS = 150
EDGE_MS = 1000


class Taken:
    """What became of one run: each stream's file beside its log, decoded."""

    def __init__(self, folder: Path, streams: int, seconds: float, *options: str) -> None:
        port, log = free_port(), folder / "sent.json"
        with front("tests.bench.whip", folder, port) as (_, pid):
            self.pid = pid
            with sending(whip_url(port), streams, seconds, "-log", str(log), "-linger", "1500ms", *options) as run:
                run.started()
                _, self.audio_sent = run.sent()
                run.done()
            answer = post(port, "/finish")
        self.counters: dict[str, int] = answer["counters"]
        self.takes: dict[str, dict[str, Any]] = {take["take_id"]: take for take in answer["takes"]}
        self.compared: dict[str, Compared] = {}
        self.sidecars: dict[str, dict[str, Any]] = {}
        self.corrupt: list[str] = []
        from_ms, until_ms = EDGE_MS, round(seconds * 1000) - EDGE_MS
        self.sent = self.missing = 0
        for sent in read_log(log):
            counted = sum(from_ms <= at_ms < until_ms for at_ms in sent.at_ms)
            self.sent += counted
            try:
                path = recording(folder, self.takes[sent.take_id])
                compared = compare(path, sent, from_ms, until_ms)
                seconds_played(path)
            except Corrupt as error:
                self.corrupt.append(str(error))
                self.missing += counted
            else:
                self.missing += compared.missing
                self.compared[sent.take_id] = compared
                self.sidecars[sent.take_id] = sidecar(folder, sent.take_id)

    def notes(self) -> dict[str, Any]:
        tracks = [content["packets"] for content in self.sidecars.values()]
        heard = sum(found["audio"]["received"] for found in tracks)
        return {
            "frames_sent": self.sent,
            "frames_missing": self.missing,
            "video_packets_recovered": sum(found["video"]["recovered"] for found in tracks),
            "video_packets_lost": sum(found["video"]["lost"] for found in tracks),
            "share_of_sound_that_arrived": round(heard / max(1, self.audio_sent), 4),
            "holes": [
                {"take": take_id, "frames": hole.frames, "at_ms": hole.at_ms}
                for take_id, compared in self.compared.items()
                for hole in compared.holes
            ],
            "corrupt": self.corrupt,
        }

    def corrupt_figure(self) -> Figure:
        return Figure("files with a corrupt frame", len(self.corrupt), 0)


def random_loss(folder: Path, streams: int = 20, seconds: float = 32) -> Finding:
    """5 % of the datagrams lost each way, 50 ms each way."""
    options = ("-loss", "0.05", "-delay", f"{DELAY_MS}ms", "-answer-pli")
    taken = Taken(folder, streams, seconds, *options)
    share = 1 - taken.missing / taken.sent if taken.sent else 0.0
    figures = [Figure("share of the frames in the files", share, LEAST_SHARE, at_least=True), taken.corrupt_figure()]
    return Finding("5 % loss, 50 ms each way", figures, {"streams": streams, "seconds": seconds, **taken.notes()})


def bursts(folder: Path, streams: int = 10, seconds: float = 32, every_s: float = 5, answered: bool = True) -> Finding:
    """Bursts of 300 ms in which 30 % is lost. A sender that does not answer NACKs
    loses frames in each; the key frame after them is asked for before they are given up."""
    burst_ms, every_ms = 300, round(every_s * 1000)
    options = (
        "-burst-loss", "0.3", "-burst", f"{burst_ms}ms", "-burst-every", f"{every_ms}ms",
        "-delay", f"{DELAY_MS}ms", "-answer-pli", f"-answer-nack={str(answered).lower()}",
    )  # fmt: skip
    taken = Taken(folder, streams, seconds, *options)
    holes = [(taken.sidecars[take_id], hole) for take_id, found in taken.compared.items() for hole in found.holes]
    recovery_s = max((_after_burst_ms(hole, every_ms, burst_ms) / 1000 for _, hole in holes), default=0.0)
    unlisted = [hole for content, hole in holes if not _listed(hole, content)]
    figures = [
        taken.corrupt_figure(),
        Figure("gaps that the sidecar does not list", len(unlisted), 0),
        Figure("seconds from a burst's end to whole pictures", recovery_s, 1.0),
    ]
    name = f"300 ms bursts at 30 % loss each {every_s:g} s" + ("" if answered else ", NACKs not answered")
    return Finding(name, figures, {"streams": streams, "seconds": seconds, **taken.notes()})


def _after_burst_ms(hole: Hole, every_ms: int, burst_ms: int) -> int:
    """From the end of the burst that began the hole to the first frame after it."""
    burst_end_ms = hole.at_ms // every_ms * every_ms + burst_ms
    return max(0, hole.until_ms - burst_end_ms)


def _listed(hole: Hole, content: dict[str, Any]) -> bool:
    if hole.until_ms - hole.at_ms < LISTED_FROM_MS:
        return True
    return any(
        gap["track"] == "video" and abs(gap["at_ms"] - hole.in_file_ms) <= PLACE_TOLERANCE_MS for gap in content["gaps"]
    )
