"""`greenroom verify`, as an operator or an auditor meets it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from recorder.messages import TakeId
from tests.recorder.test_verify import flip, record
from web.cli import main


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def made(tmp_path: Path) -> Path:
    (tmp_path / "data" / "recordings").mkdir(parents=True)
    return record(tmp_path / "data" / "recordings", TakeId("take-1"))


def test_whole_recordings_are_said_to_be_with_the_head_to_note(tmp_path: Path) -> None:
    made(tmp_path)
    result = call("--data-dir", tmp_path / "data")
    assert result.exit_code == 0
    assert "Nothing was altered." in result.output
    head = result.output.split("elsewhere: ")[1].split()[0]
    assert len(head) == 64
    noted = call(tmp_path / "data", "--head", head.upper())
    assert noted.exit_code == 0
    assert "0 links came after it" in noted.output


def test_what_was_altered_is_named_and_the_exit_code_is_1(tmp_path: Path) -> None:
    media = made(tmp_path)
    flip(media)
    result = call(tmp_path / "data")
    assert result.exit_code == 1
    assert "altered" in result.output
    report = json.loads(call(tmp_path / "data", "--json").output)
    (finding,) = report["findings"]
    assert (report["whole"], finding["wrong"], finding["take_id"]) == (False, "altered", "take-1")
    assert finding["what"].endswith("take-1.webm")
    assert call(tmp_path / "data", "--head", "0" * 63 + "1").exit_code == 1


def test_what_cannot_be_checked_has_exit_code_2(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "chain.jsonl" in result.output
    assert call(tmp_path, "--head", "short").exit_code == 2
    assert list(tmp_path.iterdir()) == []
