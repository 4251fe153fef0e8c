"""Takes are finished below everything else, and patiently."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recorder import finishers
from recorder.chain import Chain
from recorder.finishers import NICE, Finishers
from recorder.messages import Arm, EndReason, PeerId, TakeId, TakeResult, Verdict
from recorder.mux import MuxClosed

ORDER = Arm(TakeId("take"), PeerId("peer"), "/nowhere", 0, 1000, 1)
RESULT = TakeResult(ORDER.take_id, Verdict.GOOD, [], EndReason.STOPPED)


@pytest.fixture
def closed() -> Future[MuxClosed]:
    made: Future[Any] = Future()
    made.set_result(SimpleNamespace(fault=None, lock=None))
    return made


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Finishers]:
    made = Finishers(Chain(tmp_path))
    yield made
    made.close()


async def test_the_threads_that_finish_give_way_and_the_others_do_not(
    subject: Finishers, closed: Future[MuxClosed], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def finish(folder: Path, take_id: TakeId, facts: object, lock: object, chain: object) -> TakeResult:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return RESULT

    monkeypatch.setattr(finishers, "finish", finish)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert await subject.finish(ORDER, closed, lambda _: SimpleNamespace()) is RESULT  # type: ignore[arg-type,return-value]
    assert seen == [NICE]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before < NICE


async def test_a_slow_disk_is_said_and_waited_for_and_one_that_hangs_is_given_up(
    subject: Finishers, closed: Future[MuxClosed], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go = threading.Event()

    def finish(*_: object, **chain: object) -> TakeResult:
        go.wait(5)
        return RESULT

    monkeypatch.setattr(finishers, "finish", finish)
    monkeypatch.setattr(finishers, "SLOW_S", 0.02)
    threading.Timer(0.2, go.set).start()
    assert await subject.finish(ORDER, closed, lambda _: SimpleNamespace()) is RESULT  # type: ignore[arg-type,return-value]
    assert "finishing it takes long" in caplog.text

    go.clear()
    monkeypatch.setattr(finishers, "LONGEST_S", 0.05)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await subject.finish(ORDER, closed, lambda _: SimpleNamespace())  # type: ignore[arg-type,return-value]
    assert time.monotonic() - began < 4
    go.set()
