"""ICE-TCP passive candidates (RFC 6544) on the worker's port number, for networks without UDP; RFC 4571 framing.

A frame goes the way of a datagram: STUN, DTLS or media by its first byte, media in the slot that is reserved for it.
Nothing here waits for a client. One that nobody vouches for in a few seconds is closed, one that sends more than it may
is not read for a while, one that does not read loses its feedback and then its connection; how many there may be is
bounded, in all and for each neighbourhood.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections import Counter
from ipaddress import IPv6Network, ip_address
from typing import Protocol, cast

from recorder.address import Address, plain
from recorder.routes import Route
from recorder.udp import LARGEST_DATAGRAM_BYTES, SMALLEST_DATAGRAM_BYTES, UdpPort

MOST_CONNECTIONS = 1024
MOST_STRANGERS = 256
"""Connections by which no signed check came yet. One more, and the oldest of them is closed."""
MOST_STRANGERS_NEARBY = 32
"""Of these from one address (one /64 of IPv6); one more is refused."""
STRANGER_US = 5_000_000
STRANGER_BYTES = 8 * 1024
STRANGER_FRAMES_A_TICK = 100
"""Before it is believed, a browser sends a check now and then."""
IDLE_US = 60_000_000
"""A known connection without a whole frame for so long is not used."""
UNREAD_US = 10_000_000
FRAMES_A_TICK = 2_000
FRAMES_A_READ_COSTS = 5
"""So who dribbles bytes is read a few hundred times a tick; what a browser sends meanwhile comes in one read then."""
TURN_S = 0.002
UDP_TURN_S = 0.010
"""A turn of the socket that is due by then does for what came by TCP, too."""
READ_BYTES = 16 * 1024
WRITE_BYTES = 32 * 1024
"""More than this is not kept for a client that does not read."""
KERNEL_BYTES = 256 * 1024
KERNEL_SEND_BYTES = 64 * 1024
BACKLOG = 256

_FRAME_HEADER_BYTES = 2


class Switch(Protocol):
    """What a worker does with frames that are not media, and with connections that end."""

    def checked(self, message: bytes, route: Route) -> None:
        """A STUN message (0–3)."""

    def dtls(self, record: bytes, peer_key: bytes) -> None:
        """A DTLS record (20–63)."""

    def failed(self, peer_key: bytes) -> None:
        """A frame from there raised: it ends that peer, and no other."""

    def closed(self, peer_key: bytes) -> None:
        """That connection is no more."""

    def after_turn(self) -> None:
        """Everything that came at once was handed out."""


class TcpPort:
    """One listening socket, and its connections. Raises OSError when the port is taken.

    Shares the table of media handlers and the block of slots with `udp`, whose port number it has.
    """

    def __init__(self, udp: UdpPort, switch: Switch, loop: asyncio.AbstractEventLoop) -> None:
        self.udp, self.switch, self._loop = udp, switch, loop
        self.socket = _listen(udp.port, udp.family.version)
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._strangers: dict[Connection, None] = {}
        self._nearby: Counter[str] = Counter()
        self._most = min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._numbers = 0
        self._turn: asyncio.TimerHandle | None = None
        self.connections = 0
        self.refused = 0
        self.thrown_out = 0
        self.frames = 0
        self.unsent = 0

    async def start(self) -> None:
        self._server = await self._loop.create_server(lambda: Connection(self), sock=self.socket, backlog=BACKLOG)

    async def close(self) -> None:
        """Closes every connection without a word; TCP itself says goodbye."""
        if self._server is not None:
            self._server.close()
        self.socket.close()
        for connection in list(self._connections):
            connection.close()
        if self._turn is not None:
            self._turn.cancel()

    def tick(self, now_us: int) -> None:
        """Every 200 ms at least: who may be read again, and whose time is over."""
        for connection in list(self._connections):
            try:
                connection.tick(now_us)
            except Exception:
                self.fault()
                connection.throw_out()
        self._end_turn()

    def counters(self) -> dict[str, int]:
        return {
            "tcp_open": len(self._connections),
            "tcp_connections": self.connections,
            "tcp_refused": self.refused,
            "tcp_thrown_out": self.thrown_out,
            "tcp_frames": self.frames,
            "tcp_unsent": self.unsent,
        }

    # What connections call.

    def new_key(self) -> bytes:
        """Of another length than the kernel's names of UDP senders."""
        self._numbers += 1
        return b"tcp:" + self._numbers.to_bytes(8, "big")

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more stranger."""
        self.connections += 1
        near = _neighbourhood(connection.address)
        if self._nearby[near] >= MOST_STRANGERS_NEARBY:
            self.refused += 1
            return False
        if len(self._strangers) >= MOST_STRANGERS or len(self._connections) >= self._most:
            oldest = next(iter(self._strangers), None)
            if oldest is None:
                self.refused += 1
                return False
            oldest.throw_out()
        self._connections.add(connection)
        self._strangers[connection] = None
        self._nearby[near] += 1
        return True

    def known(self, connection: Connection) -> None:
        """No stranger any more."""
        if connection in self._strangers:
            del self._strangers[connection]
            near = _neighbourhood(connection.address)
            self._nearby[near] -= 1
            if not self._nearby[near]:
                del self._nearby[near]

    def forget(self, connection: Connection) -> None:
        self.known(connection)
        self._connections.discard(connection)

    def handed_out(self) -> None:
        """What came at once was; what waits for the end of a turn is done soon, once for all that is read till then."""
        if self._turn is None and not self.udp.turns_within(UDP_TURN_S):
            self._turn = self._loop.call_later(TURN_S, self._end_turn)

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        try:
            self.switch.after_turn()
        except Exception:
            self.fault()

    def fault(self) -> None:
        self.udp.failed("the handling of frames")


class Connection(asyncio.BufferedProtocol):
    """One client. A `Route` of the peer that its checks name; a stranger until then."""

    def __init__(self, port: TcpPort) -> None:
        self.key = port.new_key()
        self.address: Address = ("", 0)
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._stranger = True
        self._read_bytes = 0
        self._frames_left = STRANGER_FRAMES_A_TICK
        self._paused = False
        self._heard = True
        self._heard_us = self._unread_since_us = 0
        self._born_us = 0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.address = transport.get_extra_info("peername") or ("", 0)
        if not self._port.admit(self):
            self.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Everybody's: what was read is handed out before anything else is read."""
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._read_bytes += nbytes
        self._frames_left -= FRAMES_A_READ_COSTS
        try:
            self._read(self._rest + self._port.buffer[:nbytes])
        except Exception:
            self._port.fault()
            self._port.switch.failed(self.key)
            self.throw_out()
        self._port.handed_out()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._port.forget(self)
        self._port.switch.closed(self.key)

    # Frames.

    def _read(self, received: bytes) -> None:
        position, end = 0, len(received)
        arrival_us = time.monotonic_ns() // 1000
        while end - position >= _FRAME_HEADER_BYTES and self._transport is not None:
            size = received[position] << 8 | received[position + 1]
            begin = position + _FRAME_HEADER_BYTES
            if size > LARGEST_DATAGRAM_BYTES or 0 < size < SMALLEST_DATAGRAM_BYTES:
                self._port.udp.bad_size += 1
                self.throw_out()
                return
            if begin + size > end:
                break
            position = begin + size
            self._frames_left -= 1
            if size:  # an empty frame means nothing (RFC 4571 §2)
                self._heard = True
                self._frame(received[begin:position], arrival_us)
        self._rest = received[position:]
        if self._stranger and self._read_bytes > STRANGER_BYTES:
            self.throw_out()
        elif self._frames_left <= 0 and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _frame(self, frame: bytes, arrival_us: int) -> None:
        port, first = self._port, frame[0]
        port.frames += 1
        if first < 4:
            port.switch.checked(frame, self)
        elif self._stranger:  # before a check, a browser sends nothing else
            port.udp.unknown_sender += 1
            self.throw_out()
        elif 127 < first < 192:
            handler = port.udp.routes.get(self.key)
            if handler is None:
                port.udp.unknown_sender += 1
                return
            handler([port.udp.spare(frame, arrival_us)])
        elif 19 < first < 64:
            port.switch.dtls(frame, self.key)
        else:
            port.udp.bad_kind += 1

    def tick(self, now_us: int) -> None:
        transport = self._transport
        if transport is None:
            return
        self._born_us = self._born_us or now_us
        self._frames_left = STRANGER_FRAMES_A_TICK if self._stranger else FRAMES_A_TICK
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if self._heard:
            self._heard, self._heard_us = False, now_us
        if transport.get_write_buffer_size() <= WRITE_BYTES:
            self._unread_since_us = now_us
        if (
            (self._stranger and now_us - self._born_us > STRANGER_US)
            or now_us - self._heard_us > IDLE_US
            or now_us - self._unread_since_us > UNREAD_US
        ):
            self.throw_out()

    def throw_out(self) -> None:
        """Closes it: it broke a rule."""
        if self._transport is not None:
            self._port.thrown_out += 1
            self.close()

    # `Route`.

    def send(self, datagram: bytes) -> None:
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() > WRITE_BYTES:
            self._port.unsent += 1
            return
        transport.write(len(datagram).to_bytes(_FRAME_HEADER_BYTES, "big") + datagram)

    def believed(self) -> None:
        if self._stranger:
            self._stranger = False
            self._frames_left = FRAMES_A_TICK
            self._port.known(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
            self._port.forget(self)


def _listen(port: int, version: int) -> socket.socket:
    """On every address, as the UDP socket is. Raises OSError."""
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # What is accepted inherits these: the kernel keeps no more for a client, either way.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_US // 1000)
        sock.bind(("::" if version == 6 else "0.0.0.0", port))  # noqa: S104
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _neighbourhood(address: Address) -> str:
    """The address, or the /64 of an IPv6 one: a network gives its members as many of those as they like."""
    host = plain(address)[0]
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(IPv6Network((int(parsed) >> 64 << 64, 64))) if parsed.version == 6 else host
