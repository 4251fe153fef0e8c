"""`greenroom top`: what the recorder workers do now. Asks them over their sockets, as an onlooker; changes nothing."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from recorder.control import folder_alias, socket_path
from recorder.lines import LINE_LIMIT_BYTES, MessageMalformed, decode, encode
from recorder.messages import Counters, Stats
from web.settings import Settings
from web.terminal import CannotDo, configured

ANSWER_WITHIN_S = 2.0
_SOCKET = re.compile(r"worker-(\d{1,4})\.sock")

Answers = dict[int, Counters | None]


@click.command("top")
@click.option("--once", is_flag=True, help="Print the tables once and end, as it does where there is no terminal.")
@click.option("--every", "every_s", default=1.0, show_default=True, type=click.FloatRange(0.2, 60), help="Seconds.")
@configured
def top(settings: Settings, once: bool, every_s: float) -> None:
    """Show live what the recorder does: each worker, and each candidate's connection. Ctrl+C ends it.

    Runs beside the server, on its machine and as its user. Names no candidate.
    """
    run_dir, console = settings.data_dir / "run", Console()
    answers = _asked(run_dir)
    if not answers:
        raise CannotDo(
            f"No recorder worker runs on {settings.data_dir}. With `workers = 0` it is inside the web process, "
            "and cannot be asked."
        )
    if once or not console.is_terminal:
        console.print(tables(answers, {}, 0.0))
        return
    try:
        with Live(tables(answers, {}, 0.0), console=console, screen=True, auto_refresh=False) as live:
            while True:
                before, asked_s = answers, time.monotonic()
                time.sleep(every_s)
                answers = _asked(run_dir)
                live.update(tables(answers, before, time.monotonic() - asked_s), refresh=True)
    except KeyboardInterrupt:
        return


def _asked(run_dir: Path) -> Answers:
    """What each worker that has a socket says; None of one that does not answer."""
    if not run_dir.is_dir():
        return {}
    numbers = sorted(int(found[1]) for path in run_dir.iterdir() if (found := _SOCKET.fullmatch(path.name)))
    return {number: ask(run_dir, number) for number in numbers}


def ask(run_dir: Path, number: int) -> Counters | None:
    """A worker's counters; None when it does not answer in time."""
    deadline_s = time.monotonic() + ANSWER_WITHIN_S
    line = b""
    try:
        with folder_alias(run_dir) as alias, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(ANSWER_WITHIN_S)
            channel.connect(str(alias / socket_path(run_dir, number).name))
            channel.sendall(encode(Stats(), 1))
            while not line.endswith(b"\n") and len(line) < LINE_LIMIT_BYTES and time.monotonic() < deadline_s:
                piece = channel.recv(65536)
                if not piece:
                    return None
                line += piece
        reply, _ = decode(line)
    except (OSError, MessageMalformed):
        return None
    return reply if isinstance(reply, Counters) else None


def tables(answers: Answers, before: Mapping[int, Counters | None], elapsed_s: float) -> Group:
    """Rates are since `before`, and left out where there is none."""
    workers = Table(title="Workers")
    for name in ("", "takes", "peers", "packets/s", "packets", "lost", "recovered", "NACKs", "PLIs", "write ms",
                 "slowest", "sync ms", "lag ms", "worst"):  # fmt: skip
        workers.add_column(name, justify="right")
    peers = Table(title="Connections")
    for name in ("worker", "connection", "state", "take", "time", "safe", "kbit/s", "packets", "lost", "recovered",
                 "NACKs", "PLIs", "key s", "gaps", "sync ms"):  # fmt: skip
        peers.add_column(name, justify="left" if name in ("connection", "state", "take") else "right")
    for number, answer in answers.items():
        if answer is None:
            workers.add_row(str(number), "no answer")
            continue
        earlier = before.get(number)
        workers.add_row(str(number), *_worker(answer.values, earlier.values if earlier else None, elapsed_s))
        known = {row.get("peer_id"): row for row in earlier.peers} if earlier else {}
        for row in answer.peers:
            peers.add_row(str(number), *_peer(row, known.get(row.get("peer_id")), elapsed_s))
    return Group(workers, peers)


def _worker(now: Mapping[str, int], before: Mapping[str, int] | None, elapsed_s: float) -> list[str]:
    def number(name: str) -> int:
        return now.get(name, 0)

    return [
        *(str(number(name)) for name in ("live_takes", "live_peers")),
        _rate(number("packets"), None if before is None else before.get("packets", 0), elapsed_s, 1),
        *(str(number(name)) for name in ("packets", "packets_lost", "packets_recovered", "nacks", "plis")),
        *(
            f"{number(name) / 1000:.1f}"
            for name in ("writer_write_us", "writer_write_max_us", "writer_sync_max_us", "loop_lag_us",
                         "loop_lag_max_us")
        ),
    ]  # fmt: skip


def _peer(now: Mapping[str, Any], before: Mapping[str, Any] | None, elapsed_s: float) -> list[str]:
    def number(name: str) -> int:
        value = now.get(name, 0)
        return value if isinstance(value, int) else 0

    recording = "take_id" in now
    return [
        str(now.get("peer_id", ""))[-12:],
        str(now.get("state", "")),
        str(now.get("phase", "")),
        f"{number('elapsed_ms') / 1000:.0f}" if recording else "",
        f"{number('safe_ms') / 1000:.0f}" if recording else "",
        _rate(
            number("received_bytes"), None if before is None else before.get("received_bytes", 0), elapsed_s, 8 / 1000
        ),
        *(str(number(name)) for name in ("packets", "packets_lost", "packets_recovered", "nacks", "plis")),
        f"{number('key_age_ms') / 1000:.1f}" if number("key_age_ms") >= 0 else "",
        str(number("gaps")) if recording else "",
        f"{number('sync_offset_us') / 1000:.0f}" if recording else "",
    ]


def _rate(now: int, before: int | None, elapsed_s: float, unit: float) -> str:
    return "" if before is None or elapsed_s <= 0 else f"{max(0, now - before) * unit / elapsed_s:.0f}"
