"""Several workers in real processes: who comes where, what when all are full, and those that are not to go on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from recorder import channel, control, retiring, supervisor
from recorder.messages import (
    Arm,
    Event,
    OfferProblem,
    OfferRefused,
    PeerId,
    TakeId,
    TakeNotStarted,
    WorkerLost,
    WorkerUnavailable,
)
from recorder.pool import Pool, PoolSettings
from tests.ports import free_ports
from tests.recorder.offers import CHROMIUM

WORKERS = 3


class House:
    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.first_port = free_ports(WORKERS)
        self.events: list[Event] = []
        self.given: dict[str, Any] = {"workers": workers, "max_live": 8, "udp_port": self.first_port}
        self.pool = self.another()

    def another(self, **changed: Any) -> Pool:
        settings = PoolSettings(
            run_dir=self.folder / "run",
            recordings_dir=self.folder / "recordings",
            version="test",
            min_free_disk_bytes=0,
            advertised_ips=("127.0.0.1",),
            **{**self.given, **changed},
        )
        return Pool(settings, self.events.append)

    async def come(self, name: str) -> tuple[int, int]:
        """A new peer: the number its ufrag starts with, and the worker's that its port is of."""
        answer = (await self.pool.connect(PeerId(name), CHROMIUM)).answer_sdp
        ufrag, port = re.search(r"a=ice-ufrag:(\d+)x", answer), re.search(r"127\.0\.0\.1 (\d+) typ host", answer)
        assert ufrag is not None and port is not None
        return int(ufrag[1]), int(port[1]) - self.first_port

    async def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def crash(self) -> None:
        """The server is killed: it says nothing to its workers any more."""
        for each in self.pool._supervisors.values():
            assert each._watcher is not None and each.channel is not None
            each._watcher.cancel()
            each.channel._writer.transport.abort()


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    made = House(tmp_path, getattr(request, "param", WORKERS))
    await made.pool.start()
    yield made
    await made.pool.stop()


async def test_peers_are_spread_until_all_are_full_and_a_dead_workers_place_is_not_given_away(house: House) -> None:
    came = [await house.come(f"peer-{number}") for number in range(6)]
    assert [ufrag for ufrag, _ in came] == [number for _, number in came], "the ufrag names the worker"
    assert Counter(number for _, number in came) == {0: 2, 1: 2, 2: 2}

    # Eight places in all: the workers have three, three and two.
    assert {(await house.come(f"late-{number}"))[1] for number in range(2)} == {0, 1}
    with pytest.raises(OfferRefused) as refused:
        await house.come("too late")
    assert refused.value.reason is OfferProblem.BUSY
    await house.pool.disconnect(PeerId("peer-2"))
    assert (await house.come("in its place"))[1] == 2

    # A killed one takes nobody along but its own, and who comes back meanwhile finds another, or is told to wait.
    order = Arm(TakeId("take"), PeerId("peer-1"), str(house.folder / "recordings" / "x"), 60_000, 1000, 1 << 20)
    await house.pool.arm(order)
    pid = house.pool.process_ids[0]
    os.kill(pid, signal.SIGKILL)
    await house.until(lambda: any(isinstance(event, WorkerLost) for event in house.events))
    (lost,) = [event for event in house.events if isinstance(event, WorkerLost)]
    assert (lost.worker, sorted(lost.peer_ids)) == (0, ["late-0", "peer-0", "peer-3"])
    assert house.pool.takes == {TakeId("take"): "countdown"} and house.pool.worker_of(TakeId("take")) == 1
    await house.until(lambda: house.pool.process_ids[0] != pid and len(house.pool._channels()) == WORKERS)
    assert {(await house.come(f"back-{number}"))[1] for number in range(3)} == {0}
    assert not [event for event in house.events if isinstance(event, TakeNotStarted)]


async def test_a_worker_that_does_not_answer_is_passed_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "CALL_TIMEOUT_S", 0.5)
    pid = house.pool.process_ids[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert (await house.come("first"))[1] == 1
        asked = AsyncMock(side_effect=WorkerUnavailable)
        with monkeypatch.context() as patch:
            patch.setattr(house.pool._channels()[0], "call", asked)
            came = [(await house.come(f"next-{number}"))[1] for number in range(4)]
        assert came == [2, 1, 2, 1] and not asked.called
    finally:
        os.kill(pid, signal.SIGCONT)
    await house.until(lambda: not house.pool._channels()[0].silent)
    assert (await house.come("later"))[1] == 0


@pytest.mark.parametrize("house", [1], indirect=True)
async def test_a_worker_that_hangs_is_killed_and_replaced(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.come("peer")
    watched, pid = house.pool._supervisors[0], house.pool.process_ids[0]
    before = watched.channel
    assert before is not None
    monkeypatch.setattr(supervisor, "ASK_EVERY_S", 0.05)
    before._writer.transport.abort()  # the wait that runs now is of before
    await house.until(lambda: watched.channel is not before)
    monkeypatch.setattr(channel, "CALL_TIMEOUT_S", 0.1)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(supervisor, "RECONNECT_S", 0.1)
    await house.until(lambda: WorkerLost(0, ["peer"]) in house.events)
    monkeypatch.setattr(channel, "CALL_TIMEOUT_S", 5.0)
    await house.until(lambda: house.pool.process_ids[0] != pid)


@pytest.mark.parametrize("house", [2], indirect=True)
async def test_workers_that_are_too_many_for_the_next_server_end(house: House) -> None:
    pids = house.pool.process_ids
    house.crash()
    house.pool = house.another(workers=1, max_live=4)  # its one worker keeps its share, and so is adopted
    await house.pool.start()
    assert house.pool.process_ids == {0: pids[0]}
    assert retiring.running(house.folder / "run") == [0]


async def test_a_worker_that_still_finishes_is_waited_for_after_its_socket_is_gone(tmp_path: Path) -> None:
    lock = control.lock_path(tmp_path, 5)
    program = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=True); time.sleep(0.5)"
    )
    finishing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(lock), stdout=asyncio.subprocess.PIPE
    )
    assert finishing.stdout is not None
    await finishing.stdout.readline()
    assert retiring.running(tmp_path) == [5]
    await retiring.retire(tmp_path, 5, 10.0)
    assert control.lock_is_free(tmp_path, 5) and retiring.running(tmp_path) == []
    assert await finishing.wait() == 0, "it was not killed"


@pytest.mark.parametrize("house", [1], indirect=True)
async def test_a_worker_of_another_version_that_hangs_is_killed_and_replaced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, pid = house.folder / "run", house.pool.process_ids[0]
    assert control.lock_holder(run, 0) == pid and control.lock_holder(run, 7) is None
    house.crash()
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(channel, "CALL_TIMEOUT_S", 0.2)
    await retiring.retire(run, 0, 0.2)
    assert control.lock_is_free(run, 0)
    house.pool = house.another()
    await house.pool.start()
    assert house.pool.process_ids[0] != pid
