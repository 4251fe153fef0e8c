"""Whether an advertised address leads to a worker: signed checks that belong to no peer, and a reply to each.

A running worker leaves its probe's credentials in the run folder, where only the owner of the installation can read
them; whoever has them learns from a reply that this address and port reach this worker, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aioice import stun

from recorder.ice import CheckRefused, answer_check, new_credentials
from recorder.routes import Route

THEIR_UFRAG = "probe"
REPLIES_A_REFILL = 40
ASK_AGAIN_S = 0.3
LARGEST_REPLY_BYTES = 1500

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a check for one worker is signed with, and the port it goes to."""

    port: int
    ufrag: str
    password: str


class Answerer:
    """The worker's side. Keeps nothing of who asks."""

    def __init__(self, number: int) -> None:
        self.credentials = new_credentials(number)
        self._left = REPLIES_A_REFILL

    def check(self, message: bytes, route: Route) -> None:
        """Answers a check that names the probe, if it is signed, and not too many at once."""
        if self._left <= 0:
            return
        self._left -= 1
        with contextlib.suppress(CheckRefused):
            route.send(answer_check(message, self.credentials, THEIR_UFRAG, route.address).reply)

    def refill(self) -> None:
        """Every 200 ms."""
        self._left = REPLIES_A_REFILL


def _path(run_dir: Path, number: int) -> Path:
    return run_dir / f"worker-{number}.probe"


def leave(run_dir: Path, number: int, probe: Probe) -> None:
    """For `found`; readable by the owner alone. Raises OSError."""
    path = _path(run_dir, number)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(probe), file)
    fresh.replace(path)


def found(run_dir: Path, number: int) -> Probe | None:
    """What worker `number` left there last; None when there is nothing that can be read."""
    try:
        return Probe(**json.loads(_path(run_dir, number).read_text()))
    except (OSError, ValueError, TypeError):
        return None


async def answers(address: str, probe: Probe, transport: Transport, patience_s: float) -> bool:
    """Whether the worker of this probe answers at this address, asked from here. What a network does raises nothing."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{probe.ufrag}:{THEIR_UFRAG}"
    request.add_message_integrity(probe.password.encode())
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    try:
        async with asyncio.timeout(patience_s):
            with socket.socket(family, kind | socket.SOCK_NONBLOCK) as sock:
                ask = _ask_udp if transport == "udp" else _ask_tcp
                await asyncio.get_running_loop().sock_connect(sock, (address, probe.port))
                return _is_reply(await ask(sock, bytes(request)), request, probe)
    except (OSError, asyncio.IncompleteReadError):  # a timeout is an OSError, too
        return False


async def _ask_udp(sock: socket.socket, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(sock, request)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_AGAIN_S):
                return await loop.sock_recv(sock, LARGEST_REPLY_BYTES)


async def _ask_tcp(sock: socket.socket, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while True:  # a worker that was asked too much says nothing
        await loop.sock_sendall(sock, len(request).to_bytes(2, "big") + request)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_AGAIN_S):
                while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
                    more = await loop.sock_recv(sock, LARGEST_REPLY_BYTES)
                    if not more or len(received) > LARGEST_REPLY_BYTES:
                        return b""
                    received += more
                return received[2 : 2 + int.from_bytes(received[:2], "big")]


def _is_reply(message: bytes, request: stun.Message, probe: Probe) -> bool:
    try:
        reply = stun.parse_message(message)
        return (
            reply.transaction_id == request.transaction_id
            and reply.message_class is stun.Class.RESPONSE
            and reply.check_message_integrity(probe.password.encode())
        )
    except (ValueError, LookupError, struct.error):
        return False
