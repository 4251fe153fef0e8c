"""A small WHIP front (RFC 9725) for the recorder, for load alone: every peer is recorded from its first key frame.

`python -m tests.bench.whip --folder DIR [--port 8099]` prints READY and the worker's process id.
POST /whip with an offer answers it; POST /finish ends all takes and returns their results as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import uuid
from pathlib import Path

from aiohttp import web

from recorder.messages import Arm, Event, OfferRefused, PeerId, TakeFinished, TakeId, TakeNotStarted
from recorder.pool import Pool, PoolSettings

LIMIT_MS = 3600 * 1000
FINISH_TIMEOUT_S = 60


class Front:
    """`results` holds what came of every take that was armed; `pending` is how many still run."""

    def __init__(self, folder: Path, udp_port: int) -> None:
        self.folder = folder
        self.pool = Pool(
            PoolSettings(
                run_dir=folder / "run",
                recordings_dir=folder / "recordings",
                version="bench",
                workers=1,
                udp_port=udp_port,
                video_codecs=("vp8", "h264"),
                min_free_disk_bytes=0,
            ),
            self._event,
        )
        self.takes: dict[TakeId, dict[str, object] | None] = {}

    def _event(self, event: Event) -> None:
        match event:
            case TakeFinished():
                self.takes[event.result.take_id] = dataclasses.asdict(event.result)
            case TakeNotStarted():
                self.takes[event.take_id] = {"take_id": event.take_id, "reasons": [str(event.reason)]}
            case _:
                pass

    async def whip(self, request: web.Request) -> web.Response:
        peer_id = PeerId(uuid.uuid4().hex)
        try:
            answer = await self.pool.connect(peer_id, await request.text())
        except OfferRefused as refused:
            return web.Response(status=422, text=str(refused))
        take_id = TakeId(uuid.uuid4().hex)
        self.takes[take_id] = None
        folder = self.folder / "recordings" / take_id
        await self.pool.arm(Arm(take_id, peer_id, str(folder), 0, LIMIT_MS, 1 << 40))
        return web.Response(status=201, text=answer.answer_sdp, content_type="application/sdp")

    async def finish(self, _: web.Request) -> web.Response:
        counters = await self.pool.counters()
        for take_id in [take_id for take_id, result in self.takes.items() if result is None]:
            await self.pool.stop_take(take_id)
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while any(result is None for result in self.takes.values()):
                await asyncio.sleep(0.05)
        return web.json_response({"takes": list(self.takes.values()), "counters": counters.get(0, {})})


async def serve(folder: Path, port: int, udp_port: int) -> None:
    front = Front(folder, udp_port)
    await front.pool.start()
    front.takes = dict.fromkeys(front.pool.takes)  # those a former front left running
    app = web.Application(client_max_size=1 << 20)
    app.add_routes([web.post("/whip", front.whip), web.post("/finish", front.finish)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
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
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(serve(arguments.folder, arguments.port, arguments.udp_port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
