"""What an operator may ask of the network before a candidate meets it: are the ports ours, do the advertised addresses
lead here by UDP and by TCP, do the TURN servers know us.

Asked from this machine. Whether a firewall before it lets others through is known only outside, and said so.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import get_args

from aioice import stun, turn

from recorder import probe
from recorder.address import interface_addresses
from recorder.worker import Worker, WorkerSettings
from signaling.relays import Relay, ice_servers
from web.data_folder import AnotherServer, DataFolder, only_server
from web.settings import Settings

PATIENCE_S = 2.0
TURN_PATIENCE_S = 8.0
DEFAULT_PORTS = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}


class Mark(StrEnum):
    GOOD = "ok"
    UNSURE = "unsure"
    BAD = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was tried, and `why` it is so where that needs a sentence."""

    mark: Mark
    what: str
    why: str = ""


async def examine(settings: Settings, folder: DataFolder, addresses: Sequence[str], now_ms: int) -> list[Finding]:
    """Everything, in the order an operator would mend it. Takes seconds, never minutes."""
    found: list[Finding] = []
    async with _workers(settings, folder, found) as probes:
        found += await asyncio.gather(
            *(
                _candidate(address, each, transport)
                for each in probes
                for address in addresses
                for transport in get_args(probe.Transport)
            )
        )
    found += [Finding(Mark.UNSURE, "advertised addresses", hint) for hint in _hints(addresses)]
    return found + await asyncio.gather(
        *(
            _relay(url, server.username, server.credential, server.secret, now_ms)
            for server in settings.ice_servers
            for url in server.urls
        )
    )


@asynccontextmanager
async def _workers(settings: Settings, folder: DataFolder, found: list[Finding]) -> AsyncIterator[list[probe.Probe]]:
    """The probes of the running server's workers, or of ones that stand in for them for as long as the block lasts."""
    numbers = range(max(settings.workers, 1))
    async with AsyncExitStack() as until_done:
        try:
            until_done.enter_context(only_server(folder))
        except AnotherServer:
            found.append(Finding(Mark.GOOD, "the server", "runs, and was asked itself"))
            left = {number: probe.found(folder.run, number) for number in numbers}
            found += [
                Finding(Mark.BAD, f"worker {number}", "is not there, though the server runs; look at its log")
                for number, each in left.items()
                if each is None
            ]
            yield [each for each in left.values() if each is not None]
            return
        recordings = Path(until_done.enter_context(tempfile.TemporaryDirectory()))
        probes = []
        for number in numbers:
            port = settings.udp_port + number
            try:
                worker = Worker(WorkerSettings(number, "doctor", port, str(recordings)), lambda event: None)
                await worker.start()
            except OSError as error:
                found.append(Finding(Mark.BAD, f"port {port}", f"cannot be had for both UDP and TCP: {error.strerror}"))
                continue
            until_done.push_async_callback(worker.stop)
            found.append(Finding(Mark.GOOD, f"port {port}", "is free for UDP and TCP"))
            probes.append(worker.roster.probe)
        yield probes


async def _candidate(address: str, known: probe.Probe, transport: probe.Transport) -> Finding:
    shown = f"[{address}]" if ":" in address else address
    what = f"{shown}:{known.port} by {transport.upper()}"
    if await probe.answers(address, known, transport, PATIENCE_S):
        return Finding(Mark.GOOD, what)
    if address in interface_addresses():
        return Finding(Mark.BAD, what, "no answer, though this is an address of this machine; is a firewall on it?")
    return Finding(
        Mark.UNSURE, what,
        "no answer from here. Behind NAT that may be so for this machine alone: try from outside, "
        f"and see that the {transport.upper()} port is forwarded unchanged",
    )  # fmt: skip


def _hints(addresses: Sequence[str]) -> list[str]:
    parsed = [ip_address(address) for address in addresses]
    if all(ip.is_loopback for ip in parsed):
        return ["only browsers on this machine can reach 127.0.0.1 or ::1"]
    if not any(ip.is_global for ip in parsed):
        return ["none is public: candidates elsewhere on the internet need advertised_ips, or a TURN server"]
    return []


async def _relay(url: str, username: str, credential: str, secret: str, now_ms: int) -> Finding:
    """One URL of a STUN or TURN server: does it answer, and does it give us an address?"""
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    host, port = _host_and_port(place, DEFAULT_PORTS[scheme])
    transport = query.removeprefix("transport=") or ("tcp" if scheme.endswith("s") else "udp")
    try:
        async with asyncio.timeout(TURN_PATIENCE_S):
            if scheme.startswith("stun"):
                return Finding(Mark.UNSURE, url, "a STUN server is not tried; this server does not need one")
            if scheme == "turns" and transport == "udp":
                return Finding(Mark.UNSURE, url, "TURN over DTLS is not tried from here")
            [made] = ice_servers([Relay((url,), username, credential, secret)], "doctor", now_ms).servers
            endpoint, _ = await turn.create_turn_endpoint(
                asyncio.DatagramProtocol, (host, port), made.username, made.credential,
                ssl=scheme == "turns" or None, transport=transport,
            )  # fmt: skip
            endpoint.close()
    except stun.TransactionFailed as failed:
        code, reason = failed.response.attributes.get("ERROR-CODE", (0, "no reason given"))
        return Finding(Mark.BAD, url, f"it refuses us: {code} {reason}; are secret or credential the server's own?")
    except (OSError, stun.TransactionError) as error:
        return Finding(Mark.BAD, url, f"no answer ({str(error) or type(error).__name__})")
    return Finding(Mark.GOOD, url, "gives an address to relay with")


def _host_and_port(place: str, default: int) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if colon and port.isdecimal() and (host.startswith("[") or ":" not in host):
        return host.strip("[]"), int(port)
    return place.strip("[]"), default
