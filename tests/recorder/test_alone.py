"""A worker whose server never comes back, in real time."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from recorder.messages import TakeId
from recorder.sidecar import read_result
from tests.bench.measure import front
from tests.ports import free_port
from tests.recorder.test_processes import WHIP, parts, sending, until


@pytest.mark.long
def test_a_worker_alone_for_60_s_ends_its_takes_and_exits(tmp_path: Path) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port) as (process, pid), sending(port, 1, 120):
        until(lambda: len(parts(tmp_path)) == 1, 10, "a take is being written")
        (part,) = parts(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        began = time.monotonic()
        until(lambda: not Path(f"/proc/{pid}").exists() or gone(pid), 90, "the worker exits")
        assert time.monotonic() - began >= 59
        result = read_result(part.parent, TakeId(part.stem))
        assert result is not None and str(result.verdict) == "good"
        assert 60_000 <= result.duration_ms <= 66_000


def gone(pid: int) -> bool:
    """Whether the process is a zombie that nobody waits for."""
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()
