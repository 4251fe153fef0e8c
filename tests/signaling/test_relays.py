"""What a page is given to reach a TURN server: made for it, for a while, and accepted by the server that is meant."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest
from aioice import stun, turn

from signaling.messages import IceServer, IceServers, Relays
from signaling.relays import Relay, ice_servers, turn_credential
from tests.coturn import SECRET, Coturn
from tests.signaling.fake_clock import NOW_MS
from tests.signaling.room import FakePage, Room

TURN = Relay(("turn:turn.example.com:3478", "turns:turn.example.com:443?transport=tcp"), secret=SECRET, lifetime_s=600)
STUN = Relay(("stun:stun.example.com",))
FIXED = Relay(("turn:old.example.com",), username="green", credential="room")


def told(page: FakePage) -> list[IceServers]:
    return [tell for tell in page.told if isinstance(tell, IceServers)]


def test_credentials_are_the_servers_own_sum_and_name_their_end() -> None:
    [server] = ice_servers([TURN], "invitation-1", 1_700_000_000_999).servers
    assert server.urls == list(TURN.urls)
    assert server.username is not None
    until, _, alias = server.username.partition(":")
    assert int(until) == 1_700_000_000 + 600
    assert "invitation" not in alias and len(alias) == 16
    assert server.credential == turn_credential(SECRET, server.username)
    # echo -n 1700000600:robin | openssl dgst -sha1 -hmac 'north of the greenhouse' -binary | base64
    assert turn_credential(SECRET, "1700000600:robin") == "zzoZQ+Y9It9oDIxndPzeUaAgOuY="


def test_one_interview_keeps_its_alias_and_no_other_has_it() -> None:
    def alias(invitation_id: str, at_ms: int) -> str:
        username = ice_servers([TURN], invitation_id, at_ms).servers[0].username
        assert username
        return username.partition(":")[2]

    assert alias("a", 0) == alias("a", 99_000) != alias("b", 0)


def test_other_servers_are_given_as_they_are_set() -> None:
    assert ice_servers([STUN, FIXED], "a", 0).servers == [
        IceServer(["stun:stun.example.com"]),
        IceServer(["turn:old.example.com"], "green", "room"),
    ]


def test_nothing_secret_is_in_what_might_be_printed() -> None:
    assert SECRET not in repr(TURN) and "room" not in repr(FIXED)
    [server] = ice_servers([TURN], "a", 0).servers
    assert server.credential and server.credential not in repr(server)


async def test_a_page_gets_fresh_ones_each_time_it_asks(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    room.relays = (TURN,)
    await room.restart(start=False)
    await room.furnish()
    page = await room.join()
    assert told(page) == [], "not before it asks"
    await room.ask(page, Relays())
    await room.pass_time(120_000)
    await room.ask(page, Relays())
    first, second = (found.servers[0] for found in told(page))
    for server, after_s in ((first, 0), (second, 120)):
        assert server.username is not None
        assert int(server.username.partition(":")[0]) == NOW_MS // 1000 + after_s + 600
        assert server.credential == turn_credential(SECRET, server.username)
    assert first.credential not in caplog.text and SECRET not in caplog.text


async def test_a_second_tab_that_waits_is_given_none(room: Room) -> None:
    room.relays = (TURN,)
    await room.restart(start=False)
    await room.furnish()
    page = await room.with_camera()
    await room.count_down(page)
    other = await room.join("tab-two-2")
    await room.ask(other, Relays())
    assert told(other) == [] and other.errors == ["recording_elsewhere"]


async def allocated(port: int, username: str, credential: str, transport: str) -> bool:
    """Whether the server gives this name an address of its own."""
    try:
        async with asyncio.timeout(10):
            made, _ = await turn.create_turn_endpoint(
                asyncio.DatagramProtocol, ("127.0.0.1", port), username, credential, transport=transport
            )
    except stun.TransactionFailed as failed:
        assert failed.response.attributes["ERROR-CODE"][0] == 401
        return False
    made.close()
    return True


async def test_coturn_as_documented_relays_to_the_recorder_and_nowhere_else(tmp_path: Path) -> None:
    with Coturn(tmp_path / "coturn") as server:
        relay = Relay((f"turn:127.0.0.1:{server.port}",), secret=SECRET)
        [ours] = ice_servers([relay], "invitation", time.time_ns() // 1_000_000).servers
        made, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", server.port), ours.username, ours.credential
        )
        inner = made._TurnTransport__inner_protocol
        await inner.channel_bind(0x4000, ("127.0.0.1", 9))
        with pytest.raises(stun.TransactionFailed) as refused:
            await inner.channel_bind(0x4001, ("203.0.113.9", 9))
        assert refused.value.response.attributes["ERROR-CODE"][0] == 403
        made.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_coturn_accepts_fresh_credentials_and_no_expired_or_forged_ones(tmp_path: Path, transport: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    with Coturn(tmp_path / "coturn") as server:
        for at_ms, lifetime_s, good in ((now_ms, 600, True), (now_ms - 700_000, 600, False)):
            relay = Relay((f"turn:127.0.0.1:{server.port}",), secret=SECRET, lifetime_s=lifetime_s)
            [made] = ice_servers([relay], "invitation", at_ms).servers
            assert made.username and made.credential
            assert await allocated(server.port, made.username, made.credential, transport) is good
            later = made.username.replace(made.username[:10], str(now_ms // 1000 + 9999))
            assert not await allocated(server.port, later, made.credential, transport)
