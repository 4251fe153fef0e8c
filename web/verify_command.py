"""`greenroom verify`: whether recordings are what they were when they were made. Needs the files alone."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from recorder.verify import NothingToVerify, Report, verify
from web.settings import Settings
from web.terminal import CannotDo, configured, say

_SHOWN = 200


class CannotCheck(CannotDo):
    """Neither whole nor altered: nothing was found out."""

    exit_code = 2


@click.command("verify")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--head", default="", help="A head that was noted before: it must still be in the chain.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@configured
def verify_command(settings: Settings, path: Path | None, head: str, as_json: bool) -> None:
    """Check all recordings against their chain, offline.

    PATH is a data directory, its recordings, or an exported bundle; without it, it is the data directory of the
    configuration. Writes nothing.

    Exit code 0: whole. 1: something was altered, or is missing, extra or in another order; it is named.
    2: there is nothing that could be checked.
    """
    head = head.strip().lower()
    if head and not re.fullmatch(r"[0-9a-f]{64}", head):
        raise click.BadParameter("a head is 64 hexadecimal digits.", param_hint="--head")
    try:
        report = _with_progress(path or settings.data_dir, head, hidden=as_json)
    except (NothingToVerify, OSError) as error:
        raise CannotCheck(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(report), indent=2))
    else:
        _show(report)
    sys.exit(0 if report.whole else 1)


def _with_progress(path: Path, head: str, *, hidden: bool) -> Report:
    console = Console(stderr=True)
    columns = "{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task("Reading recordings", total=None)
        return verify(path, noted_head=head, progress=lambda done, of: bar.update(task, completed=done, total=of))


def _as_json(report: Report) -> dict[str, object]:
    return {"whole": report.whole, **asdict(report), "root": str(report.root)}


def _show(report: Report) -> None:
    if report.findings:
        table = Table("What", "Where", "Why", title=Text(f"{len(report.findings)} not as recorded in {report.root}"))
        for finding in report.findings[:_SHOWN]:
            table.add_row(finding.wrong, Text(finding.what, overflow="fold"), Text(finding.detail))
        Console().print(table)
        if len(report.findings) > _SHOWN:
            say(f"{len(report.findings) - _SHOWN} more: see all with --json.")
    where = " of a bundle" if report.bundle else ""
    counts = [f"{_number(report.takes, 'take')}{where} checked", f"{report.gone} deleted in order"]
    if report.found:
        counts.append(f"{report.found} from before the chain, not proved before it")
    if report.left_out:
        counts.append(f"{report.left_out} not in this bundle")
    if report.unfinished:
        counts.append(f"{report.unfinished} under way, not checked")
    say("Nothing was altered." if report.whole else "Something was altered.", f"  {', '.join(counts)}")
    if report.after_noted_head is not None:
        say(f"  The head that was noted is in the chain; {_number(report.after_noted_head, 'link')} came after it.")
    say(f"  Head of the chain, to note elsewhere: {report.head} ({_number(report.links, 'link')})")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
