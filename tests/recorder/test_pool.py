"""The pool against real workers: connections that break, workers that hang, greetings with events behind them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from recorder import channel
from recorder.channel import SocketChannel
from recorder.control import NICE
from recorder.lines import encode
from recorder.messages import (
    Arm,
    CallRefused,
    EndReason,
    Event,
    Hello,
    NeverStarted,
    PeerChanged,
    PeerId,
    PeerState,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeResult,
    Verdict,
    Welcome,
    WorkerLost,
    WorkerUnavailable,
)
from recorder.pool import Pool, PoolError, PoolSettings
from tests.recorder.offers import CHROMIUM

PEER, TAKE = PeerId("peer"), TakeId("take")


class Held:
    """A pool with one worker, a peer that never comes and a take that counts down for a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.pool = Pool(self.settings(), self.events.append)

    def settings(self, **other: object) -> PoolSettings:
        return PoolSettings(
            run_dir=self.folder / "run",
            recordings_dir=self.folder / "recordings",
            version="test",
            **{"udp_port": 0, "min_free_disk_bytes": 0, **other},  # type: ignore[arg-type]
        )

    def order(self, take_id: TakeId = TAKE, peer_id: PeerId = PEER) -> Arm:
        return Arm(take_id, peer_id, str(self.folder / "recordings" / "x"), 60_000, 1000, 1 << 20)

    async def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def up(self) -> bool:
        return bool(self.pool._channels())


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    made = Held(tmp_path)
    await made.pool.start()
    await made.pool.connect(PEER, CHROMIUM)
    await made.pool.arm(made.order())
    yield made
    await made.pool.stop()


async def test_a_connection_that_breaks_is_made_again_and_nothing_is_called_lost(held: Held) -> None:
    pid = held.pool.process_ids[0]
    broken = held.pool._supervisors[0].channel
    assert broken is not None
    broken._writer.transport.abort()
    await broken.closed.wait()
    await held.until(held.up)
    assert held.pool.process_ids[0] == pid
    assert held.pool.takes == {TAKE: "countdown"}
    assert not [event for event in held.events if isinstance(event, WorkerLost)]
    await held.pool.stop_take(TAKE)
    await held.until(lambda: TakeNotStarted(TAKE, NeverStarted.CANCELLED) in held.events)
    assert held.pool.takes == {}


async def test_a_take_whose_order_was_not_answered_in_time_can_be_stopped(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    await held.pool.connect(PeerId("second"), CHROMIUM)
    monkeypatch.setattr(channel, "CALL_TIMEOUT_S", 0.5)
    order = held.order(TakeId("late"), PeerId("second"))
    os.kill(held.pool.process_ids[0], signal.SIGSTOP)
    try:
        with pytest.raises(WorkerUnavailable):
            await held.pool.arm(order)
    finally:
        os.kill(held.pool.process_ids[0], signal.SIGCONT)
    monkeypatch.undo()
    await held.pool.stop_take(TakeId("late"))
    await held.until(lambda: TakeNotStarted(TakeId("late"), NeverStarted.CANCELLED) in held.events)
    await held.pool.arm(order)


async def test_a_connection_that_goes_on_with_a_take_is_made_by_the_worker_that_holds_it(tmp_path: Path) -> None:
    made = Held(tmp_path)
    made.pool = pool = Pool(made.settings(workers=2), made.events.append)
    await pool.start()
    try:
        await pool.connect(PEER, CHROMIUM)
        await pool.arm(made.order())
        holder = pool._holdings.peers[PEER]
        await pool.connect(PeerId("second"), CHROMIUM)
        assert pool._holdings.peers[PeerId("second")] != holder, "the other one had less to do"
        await pool.connect(PeerId("third"), CHROMIUM)
        await pool.connect(PeerId("back"), CHROMIUM, TAKE)
        assert pool._holdings.peers[PeerId("back")] == holder
        assert (await pool.restart(PEER, CHROMIUM.replace("4ZcD", "5ZcD"))).has_video
        with pytest.raises(CallRefused):
            await pool.restart(PeerId("nobody"), CHROMIUM)
    finally:
        await pool.stop()


async def test_a_refused_order_leaves_nothing_behind(held: Held) -> None:
    with pytest.raises(CallRefused):
        await held.pool.arm(held.order(TakeId("second")))
    assert held.pool.takes == {TAKE: "countdown"}


async def test_a_worker_that_dies_in_a_countdown_ends_it_uncharged_and_is_replaced(held: Held) -> None:
    pid = held.pool.process_ids[0]
    os.kill(pid, signal.SIGKILL)
    await held.until(lambda: held.pool.process_ids[0] != pid and held.up())
    assert [event for event in held.events if not isinstance(event, PeerChanged)] == [
        WorkerLost(0, [PEER]),
        TakeNotStarted(TAKE, NeverStarted.WORKER_DIED),
    ]
    assert PeerChanged(PEER, PeerState.GONE, "worker died") in held.events
    with pytest.raises(WorkerUnavailable):
        await held.pool.arm(held.order())


async def test_a_port_in_use_is_said_in_a_sentence(held: Held, tmp_path: Path) -> None:
    (port,) = [supervisor.port for supervisor in held.pool._supervisors.values()]
    other = Held(tmp_path / "other")
    pool = Pool(other.settings(udp_port=port), other.events.append)
    with pytest.raises(PoolError, match=f"port {port} is taken, for UDP or for TCP"):
        await pool.start()
    await pool.stop()


async def test_settings_that_changed_replace_the_worker(tmp_path: Path) -> None:
    first = Held(tmp_path)
    await first.pool.start()
    pid = first.pool.process_ids[0]
    watcher = first.pool._supervisors[0]._watcher
    assert watcher is not None
    watcher.cancel()  # a server that was killed
    second = Pool(first.settings(max_live=7), first.events.append)
    await second.start()
    assert second.process_ids[0] != pid
    await second.stop()
    await first.pool.stop()


async def test_a_worker_goes_before_other_processes_where_that_is_allowed(held: Held) -> None:
    try:
        allowed = subprocess.run(["nice", "-n", str(NICE), "nice"], capture_output=True, text=True).stdout.strip()
    except OSError:
        pytest.skip("there is no nice here")
    assert os.getpriority(os.PRIO_PROCESS, held.pool.process_ids[0]) == int(allowed)


async def test_events_right_behind_a_greeting_come_after_it() -> None:
    heard: list[str] = []
    result = TakeResult(TAKE, Verdict.GOOD, [], EndReason.LIMIT)
    ours, theirs = await _pair()
    made = SocketChannel(
        *ours, lambda event: heard.append(type(event).__name__), lambda _, welcome: heard.append(welcome.version)
    )
    welcome = Welcome("1", 1, 1, [], [])

    async def answer() -> None:
        await theirs[0].readline()
        theirs[1].write(encode(welcome, 1) + encode(TakeFinished(result)) + encode(PeerChanged(PEER, PeerState.GONE)))
        await theirs[1].drain()

    task = asyncio.create_task(answer())
    assert await made.call(Hello("1")) == welcome
    await task
    async with asyncio.timeout(5):
        while len(heard) < 3:
            await asyncio.sleep(0)
    assert heard == ["1", "TakeFinished", "PeerChanged"]
    theirs[1].close()
    await made.close()


async def _pair() -> tuple[
    tuple[asyncio.StreamReader, asyncio.StreamWriter], tuple[asyncio.StreamReader, asyncio.StreamWriter]
]:
    left, right = socket.socketpair()
    return await asyncio.open_unix_connection(sock=left), await asyncio.open_unix_connection(sock=right)
