"""A path by which a sender that speaks UDP alone reaches a recorder's TCP port: each datagram is a frame (RFC 4571)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

SO_RCVBUFFORCE = 33  # socket(7); for root, beyond what others are given
ROOM_BYTES = 4 * 1024 * 1024


class TcpPath(asyncio.DatagramProtocol):
    """The one sender talks to `port` on 127.0.0.1. A cut path has no connection, and drops what it is given.

    On a new connection the first that goes is a check, as with a browser, which makes one for its checks.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._front: Any = None
        self._sender: Any = None
        self._writer: asyncio.StreamWriter | None = None
        self._way: asyncio.Task[None] | None = None
        self._checked = False

    async def __aenter__(self) -> TcpPath:
        self._front, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        # It shares a loop with what a test does besides, and must not lose what waits for it meanwhile.
        front = self._front.get_extra_info("socket")
        front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        with contextlib.suppress(PermissionError):
            front.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES)
        self.port = self._front.get_extra_info("sockname")[1]
        self.mend()
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.cut()
        self._front.close()

    def cut(self) -> None:
        if self._way is not None:
            self._way.cancel()
            self._way = None

    def mend(self) -> None:
        self._way = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._checked = False
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                self._front.sendto(await reader.readexactly(size), self._sender)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()
            self._writer = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._sender = addr
        self._checked |= data[0] < 4
        if self._writer is not None and self._checked:
            self._writer.write(struct.pack("!H", len(data)) + data)
