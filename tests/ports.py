"""Ports of this machine for a server that a test starts: free for UDP and for TCP alike.

Not of those that the kernel gives to whoever asks for any: between the look and the server's own bind, some client of
a test beside this one might get it.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

LOWEST, HIGHEST = 10_000, 60_000


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many in sequence."""
    given_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    end = given_from if given_from > LOWEST + 1_000 else HIGHEST
    while True:
        first = random.SystemRandom().randrange(LOWEST, end - count)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    held.enter_context(socket.socket(socket.AF_INET, kind)).bind(("0.0.0.0", port))
            return first
