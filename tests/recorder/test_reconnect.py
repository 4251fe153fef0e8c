"""A worker with real sockets: its peers restart ICE, change address, are replaced, and their takes go on."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from aioice import stun
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from recorder.messages import (
    Arm,
    CallProblem,
    Connect,
    Connected,
    Disconnect,
    Done,
    EndReason,
    Hello,
    OfferProblem,
    OutageBegan,
    OutageEnded,
    PeerChanged,
    PeerId,
    PeerState,
    Refused,
    Restart,
    Stop,
    TakeEnding,
    TakeFinished,
    TakeId,
    TakeStarted,
)
from recorder.worker import Worker
from tests.recorder.encoded_media import decode_strictly, sound, video
from tests.recorder.offers import CHROMIUM, audio_only
from tests.recorder.tcp_path import TcpPath
from tests.recorder.test_udp import Bench
from tests.recorder.udp_path import UdpPath

TAKE = TakeId("take")


def renewed(offer: str, ufrag: str = "5ZcD") -> str:
    """The offer after `restartIce()`."""
    return offer.replace("4ZcD", ufrag).replace("2/1muCWoOi3uLifh0NuRHlSn", "3/1muCWoOi3uLifh0NuRHlSn")


def credentials(answer: str) -> tuple[str, str]:
    lines = dict(line[2:].split(":", 1) for line in answer.splitlines() if line[:7] in ("a=ice-u", "a=ice-p"))
    return lines["ice-ufrag"], lines["ice-pwd"]


def check(ours: tuple[str, str], theirs: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ours[0]}:{theirs}"
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(ours[1].encode())
    return bytes(message)


class Frames(MediaStreamTrack):
    """Pre-encoded frames on time, as packets: aiortc's sender passes them on unchanged."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._sent = 0
        self._began_s = 0.0

    async def recv(self) -> av.Packet[Any]:
        now_s = asyncio.get_running_loop().time()
        self._began_s = self._began_s or now_s
        step, rate = (3000, 90_000) if self.kind == "video" else (960, 48_000)
        await asyncio.sleep(max(0.0, self._began_s + self._sent * step / rate - now_s))
        if self.readyState != "live":
            raise asyncio.CancelledError
        frames = video("vp8") if self.kind == "video" else sound()
        found = frames[self._sent % 60] if self.kind == "video" else frames[self._sent % 100]
        payload = found[0] if isinstance(found, tuple) else found
        packet = av.Packet(payload)
        packet.pts, packet.time_base = self._sent * step, fractions.Fraction(1, rate)
        self._sent += 1
        return packet


class Browser:
    """aiortc in the place of a browser; its way to the worker is `path`, if there is one."""

    def __init__(self, worker: Worker, path: UdpPath | TcpPath | None = None) -> None:
        self._worker, self._path = worker, path
        self.peer = RTCPeerConnection()
        self.tracks = [Frames("audio"), Frames("video")]

    async def connect(self, name: str, take_id: TakeId | None = None) -> None:
        for track in self.tracks:
            transceiver = self.peer.addTransceiver(track, direction="sendonly")
            assert transceiver
        await self.peer.setLocalDescription(await self.peer.createOffer())
        reply = await self._worker.call(Connect(PeerId(name), self.peer.localDescription.sdp, take_id))
        assert isinstance(reply, Connected), reply
        answer = reply.answer_sdp
        if self._path is not None:
            answer = answer.replace(f" {self._worker.udp.port} typ host", f" {self._path.port} typ host")
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        for track in self.tracks:
            track.stop()
        await self.peer.close()


class Studio(Bench):
    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until_said(self, kind: type[Any], count: int = 1, seconds: float = 20) -> Any:
        async with asyncio.timeout(seconds):
            while len(self.of(kind)) < count:
                await asyncio.sleep(0.02)
        return self.of(kind)[count - 1]

    async def record(self, browser: Browser) -> None:
        await browser.connect("first")
        async with asyncio.timeout(20):
            while PeerChanged(PeerId("first"), PeerState.LIVE) not in self.events:
                await asyncio.sleep(0.02)
        order = Arm(TAKE, PeerId("first"), str(self.folder / "x"), 200, 60_000, 1 << 30)
        assert isinstance(await self.worker.call(order), Done)
        await self.until_said(TakeStarted)

    async def finish(self) -> tuple[Any, Path]:
        assert isinstance(await self.worker.call(Stop(TAKE)), Done)
        result = (await self.until_said(TakeFinished)).result
        return result, self.folder / "x" / result.file


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    video("vp8"), sound()  # encoded before anybody waits for them
    found = Studio(tmp_path, advertised_ips=("127.0.0.1",), video_codecs=("vp8",))
    await found.worker.start()
    yield found
    found.socket.close()
    await found.worker.stop()


async def test_a_take_goes_on_with_a_new_connection_in_one_file(studio: Studio) -> None:
    first, second = Browser(studio.worker), Browser(studio.worker)
    await studio.record(first)
    await asyncio.sleep(1.5)
    await first.close()
    began = await studio.until_said(OutageBegan)
    assert began.grace_ms == 90_000
    assert studio.of(TakeEnding) == []
    await studio.worker.call(Hello("test"))
    again = await studio.until_said(OutageBegan, 2)  # a server that comes back hears of it
    assert abs(again.at_unix_ms - began.at_unix_ms) <= 200 and again.grace_ms == began.grace_ms
    await second.connect("second", TAKE)
    await studio.until_said(OutageEnded)
    await asyncio.sleep(2)
    result, path = await studio.finish()
    await second.close()
    assert (result.end_reason, result.recovered) == (EndReason.STOPPED, False)
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    assert result.elapsed_ms >= 3000
    assert decode_strictly(path)["video"] == result.video_frames
    sidecar = path.with_suffix(".json").read_text()
    assert sidecar.count('"ssrc_video"') == 2
    assert studio.count("rejoins") == 1
    assert result.reasons == ["gap"]


async def test_a_take_is_taken_over_from_a_connection_that_still_sends(studio: Studio) -> None:
    first, second = Browser(studio.worker), Browser(studio.worker)
    await studio.record(first)
    await second.connect("second", TAKE)
    # As the server does when it has the answer: the first is freed before the second sends.
    assert isinstance(await studio.worker.call(Disconnect(PeerId("first"))), Done)
    await studio.until(lambda: studio.count("rejoins") == 1)
    await asyncio.sleep(1)
    assert studio.of(TakeEnding) == []
    result, path = await studio.finish()
    assert decode_strictly(path)["video"] == result.video_frames
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    await first.close()
    await second.close()


async def test_an_address_that_changes_under_a_take_costs_an_outage_at_most(studio: Studio) -> None:
    with UdpPath(studio.worker.udp.port) as path:
        browser = Browser(studio.worker, path)
        await studio.record(browser)
        await asyncio.sleep(1)
        path.move()
        # Until the next check (RFC 7675, every 5 s) nothing is believed from there.
        await studio.until_said(OutageBegan)
        ended = await studio.until_said(OutageEnded)
        assert 1000 <= ended.outage_ms <= 7000
        await asyncio.sleep(1.5)
        result, file = await studio.finish()
        await browser.close()
    assert studio.count("peers") == 1
    assert decode_strictly(file)["video"] == result.video_frames
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    assert "loss" not in result.reasons, "what was sent in the outage is a gap"


async def test_a_take_over_tcp_alone_is_whole_and_outlives_its_connection(studio: Studio) -> None:
    async with TcpPath(studio.worker.udp.port) as path:
        browser = Browser(studio.worker, path)
        await studio.record(browser)
        await asyncio.sleep(1)
        assert studio.count("datagrams") == 0 and studio.count("tcp_open") == 1
        (peer,) = studio.worker._peers.values()
        path.cut()
        await studio.until(lambda: peer.reach.route is None)
        await studio.until_said(OutageBegan)
        path.mend()
        ended = await studio.until_said(OutageEnded)
        assert 1000 <= ended.outage_ms <= 7000
        await asyncio.sleep(1.5)
        result, file = await studio.finish()
        await browser.close()
    assert studio.count("peers") == 1 and studio.count("tcp_connections") == 2
    assert decode_strictly(file)["video"] == result.video_frames
    assert abs(result.duration_ms - result.elapsed_ms) <= 150
    assert "loss" not in result.reasons, "what was sent in the outage is a gap"
    assert studio.count("datagrams") == studio.count("errors") == 0


async def test_an_ice_restart_keeps_the_peer_and_answers_with_new_credentials(studio: Studio) -> None:
    first = await studio.connect()
    studio.send(check(first, "4ZcD"))
    await studio.until(lambda: bool(studio.worker.udp.routes))
    (peer,) = studio.worker._peers.values()

    async def restart(ufrag: str) -> tuple[str, str]:
        reply = await studio.worker.call(Restart(PeerId("peer"), renewed(CHROMIUM, ufrag)))
        assert isinstance(reply, Connected) and reply.has_video
        return credentials(reply.answer_sdp)

    async def answered(message: bytes) -> bool:
        refused, unknown = peer.counters.refused_checks, studio.count("unknown_check")
        heard = peer.reach.heard_us
        studio.send(message)
        await studio.until(
            lambda: (
                (peer.counters.refused_checks, studio.count("unknown_check"), peer.reach.heard_us)
                != (refused, unknown, heard)
            )
        )
        return peer.reach.heard_us != heard

    second = await restart("5ZcD")
    assert second[0] != first[0] and second[1] != first[1]
    assert await answered(check(second, "5ZcD"))
    assert await answered(check(first, "4ZcD")), "until the browser has our answer it checks with the old ones"
    assert not await answered(check(second, "4ZcD"))
    third = await restart("6ZcD")
    assert await answered(check(third, "6ZcD")) and await answered(check(second, "5ZcD"))
    assert not await answered(check(first, "4ZcD"))
    assert list(studio.worker._peers.values()) == [peer]
    assert studio.count("peers") == 1 and studio.count("restarts") == 2


async def test_a_restart_of_nobody_or_of_another_connection_is_refused(studio: Studio) -> None:
    reply = await studio.worker.call(Restart(PeerId("peer"), CHROMIUM))
    assert isinstance(reply, Refused) and reply.problem == CallProblem.UNKNOWN_PEER
    await studio.connect()
    other_keys = renewed(CHROMIUM).replace("AB:AB", "CD:CD")
    for offer in (other_keys, audio_only(renewed(CHROMIUM)), "nonsense"):
        reply = await studio.worker.call(Restart(PeerId("peer"), offer))
        assert isinstance(reply, Refused) and reply.problem in set(OfferProblem)


async def test_an_offer_that_names_no_running_take_is_an_ordinary_one(studio: Studio) -> None:
    reply = await studio.worker.call(Connect(PeerId("peer"), CHROMIUM, TakeId("gone")))
    assert isinstance(reply, Connected)
    assert studio.worker._rejoins == {}


async def test_a_full_worker_has_a_place_for_who_comes_back_and_an_offer_without_a_picture_does_not_join(
    tmp_path: Path,
) -> None:
    video("vp8"), sound()
    studio = Studio(tmp_path, advertised_ips=("127.0.0.1",), video_codecs=("vp8",), max_live=1)
    await studio.worker.start()
    browser = Browser(studio.worker)
    await studio.record(browser)
    reply = await studio.worker.call(Connect(PeerId("other"), CHROMIUM))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.BUSY
    reply = await studio.worker.call(Connect(PeerId("silent"), audio_only(CHROMIUM), TAKE))
    assert isinstance(reply, Connected) and not reply.has_video
    assert studio.worker._rejoins == {}
    await studio.worker.call(Disconnect(PeerId("silent")))
    assert studio.of(TakeEnding) == []
    h264 = CHROMIUM.replace("VP8/90000", "XP8/90000")
    reply = await studio.worker.call(Connect(PeerId("another"), h264, TAKE))
    assert isinstance(reply, Refused) and reply.problem == OfferProblem.NO_VIDEO_CODEC
    await studio.finish()
    await browser.close()
    studio.socket.close()
    await studio.worker.stop()
