"""Where a peer is reached: its ICE credentials, the addresses its checks came from, and the one it nominates.

A changed 5-tuple needs no more than a signed check from it, and an ICE restart (RFC 8445 §2.4, RFC 8839 §4.4.1.1)
no more than new credentials: keys, tracks and the take are the peer's and stay. Knows no media.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from recorder.address import Address
from recorder.ice import CheckRefused, Credentials, answer_check, local_ufrag
from recorder.udp import MediaHandler, UdpPort

log = logging.getLogger(__name__)

MOST_ADDRESSES = 8
CHECKS_A_TICK = 20
GENERATIONS = 2
"""Until the browser has our answer to a restart, it checks with the credentials of before."""


@dataclass(frozen=True, slots=True)
class _Generation:
    ours: Credentials
    their_ufrag: str


class Reach:
    """`address` is the nominated one, else the first that was believed; `heard_us` the last believed check.

    `handler` takes the media of every believed address, by the routes of `udp`.
    """

    def __init__(self, credentials: Credentials, their_ufrag: str, udp: UdpPort, handler: MediaHandler) -> None:
        self.address: Address | None = None
        self.local = b""
        self.heard_us = time.monotonic_ns() // 1000
        self._udp, self._handler = udp, handler
        self._generations = [_Generation(credentials, their_ufrag)]
        self._nominated_key = b""
        self._keys: list[bytes] = []
        self._checks_left = CHECKS_A_TICK

    @property
    def ufrags(self) -> list[str]:
        """Ours, the newest last: checks for any of them are answered."""
        return [each.ours.ufrag for each in self._generations]

    def restart(self, credentials: Credentials, their_ufrag: str) -> list[str]:
        """New credentials for the same peer; the ufrags that are ours no more."""
        self._generations.append(_Generation(credentials, their_ufrag))
        given_up = self._generations[:-GENERATIONS]
        del self._generations[:-GENERATIONS]
        return [each.ours.ufrag for each in given_up]

    def check(self, message: bytes, sender: Address, local: bytes, key: bytes, *, taken: bool) -> bool:
        """Answers a connectivity check and believes its address, if it is signed; False if it came to nothing.

        `taken` says that another peer's media arrive from there now: an address in use is not taken over.
        """
        if self._checks_left <= 0:
            return False
        self._checks_left -= 1
        ufrag = local_ufrag(message)
        generation = next((each for each in self._generations if each.ours.ufrag == ufrag), self._generations[-1])
        try:
            found = answer_check(message, generation.ours, generation.their_ufrag, sender)
        except CheckRefused as error:
            log.debug("a check from %s was refused: %s", sender, error)
            return False
        self.heard_us = time.monotonic_ns() // 1000
        if taken:
            return False
        self._udp.send(found.reply, sender, local)
        if found.nominated or self.address is None:
            self.address, self.local, self._nominated_key = sender, local, key
        if key in self._keys:
            self._keys.remove(key)
        self._keys.append(key)
        self._udp.routes[key] = self._handler
        if len(self._keys) > MOST_ADDRESSES:
            self._forget(next(item for item in self._keys if item != self._nominated_key))
        return True

    def _forget(self, key: bytes) -> None:
        """Gives an address up, unless another peer has it by now."""
        self._keys.remove(key)
        if self._udp.routes.get(key) == self._handler:
            del self._udp.routes[key]

    def send(self, datagram: bytes) -> None:
        if self.address is not None:
            self._udp.send(datagram, self.address, self.local)

    def tick(self) -> None:
        """Every 100 ms: as many checks are looked at again."""
        self._checks_left = CHECKS_A_TICK

    def close(self) -> None:
        for key in list(self._keys):
            self._forget(key)
