"""A take by TCP goes on, whole, beside clients that do with the port what no browser does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.messages import EndReason, OutageBegan
from recorder.tcp import MOST_STRANGERS_NEARBY
from tests.recorder.encoded_media import decode_strictly, sound, video
from tests.recorder.tcp_path import TcpPath
from tests.recorder.test_reconnect import Browser, Studio, check

CROWD = 200


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    video("vp8"), sound()
    found = Studio(tmp_path, advertised_ips=("127.0.0.1",), video_codecs=("vp8",), max_live=4)
    await found.worker.start()
    yield found
    found.socket.close()
    await found.worker.stop()


class Mob:
    """Every socket it opened, until it goes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._dice = random.Random(5)
        self.sockets: list[socket.socket] = []

    async def come(self, *, nearby: bool = False) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.9" if nearby else f"127.0.{self._dice.randrange(1, 99)}.{self._dice.randrange(1, 254)}", 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
        self.sockets.append(sock)
        return sock

    async def say(self, sock: socket.socket, said: bytes) -> None:
        """As much as the worker takes of it now."""
        with contextlib.suppress(OSError):
            sock.send(said)
        await asyncio.sleep(0)

    async def garbage(self, ours: tuple[str, str]) -> None:
        dice = self._dice
        for number in range(80):
            sock = await self.come()
            if number % 2:
                await self.say(sock, framed(check(ours, "4ZcD")))
            for _ in range(20):
                first = dice.choice((0, 1, 20, 22, 63, 64, 128, 144, 191, 192, 255))
                frame = bytes([first]) + dice.randbytes(dice.randrange(0, 1400))
                await self.say(sock, framed(frame) if dice.random() < 0.9 else dice.randbytes(dice.randrange(1, 4000)))
            await asyncio.sleep(0.005)

    async def half_and_huge(self, ours: tuple[str, str]) -> None:
        message = framed(check(ours, "4ZcD"))
        for number in range(40):
            sock = await self.come()
            await self.say(sock, (message[: number % len(message)], b"\xff\xff" + bytes(3000), b"\x00")[number % 3])
            if number % 4 == 0:
                sock.close()
            await asyncio.sleep(0.005)

    async def crowd(self) -> None:
        for _ in range(CROWD):
            await self.come(nearby=True)

    async def deaf(self, ours: tuple[str, str]) -> None:
        """Signed checks as fast as they are taken, and no answer is read."""
        sock = await self.come()
        message = framed(check(ours, "4ZcD"))
        for _ in range(3000):
            await self.say(sock, message * 3)

    def go(self) -> None:
        for sock in self.sockets:
            sock.close()


def framed(frame: bytes) -> bytes:
    return struct.pack("!H", len(frame)) + frame


async def test_hostile_clients_cost_a_running_take_nothing(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with TcpPath(studio.worker.udp.port) as path:
        browser = Browser(studio.worker, path)
        await studio.record(browser)
        ours = await studio.connect("hostile")
        mob = Mob(studio.worker.udp.port)
        await asyncio.gather(mob.garbage(ours), mob.half_and_huge(ours), mob.crowd(), mob.deaf(ours))
        assert studio.count("tcp_connections") > CROWD
        assert studio.count("tcp_refused") >= CROWD - MOST_STRANGERS_NEARBY
        await asyncio.sleep(1)
        result, file = await studio.finish()
        mob.go()
        await studio.until(lambda: studio.count("tcp_open") <= 1)
        await browser.close()
    assert result.end_reason is EndReason.STOPPED
    assert studio.of(OutageBegan) == []
    assert result.reasons == [] and result.elapsed_ms >= 1000
    assert decode_strictly(file)["video"] == result.video_frames >= result.elapsed_ms * 30 // 1000 - 2
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    assert studio.count("errors") == 0
    assert not [record for record in caplog.records if record.exc_info], caplog.text
