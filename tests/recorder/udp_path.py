"""A path between a sender and a recorder's UDP port that a test can cut, mend and move to another source port."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType

Address = tuple[str, int]


class UdpPath:
    """Senders talk to `port` on 127.0.0.1; each is seen by the recorder from a socket of its own.

    A cut path drops both ways. A moved one goes on from another source port, as behind a NAT that forgot.
    """

    def __init__(self, target_port: int) -> None:
        self.passed = 0
        self.dropped = 0
        self._target = ("127.0.0.1", target_port)
        self._cut = False
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

    def cut(self) -> None:
        self._cut = True

    def mend(self) -> None:
        self._cut = False

    def move(self) -> None:
        with self._lock:
            for back in self._back.values():
                self._selector.unregister(back)
                back.close()
            self._back.clear()
            self._senders.clear()

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select(0.05):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                with self._lock, contextlib.suppress(OSError):
                    self._read(sock)

    def _read(self, sock: socket.socket) -> None:
        while sock.fileno() >= 0:
            try:
                datagram, sender = sock.recvfrom(2000)
            except BlockingIOError:
                return
            if self._cut:
                self.dropped += 1
                continue
            self.passed += 1
            if sock is not self._front:
                self._front.sendto(datagram, self._senders[sock])
                continue
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
