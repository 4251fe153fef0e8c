"""The one UDP socket of a worker: datagrams in batches, told apart by their first byte.

A recorder has no latency budget and wake-ups are what costs, so the socket is not
read when it becomes readable but on a timer, until it is empty. `recvmmsg` fills
fixed slots (one system call and no Python object a packet), arrival times are the
kernel's (`SO_TIMESTAMPNS`), and SRTP is unprotected in the slot itself; the speed
that needs this ugliness is confined to this file and `rtp.py`.

Does not know what a datagram means: `Receiver` does. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Protocol

from cffi import FFI

from recorder.address import Address, open_socket

log = logging.getLogger(__name__)

SLOTS = 128
SLOT_BYTES = 1536
SPARE_SLOT = SLOTS
"""One more than the socket fills: for packets that came another way (`tcp`)."""
LARGEST_DATAGRAM_BYTES = 1500
SMALLEST_DATAGRAM_BYTES = 2
NAME_BYTES = 32
CONTROL_BYTES = 128
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
BATCHES_A_TURN = 16
"""At most this many batches a turn, so that a flood cannot keep the loop from its timers."""

OLDEST_ARRIVAL_NS = 2_000_000_000
LOGGED_ERRORS = 20

_MMSGHDR_BYTES = 64
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_CMSG_HEADER_BYTES = 16
_TIME = struct.Struct("@qq")

_ffi = FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen;
        struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen;
        int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags, void *timeout);
    """
)
_libc: Any = _ffi.dlopen(None)


MediaHandler = Callable[[int, int, int], None]
"""Takes the slot, the size and the arrival (ns, monotonic clock) of one RTP or RTCP packet (first byte 128–191)."""


class Receiver(Protocol):
    """What a worker does with the datagrams that are not media."""

    def stun(self, message: bytes, address: Address, local: bytes, peer_key: bytes) -> None:
        """A STUN message (0–3); `local` is the address it was sent to, for the reply."""

    def dtls(self, record: bytes, peer_key: bytes) -> None:
        """A DTLS record (20–63)."""

    def failed(self, peer_key: bytes) -> None:
        """A datagram from there raised: it ends that peer, and no other."""


class UdpPort:
    """One bound socket with its slots. `block` is the memory of all slots, `slot_bytes` apart.

    `routes` holds the media handler of every address that an authenticated check came
    from, by the kernel's name for it; media from elsewhere is dropped and counted.
    `wake_every_s` is how long packets may wait in the kernel; set it lower while
    someone waits for an answer (a handshake). While `busy()` is false the socket is
    watched for readability instead, so that a worker without peers does not wake at all.
    """

    def __init__(
        self, port: int, receiver: Receiver, busy: Callable[[], bool], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._loop = loop
        self._receiver = receiver
        self._busy = busy
        self.socket, self.family = open_socket(port)
        self.port: int = self.socket.getsockname()[1]
        self._ask_for_buffer()
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.family.ask_for_destination(self.socket)

        self.block = bytearray((SLOTS + 1) * SLOT_BYTES)
        self._names = bytearray(SLOTS * NAME_BYTES)
        self._controls = bytearray(SLOTS * CONTROL_BYTES)
        self._headers = bytearray(SLOTS * _MMSGHDR_BYTES)
        self._keep = self._lay_out()
        self._fresh_headers = bytes(self._headers)
        self._lengths = memoryview(self._headers).cast("I")

        self.wake_every_s = 0.01
        self._timer: asyncio.TimerHandle | None = None
        self._watching = False
        self._closed = False
        self.routes: dict[bytes, MediaHandler] = {}
        self.after_turn: Callable[[], None] | None = None
        self.datagrams = 0
        self.unknown_sender = 0
        self.bad_size = 0
        self.bad_kind = 0
        self.errors = 0
        self.send_errors = 0
        self.largest_turn = 0

    def _ask_for_buffer(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 2 * RECEIVE_BUFFER_BYTES:
            with contextlib.suppress(OSError):  # needs CAP_NET_ADMIN
                self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        given = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        if given < RECEIVE_BUFFER_BYTES:
            log.warning("the kernel gives a receive buffer of %d KiB, not %d: raise net.core.rmem_max",
                        given // 1024, RECEIVE_BUFFER_BYTES // 1024)  # fmt: skip

    def _lay_out(self) -> list[Any]:
        """Points every header at its slot; returns what must stay alive with it."""
        block = _ffi.from_buffer("char[]", self.block)
        names = _ffi.from_buffer("char[]", self._names)
        controls = _ffi.from_buffer("char[]", self._controls)
        headers = _ffi.from_buffer("struct mmsghdr[]", self._headers)
        if _ffi.sizeof("struct mmsghdr") != _MMSGHDR_BYTES:
            raise OSError("this platform's struct mmsghdr is not the one this file was written for")
        vectors = _ffi.new("struct iovec[]", SLOTS)
        for slot in range(SLOTS):
            vectors[slot].iov_base = block + slot * SLOT_BYTES
            vectors[slot].iov_len = SLOT_BYTES
            header = headers[slot].msg_hdr
            header.msg_name = names + slot * NAME_BYTES
            header.msg_namelen = NAME_BYTES
            header.msg_iov = vectors + slot
            header.msg_iovlen = 1
            header.msg_control = controls + slot * CONTROL_BYTES
            header.msg_controllen = CONTROL_BYTES
        self._vector = headers
        return [block, names, controls, vectors]

    def start(self) -> None:
        self._watch()

    def _watch(self) -> None:
        if not self._watching and not self._closed:
            self._watching = True
            self._loop.add_reader(self.socket.fileno(), self._first_datagram)

    def _first_datagram(self) -> None:
        self._loop.remove_reader(self.socket.fileno())
        self._watching = False
        self._turn()

    def _turn(self) -> None:
        self._timer = None
        if self._closed:
            return
        try:
            self.read()
        except Exception:
            self._failed("a turn of the socket")
        finally:
            if self._busy():
                self._timer = self._loop.call_later(self.wake_every_s, self._turn)
            else:
                self._watch()

    def _failed(self, what: str) -> None:
        """Counts a fault; the first few are logged whole, so that a flood of them fills no disk."""
        self.errors += 1
        if self.errors <= LOGGED_ERRORS:
            log.exception("%s failed", what)

    def read(self) -> None:
        """Reads until the socket is empty (bounded) and hands out every datagram."""
        turn = 0
        for _ in range(BATCHES_A_TURN):
            self._headers[:] = self._fresh_headers
            count = _libc.recvmmsg(self.socket.fileno(), self._vector, SLOTS, socket.MSG_DONTWAIT, _ffi.NULL)
            if count <= 0:
                break
            turn += count
            self._hand_out(count)
            if count < SLOTS:
                break
        self.datagrams += turn
        if self.after_turn is not None:
            self.after_turn()
        self.largest_turn = max(self.largest_turn, turn)

    def _hand_out(self, count: int) -> None:
        lengths, block, names, controls = self._lengths, self.block, self._names, self._controls
        routes = self.routes
        # The kernel stamps with the wall clock; one offset a batch makes it monotonic.
        now_ns = time.monotonic_ns()
        offset_ns = now_ns - time.time_ns()
        oldest_ns = now_ns - OLDEST_ARRIVAL_NS
        key_bytes = self.family.key_bytes
        unpack_time = _TIME.unpack_from
        for slot in range(count):
            size = lengths[slot * 16 + 14]
            if size < SMALLEST_DATAGRAM_BYTES or size > LARGEST_DATAGRAM_BYTES:
                self.bad_size += 1
                continue
            first = block[slot * SLOT_BYTES]
            name = slot * NAME_BYTES
            key = bytes(names[name : name + key_bytes])
            try:
                if 127 < first < 192:
                    handler = routes.get(key)
                    if handler is None:
                        self.unknown_sender += 1
                        continue
                    seconds, nanoseconds = unpack_time(controls, slot * CONTROL_BYTES + _CMSG_HEADER_BYTES)
                    arrival_ns = seconds * 1_000_000_000 + nanoseconds + offset_ns
                    if not oldest_ns < arrival_ns <= now_ns:  # the wall clock was set in between
                        arrival_ns = now_ns
                    handler(slot, size, arrival_ns)
                elif first < 4:
                    start = slot * SLOT_BYTES
                    control = controls[slot * CONTROL_BYTES : (slot + 1) * CONTROL_BYTES]
                    address, local = self.family.address(key), self.family.destination(control)
                    self._receiver.stun(bytes(block[start : start + size]), address, local, key)
                elif 19 < first < 64:
                    start = slot * SLOT_BYTES
                    self._receiver.dtls(bytes(block[start : start + size]), key)
                else:
                    self.bad_kind += 1
            except Exception:
                self._failed("the handling of a datagram")
                self._receiver.failed(key)

    def send(self, datagram: bytes, address: Address, local: bytes) -> None:
        """From the address the peer knows us by; a full socket or a refused route only counts."""
        try:
            self.socket.sendmsg([datagram], self.family.source(local), 0, address)
        except OSError:
            self.send_errors += 1

    def close(self) -> None:
        self._closed = True
        if self._watching:
            self._loop.remove_reader(self.socket.fileno())
            self._watching = False
        if self._timer is not None:
            self._timer.cancel()
        self.socket.close()
