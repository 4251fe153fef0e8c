"""Socket addresses as the kernel writes them, and back: one dual-stack socket, or IPv4 alone.

A worker bound to every address must answer from the address it was asked at, or a
browser drops the reply (RFC 8445 §7.2.5.2.1 wants the same pair); the kernel tells
it in a control message (RFC 3542 §6) and takes it back in one.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from ipaddress import ip_address

import ifaddr

Address = tuple[str, int] | tuple[str, int, int, int]

_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
_IPV6_PKTINFO = 50
_MAPPED = b"\x00" * 10 + b"\xff\xff"
_CMSG = struct.Struct("@Qii")


class Family:
    """How one address family looks in memory; `key_bytes` of a name identify a sender."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.key_bytes = 28 if version == 6 else 8

    def ask_for_destination(self, sock: socket.socket) -> None:
        if self.version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def address(self, key: bytes) -> Address:
        port = int.from_bytes(key[2:4], "big")
        if self.version == 4:
            return socket.inet_ntop(socket.AF_INET, key[4:8]), port
        scope = int.from_bytes(key[24:28], "little")
        return socket.inet_ntop(socket.AF_INET6, key[8:24]), port, 0, scope

    def destination(self, control: bytes | bytearray) -> bytes:
        """The local address in a received packet's control messages, as `source` wants it; b"" if absent."""
        level, kind, size = (
            (socket.IPPROTO_IPV6, _IPV6_PKTINFO, 20) if self.version == 6 else (socket.IPPROTO_IP, _IP_PKTINFO, 12)
        )
        position = 0
        while position + _CMSG.size <= len(control):
            length, found_level, found_kind = _CMSG.unpack_from(control, position)
            if length < _CMSG.size:
                break
            if (found_level, found_kind) == (level, kind):
                body = bytes(control[position + _CMSG.size : position + _CMSG.size + size])
                if self.version == 6:
                    # Link-local needs the interface; elsewhere the route decides.
                    return body if body[:2] == b"\xfe\x80" else body[:16] + b"\x00" * 4
                return b"\x00" * 4 + body[4:8] + b"\x00" * 4
            position += (length + 7) & ~7
        return b""

    def source(self, local: bytes) -> list[tuple[int, int, bytes]]:
        if not local:
            return []
        if self.version == 6:
            return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, local)]
        return [(socket.IPPROTO_IP, _IP_PKTINFO, local)]


def plain(address: Address) -> tuple[str, int]:
    """Host and port as a STUN message names them: no mapped IPv4, no scope."""
    host = address[0]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return host, address[1]


def open_socket(port: int) -> tuple[socket.socket, Family]:
    """A non-blocking UDP socket on every address, both families where the kernel has IPv6. Raises OSError."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError:
        return _bind_ipv4(port)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # IPv6 is compiled in but switched off
            return _bind_ipv4(port)
        raise
    return sock, Family(6)


def _bind_ipv4(port: int) -> tuple[socket.socket, Family]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(("0.0.0.0", port))  # noqa: S104
    except OSError:
        sock.close()
        raise
    return sock, Family(4)


def interface_addresses(names: Sequence[str] = ()) -> list[str]:
    """Addresses of the named interfaces, or of all, that a browser could reach: global ones first, loopback last.

    Link-local ones are left out: their scope means nothing to another machine. So is IPv6 where the kernel has none.
    Raises LookupError with the names of which there is no interface.
    """
    adapters = list(ifaddr.get_adapters())
    unknown = set(names) - {adapter.nice_name for adapter in adapters}
    if unknown:
        raise LookupError(", ".join(sorted(unknown)))
    found: list[str] = []
    for adapter in adapters:
        if not names or adapter.nice_name in names:
            found += [entry.ip if isinstance(entry.ip, str) else entry.ip[0] for entry in adapter.ips]
    return sorted(dict.fromkeys(usable(found)), key=_remoteness)


def usable(addresses: Sequence[str]) -> list[str]:
    """Those that a worker can be reached at, as far as this machine can tell."""
    ipv6 = has_ipv6()
    parsed = {address: ip_address(address) for address in addresses}
    return [
        address
        for address, ip in parsed.items()
        if not (ip.is_link_local or ip.is_unspecified or ip.is_multicast) and (ipv6 or ip.version == 4)
    ]


def has_ipv6() -> bool:
    """Whether a socket of a worker speaks it (see `open_socket`)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", 0))
    except OSError:
        return False
    return True


def _remoteness(host: str) -> tuple[bool, bool]:
    ip = ip_address(host)
    return ip.is_loopback, ip.version == 6
