"""`greenroom top` beside a real worker that records, and how little it disturbs."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recorder.control import MOST_ONLOOKERS, folder_alias, socket_path
from recorder.lines import decode, encode
from recorder.messages import Counters, Refused, Stats, Stop, TakeId
from recorder.seeing import LoopLag
from tests.bench.measure import front, post, until
from tests.ports import free_port
from tests.recorder.test_processes import A_SECOND_BYTES, WHIP, grown, parts, sending
from web.cli import main
from web.top_command import ask, tables


def top(data: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["top", "--data-dir", str(data), *options], env={"COLUMNS": "240"})


def connected(run_dir: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(5)
    with folder_alias(run_dir) as alias:
        channel.connect(str(alias / socket_path(run_dir, 0).name))
    return channel


def test_a_running_take_is_shown_and_goes_on_under_many_onlookers(tmp_path: Path) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port) as (_, pid), sending(port, 1, 30), ExitStack() as stack:
        until(lambda: grown(tmp_path, 2 * A_SECOND_BYTES), 15, "two seconds of a take")
        (part,) = parts(tmp_path)
        shown = top(tmp_path, "--once")
        assert shown.exit_code == 0
        assert "recording" in shown.output
        assert "live" in shown.output
        counters = ask(tmp_path / "run", 0)
        assert counters is not None
        (row,) = counters.peers
        assert (row["take_id"], row["phase"], row["state"]) == (part.stem, "recording", "live")
        assert int(row["packets"]) > 200
        assert 0 <= int(row["key_age_ms"]) <= 5000
        assert counters.values["live_takes"] == 1
        assert {"loop_lag_us", "loop_lag_max_us", "writer_write_us", "nacks", "plis"} <= counters.values.keys()

        onlookers = [stack.enter_context(connected(tmp_path / "run")) for _ in range(MOST_ONLOOKERS + 4)]
        until(lambda: onlookers[0].recv(1) == b"", 5, "the oldest made room")
        onlookers[-1].sendall(encode(Stop(TakeId(part.stem)), 1) + encode(Stats(), 2))
        said = onlookers[-1].makefile("rb")
        assert isinstance(decode(said.readline())[0], Refused)  # who looks on can stop nothing
        assert isinstance(decode(said.readline())[0], Counters)

        (take,) = post(port, "/finish")["takes"]
        assert (take["verdict"], take["end_reason"]) == ("good", "stopped")
        os.kill(pid, 0)


def test_rates_are_of_the_time_between_two_looks() -> None:
    row = {"peer_id": "peer", "state": "live", "packets": 100, "received_bytes": 100_000}
    before = Counters({"packets": 100}, [row])
    now = Counters({"packets": 500}, [row | {"packets": 500, "received_bytes": 475_000}])
    console_text = "".join(str(column._cells) for table in tables({0: now, 1: None}, {0: before}, 2.0).renderables
                           for column in table.columns)  # type: ignore[attr-defined]  # fmt: skip
    assert "'200'" in console_text
    assert "'1500'" in console_text
    assert "no answer" in console_text


def test_without_a_worker_there_is_a_sentence(tmp_path: Path) -> None:
    result = top(tmp_path)
    assert result.exit_code == 1
    assert "No recorder worker runs" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("late_ms", [0, 3, 250])
def test_the_lag_of_the_loop_is_forgotten_but_for_its_worst(late_ms: int) -> None:
    lag = LoopLag()
    lag.note(10.0, 10.0 + late_ms / 1000)
    assert lag.counters()["loop_lag_us"] == pytest.approx(late_ms * 1000, abs=1)
    for second in range(11, 30):
        lag.note(second, second + 0.0001)
    assert lag.counters()["loop_lag_us"] == pytest.approx(100, abs=1)
    assert lag.counters()["loop_lag_max_us"] == pytest.approx(max(late_ms * 1000, 100), abs=1)
