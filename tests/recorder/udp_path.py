"""A path between a sender and a recorder's UDP port that a test can cut, narrow, and move to another source port."""

from __future__ import annotations

import contextlib
import math
import random
import selectors
import socket
import threading
import time
from collections import deque
from types import TracebackType

Address = tuple[str, int]


class UdpPath:
    """Senders talk to `port` on 127.0.0.1; each is seen by the recorder from a socket of its own.

    A cut path drops both ways, all but the oldest that a queue before it has room for: that comes once it is mended.
    A moved one goes on from another source port, as behind a NAT that forgot. Of what is
    sent to the recorder a lossy one drops media packets (RFC 7983) by the dice of its seed, and a narrow one lets
    through so many bits a second in their order, holds the rest for at most `queue_s` and drops what is more.
    """

    def __init__(self, target_port: int) -> None:
        self.passed = 0
        self._target = ("127.0.0.1", target_port)
        self._cut = False
        self._room_until_s = 0.0
        self._loss = 0.0
        self._dice = random.Random(1)
        self._rate_bps = 0.0
        self._queue_s = 0.0
        self._free_at_s = 0.0
        self._held: deque[tuple[float, bytes, Address]] = deque()
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._front = self._socket()
        self.port: int = self._front.getsockname()[1]
        self._back: dict[Address, socket.socket] = {}
        self._senders: dict[socket.socket, Address] = {}
        self._open = True
        self._thread = threading.Thread(target=self._run, name="udp-path", daemon=True)
        self._thread.start()

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._selector.register(made, selectors.EVENT_READ)
        return made

    def cut(self, room_s: float = 0.0) -> None:
        self._room_until_s = time.monotonic() + room_s
        self._cut = True

    def mend(self) -> None:
        with self._lock:
            self._held = deque((0.0, datagram, sender) for _, datagram, sender in self._held)
            self._cut = False

    def lose(self, part: float) -> None:
        """From now on: 0.05 is one media packet in twenty."""
        self._loss = part

    def narrow(self, rate_bps: float, queue_s: float = 0.3) -> None:
        """From now on; a rate of 0 is as wide as before."""
        self._queue_s, self._rate_bps = queue_s, rate_bps

    def move(self) -> None:
        with self._lock:
            for back in self._back.values():
                self._selector.unregister(back)
                back.close()
            self._back.clear()
            self._senders.clear()

    def _run(self) -> None:
        while self._open:
            wait_s = max(0.0, min(0.05, self._held[0][0] - time.monotonic())) if self._held else 0.05
            for key, _ in self._selector.select(wait_s):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                with self._lock, contextlib.suppress(OSError):
                    self._read(sock)
            with self._lock:
                self._let_go()

    def _read(self, sock: socket.socket) -> None:
        while sock.fileno() >= 0:
            try:
                datagram, sender = sock.recvfrom(2000)
            except BlockingIOError:
                return
            if self._cut:
                if sock is self._front and time.monotonic() < self._room_until_s:
                    self._held.append((math.inf, datagram, sender))
                continue
            if sock is not self._front:
                self.passed += 1
                self._front.sendto(datagram, self._senders[sock])
            else:
                self._forward(datagram, sender)

    def _forward(self, datagram: bytes, sender: Address) -> None:
        """Towards the recorder: now, when its turn comes, or never."""
        now_s = time.monotonic()
        begins_s = max(now_s, self._free_at_s)
        media = bool(datagram) and 128 <= datagram[0] <= 191
        if (media and self._dice.random() < self._loss) or (self._rate_bps and begins_s - now_s > self._queue_s):
            return
        self.passed += 1
        if self._rate_bps or self._held:
            self._free_at_s = begins_s + (8 * len(datagram) / self._rate_bps if self._rate_bps else 0.0)
            self._held.append((self._free_at_s, datagram, sender))
        else:
            self._send_on(datagram, sender)

    def _let_go(self) -> None:
        while self._held and self._held[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):
                self._send_on(*self._held.popleft()[1:])

    def _send_on(self, datagram: bytes, sender: Address) -> None:
        back = self._back.get(sender)
        if back is None:
            back = self._back[sender] = self._socket()
            self._senders[back] = sender
        back.sendto(datagram, self._target)

    def close(self) -> None:
        self._open = False
        self._thread.join(5)
        self.move()
        self._front.close()
        self._selector.close()

    def __enter__(self) -> UdpPath:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
