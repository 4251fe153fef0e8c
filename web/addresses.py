"""Network addresses: the client's own behind a proxy, and those the recorder advertises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import ifaddr
from aiohttp.web import BaseRequest

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
    found = interface_addresses(interfaces)
    if not found:
        where = ", ".join(interfaces) or "any network interface"
        raise CannotAdvertise(f"No address was found on {where}. Set advertised_ips in the configuration.")
    return found


def interface_addresses(interfaces: Sequence[str]) -> tuple[str, ...]:
    """Addresses of the named interfaces (all when none is named); link-local IPv6 is left out,
    since a browser cannot reach it without a zone. Loopback comes last: it serves this machine alone.
    Raises CannotAdvertise for an unknown name."""
    adapters = list(ifaddr.get_adapters())
    unknown = set(interfaces) - {adapter.nice_name for adapter in adapters}
    if unknown:
        raise CannotAdvertise(f"There is no network interface {', '.join(sorted(unknown))} on this machine.")
    found: dict[str, None] = {}
    for adapter in adapters:
        if interfaces and adapter.nice_name not in interfaces:
            continue
        for held in adapter.ips:
            text = held.ip if isinstance(held.ip, str) else held.ip[0]
            if not ip_address(text).is_link_local:
                found[text] = None
    return tuple(sorted(found, key=lambda text: ip_address(text).is_loopback))


async def _resolved(names: Sequence[str]) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    found: dict[str, None] = {}
    for name in names:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                entries = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError) as error:
            raise CannotAdvertise(f"advertised_ips names {name}, which cannot be resolved now ({error}).") from error
        for entry in entries:
            found[str(entry[4][0])] = None
    return tuple(found)
