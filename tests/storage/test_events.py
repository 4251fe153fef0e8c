"""The append-only record of who did what."""

from __future__ import annotations

import inspect
import re

import pytest
from sqlalchemy import update

from storage import events
from storage.database import Database
from storage.errors import ShapeBroken
from storage.events import EVENTS_LIMIT
from storage.schema import events as events_table
from tests.storage.world import NOW_MS, World, furnish


async def append(conn, world: World, kind: str, **changes: object) -> None:  # type: ignore[no-untyped-def]
    given = {
        "organisation_id": world.organisation.id,
        "at_ms": NOW_MS,
        "actor": f"candidate:{world.invitation.id}",
        "kind": kind,
        "subject_kind": "invitation",
        "subject_id": world.invitation.id,
    }
    await events.append(conn, **(given | changes))


async def test_events_of_a_subject_come_newest_first_even_at_the_same_moment(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        other = await furnish(conn, name="Southwind")
        await append(conn, world, "started")
        await append(conn, world, "completed", detail={"submitted": 3}, actor="system")
        await append(conn, world, "viewed", subject_kind="take")
        await append(conn, world, "started", subject_id="another")
        await append(conn, other, "started", subject_id=world.invitation.id)
        found = await events.for_subject(conn, world.organisation.id, "invitation", world.invitation.id)
        assert [(each.kind, each.actor, each.detail) for each in found] == [
            ("completed", "system", {"submitted": 3}),
            ("started", f"candidate:{world.invitation.id}", {}),
        ]


async def test_a_long_history_comes_in_bounded_pages(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        for number in range(EVENTS_LIMIT + 5):
            await append(conn, world, "viewed", detail={"number": number})
        first = await events.for_subject(conn, world.organisation.id, "invitation", world.invitation.id, limit=10**9)
        second = await events.for_subject(
            conn, world.organisation.id, "invitation", world.invitation.id, before=first[-1].sequence
        )
        numbers = [each.detail["number"] for each in first + second]
        assert numbers == list(reversed(range(EVENTS_LIMIT + 5)))
        assert len(first) == EVENTS_LIMIT


def test_nothing_here_changes_or_removes_an_event() -> None:
    functions = {name for name, value in vars(events).items() if getattr(value, "__module__", "") == events.__name__}
    public = {name for name in functions if not name.startswith("_")}
    assert public == {"Event", "append", "append_each", "for_subject", "for_candidate"}
    written = {"update(", "delete("} & set(re.findall(r"\b\w+\(", inspect.getsource(events)))
    assert written == set()


async def test_a_detail_that_is_no_object_is_not_believed(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await append(conn, world, "started")
        await conn.execute(update(events_table).values(detail=[1]))
        with pytest.raises(ShapeBroken):
            await events.for_subject(conn, world.organisation.id, "invitation", world.invitation.id)
