"""Playback of a candidate's own answers, and the WebSocket's door."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import WSServerHandshakeError

from storage import interviews
from storage.states import TakeState
from tests.web.world import Site
from web.keys import DATABASE

CONTENT = bytes(range(256)) * 40


async def test_an_own_take_plays_with_ranges_and_is_cached_nowhere(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], CONTENT)
    url = f"{site.link}/takes/{take.id}"
    whole = await site.get(url)
    assert whole.status == 200
    assert whole.headers["Content-Type"] == "video/webm"
    assert whole.headers["Cache-Control"] == "private, no-store"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert await whole.read() == CONTENT
    part = await site.get(url, headers={"Range": "bytes=100-199"})
    assert part.status == 206
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(CONTENT)}"
    assert await part.read() == CONTENT[100:200]
    tail = await site.get(url, headers={"Range": "bytes=-10"})
    assert await tail.read() == CONTENT[-10:]
    beyond = await site.get(url, headers={"Range": "bytes=999999-"})
    assert beyond.status == 416


async def test_the_poster_of_an_own_take_is_a_picture(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], CONTENT)
    response = await site.get(f"{site.link}/takes/{take.id}/poster")
    assert (response.status, response.headers["Content-Type"]) == (200, "image/jpeg")


async def test_another_invitations_take_is_unknown_here(site: Site) -> None:
    other = await site.invite()
    theirs = await site.keep_take(other, (await site.start(other))[0], CONTENT)
    await site.start()
    for ending in ("", "/poster"):
        assert (await site.get(f"{site.link}/takes/{theirs.id}{ending}")).status == 404
        assert (await site.get(f"{site.link_of(other)}/takes/{theirs.id}{ending}")).status == 200


@pytest.mark.parametrize("state", [TakeState.DISCARDED, TakeState.FAILED, TakeState.ABANDONED])
async def test_a_take_that_is_not_kept_is_not_played(site: Site, state: TakeState) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], CONTENT)
    async with site.app[DATABASE].write() as conn:
        assert await interviews.save_take(conn, replace(take, state=state), TakeState.KEPT)
    assert (await site.get(f"{site.link}/takes/{take.id}")).status == 404


async def test_a_take_is_not_played_on_a_device_that_did_not_accept_the_notice(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], CONTENT)
    site.forget_cookies()
    assert (await site.get(f"{site.link}/takes/{take.id}")).status == 404


@pytest.mark.parametrize("take_id", ["..%2F..%2Fsecret.key", "....", "abc.webm", "%00"])
async def test_a_take_id_never_becomes_a_path(site: Site, take_id: str) -> None:
    await site.start()
    assert (await site.get(f"{site.link}/takes/{take_id}")).status == 404


async def test_a_take_whose_file_is_gone_is_a_404(site: Site) -> None:
    answers = await site.start()
    take = await site.keep_take(site.invitation, answers[0], CONTENT)
    for file in site.folder.recordings.rglob(f"{take.id}.webm"):
        file.unlink()
    assert (await site.get(f"{site.link}/takes/{take.id}")).status == 404


async def test_the_socket_opens_for_a_started_interview(site: Site) -> None:
    await site.start()
    async with site.client.ws_connect(f"{site.link}/live") as socket:
        await socket.send_json({"type": "hello", "tab": "0123456789abcdef"})
        state = await socket.receive_json(timeout=5)
        assert (state["type"], state["status"], len(state["questions"])) == ("state", "in_progress", 3)
        assert {question["text"] for question in state["questions"]} == {None}


async def test_the_socket_is_closed_to_a_device_that_did_not_accept_the_notice(site: Site) -> None:
    await site.start()
    site.forget_cookies()
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.client.ws_connect(f"{site.link}/live")
    assert refused.value.status == 403


async def test_the_socket_of_a_sent_interview_is_closed_to_a_device_that_did_not_accept_the_notice(site: Site) -> None:
    await site.complete()
    async with site.client.ws_connect(f"{site.link}/live"):
        pass
    site.forget_cookies()
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.client.ws_connect(f"{site.link}/live")
    assert refused.value.status == 403


async def test_the_socket_is_closed_before_start(site: Site) -> None:
    await site.accept_notice()
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.client.ws_connect(f"{site.link}/live")
    assert refused.value.status == 403


async def test_a_plain_request_to_the_socket_is_a_page_that_says_no(site: Site) -> None:
    await site.start()
    response = await site.get(f"{site.link}/live")
    assert response.status == 400
    assert "Traceback" not in await response.text()


async def test_a_stopping_server_closes_sockets_as_restarting(site: Site) -> None:
    await site.start()
    async with site.client.ws_connect(f"{site.link}/live") as socket:
        await socket.send_json({"type": "hello", "tab": "0123456789abcdef"})
        await socket.receive_json(timeout=5)
        await site.app.shutdown()
        while (await socket.receive(timeout=5)).data != 1012:
            pass
        assert socket.close_code == 1012
