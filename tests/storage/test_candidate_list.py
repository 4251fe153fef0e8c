"""The list of candidates: search, filters that agree with what is shown, pages by key, and few queries."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidate_list, candidates, invitations, jobs
from storage.candidate_list import COUNTED, CandidatePage, CandidateRow, CandidateState
from storage.database import Database
from storage.errors import EmailTaken
from storage.ids import new_id
from storage.schema import candidates as table
from storage.search import folded
from storage.states import Stage
from tests.storage.world import HOUR_MS, NOW_MS, World, answer_everything, furnish, invite, start_interview

MANY = 3000


async def fill(conn: AsyncConnection, organisation_id: str, how_many: int = MANY) -> None:
    """Candidates of whom each three share a millisecond, so that the key needs the id as well."""
    rows = [
        {
            "id": new_id(NOW_MS + number // 3),
            "organisation_id": organisation_id,
            "name": f"Person {number:05}",
            "email": f"person{number:05}@example.org",
            "email_folded": f"person{number:05}@example.org",
            "search": folded(f"Person {number:05} person{number:05}@example.org"),
            "created_at_ms": NOW_MS + number // 3,
        }
        for number in range(how_many)
    ]
    await conn.execute(insert(table), rows)


async def everything(conn: AsyncConnection, organisation_id: str, limit: int, q: str = "") -> list[CandidateRow]:
    seen: list[CandidateRow] = []
    before: tuple[int, str] | None = None
    while True:
        found = await candidate_list.page(conn, organisation_id, now_ms=NOW_MS, q=q, limit=limit, before=before)
        if not found.rows:
            return seen
        seen += found.rows
        before = (found.rows[-1].created_at_ms, found.rows[-1].id)


async def names(conn: AsyncConnection, organisation_id: str, q: str) -> set[str]:
    return {row.name for row in (await candidate_list.page(conn, organisation_id, now_ms=NOW_MS, q=q)).rows}


async def test_thousands_come_page_by_page_each_once_the_newest_first(database: Database, world: World) -> None:
    async with database.write() as conn:
        await fill(conn, world.organisation.id)
    async with database.read() as conn:
        seen = await everything(conn, world.organisation.id, limit=97)
    assert len(seen) == len({row.id for row in seen}) == MANY + 1
    assert seen == sorted(seen, key=lambda row: (row.created_at_ms, row.id), reverse=True)


async def test_a_candidate_added_meanwhile_moves_no_page(database: Database, world: World) -> None:
    async with database.write() as conn:
        await fill(conn, world.organisation.id, 60)
        first = await candidate_list.page(conn, world.organisation.id, now_ms=NOW_MS, limit=20)
        before = (first.rows[-1].created_at_ms, first.rows[-1].id)
        second = await candidate_list.page(conn, world.organisation.id, now_ms=NOW_MS, limit=20, before=before)
        await candidates.create(
            conn, organisation_id=world.organisation.id, name="Late", email="late@example.org", now_ms=NOW_MS + HOUR_MS
        )
        again = await candidate_list.page(conn, world.organisation.id, now_ms=NOW_MS, limit=20, before=before)
    assert again == second
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}


@pytest.mark.parametrize("state", [None, *CandidateState])
@pytest.mark.parametrize("q", ["", "person"])
async def test_a_page_of_any_length_is_two_queries(
    database: Database, world: World, state: CandidateState | None, q: str
) -> None:
    async with database.write() as conn:
        await fill(conn, world.organisation.id)
    counts = []
    for limit in (1, 10, 100):
        async with database.read() as conn:
            asked: list[str] = []
            sync = conn.sync_connection
            assert sync is not None
            event.listen(sync, "before_cursor_execute", lambda *seen, to=asked: to.append(seen[2]))
            found = await candidate_list.page(conn, world.organisation.id, now_ms=NOW_MS, q=q, state=state, limit=limit)
            counts.append(len(asked) == (2 if found.rows else 1))
    assert counts == [True, True, True]


async def test_the_count_ends_where_counting_would_take_long(database: Database, world: World) -> None:
    async with database.write() as conn:
        await fill(conn, world.organisation.id)
        organisation_id = world.organisation.id
        assert (await candidate_list.page(conn, organisation_id, now_ms=NOW_MS)).found == COUNTED + 1
        some = await candidate_list.page(conn, organisation_id, now_ms=NOW_MS, q="person001", limit=10)
        assert (some.found, len(some.rows)) == (100, 10)
        assert await candidate_list.page(conn, organisation_id, now_ms=NOW_MS, q="nobody") == CandidatePage([], 0)


async def test_search_is_without_accents_and_case_in_name_and_address(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        people = {"Åsa Öberg": "asa.oberg@Example.ORG", "Łukasz Ek": "LUKASZ@example.org", "Zoë Straße": "z@example.fi"}
        for name, email in people.items():
            await candidates.create(conn, organisation_id=organisation_id, name=name, email=email, now_ms=NOW_MS)
        for q in ("asa", "ÅSA", "öber", "Oberg@EXAMPLE", "oberg asa", "asa  example.org"):
            assert await names(conn, organisation_id, q) == {"Åsa Öberg"}, q
        for q in ("zoe", "STRASSE", "example.fi"):
            assert await names(conn, organisation_id, q) == {"Zoë Straße"}, q
        assert await names(conn, organisation_id, "lukasz@EXAMPLE") == {"Łukasz Ek"}
        assert await names(conn, organisation_id, "asa lukasz") == set()


async def test_signs_that_mean_something_to_sql_are_searched_as_they_are(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        for number, name in enumerate(("100% Ada", "Under_score", "=SUM(A1)", r"Back\slash")):
            email = f"n{number}@example.org"
            await candidates.create(conn, organisation_id=organisation_id, name=name, email=email, now_ms=NOW_MS)
        assert await names(conn, organisation_id, "%") == {"100% Ada"}
        assert await names(conn, organisation_id, "_") == {"Under_score"}
        assert await names(conn, organisation_id, "=sum(") == {"=SUM(A1)"}
        assert await names(conn, organisation_id, "\\") == {r"Back\slash"}
        assert await names(conn, organisation_id, "' OR 1=1 --") == set()


async def test_a_changed_name_is_found_and_the_old_one_is_not(database: Database, world: World) -> None:
    organisation_id, kim = world.organisation.id, world.application.candidate_id
    async with database.write() as conn:
        change = {"organisation_id": organisation_id, "name": "Kím Berg", "email": "kb@example.org"}
        assert await candidates.edit(conn, kim, **change)
        assert not await candidates.edit(conn, kim, **change)
        assert await names(conn, organisation_id, "kim berg") == {"Kím Berg"}
        assert await names(conn, organisation_id, "kim@example") == set()


async def test_an_address_of_somebody_else_cannot_be_taken_over(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        lee = await candidates.create(
            conn, organisation_id=organisation_id, name="Lee", email="lee@example.org", now_ms=NOW_MS
        )
        with pytest.raises(EmailTaken):
            await candidates.edit(conn, lee.id, organisation_id=organisation_id, name="Lee", email="KIM@example.org")
        assert await candidates.by_id(conn, lee.id, organisation_id=organisation_id) == lee
        assert await candidates.edit(conn, lee.id, organisation_id=organisation_id, name="Lee", email="LEE@example.org")


async def states(conn: AsyncConnection, world: World, now_ms: int) -> set[CandidateState]:
    """Under which filters Kim is found; what each of those shows is checked on the way."""
    found = set()
    for state in CandidateState:
        shown = await candidate_list.page(conn, world.organisation.id, now_ms=now_ms, state=state)
        assert all(row.state is state for row in shown.rows)
        found |= {state for row in shown.rows if row.id == world.application.candidate_id}
    return found


async def latest(conn: AsyncConnection, world: World, invitation_id: str) -> None:
    """What `invitations.create` notes."""
    chosen = table.c.id == world.application.candidate_id
    await conn.execute(table.update().where(chosen).values(latest_invitation_id=invitation_id))


async def test_each_filter_finds_whom_it_shows_at_every_moment(database: Database, world: World) -> None:
    expires_at_ms = NOW_MS + HOUR_MS
    async with database.write() as conn:
        other = await candidates.create(
            conn, organisation_id=world.organisation.id, name="Lee", email="lee@example.org", now_ms=NOW_MS
        )
        row = await candidate_list.one(conn, world.organisation.id, other.id, now_ms=NOW_MS)
        assert row is not None and (row.state, row.at_ms) == (CandidateState.NOT_INVITED, NOW_MS)

        first = await invite(
            conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=expires_at_ms
        )
        await latest(conn, world, first.id)
        assert await states(conn, world, NOW_MS) == {CandidateState.INVITED}
        # The sweep has not run, and yet:
        assert await states(conn, world, expires_at_ms) == {CandidateState.EXPIRED}
        row = await candidate_list.one(
            conn, world.organisation.id, world.application.candidate_id, now_ms=expires_at_ms
        )
        assert row is not None and row.at_ms == expires_at_ms

        answers = await start_interview(conn, world, invitation=first)
        assert await states(conn, world, NOW_MS) == {CandidateState.ACTIVE}
        assert await states(conn, world, expires_at_ms) == {CandidateState.ACTIVE}
        assert await states(conn, world, expires_at_ms + HOUR_MS) == {CandidateState.EXPIRED}
        await answer_everything(conn, answers)
        assert await invitations.complete(conn, first.id, NOW_MS)
        assert await states(conn, world, expires_at_ms + HOUR_MS) == {CandidateState.COMPLETED}

        second = await invite(conn, world.organisation.id, world.application.id, world.version.id)
        await latest(conn, world, second.id)
        assert await states(conn, world, NOW_MS) == {CandidateState.INVITED}
        await invitations.cancel(conn, second.id, reason="", now_ms=NOW_MS + 5)
        assert await states(conn, world, NOW_MS) == {CandidateState.CANCELLED}


async def test_a_row_names_every_job_with_its_stage_the_newest_first(database: Database, world: World) -> None:
    async with database.write() as conn:
        miller = await jobs.create(conn, organisation_id=world.organisation.id, title="Miller", now_ms=NOW_MS)
        kim = world.application.candidate_id
        await candidates.apply(conn, kim, miller.id, now_ms=NOW_MS + 1, stage=Stage.SHORTLIST)
        row = await candidate_list.one(conn, world.organisation.id, kim, now_ms=NOW_MS)
        assert row is not None
        assert [(job.title, job.stage) for job in row.jobs] == [("Miller", Stage.SHORTLIST), ("Baker", Stage.NEW)]
        applied = await candidates.applications_of(conn, world.organisation.id, kim)
        assert [(each.job_title, each.stage, each.job_closed) for each in applied] == [
            ("Miller", Stage.SHORTLIST, False),
            ("Baker", Stage.NEW, False),
        ]


async def test_another_organisation_sees_none_of_them(database: Database, world: World) -> None:
    async with database.write() as conn:
        theirs = await furnish(conn, name="Southwind")
        kim, organisation_id = world.application.candidate_id, theirs.organisation.id
        shown = await candidate_list.page(conn, organisation_id, now_ms=NOW_MS, q="kim")
        assert [row.id for row in shown.rows] == [theirs.application.candidate_id]
        assert await candidate_list.one(conn, organisation_id, kim, now_ms=NOW_MS) is None
        assert await candidates.by_id(conn, kim, organisation_id=organisation_id) is None
        assert await candidates.applications_of(conn, organisation_id, kim) == []
        assert not await candidates.edit(conn, kim, organisation_id=organisation_id, name="X", email="x@example.org")
