"""The yardstick beside us: the same WHIP front over aiortc's own RTCPeerConnection and MediaRecorder (mp4)."""

from __future__ import annotations

import argparse
import asyncio
import os
import uuid
from pathlib import Path

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder


class Front:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[tuple[RTCPeerConnection, MediaRecorder]] = []

    async def whip(self, request: web.Request) -> web.Response:
        peer = RTCPeerConnection()
        recorder = MediaRecorder(str(self.folder / f"{uuid.uuid4().hex}.mp4"))
        peer.on("track", recorder.addTrack)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await recorder.start()
        self.running.append((peer, recorder))
        return web.Response(status=201, text=peer.localDescription.sdp, content_type="application/sdp")

    async def finish(self, _: web.Request) -> web.Response:
        for peer, recorder in self.running:
            await recorder.stop()
            await peer.close()
        return web.json_response({})


async def serve(folder: Path, port: int) -> None:
    front = Front(folder)
    app = web.Application(client_max_size=1 << 20)
    app.add_routes([web.post("/whip", front.whip), web.post("/finish", front.finish)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("READY", os.getpid(), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8098)
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.folder, arguments.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
