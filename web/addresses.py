"""Network addresses: the client's own behind a proxy, and those the recorder advertises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.web import BaseRequest

from recorder.address import interface_addresses, usable

RESOLVE_TIMEOUT_S = 5.0


class CannotAdvertise(Exception):
    """No usable address; the text is a sentence for the operator."""


def client_address(request: BaseRequest, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address of whoever asks: the last hop that is not one of our own `proxies`."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    current = request.remote or "unknown"
    while hops and _is_within(current, proxies):
        current = hops.pop()
    return current


def address_key(address: str) -> str:
    """Where failed attempts are counted: the address, or the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def _is_within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


async def advertised(names: Sequence[str], interfaces: Sequence[str]) -> tuple[str, ...]:
    """The addresses for ICE: `names` resolved now, else those of `interfaces`, else of every interface.

    Raises CannotAdvertise.
    """
    if names:
        return await _resolved(names)
    try:
        found = interface_addresses(interfaces)
    except LookupError as unknown:
        raise CannotAdvertise(f"There is no network interface {unknown.args[0]} on this machine.") from unknown
    if not found:
        where = ", ".join(interfaces) or "any network interface"
        raise CannotAdvertise(f"No address was found on {where}. Set advertised_ips in the configuration.")
    return tuple(found)


async def _resolved(names: Sequence[str]) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    found: dict[str, None] = {}
    for name in names:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                entries = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError) as error:
            raise CannotAdvertise(f"advertised_ips names {name}, which cannot be resolved now ({error}).") from error
        resolved = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        good = usable(resolved)
        if not good:
            raise CannotAdvertise(f"advertised_ips names {name} ({', '.join(resolved)}), which no browser can send to.")
        found |= dict.fromkeys(good)
    return tuple(found)
