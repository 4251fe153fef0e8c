"""A small WHIP front (RFC 9725) for the recorder, for load alone: every peer is recorded from its first key frame.

`python -m tests.bench.whip --folder DIR [--port 8099] [--workers 1]` prints READY and the first worker's process id.
POST /whip?take=NAME with an offer answers it; DELETE /whip/NAME sends the peer away. GET /state says
what is known of every take; POST /finish ends them all, or with `?of=NAME` those whose names begin so, and returns
their results. Both are JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from recorder.messages import (
    Arm,
    Event,
    OfferRefused,
    PeerId,
    RecorderError,
    TakeFinished,
    TakeId,
    TakeNotStarted,
    TakeProgress,
    TakeStarted,
)
from recorder.pool import Pool, PoolSettings

LIMIT_MS = 3600 * 1000
FINISH_TIMEOUT_S = 60


@dataclasses.dataclass(slots=True)
class Running:
    """What the worker said of one take; `result` once it has ended."""

    started_unix_ms: int = 0
    safe_ms: int = 0
    result: dict[str, Any] | None = None


class Front:
    """`takes` holds every take that was armed, and those a former front left running."""

    def __init__(self, folder: Path, udp_port: int, advertised_ips: tuple[str, ...], workers: int = 1) -> None:
        self.folder = folder
        self.pool = Pool(
            PoolSettings(
                run_dir=folder / "run",
                recordings_dir=folder / "recordings",
                version="bench",
                workers=workers,
                udp_port=udp_port,
                advertised_ips=advertised_ips,
                video_codecs=("vp8", "h264"),
                min_free_disk_bytes=0,
            ),
            self._event,
        )
        self.takes: dict[TakeId, Running] = {}
        self._peers: dict[TakeId, PeerId] = {}

    def _event(self, event: Event) -> None:
        match event:
            case TakeStarted():
                self._take(event.take_id).started_unix_ms = event.at_unix_ms
            case TakeProgress():
                self._take(event.take_id).safe_ms = event.safe_ms
            case TakeFinished():
                self._take(event.result.take_id).result = dataclasses.asdict(event.result)
            case TakeNotStarted():
                self._take(event.take_id).result = {"take_id": event.take_id, "reasons": [str(event.reason)]}
            case _:
                pass

    def _take(self, take_id: TakeId) -> Running:
        return self.takes.setdefault(take_id, Running())

    async def start(self) -> None:
        await self.pool.start()
        for take_id in self.pool.takes:
            self._take(take_id)

    async def whip(self, request: web.Request) -> web.Response:
        peer_id = PeerId(uuid.uuid4().hex)
        try:
            answer = await self.pool.connect(peer_id, await request.text())
        except OfferRefused as refused:
            return web.Response(status=422, text=str(refused))
        take_id = TakeId(request.query.get("take") or uuid.uuid4().hex)
        self._take(take_id)
        self._peers[take_id] = peer_id
        folder = self.folder / "recordings" / take_id
        await self.pool.arm(Arm(take_id, peer_id, str(folder), 0, LIMIT_MS, 1 << 40))
        location = {"Location": f"/whip/{take_id}"}
        return web.Response(status=201, text=answer.answer_sdp, content_type="application/sdp", headers=location)

    async def leave(self, request: web.Request) -> web.Response:
        peer_id = self._peers.pop(TakeId(request.match_info["take"]), None)
        if peer_id is not None:
            await self.pool.disconnect(peer_id)
        return web.json_response({})

    async def state(self, _: web.Request) -> web.Response:
        takes = {take_id: dataclasses.asdict(take) for take_id, take in self.takes.items()}
        for take_id, take in takes.items():
            take["worker"] = self.pool.worker_of(take_id)
        pids = self.pool.process_ids
        return web.json_response({"pid": pids[0], "pids": pids, "takes": takes, "counters": await self._counters()})

    async def _counters(self) -> dict[str, int]:
        """Of all workers together."""
        together: Counter[str] = Counter()
        for counters in (await self.pool.counters()).values():
            together.update(counters)
        return together

    async def finish(self, request: web.Request) -> web.Response:
        counters = await self._counters()
        of = request.query.get("of", "")
        takes = {take_id: take for take_id, take in self.takes.items() if take_id.startswith(of)}
        for take_id in [take_id for take_id, take in takes.items() if take.result is None]:
            with contextlib.suppress(RecorderError):  # its worker died: what is left of it is told by an event
                await self.pool.stop_take(take_id)
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while any(take.result is None for take in takes.values()):
                await asyncio.sleep(0.05)
        results = [take.result for take in takes.values()]
        return web.json_response({"takes": results, "counters": counters})


async def serve(front: Front, port: int) -> None:
    app = web.Application(client_max_size=1 << 20)
    app.add_routes(
        [
            web.post("/whip", front.whip),
            web.delete("/whip/{take}", front.leave),
            web.get("/state", front.state),
            web.post("/finish", front.finish),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # before a worker may choose the same port
    await front.start()
    print("READY", front.pool.process_ids[0], flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await front.pool.stop()
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--udp-port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ip", action="append", default=[], help="advertise this address, not every interface's")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)

    async def run() -> None:
        front = Front(arguments.folder, arguments.udp_port, tuple(arguments.ip), arguments.workers)
        await serve(front, arguments.port)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
