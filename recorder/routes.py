"""The ways by which browsers are reached, and whose each is: what `reach` believes, over UDP or TCP alike.

The table's `handlers` is what the hot path looks a sender up in; everything else here happens once a check, not once
a packet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from recorder.address import Address
from recorder.udp import MediaHandler, Packet, UdpPort

QUIET_US = 1_000_000
"""A way by which its owner sent nothing for so long may become another's."""


class Route(Protocol):
    """One way to one browser. `key` names it in the table, `address` is the browser's as we see it."""

    @property
    def key(self) -> bytes: ...

    @property
    def address(self) -> Address: ...

    def send(self, datagram: bytes) -> None:
        """Neither waits nor raises; what cannot be sent is counted."""

    def believed(self) -> None:
        """A signed check came by it."""

    def close(self) -> None:
        """Its peer has given it up."""


@dataclass(frozen=True, slots=True)
class UdpRoute:
    """`local` is the address of ours that the browser knows us by."""

    udp: UdpPort
    key: bytes
    address: Address
    local: bytes

    def send(self, datagram: bytes) -> None:
        self.udp.send(datagram, self.address, self.local)

    def believed(self) -> None:
        """Nothing is kept of a datagram's sender."""

    def close(self) -> None:
        """There is nothing to close."""


class Routes:
    """Whose each way is. `owner` is compared by identity alone."""

    def __init__(self, handlers: dict[bytes, MediaHandler]) -> None:
        self.handlers = handlers
        self._owners: dict[bytes, object] = {}
        self._watches: dict[bytes, _Watch] = {}

    def owner(self, key: bytes) -> object | None:
        return self._owners.get(key)

    def give(self, key: bytes, owner: object, handler: MediaHandler) -> None:
        """From now on what comes by it is this owner's."""
        self._watches.pop(key, None)
        self._owners[key] = owner
        self.handlers[key] = handler

    def give_up(self, key: bytes, owner: object) -> bool:
        """False if it is another's by now."""
        if self._owners.get(key) is not owner:
            return False
        self._watches.pop(key, None)
        del self._owners[key], self.handlers[key]
        return True

    def quiet(self, key: bytes, now_us: int) -> bool:
        """Whether its owner sent nothing by it for QUIET_US, as far as that is known.

        Nobody notes arrivals by the way they came: that would cost every packet. It is watched from the first
        question on, until a packet comes or the time is over; whoever asks again meanwhile learns more.
        """
        watch = self._watches.get(key)
        if watch is not None:
            return now_us - watch.since_us >= QUIET_US
        handler = self.handlers.get(key)
        if handler is None:
            return True
        watch = _Watch(now_us, handler, lambda: self._heard(key, handler))
        self._watches[key] = watch
        self.handlers[key] = watch.media
        return False

    def _heard(self, key: bytes, handler: MediaHandler) -> None:
        del self._watches[key]
        self.handlers[key] = handler


class _Watch:
    """Takes the place of a way's handler for the packets of one turn."""

    def __init__(self, since_us: int, handler: MediaHandler, heard: Callable[[], None]) -> None:
        self.since_us = since_us
        self._handler = handler
        self._heard = heard

    def media(self, packets: list[Packet]) -> None:
        self._heard()
        self._handler(packets)
