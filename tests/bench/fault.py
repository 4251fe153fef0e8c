"""`make fault`: what the recorder does when everything around it goes wrong.

Prints a table and writes build/fault.json: each case with its figures beside their bounds.
Exits 1 when a bound is missed. `--short` is what the test suite runs; `--case` names cases to run alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.fault_flood import flood
from tests.bench.fault_garbage import garbage
from tests.bench.fault_kill import kills
from tests.bench.fault_load import crowd, many
from tests.bench.fault_network import bursts, random_loss
from tests.bench.fault_workers import one_worker_dies
from tests.bench.finding import Figure, Finding
from tests.bench.measure import ROOT

Case = Callable[[Path], Finding]

CASES: dict[str, Case] = {
    "loss": random_loss,
    "bursts": bursts,
    "bursts_unanswered": partial(bursts, answered=False),
    "kill": kills,
    "garbage": garbage,
    "flood": flood,
    "workers": one_worker_dies,
    "many": many,
    "crowd": crowd,
}

SHORT: dict[str, Case] = {
    "loss": partial(random_loss, streams=2, seconds=4),
    "bursts": partial(bursts, streams=2, seconds=4, every_s=1.5),
    "bursts_unanswered": partial(bursts, streams=2, seconds=4, every_s=1.5, answered=False),
    "kill": partial(kills, times=2, within_s=1.0),
    "garbage": partial(garbage, datagrams=40_000, a_second=25_000, streams=2, chunk=4_000),
    "flood": partial(flood, seconds=1.0, streams=2, calm_s=0.3),
    "workers": partial(one_worker_dies, workers=3, streams=6, calm_s=0.3),
    "many": partial(many, streams=10, seconds=4),
    "crowd": partial(crowd, arriving=15, running=2, within_s=0.3, calm_s=1.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--case", action="append", choices=tuple(CASES))
    arguments = parser.parse_args()
    cases = SHORT if arguments.short else CASES
    console = Console()
    findings: dict[str, Finding] = {}
    loads: dict[str, float] = {}  # of others, before the case: a busy machine loses datagrams by itself
    for name in arguments.case or cases:
        console.print(f"{name} …", style="dim")
        loads[name] = round(os.getloadavg()[0], 2)
        with tempfile.TemporaryDirectory() as folder:
            try:
                findings[name] = cases[name](Path(folder))
            except Exception:
                console.print_exception()
                findings[name] = Finding(name, [Figure("runs to its end", 0, 1, at_least=True)], {})
    console.print(_table(findings))
    report = {
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "short": arguments.short,
        "cases": {
            name: {"case": finding.case, "load_average_before": loads[name], **finding.as_json()}
            for name, finding in findings.items()
        },
    }
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "fault.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(finding.kept for finding in findings.values()) else 1


def _table(findings: dict[str, Finding]) -> Table:
    table = Table(title="Faults")
    for title, justify in (("case", "left"), ("figure", "left"), ("found", "right"), ("bound", "right"), ("", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for finding in findings.values():
        for number, figure in enumerate(finding.figures):
            sign = "≥" if figure.at_least else "≤"
            table.add_row(
                finding.case if number == 0 else "", figure.name, f"{figure.value:.6g}", f"{sign} {figure.bound:g}",
                "kept" if figure.kept else "[bold red]missed[/]", end_section=number == len(finding.figures) - 1,
            )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
