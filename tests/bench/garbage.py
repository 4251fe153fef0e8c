"""Datagrams that no browser sends: noise, and almost right STUN, DTLS, RTP and RTCP.

All follow from the seed. An `Intruder` knows the password of its own peer, as any candidate
does: its checks are signed, so that what it sends next is taken as far as it goes.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import uuid

from aioice import stun
from OpenSSL import SSL

from tests.bench.measure import call
from tests.recorder.offers import CHROMIUM

LARGEST_BYTES = 1600
MAGIC_COOKIE = b"\x21\x12\xa4\x42"
ATTRIBUTES = (0x0001, 0x0006, 0x0008, 0x0009, 0x0020, 0x0024, 0x0025, 0x8022, 0x8028, 0x8029, 0x802A, 0xFFFF)


def client_hello() -> bytes:
    """A first DTLS record as OpenSSL writes it."""
    connection = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    connection.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(2048)


class Intruder:
    """A peer of the server that has an address there and no good intentions."""

    def __init__(self, front_url: str, dice: random.Random, offer: str = CHROMIUM) -> None:
        self._url, self._dice = front_url, dice
        self.take_id = f"intruder-{uuid.uuid4().hex[:12]}"
        answer = call("POST", f"{front_url}?take={self.take_id}", offer.encode()).decode()
        self.ufrag = _only(r"a=ice-ufrag:(\S+)", answer)
        self._password = _only(r"a=ice-pwd:(\S+)", answer)
        self.fingerprint = _only(r"a=fingerprint:sha-256 (\S+)", answer)
        self.port = int(_only(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ host", answer))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", self.port))

    def check(self, *, odd: bool) -> bytes:
        """A signed connectivity check; an odd one carries what does not belong there."""
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=self._dice.randbytes(12))
        message.attributes["USERNAME"] = f"{self.ufrag}:4ZcD"
        message.attributes["PRIORITY"] = self._dice.getrandbits(32)
        message.attributes["USE-CANDIDATE"] = None
        if odd:
            message.attributes["ICE-CONTROLLED"] = self._dice.getrandbits(64)
            message.attributes["SOFTWARE"] = "é" * self._dice.randrange(300)
        message.add_message_integrity(self._password.encode())
        return bytes(message)

    def leave(self) -> None:
        self.socket.close()
        call("DELETE", f"{self._url}/{self.take_id}")


class Pipe:
    """A TCP connection to the worker's port, made again whenever the worker has closed it.

    Each is opened with `opening`, if there is one: a check that makes it known. One frame in 40 has a wrong length.
    """

    def __init__(self, port: int, dice: random.Random, opening: bytes = b"") -> None:
        self._port, self._dice, self._opening = port, dice, opening
        self._sock: socket.socket | None = None

    def send(self, frame: bytes) -> None:
        """Raises OSError when the worker has closed it; the next comes to a new one."""
        size = len(frame) if self._dice.random() < 0.975 else self._dice.getrandbits(16)
        try:
            sock = self._sock = self._sock or self._open()
            sock.send(struct.pack("!H", size) + frame)
        except OSError:
            self.close()
            raise

    def _open(self) -> socket.socket:
        dice = self._dice
        source = f"127.{dice.randrange(1, 250)}.{dice.randrange(1, 250)}.{dice.randrange(1, 250)}"
        sock = socket.create_connection(("127.0.0.1", self._port), 2, (source, 0))
        sock.setblocking(False)
        if self._opening:
            sock.send(struct.pack("!H", len(self._opening)) + self._opening)
        return sock

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _only(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern} in the answer")
    return found[1]


class Garbage:
    """An endless source of datagrams; `ufrag` is one that the worker knows."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._hello = client_hello()
        self._kinds = (self._noise, self._stun, self._dtls, self._hello_bent, self._rtp, self._rtcp)
        self.ufrag = ""

    def next(self) -> bytes:
        return self._dice.choice(self._kinds)()

    def _tail(self, most: int = LARGEST_BYTES) -> bytes:
        """Mostly short."""
        return self._dice.randbytes(int(most * self._dice.random() ** 4))

    def _noise(self) -> bytes:
        return self._tail()

    def _stun(self) -> bytes:
        dice = self._dice
        name = f"{self.ufrag}:4ZcD".encode() if dice.random() < 0.8 else self._tail(300)
        parts = [_attribute(0x0006, name)]
        parts += [_attribute(dice.choice(ATTRIBUTES), self._tail(64)) for _ in range(dice.randrange(6))]
        if dice.random() < 0.3:
            dice.shuffle(parts)
        body = b"".join(parts)
        length = len(body) if dice.random() < 0.8 else dice.getrandbits(16)
        return (
            struct.pack("!HH", dice.choice((1, 1, 1, 0x0101, 0x0111, 3)), length)
            + MAGIC_COOKIE
            + dice.randbytes(12)
            + body
        )

    def _dtls(self) -> bytes:
        dice, body = self._dice, self._tail(400)
        length = len(body) if dice.random() < 0.8 else dice.getrandbits(16)
        version = dice.choice((0xFEFD, 0xFEFF, 0x0303))
        return (
            struct.pack("!BHH", dice.randrange(20, 64), version, dice.choice((0, 0, 1)))
            + dice.randbytes(6)
            + struct.pack("!H", length)
            + body
        )

    def _hello_bent(self) -> bytes:
        bent = bytearray(self._hello)
        for _ in range(self._dice.randrange(4)):
            bent[self._dice.randrange(len(bent))] = self._dice.getrandbits(8)
        return bytes(bent[: self._dice.randrange(1, len(bent) + 1)] if self._dice.random() < 0.2 else bent)

    def _rtp(self) -> bytes:
        dice = self._dice
        first = 0x80 | dice.getrandbits(6)
        kind = dice.choice((96, 97, 111, 96 | 0x80, dice.getrandbits(8)))
        return struct.pack(
            "!BBHII", first, kind, dice.getrandbits(16), dice.getrandbits(32), dice.getrandbits(32)
        ) + self._tail(1300)

    def _rtcp(self) -> bytes:
        dice = self._dice
        return struct.pack(
            "!BBH", 0x80 | dice.getrandbits(6), dice.randrange(192, 224), dice.getrandbits(4)
        ) + self._tail(200)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
