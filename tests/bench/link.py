"""A network cable of our own: a namespace for candidates, and a pair of interfaces to it.

Janus' ICE library ignores loopback, so that whoever is compared with it is reached over
this. Needs root and iproute2; `cable` gives None where it cannot be had.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

SERVER, CANDIDATE = "198.18.0.1", "198.18.0.2"  # for measurements (RFC 2544)


@dataclass(frozen=True, slots=True)
class Cable:
    """`interface` is the server's end, at `address`; loadgen runs behind `prefix`, with `options`."""

    interface: str
    address: str
    prefix: tuple[str, ...]
    options: tuple[str, ...]


@contextlib.contextmanager
def cable() -> Iterator[Cable | None]:
    """Laid for as long as the block lasts."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        yield None
        return
    space = f"greenroom{os.getpid()}"
    ours, theirs = f"gs{os.getpid()}", f"gc{os.getpid()}"
    if not _ip("netns", "add", space):
        yield None
        return
    try:
        laid = (
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", space)
            and _ip("addr", "add", f"{SERVER}/30", "dev", ours)
            and _ip("link", "set", ours, "up")
            and _ip("-n", space, "addr", "add", f"{CANDIDATE}/30", "dev", theirs)
            and _ip("-n", space, "link", "set", theirs, "up")
        )
        yield Cable(ours, SERVER, ("ip", "netns", "exec", space), ("-if", theirs)) if laid else None
    finally:
        _ip("netns", "del", space)
        _ip("link", "del", ours)  # the namespace takes its end along, but not at once


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, timeout=10).returncode == 0
