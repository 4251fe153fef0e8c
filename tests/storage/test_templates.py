"""Templates and their versions, and that a published one never changes (R5)."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from storage import templates
from storage.database import Database
from storage.errors import NotFound, ShapeBroken, TooManyQuestions, VersionEmpty, VersionFrozen
from storage.schema import template_versions
from storage.templates import QUESTIONS_LIMIT
from tests.storage.world import NOW_MS, furnish


async def add(conn, version_id: str, **changes: object):  # type: ignore[no-untyped-def]
    asked = {"text": "Why?", "think_s": 30, "limit_s": 60, "retakes": 1, "now_ms": NOW_MS} | changes
    return await templates.add_question(conn, version_id, **asked)


async def test_a_version_comes_back_with_its_questions_in_order(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        version = await templates.version(conn, world.version.id)
        assert (version.template_name, version.number, version.language) == ("First talk", 1, "en")
        assert version.organisation_id == world.organisation.id
        assert version.details_fields == [{"name": "phone", "label": "Phone", "required": False, "kind": "tel"}]
        assert [(each.position, each.text, each.retakes) for each in version.questions] == [
            (1, "Question 1?", None),
            (2, "Question 2?", 1),
            (3, "Question 3?", 1),
        ]


async def test_a_published_version_takes_no_question_and_is_not_published_again(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        with pytest.raises(VersionFrozen):
            await add(conn, world.version.id)
        with pytest.raises(VersionFrozen):
            await templates.publish(conn, world.version.id, NOW_MS + 1)
        assert await templates.version(conn, world.version.id) == world.version


async def test_a_version_without_questions_is_not_published(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        draft = await templates.create(conn, organisation_id=world.organisation.id, name="Empty", now_ms=NOW_MS)
        with pytest.raises(VersionEmpty):
            await templates.publish(conn, draft.id, NOW_MS)
        assert (await templates.version(conn, draft.id)).published_at_ms is None


async def test_a_version_has_a_bounded_number_of_questions(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        draft = await templates.create(conn, organisation_id=world.organisation.id, name="Long", now_ms=NOW_MS)
        for _ in range(QUESTIONS_LIMIT):
            await add(conn, draft.id)
        with pytest.raises(TooManyQuestions):
            await add(conn, draft.id)
        assert len((await templates.version(conn, draft.id)).questions) == QUESTIONS_LIMIT


@pytest.mark.parametrize("wrong", [{"think_s": -1}, {"limit_s": 0}, {"retakes": -1}])
async def test_impossible_times_and_retakes_are_refused_by_the_database(
    database: Database, wrong: dict[str, int]
) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        draft = await templates.create(conn, organisation_id=world.organisation.id, name="Odd", now_ms=NOW_MS)
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await add(conn, draft.id, **wrong)


async def test_a_template_has_each_version_number_once(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await conn.execute(
                insert(template_versions).values(
                    id="again",
                    template_id=world.version.template_id,
                    number=1,
                    language="en",
                    introduction="",
                    instructions="",
                    details_fields=[],
                    audio_only_allowed=False,
                    created_at_ms=NOW_MS,
                )
            )


async def test_a_template_is_attached_within_its_organisation_only_and_twice_is_once(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        await templates.attach(conn, ours.version.template_id, ours.job.id)
        with pytest.raises(NotFound):
            await templates.attach(conn, ours.version.template_id, theirs.job.id)


async def test_what_does_not_exist_is_not_found(database: Database) -> None:
    async with database.write() as conn:
        with pytest.raises(NotFound):
            await templates.version(conn, "nothing")
        with pytest.raises(NotFound):
            await templates.publish(conn, "nothing", NOW_MS)
        with pytest.raises(NotFound):
            await add(conn, "nothing")


async def test_fields_of_a_wrong_shape_are_refused_when_written_and_when_read(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        with pytest.raises(ShapeBroken):
            await templates.create(
                conn,
                organisation_id=world.organisation.id,
                name="Odd",
                details_fields=[{"name": "x", "label": "X", "required": True, "kind": "colour"}],  # type: ignore[typeddict-item]
                now_ms=NOW_MS,
            )
        await conn.execute(update(template_versions).values(details_fields={"not": "a list"}))
        with pytest.raises(ShapeBroken, match="details_fields"):
            await templates.version(conn, world.version.id)
