"""The one queue of a session, and what happens when it is full."""

from __future__ import annotations

import asyncio

from signaling.inbox import Inbox


async def test_what_comes_first_is_handled_first() -> None:
    inbox: Inbox[str] = Inbox(2, 2)
    inbox.put("a")
    assert inbox.put_ask("b")
    inbox.put("c")
    assert [await inbox.next(1) for _ in range(3)] == ["a", "b", "c"]


async def test_asks_over_the_limit_are_turned_away_and_room_comes_back() -> None:
    inbox: Inbox[str] = Inbox(2, 2)
    assert [inbox.put_ask(ask) for ask in "abc"] == [True, True, False]
    assert await inbox.next(1) == "a"
    assert inbox.put_ask("d")


async def test_asks_never_take_the_place_of_events() -> None:
    inbox: Inbox[str] = Inbox(50, 2)
    for _ in range(60):
        inbox.put_ask("ask")
    inbox.put("event")
    assert not inbox.overflowed
    assert "event" in inbox.drain()


async def test_an_event_that_is_lost_is_known_unless_it_may_be() -> None:
    inbox: Inbox[str] = Inbox(2, 2)
    inbox.put("a")
    inbox.put("b")
    inbox.put("progress", may_be_lost=True)
    assert not inbox.overflowed
    inbox.put("end of a take")
    assert inbox.overflowed
    assert inbox.drain() == ["a", "b"]


async def test_waiting_ends_with_an_item_or_with_its_time() -> None:
    inbox: Inbox[str] = Inbox(2, 2)
    assert await inbox.next(0.01) is None
    asyncio.get_running_loop().call_later(0.01, inbox.put, "late")
    assert await inbox.next(None) == "late"
