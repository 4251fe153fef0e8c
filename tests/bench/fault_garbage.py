"""Any bytes to the UDP and TCP port, from strangers and from a peer with an address there, beside running takes."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path

from tests.bench.compare import Corrupt, compare, read_log, recording
from tests.bench.finding import Figure, Finding
from tests.bench.garbage import Garbage, Intruder, Pipe
from tests.bench.measure import front, post, rss_mib, sending, state, whip_url
from tests.ports import free_port

MOST_GROWTH_MIB = 8.0
STRANGERS = 4
CHUNK = 5_000
"""Datagrams of one intruder, before it is replaced by the next."""
WARM_SHARE = 0.2
BY_TCP = 50
"""Of so many datagrams one goes as a frame."""


def garbage(
    folder: Path,
    datagrams: int = 10_000_000,
    a_second: int = 80_000,
    streams: int = 4,
    chunk: int = CHUNK,
    seed: int = 1,
) -> Finding:
    """Memory is compared with what it was when the first fifth had been sent.

    Takes were finished by then, as these may be before the last is sent: what a first poster needs is no growth.
    """
    port, log = free_port(), folder / "sent.json"
    dice = random.Random(seed)
    source = Garbage(dice)
    strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(STRANGERS)]
    length_s = datagrams / a_second * 1.5 + 4
    with front("tests.bench.whip", folder, port) as (_, pid):
        with sending(whip_url(port), streams, 2.0) as run:
            run.done()
        post(port, "/finish")
        with sending(whip_url(port), streams, length_s, "-log", str(log)) as run:
            run.started()
            began, sent, warm_mib, refused = time.monotonic(), 0, 0.0, 0
            while sent < datagrams:
                refused += _intrude(whip_url(port), source, strangers, dice, chunk, began + sent / a_second, a_second)
                sent += chunk
                if not warm_mib and sent >= WARM_SHARE * datagrams:
                    warm_mib = rss_mib(pid)
            took_s = time.monotonic() - began
            grown_mib = rss_mib(pid) - warm_mib
            run.sent()
            run.done()
        seen = state(port)
        takes = {take["take_id"]: take for take in post(port, "/finish")["takes"]}
    for stranger in strangers:
        stranger.close()
    broken = 0
    for stream in read_log(log):
        try:
            broken += bool(compare(recording(folder, takes[stream.take_id]), stream).holes)
        except Corrupt:
            broken += 1
    text = (folder / "front.log").read_text(errors="replace")
    counters = seen["counters"]
    figures = [
        Figure("exceptions in the log", text.count("Traceback (most recent call last)"), 0),
        Figure("faults counted by the worker", counters["errors"], 0),
        Figure("deaths of the worker", int(seen["pid"] != pid), 0),
        Figure("MiB that memory grew", grown_mib, MOST_GROWTH_MIB),
        Figure("running takes with a frame missing", broken, 0),
    ]
    notes = {
        "datagrams": sent,
        "seconds": round(took_s, 1),
        "refused_by_the_socket": refused,
        "counters": {name: counters[name] for name in ("datagrams", "bad_size", "bad_kind", "unknown_sender",
                                                       "unknown_check", "records_dropped", "forged", "peers",
                                                       "tcp_frames", "tcp_connections", "tcp_thrown_out", "tcp_open")},
        "streams": streams,
    }  # fmt: skip
    return Finding(f"{datagrams:,} datagrams of garbage", figures, notes)


def _intrude(
    url: str,
    source: Garbage,
    strangers: list[socket.socket],
    dice: random.Random,
    count: int,
    began: float,
    a_second: int,
) -> int:
    """Sends `count` datagrams as if the first had been due at `began`, half of them from an address that the worker
    knows. Returns how many the local socket refused."""
    intruder = Intruder(url, dice)
    source.ufrag = intruder.ufrag
    refused = 0
    pipes = [Pipe(intruder.port, dice), Pipe(intruder.port, dice, intruder.check(odd=False))]
    try:
        intruder.socket.send(intruder.check(odd=False))
        for number in range(count):
            datagram = intruder.check(odd=True) if number % 500 == 250 else source.next()
            try:
                if number % BY_TCP == 0:
                    pipes[number // BY_TCP % 2].send(datagram)
                elif number % 2:
                    intruder.socket.send(datagram)
                else:
                    strangers[number % STRANGERS].sendto(datagram, ("127.0.0.1", intruder.port))
            except OSError:
                refused += 1
            if number % 100 == 0:
                time.sleep(max(0.0, began + number / a_second - time.monotonic()))
    finally:
        for pipe in pipes:
            pipe.close()
        intruder.leave()
    return refused
