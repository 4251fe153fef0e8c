"""Bad peers beside good ones: they stop in the middle of a handshake, flood it, or flood with signed packets."""

from __future__ import annotations

import asyncio
import random
import re
import struct
import time
from pathlib import Path

from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport

from tests.bench.compare import Corrupt, compare, read_log, recording
from tests.bench.finding import Figure, Finding
from tests.bench.garbage import Intruder, client_hello
from tests.bench.measure import cpu_seconds, dropped_by_kernel, front, post, sending, state, whip_url
from tests.ports import free_port
from tests.recorder.offers import CHROMIUM

HANGING = 20
MOST_SECONDS_TO_CONNECT = 3.0
RECORDS_EACH = 40
HANDSHAKE_TIMEOUT_S = 10.0
VIDEO_TYPE = 96
PAYLOAD = b"\x10" + bytes(99)


class Keyed(Intruder):
    """An intruder that has done its handshake: its packets are signed, like any candidate's."""

    def __init__(self, front_url: str, dice: random.Random) -> None:
        self._certificate = RTCCertificate.generateCertificate()
        ours = next(item for item in self._certificate.getFingerprints() if item.algorithm == "sha-256")
        offer, count = re.subn(r"a=fingerprint:\S+ \S+", f"a=fingerprint:sha-256 {ours.value}", CHROMIUM)
        if not count:
            raise ValueError("no fingerprint in the offer")
        super().__init__(front_url, dice, offer)
        self._sequence = 0
        self.socket.send(self.check(odd=False))
        self._transport = asyncio.run(self._shake_hands())

    async def _shake_hands(self) -> RTCDtlsTransport:
        """The transport, whose keys outlive its loop. Raises TimeoutError, RuntimeError."""
        transport = RTCDtlsTransport(_Wire(self), [self._certificate])  # type: ignore[arg-type]
        transport._set_role("client")
        theirs = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint("sha-256", self.fingerprint)], role="server")
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            await transport.start(theirs)
        if transport.state != "connected":
            raise RuntimeError(f"the handshake of the flood is {transport.state}")
        if transport._task is not None:
            transport._task.cancel()
        return transport

    def packet(self) -> bytes:
        """The next one of an endless picture, each a frame of its own."""
        self._sequence += 1
        header = struct.pack(
            "!BBHII", 0x80, 0x80 | VIDEO_TYPE, self._sequence & 0xFFFF, 90 * self._sequence & 0xFFFFFFFF, 7
        )
        protected: bytes = self._transport._tx_srtp.protect(header + PAYLOAD)
        return protected


class _Wire:
    """What RTCDtlsTransport wants of an ICE transport: the intruder's socket, without the replies to its checks."""

    role, state = "controlling", "completed"

    def __init__(self, intruder: Intruder) -> None:
        self._socket = intruder.socket
        self._socket.setblocking(False)

    async def _send(self, record: bytes) -> None:
        self._socket.send(record)

    async def _recv(self) -> bytes:
        while True:
            datagram = await asyncio.get_running_loop().sock_recv(self._socket, 2048)
            if 19 < datagram[0] < 64:
                return datagram


def flood(
    folder: Path, rate: int = 50_000, seconds: float = 10, streams: int = 4, calm_s: float = 2.0, seed: int = 1
) -> Finding:
    """First the handshakes that hang and those that flood, while a good peer comes; then packets at `rate` a second."""
    port, dice = free_port(), random.Random(seed)
    logs = {name: folder / f"{name}.json" for name in ("running", "good")}
    with front("tests.bench.whip", folder, port) as (_, pid):
        url = whip_url(port)
        with sending(url, streams, seconds + 2 * calm_s + 3, "-name", "running", "-log", str(logs["running"])) as run:
            run.started()
            time.sleep(calm_s)
            hanging = [Intruder(url, dice) for _ in range(HANGING)]
            _hang(hanging)
            came = time.monotonic()
            with sending(url, 1, calm_s, "-name", "good", "-log", str(logs["good"])) as good:
                good.started()
                took_s = time.monotonic() - came
                live = state(port)["counters"]["live_peers"]
                good.sent()
                good.done()
            keyed = Keyed(url, dice)
            usual = cpu_seconds(pid)
            sent, lasted_s = _flood(keyed, rate, seconds)
            cpu_percent = 100 * (cpu_seconds(pid) - usual) / lasted_s
            counters = state(port)["counters"]
            for intruder in (*hanging, keyed):
                intruder.leave()
            run.sent()
            run.done()
        seen, dropped = state(port), dropped_by_kernel(pid)
        takes = {take["take_id"]: take for take in post(port, "/finish")["takes"]}
    missing = {name: 0 for name in logs}
    for name, log in logs.items():
        for stream in read_log(log):
            try:
                missing[name] += compare(recording(folder, takes[stream.take_id]), stream).missing
            except Corrupt:
                missing[name] += len(stream.frames)
    figures = [
        Figure("hanging handshakes beside the good one", live - streams - 1, HANGING, at_least=True),
        Figure("seconds until the good one was connected", took_s, MOST_SECONDS_TO_CONNECT),
        Figure("frames missing of the good one", missing["good"], 0),
        Figure("packets refused for their rate", counters["over_rate"], 1, at_least=True),
        Figure("frames missing of running takes", missing["running"], 0),
        Figure("deaths of the worker", int(seen["pid"] != pid), 0),
        Figure("faults counted by the worker", counters["errors"], 0),
    ]
    notes = {
        "flood_sent": sent,
        "flood_a_second": round(sent / lasted_s),
        "worker_cpu_percent_in_the_flood": round(cpu_percent, 1),
        "datagrams_dropped_by_the_kernel": dropped,
        "records_dropped": counters["records_dropped"],
        "streams": streams,
    }
    return Finding(f"{HANGING} hanging handshakes, then {rate:,} packets a second of one peer", figures, notes)


def _hang(peers: list[Intruder]) -> None:
    """Each sends its first record and nothing more; every second one sends it again and again at once."""
    hello = client_hello()
    for number, peer in enumerate(peers):
        peer.socket.send(peer.check(odd=False))
        peer.socket.recv(2048)  # the reply: the address is known
        for _ in range(RECORDS_EACH if number % 2 else 1):
            peer.socket.send(hello)


def _flood(peer: Keyed, rate: int, seconds: float) -> tuple[int, float]:
    """How many packets were sent, in what time."""
    began, sent = time.monotonic(), 0
    while (now_s := time.monotonic() - began) < seconds:
        while sent < rate * now_s:
            try:
                peer.socket.send(peer.packet())
            except BlockingIOError:
                break
            sent += 1
        time.sleep(0.001)
    return sent, time.monotonic() - began
