"""DTLS handshakes and the SRTP keys they yield, by aiortc's RTCDtlsTransport and pylibsrtp.

The only file that touches the private members of either: the transport is driven
over a small stand-in for an ICE transport, its SRTP sessions are taken from it, and
packets are unprotected in the memory the socket wrote them to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from pylibsrtp import Error as SrtpError
from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from recorder.udp import LENGTH_AT, MMSGHDR_BYTES, SLOT_BYTES, UdpPort

HANDSHAKE_TIMEOUT_S = 15.0
RECORDS_WAITING = 32
STRONG_DIGESTS = ("sha-256", "sha-384", "sha-512")


class HandshakeFailed(Exception):
    """The browser and we hold no common keys; `str` says why."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    algorithm: str
    value: str


class Certificate:
    """A worker's own, self-signed for its life: its fingerprint in the answer is what vouches for it (RFC 8122)."""

    def __init__(self) -> None:
        self.inner = RTCCertificate.generateCertificate()
        strong = next(item for item in self.inner.getFingerprints() if item.algorithm == "sha-256")
        self.fingerprint = Fingerprint(strong.algorithm, strong.value)


class Slots:
    """Where libsrtp finds the slots of a socket's block, and their sizes, which it changes."""

    def __init__(self, udp: UdpPort) -> None:
        self._block = ffi.from_buffer("char[]", udp.block)
        self._headers = ffi.from_buffer("char[]", udp.headers)
        slots = range(len(udp.lengths))
        self.pointers: list[Any] = [self._block + slot * SLOT_BYTES for slot in slots]
        self.sizes: list[Any] = [ffi.cast("int *", self._headers + slot * MMSGHDR_BYTES + LENGTH_AT) for slot in slots]


class SrtpKeys:
    """Both directions of one peer's SRTP.

    `unprotect` and `unprotect_control` are called with a slot's pointer and the pointer to its size, decrypt the
    slot in place and shorten the size; what they return is not 0 for a packet that is forged or was there before.
    They are libsrtp's own functions: a Python call around each packet costs a third of what it does.
    """

    def __init__(self, inbound: Session, outbound: Session, slots: Slots) -> None:
        self._inbound, self._outbound = inbound, outbound
        self.pointers, self.sizes = slots.pointers, slots.sizes
        context = inbound._srtp[0]
        self.unprotect: Callable[[Any, Any], int] = partial(lib.srtp_unprotect, context)
        self.unprotect_control: Callable[[Any, Any], int] = partial(lib.srtp_unprotect_rtcp, context)

    def protect_control(self, packet: bytes) -> bytes | None:
        """An RTCP packet ready to send; None when libsrtp refuses."""
        try:
            protected: bytes = self._outbound.protect_rtcp(packet)
        except (SrtpError, ValueError):
            return None
        return protected


class _IceStandIn:
    """What RTCDtlsTransport wants of an ICE transport; records beyond the bound are dropped, DTLS repeats itself."""

    role = "controlled"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_now = send
        self.records: asyncio.Queue[bytes] = asyncio.Queue(RECORDS_WAITING)
        self.dropped = 0

    async def _send(self, record: bytes) -> None:
        self._send_now(record)

    async def _recv(self) -> bytes:
        return await self.records.get()


class Handshake:
    """One peer's DTLS, as its server (RFC 5763 §5, `a=setup:passive`).

    `feed` takes records as they arrive, before, during and after `run`; `closed` is
    called once when the browser ends the association.
    """

    def __init__(
        self,
        certificate: Certificate,
        fingerprints: Sequence[Fingerprint],
        send: Callable[[bytes], None],
        closed: Callable[[], None],
    ) -> None:
        self._ice = _IceStandIn(send)
        self._closed = closed
        self._remote = RTCDtlsParameters(
            fingerprints=[RTCDtlsFingerprint(item.algorithm, item.value) for item in fingerprints], role="client"
        )
        self._transport = RTCDtlsTransport(self._ice, [certificate.inner])  # type: ignore[arg-type]
        self._transport._set_role("server")
        self._transport.on("statechange", self._changed)

    def feed(self, record: bytes) -> None:
        try:
            self._ice.records.put_nowait(record)
        except asyncio.QueueFull:
            self._ice.dropped += 1

    async def run(self, slots: Slots) -> SrtpKeys:
        """The keys, once the browser has proved the fingerprint of its offer. Raises HandshakeFailed."""
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await self._transport.start(self._remote)
        except TimeoutError as error:
            raise HandshakeFailed("no answer in time") from error
        if self._transport.state != "connected":
            raise HandshakeFailed(f"the transport is {self._transport.state}")
        return SrtpKeys(self._transport._rx_srtp, self._transport._tx_srtp, slots)

    def _changed(self) -> None:
        if self._transport.state == "closed":
            self._closed()

    async def close(self) -> None:
        """Says goodbye to the browser and ends the transport's task."""
        task = self._transport._task
        self._transport.remove_all_listeners()
        await self._transport.stop()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
