"""R29 in the database: drafts are their author's, posting happens once, and nothing is erased."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import comments
from storage.database import Database
from storage.errors import NotCompleted, NotFound, TooManyComments
from storage.ids import new_id
from tests.storage.test_scores import colleague, completed
from tests.storage.world import NOW_MS, World, furnish

FIRST = "0" * 31 + "1"
SECOND = "0" * 31 + "2"


def typed(world: World, **other: Any) -> dict[str, Any]:
    return {
        "invitation_id": world.invitation.id,
        "user_id": world.recruiter.id,
        "question": 1,
        "text": "Calm.",
        "moment_ms": None,
        "now_ms": NOW_MS,
    } | other


async def texts(conn: AsyncConnection, world: World) -> list[str]:
    return [each.text for each in await comments.posted(conn, world.invitation.id)]


async def test_a_draft_is_its_authors_alone_until_it_is_posted(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        maya = await colleague(conn, world, "Maya")
        assert await comments.save_draft(conn, FIRST, **typed(world, text="Ca"))
        assert await comments.save_draft(conn, FIRST, **typed(world, moment_ms=42_000))
        assert await texts(conn, world) == []
        assert await comments.drafts(conn, world.invitation.id, maya.id) == {}
        draft = (await comments.drafts(conn, world.invitation.id, world.recruiter.id))[1]
        assert (draft.id, draft.text, draft.moment_ms) == (FIRST, "Calm.", 42_000)
        assert await comments.post(conn, FIRST, **typed(world, text="Calm, and exact."))
        [only] = await comments.posted(conn, world.invitation.id)
        assert (only.text, only.author, only.edited_at_ms) == ("Calm, and exact.", "Robin", None)
        assert await comments.drafts(conn, world.invitation.id, world.recruiter.id) == {}


async def test_a_draft_that_is_emptied_is_forgotten(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        await comments.save_draft(conn, FIRST, **typed(world))
        assert await comments.save_draft(conn, FIRST, **typed(world, text=""))
        assert await comments.drafts(conn, world.invitation.id, world.recruiter.id) == {}


async def test_what_is_posted_twice_is_one_comment(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)

    async def press() -> bool:
        async with database.write() as conn:
            return await comments.post(conn, FIRST, **typed(world))

    assert sorted(await asyncio.gather(press(), press())) == [False, True]
    async with database.read() as conn:
        assert await texts(conn, world) == ["Calm."]


async def test_a_draft_that_arrives_after_its_comment_was_posted_changes_nothing(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        await comments.post(conn, FIRST, **typed(world))
        assert not await comments.save_draft(conn, FIRST, **typed(world, text="Cal"))
        assert not await comments.save_draft(conn, FIRST, **typed(world, text=""))
        assert await texts(conn, world) == ["Calm."]
        assert await comments.drafts(conn, world.invitation.id, world.recruiter.id) == {}


async def test_two_tabs_keep_a_draft_each_and_none_is_lost(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        await comments.save_draft(conn, FIRST, **typed(world, text="One"))
        await comments.save_draft(conn, SECOND, **typed(world, text="Two", now_ms=NOW_MS + 1))
        mine = await comments.drafts(conn, world.invitation.id, world.recruiter.id)
        assert mine[1].text == "Two"
        await comments.post(conn, SECOND, **typed(world, text="Two"))
        mine = await comments.drafts(conn, world.invitation.id, world.recruiter.id)
        assert mine[1].text == "One"


async def test_the_id_of_somebody_elses_comment_is_of_no_use(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        maya = await colleague(conn, world, "Maya")
        await comments.save_draft(conn, FIRST, **typed(world))
        for attempt in (comments.save_draft, comments.post):
            with pytest.raises(NotFound):
                await attempt(conn, FIRST, **typed(world, user_id=maya.id, text="Mine now"))
        await comments.post(conn, FIRST, **typed(world))
        own = {"invitation_id": world.invitation.id, "user_id": maya.id}
        assert not await comments.edit(conn, FIRST, **own, text="Mine now", now_ms=NOW_MS)
        assert not await comments.remove(conn, FIRST, **own, now_ms=NOW_MS)
        assert await texts(conn, world) == ["Calm."]


async def test_a_comment_is_edited_deleted_and_brought_back(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        own = {"invitation_id": world.invitation.id, "user_id": world.recruiter.id}
        assert not await comments.edit(conn, FIRST, **own, text="Too early", now_ms=NOW_MS)
        await comments.post(conn, FIRST, **typed(world))
        assert await comments.edit(conn, FIRST, **own, text="Calmer.", now_ms=NOW_MS + 5)
        assert await comments.remove(conn, FIRST, **own, now_ms=NOW_MS + 6)
        assert not await comments.remove(conn, FIRST, **own, now_ms=NOW_MS + 7)
        assert not await comments.edit(conn, FIRST, **own, text="Gone", now_ms=NOW_MS + 7)
        assert await texts(conn, world) == []
        [gone] = await comments.posted(conn, world.invitation.id, deleted=FIRST)
        assert gone.deleted_at_ms == NOW_MS + 6
        assert await comments.restore(conn, FIRST, **own)
        assert not await comments.restore(conn, FIRST, **own)
        [back] = await comments.posted(conn, world.invitation.id)
        assert (back.text, back.edited_at_ms, back.deleted_at_ms) == ("Calmer.", NOW_MS + 5, None)


async def test_an_admin_may_delete_what_others_wrote(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        await comments.post(conn, FIRST, **typed(world))
        assert await comments.remove(conn, FIRST, invitation_id=world.invitation.id, user_id=None, now_ms=NOW_MS)
        assert await comments.restore(conn, FIRST, invitation_id=world.invitation.id, user_id=None)


async def test_nothing_is_written_on_an_interview_that_is_not_completed(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        for attempt in (comments.save_draft, comments.post):
            with pytest.raises(NotCompleted):
                await attempt(conn, FIRST, **typed(world))


async def test_a_comment_on_a_question_there_is_not_is_refused(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        with pytest.raises(NotFound):
            await comments.post(conn, FIRST, **typed(world, question=9))
        assert await comments.post(conn, FIRST, **typed(world, question=0))


async def test_there_is_an_end_to_comments(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comments, "COMMENTS_LIMIT", 2)
    async with database.write() as conn:
        world = await furnish(conn)
        await completed(conn, world)
        for _ in range(2):
            await comments.post(conn, new_id(), **typed(world))
        with pytest.raises(TooManyComments):
            await comments.post(conn, new_id(), **typed(world))
