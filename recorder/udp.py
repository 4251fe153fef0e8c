"""The one UDP socket of a worker: datagrams in batches, told apart by their first byte.

A recorder has no latency budget and wake-ups are what costs, so the socket is not
read when it becomes readable but on a timer, until it is empty. `recvmmsg` fills
fixed slots (one system call and no Python object a packet), arrival times are the
kernel's (`SO_TIMESTAMP`), and SRTP is unprotected in the slot itself. What is known
of a slot (size, sender, time, RTP header) is unpacked by three `iter_unpack`s over all
slots, which cost less than one look each, and media goes on as one list a sender and
turn: its handler runs with warm caches, without a call a packet. The speed that needs
this ugliness is confined to this file and `rtp.py`.

Does not know what a datagram means: `Receiver` does. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Protocol

from cffi import FFI

from recorder.address import Address, open_socket
from recorder.pace import Pace
from recorder.rtp import HEAD, Head

log = logging.getLogger(__name__)

SLOTS = 256
SLOT_BYTES = 1536
SPARE_SLOT = SLOTS
"""One more than the socket fills: for packets that came another way (`tcp`)."""
LARGEST_DATAGRAM_BYTES = 1500
SMALLEST_DATAGRAM_BYTES = 2
NAME_BYTES = 32
CONTROL_BYTES = 128
ABOUT_BYTES = CONTROL_BYTES + NAME_BYTES
RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
KERNEL_BYTES_A_DATAGRAM = 2304
"""What one of a usual size takes of the receive buffer, of which the kernel gives twice what it says."""
BATCHES_A_TURN = 8
"""At most this many batches a turn, so that a flood cannot keep the loop from its timers."""

OLDEST_ARRIVAL_US = 2_000_000
LOGGED_ERRORS = 20

MMSGHDR_BYTES = 64
LENGTH_AT = 56
"""Where `msg_len` is in one."""
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMP = 29
_CMSG_HEADER_BYTES = 16
_SIZES = struct.Struct("@56xI4x")
"""`msg_len` out of a struct mmsghdr."""
_HEADS = struct.Struct(f"{HEAD.format}{SLOT_BYTES - HEAD.size}x")

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


Block = bytearray | mmap.mmap
Packet = tuple[int, int, int, Head]
"""Slot, size and arrival (µs, monotonic clock) of one RTP or RTCP packet (first byte 128–191), and its first bytes
read as `rtp.HEAD`, whatever they are: a packet shorter than that leaves some of the one before it there."""
MediaHandler = Callable[[list[Packet]], None]
"""Takes what came from one sender, in order; their slots are good until it returns."""


def new_block(slots: int) -> mmap.mmap:
    """Memory for so many slots; unlike a bytearray's, its slices are `bytes`, and are copied once."""
    return mmap.mmap(-1, slots * SLOT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class Receiver(Protocol):
    """What a worker does with the datagrams that are not media."""

    def stun(self, message: bytes, address: Address, local: bytes, peer_key: bytes) -> None:
        """A STUN message (0–3); `local` is the address it was sent to, for the reply."""

    def dtls(self, record: bytes, peer_key: bytes) -> None:
        """A DTLS record (20–63)."""

    def failed(self, peer_key: bytes) -> None:
        """A datagram from there raised: it ends that peer, and no other."""


class UdpPort:
    """One bound socket with its slots. `block` is the memory of all slots, `SLOT_BYTES` apart; `headers` the
    kernel's headers of them, with `lengths`, the sizes, which libsrtp changes when it unprotects a slot.

    `routes` holds the media handler of every address that an authenticated check came
    from, by the kernel's name for it; media from elsewhere is dropped and counted.
    `wake_every_s` is how long packets may wait in the kernel, where about `room` find room; `pace` knows how many come.
    Set it lower while someone waits for an answer (a handshake). While `busy()` is false the socket is
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
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
        self.family.ask_for_destination(self.socket)

        self.block = new_block(SLOTS + 1)
        self.headers = bytearray((SLOTS + 1) * MMSGHDR_BYTES)
        self.lengths = memoryview(self.headers).cast("I")[LENGTH_AT // 4 :: MMSGHDR_BYTES // 4]
        self._abouts = bytearray(SLOTS * ABOUT_BYTES)
        key_bytes = self.family.key_bytes
        self._about = struct.Struct(
            f"@{_CMSG_HEADER_BYTES}xqq{CONTROL_BYTES - _CMSG_HEADER_BYTES - 16}x{key_bytes}s{NAME_BYTES - key_bytes}x"
        )
        self._keep = self._lay_out()
        self._fresh_headers = bytes(self.headers)

        self.wake_every_s = 0.01
        self.pace = Pace(loop.time())
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
        self.room = 2 * given // KERNEL_BYTES_A_DATAGRAM
        if given < RECEIVE_BUFFER_BYTES:
            log.warning("the kernel gives a receive buffer of %d KiB, not %d: raise net.core.rmem_max",
                        given // 1024, RECEIVE_BUFFER_BYTES // 1024)  # fmt: skip

    def _lay_out(self) -> list[Any]:
        """Points every header at its slot; returns what must stay alive with it."""
        block = _ffi.from_buffer("char[]", self.block)
        abouts = _ffi.from_buffer("char[]", self._abouts)
        headers = _ffi.from_buffer("struct mmsghdr[]", self.headers)
        if (_ffi.sizeof("struct mmsghdr"), _ffi.offsetof("struct mmsghdr", "msg_len")) != (MMSGHDR_BYTES, LENGTH_AT):
            raise OSError("this platform's struct mmsghdr is not the one this file was written for")
        vectors = _ffi.new("struct iovec[]", SLOTS)
        for slot in range(SLOTS):
            vectors[slot].iov_base = block + slot * SLOT_BYTES
            vectors[slot].iov_len = SLOT_BYTES
            header = headers[slot].msg_hdr
            header.msg_name = abouts + slot * ABOUT_BYTES + CONTROL_BYTES
            header.msg_namelen = NAME_BYTES
            header.msg_iov = vectors + slot
            header.msg_iovlen = 1
            header.msg_control = abouts + slot * ABOUT_BYTES
            header.msg_controllen = CONTROL_BYTES
        self._vector = headers
        return [block, abouts, vectors]

    def start(self) -> None:
        self._watch()

    def _watch(self) -> None:
        if not self._watching and not self._closed:
            self._watching = True
            self._loop.add_reader(self.socket.fileno(), self._first_datagram)

    def _first_datagram(self) -> None:
        self._stop_watching()
        self.turn()

    def _stop_watching(self) -> None:
        if self._watching:
            self._loop.remove_reader(self.socket.fileno())
            self._watching = False

    def turn(self) -> None:
        """Reads what is there now; the timer begins anew."""
        if self._closed:
            return
        try:
            self.read()
        except Exception:
            self.failed("a turn of the socket")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._busy():
            self._stop_watching()
            self._timer = self._loop.call_later(self.wake_every_s, self.turn)
        else:
            self._watch()

    def hurry(self, wake_every_s: float) -> None:
        """The next turn, too, is no later than this."""
        self.wake_every_s = wake_every_s
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._loop.call_later(wake_every_s, self.turn)

    def turns_within(self, seconds: float) -> bool:
        """Whether the next turn is due by then, whatever comes."""
        return self._timer is not None and self._timer.when() - self._loop.time() <= seconds

    def failed(self, what: str) -> None:
        """Counts a fault; the first few are logged whole, so that a flood of them fills no disk."""
        self.errors += 1
        if self.errors <= LOGGED_ERRORS:
            log.exception("%s failed", what)

    def read(self) -> None:
        """Reads until the socket is empty (bounded) and hands out every datagram."""
        turn = 0
        for _ in range(BATCHES_A_TURN):
            self.headers[:] = self._fresh_headers
            count = _libc.recvmmsg(self.socket.fileno(), self._vector, SLOTS, socket.MSG_DONTWAIT, _ffi.NULL)
            if count <= 0:
                break
            turn += count
            self._hand_out(count)
            if count < SLOTS:
                break
        self.datagrams += turn
        self.pace.note(turn, self._loop.time())
        if self.after_turn is not None:
            self.after_turn()
        self.largest_turn = max(self.largest_turn, turn)

    def _hand_out(self, count: int) -> None:
        routes = self.routes
        # The kernel stamps with the wall clock; one offset a batch makes it monotonic.
        now_us = time.monotonic_ns() // 1000
        offset_us = now_us - time.time_ns() // 1000
        oldest_us = now_us - OLDEST_ARRIVAL_US
        media: dict[bytes, list[Packet]] = {}
        for slot, (size,), (seconds, microseconds, key), head in zip(
            range(count),
            _SIZES.iter_unpack(self.headers),
            self._about.iter_unpack(self._abouts),
            _HEADS.iter_unpack(self.block),
            strict=False,
        ):
            if size < SMALLEST_DATAGRAM_BYTES or size > LARGEST_DATAGRAM_BYTES:
                self.bad_size += 1
            elif 127 < head[0] < 192:
                arrival_us = seconds * 1_000_000 + microseconds + offset_us
                if not oldest_us < arrival_us <= now_us:  # the wall clock was set in between
                    arrival_us = now_us
                packets = media.get(key)
                if packets is not None:
                    packets.append((slot, size, arrival_us, head))
                elif key in routes:
                    media[key] = [(slot, size, arrival_us, head)]
                else:
                    self.unknown_sender += 1
            else:
                self._hand_on(slot, size, head[0], key)
        for key, packets in media.items():
            handler = routes.get(key)
            if handler is None:  # given up by a handler before
                self.unknown_sender += len(packets)
                continue
            try:
                handler(packets)
            except Exception:
                self.failed("the handling of media")
                self._receiver.failed(key)

    def _hand_on(self, slot: int, size: int, first: int, key: bytes) -> None:
        """What is not media."""
        start = slot * SLOT_BYTES
        try:
            if first < 4:
                control = self._abouts[slot * ABOUT_BYTES : slot * ABOUT_BYTES + CONTROL_BYTES]
                address, local = self.family.address(key), self.family.destination(control)
                self._receiver.stun(bytes(self.block[start : start + size]), address, local, key)
            elif 19 < first < 64:
                self._receiver.dtls(bytes(self.block[start : start + size]), key)
            else:
                self.bad_kind += 1
        except Exception:
            self.failed("the handling of a datagram")
            self._receiver.failed(key)

    def spare(self, packet: bytes, arrival_us: int) -> Packet:
        """A packet of at most `LARGEST_DATAGRAM_BYTES` that came another way, in the spare slot."""
        size = len(packet)
        start = SPARE_SLOT * SLOT_BYTES
        self.block[start : start + size] = packet
        self.lengths[SPARE_SLOT] = size
        return SPARE_SLOT, size, arrival_us, HEAD.unpack_from(self.block, start)

    def send(self, datagram: bytes, address: Address, local: bytes) -> None:
        """From the address the peer knows us by; a full socket or a refused route only counts."""
        try:
            self.socket.sendmsg([datagram], self.family.source(local), 0, address)
        except OSError:
            self.send_errors += 1

    def close(self) -> None:
        self._closed = True
        self._stop_watching()
        if self._timer is not None:
            self._timer.cancel()
        self.socket.close()
