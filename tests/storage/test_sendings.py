"""One press of "Send": who is invited, who is skipped, and that it happens once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates, dispatch, events, invitations, jobs, sendings, templates
from storage.database import Database
from storage.dispatch import Order, carry_out, invitation_id_of
from storage.errors import NotFound, TemplateNotAttached, TooManyCandidates, VersionNotPublished
from storage.ids import new_id
from storage.invitation_list import MailFact, Wanted, listing
from storage.invitations import Invitation
from storage.schema import applications, mails
from storage.schema import candidates as candidates_table
from storage.schema import jobs as jobs_table
from storage.schema import templates as templates_table
from storage.sendings import Outcome
from storage.states import InvitationStatus, MailKind, MailState, Stage
from tests.storage.world import HOUR_MS, NOW_MS, World, furnish, sha256


async def people(conn: AsyncConnection, world: World, *names: str) -> list[str]:
    made = [
        await candidates.create(
            conn,
            organisation_id=world.organisation.id,
            name=name,
            email=f"{name.casefold()}@example.org",
            now_ms=NOW_MS,
        )
        for name in names
    ]
    return [each.id for each in made]


def order_of(world: World, candidate_ids: list[str], *, expires_at_ms: int | None = None) -> Order:
    return Order(
        sending_id=new_id(NOW_MS),
        organisation_id=world.organisation.id,
        user_id=world.recruiter.id,
        job_id=world.job.id,
        version_id=world.version.id,
        candidate_ids=candidate_ids,
        expires_at_ms=expires_at_ms,
    )


async def send(conn: AsyncConnection, order: Order, now_ms: int = NOW_MS) -> list[Invitation] | None:
    return await carry_out(conn, order, deliverable=lambda email: "." in email, token_sha256_of=sha256, now_ms=now_ms)


async def outcomes(conn: AsyncConnection, order: Order) -> list[Outcome]:
    return [row.outcome for row in await sendings.rows_of(conn, order.sending_id)]


async def test_each_is_invited_in_the_order_of_the_form(database: Database, world: World) -> None:
    async with database.write() as conn:
        ids = await people(conn, world, "Bo", "Ann", "Cy")
        order = order_of(world, ids, expires_at_ms=NOW_MS + HOUR_MS)
        made = await send(conn, order)
        assert made is not None
        assert [each.candidate_id for each in made] == ids
        assert [each.id for each in made] == [invitation_id_of(order.sending_id, each) for each in ids]
        for each in made:
            assert each.status is InvitationStatus.PENDING
            assert (each.expires_at_ms, each.invited_by) == (NOW_MS + HOUR_MS, world.recruiter.id)
            assert each.token_sha256 == sha256(each.id)
        latest = await conn.scalars(
            select(candidates_table.c.latest_invitation_id).where(candidates_table.c.id.in_(ids))
        )
        assert set(latest) == {each.id for each in made}
        rows = await sendings.rows_of(conn, order.sending_id)
    assert [row.candidate_name for row in rows] == ["Bo", "Ann", "Cy"]
    assert {row.outcome for row in rows} == {Outcome.SENT}


async def test_a_repeat_changes_nothing(database: Database, world: World) -> None:
    async with database.write() as conn:
        order = order_of(world, await people(conn, world, "Ann"))
        assert await send(conn, order)
    async with database.write() as conn:
        assert await send(conn, order) is None
        assert await send(conn, replace(order, candidate_ids=await people(conn, world, "Bo"))) is None
        found = await listing(conn, world.organisation.id)
        assert len(found) == 2  # the world's own, and one
        kinds = [
            event.kind for event in await events.for_candidate(conn, world.organisation.id, order.candidate_ids[0])
        ]
    assert kinds == ["invitation.sent", "application.moved", "application.created"]


async def test_two_presses_at_the_same_moment_send_once(database: Database, world: World) -> None:
    async with database.write() as conn:
        order = order_of(world, await people(conn, world, "Ann", "Bo"))
    second = Database(database.path)
    await second.open()

    async def press(into: Database) -> list[Invitation] | None:
        async with into.write() as conn:
            return await send(conn, order)

    try:
        said = await asyncio.gather(*(press(each) for each in (database, second, database, second)))
    finally:
        await second.close()
    assert sorted(len(each) for each in said if each is not None) == [2]
    async with database.read() as conn:
        assert await outcomes(conn, order) == [Outcome.SENT, Outcome.SENT]


async def test_two_forms_at_the_same_moment_invite_nobody_twice(database: Database, world: World) -> None:
    async with database.write() as conn:
        ids = await people(conn, world, "Ann", "Bo")
    one, other = order_of(world, ids), order_of(world, ids)

    async def press(order: Order) -> list[Invitation] | None:
        async with database.write() as conn:
            return await send(conn, order)

    said = await asyncio.gather(press(one), press(other))
    assert sorted(len(each or []) for each in said) == [0, 2]


async def test_a_crash_before_the_commit_leaves_nothing_and_the_repeat_sends(database: Database, world: World) -> None:
    async with database.write() as conn:
        order = order_of(world, await people(conn, world, "Ann"))
    with pytest.raises(RuntimeError):
        async with database.write() as conn:
            await send(conn, order)
            raise RuntimeError("the power went away")
    async with database.write() as conn:
        assert await sendings.find(conn, order.sending_id, organisation_id=world.organisation.id) is None
        assert await conn.scalar(select(func.count()).select_from(applications)) == 1
        assert len(await send(conn, order) or []) == 1


async def test_whoever_has_an_open_invitation_to_the_template_is_skipped(database: Database, world: World) -> None:
    async with database.write() as conn:
        [ann] = await people(conn, world, "Ann")
        first = order_of(world, [ann], expires_at_ms=NOW_MS + HOUR_MS)
        [open_one] = await send(conn, first) or []
        again = order_of(world, [ann, *await people(conn, world, "Bo")])
        assert len(await send(conn, again, NOW_MS + HOUR_MS - 1) or []) == 1
        rows = await sendings.rows_of(conn, again.sending_id)
        assert [row.outcome for row in rows] == [Outcome.OPEN_ALREADY, Outcome.SENT]
        assert rows[0].invitation_id == open_one.id


async def test_after_the_expiry_a_new_one_is_sent_though_no_sweep_has_come(database: Database, world: World) -> None:
    async with database.write() as conn:
        [ann] = await people(conn, world, "Ann")
        [old] = await send(conn, order_of(world, [ann], expires_at_ms=NOW_MS + HOUR_MS)) or []
        [new] = await send(conn, order_of(world, [ann]), NOW_MS + HOUR_MS) or []
        assert new.id != old.id
        assert (
            await conn.scalar(select(candidates_table.c.latest_invitation_id).where(candidates_table.c.id == ann))
        ) == new.id
        shown = await listing(conn, world.organisation.id, wanted=Wanted(candidate_id=ann), now_ms=NOW_MS + HOUR_MS)
    assert [row.status for row in shown] == [InvitationStatus.PENDING, InvitationStatus.EXPIRED]


async def test_an_address_that_mail_cannot_reach_is_skipped(database: Database, world: World) -> None:
    async with database.write() as conn:
        bad = await candidates.create(
            conn, organisation_id=world.organisation.id, name="Di", email="di@localhost", now_ms=NOW_MS
        )
        order = order_of(world, [bad.id])
        assert await send(conn, order) == []
        assert await outcomes(conn, order) == [Outcome.NO_ADDRESS]
        assert await conn.scalar(select(applications.c.id).where(applications.c.candidate_id == bad.id)) is None


async def test_a_new_application_moves_on_and_a_later_one_stays(database: Database, world: World) -> None:
    async with database.write() as conn:
        ann, bo = await people(conn, world, "Ann", "Bo")
        await candidates.apply(conn, ann, world.job.id, now_ms=NOW_MS)
        kept = await candidates.apply(conn, bo, world.job.id, now_ms=NOW_MS)
        await conn.execute(
            update(applications).where(applications.c.id == kept.id).values(stage=Stage.SHORTLIST, stage_at_ms=NOW_MS)
        )
        await conn.execute(update(applications).where(applications.c.candidate_id == ann).values(stage=Stage.NEW))
        await send(conn, order_of(world, [ann, bo]), NOW_MS + 5)
        rows = await conn.execute(
            select(applications.c.candidate_id, applications.c.stage, applications.c.stage_at_ms).where(
                applications.c.candidate_id.in_([ann, bo])
            )
        )
        found = {row.candidate_id: (row.stage, row.stage_at_ms) for row in rows}
    assert found == {ann: (Stage.INTERVIEW, NOW_MS + 5), bo: (Stage.SHORTLIST, NOW_MS)}


async def test_somebody_elses_candidate_stops_all_of_it(database: Database, world: World) -> None:
    async with database.write() as conn:
        other = await furnish(conn, name="Elsewhere")
        [theirs] = await people(conn, other, "Eve")
        order = order_of(world, [*await people(conn, world, "Ann"), theirs])
        with pytest.raises(NotFound):
            await send(conn, order)
        assert await sendings.find(conn, order.sending_id, organisation_id=world.organisation.id) is None


async def test_somebody_elses_job_or_template_is_unknown(database: Database, world: World) -> None:
    async with database.write() as conn:
        other = await furnish(conn, name="Elsewhere")
        order = order_of(world, await people(conn, world, "Ann"))
        for changed in (replace(order, job_id=other.job.id), replace(order, version_id=other.version.id)):
            with pytest.raises(NotFound):
                await send(conn, changed)


@pytest.mark.parametrize("change", ["archived", "closed", "unattached"])
async def test_what_is_offered_no_more_cannot_be_sent(database: Database, world: World, change: str) -> None:
    async with database.write() as conn:
        order = order_of(world, await people(conn, world, "Ann"))
        match change:
            case "archived":
                await conn.execute(update(templates_table).values(archived_at_ms=NOW_MS))
            case "closed":
                await conn.execute(update(jobs_table).values(closed_at_ms=NOW_MS))
            case _:
                job = await jobs.create(conn, organisation_id=world.organisation.id, title="Another", now_ms=NOW_MS)
                order = replace(order, job_id=job.id)
        with pytest.raises(TemplateNotAttached):
            await send(conn, order)


async def test_a_draft_cannot_be_sent(database: Database, world: World) -> None:
    async with database.write() as conn:
        draft = await templates.create(conn, organisation_id=world.organisation.id, name="Draft", now_ms=NOW_MS)
        await templates.attach(conn, draft.template_id, world.job.id)
        order = replace(order_of(world, await people(conn, world, "Ann")), version_id=draft.id)
        with pytest.raises(VersionNotPublished):
            await send(conn, order)


async def test_a_hundred_are_sent_and_a_hundred_and_one_are_not(database: Database, world: World) -> None:
    async with database.write() as conn:
        ids = await people(conn, world, *(f"P{number:03}" for number in range(sendings.CANDIDATES_LIMIT + 1)))
        with pytest.raises(TooManyCandidates):
            await send(conn, order_of(world, ids))
        order = order_of(world, [*ids[:-1], ids[0]])  # one named twice is one
        assert len(await send(conn, order) or []) == 100
        assert len(await sendings.rows_of(conn, order.sending_id)) == 100


async def test_a_sending_is_found_by_its_own_organisation_alone(database: Database, world: World) -> None:
    async with database.write() as conn:
        other = await furnish(conn, name="Elsewhere")
        order = order_of(world, await people(conn, world, "Ann"), expires_at_ms=NOW_MS + HOUR_MS)
        await send(conn, order)
        found = await sendings.find(conn, order.sending_id, organisation_id=world.organisation.id)
        assert found is not None
        assert (found.job_title, found.template_name, found.expires_at_ms) == ("Baker", "First talk", NOW_MS + HOUR_MS)
        assert await sendings.find(conn, order.sending_id, organisation_id=other.organisation.id) is None


async def test_what_sending_still_needs_is_known(database: Database, world: World) -> None:
    async with database.write() as conn:
        assert await sendings.readiness(conn, world.organisation.id) == sendings.Readiness(True, True, True)
        await conn.execute(update(jobs_table).values(closed_at_ms=NOW_MS))
        assert await sendings.readiness(conn, world.organisation.id) == sendings.Readiness(False, True, False)
        assert await sendings.readiness(conn, "nobody") == sendings.Readiness(False, False, False)


async def post(
    conn: AsyncConnection, invitation: Invitation, state: MailState, at_ms: int, opened_at_ms: int | None = None
) -> None:
    await conn.execute(
        mails.insert().values(
            id=new_id(at_ms),
            organisation_id=invitation.organisation_id,
            kind=MailKind.INVITATION,
            invitation_id=invitation.id,
            to_address=invitation.candidate_email,
            state=state,
            attempts=1,
            created_at_ms=at_ms,
            ended_at_ms=None if state is MailState.QUEUED else at_ms,
            reply="550 no such user" if state is MailState.REFUSED else "",
            outbox_file="",
            opened_at_ms=opened_at_ms,
        )
    )


async def test_the_list_knows_the_latest_mail_and_finds_by_it(database: Database, world: World) -> None:
    organisation_id = world.organisation.id

    async def facts(conn: AsyncConnection) -> MailFact | None:
        [row] = await listing(conn, organisation_id, now_ms=NOW_MS)
        found = [
            fact for fact in MailFact if await listing(conn, organisation_id, wanted=Wanted(mail=fact), now_ms=NOW_MS)
        ]
        assert found == ([] if row.mail is None else [row.mail])
        assert row.mail_reply == ("550 no such user" if row.mail is MailFact.REFUSED else "")
        return row.mail

    async with database.write() as conn:
        seen = [await facts(conn)]
        steps = (MailState.STOPPED, MailState.QUEUED, MailState.SENT, MailState.REFUSED, MailState.OUTBOX)
        for number, state in enumerate(steps):
            await post(conn, world.invitation, state, NOW_MS + number)
            seen.append(await facts(conn))
        await post(conn, world.invitation, MailState.STOPPED, NOW_MS + 20)  # tells nothing new
        seen.append(await facts(conn))
        await post(conn, world.invitation, MailState.SENT, NOW_MS + 30, opened_at_ms=NOW_MS + 31)
        seen.append(await facts(conn))
    assert seen == [None, "stopped", "queued", "sent", "refused", "outbox", "outbox", "opened"]


async def test_the_list_finds_by_text_job_candidate_and_member(database: Database, world: World) -> None:
    async with database.write() as conn:
        [jose] = await people(conn, world, "José")
        [made] = await send(conn, order_of(world, [jose])) or []

        async def found(wanted: Wanted) -> set[str]:
            return {row.id for row in await listing(conn, world.organisation.id, wanted=wanted, now_ms=NOW_MS)}

        both = {made.id, world.invitation.id}
        assert await found(Wanted()) == both
        assert await found(Wanted(text=" JOSE ")) == {made.id}
        assert await found(Wanted(text="100%")) == set()
        assert await found(Wanted(text="_")) == set()
        assert await found(Wanted(candidate_id=jose)) == {made.id}
        assert await found(Wanted(job_id=world.job.id)) == both
        assert await found(Wanted(job_id="nothing")) == set()
        assert await found(Wanted(member_id=world.recruiter.id)) == set()


async def test_many_invitations_are_got_in_one_go(database: Database, world: World) -> None:
    async with database.write() as conn:
        ids = await people(conn, world, "Ann", "Bo")
        made = await send(conn, order_of(world, ids)) or []
        found = await invitations.get_each(conn, [*(each.id for each in made), "nothing"])
    assert found == {each.id: each for each in made}


async def test_an_extension_needs_a_later_deadline_while_the_old_one_stands(database: Database, world: World) -> None:
    async with database.write() as conn:
        [ann] = await people(conn, world, "Ann")
        [made] = await send(conn, order_of(world, [ann], expires_at_ms=NOW_MS + HOUR_MS)) or []

        async def extend(to_ms: int, now_ms: int, invitation_id: str = made.id) -> bool:
            return await invitations.extend(conn, invitation_id, expires_at_ms=to_ms, now_ms=now_ms)

        assert not await extend(NOW_MS + HOUR_MS, NOW_MS)
        assert not await extend(NOW_MS + 2 * HOUR_MS, NOW_MS + HOUR_MS)
        assert await extend(NOW_MS + 2 * HOUR_MS, NOW_MS + HOUR_MS - 1)
        assert not await extend(NOW_MS + HOUR_MS, NOW_MS, world.invitation.id)  # which has none
        assert await invitations.cancel(conn, made.id, reason="", now_ms=NOW_MS)
        assert not await extend(NOW_MS + 3 * HOUR_MS, NOW_MS)


async def test_ids_of_a_sending_depend_on_both_of_its_parts() -> None:
    ids = {invitation_id_of(a, b) for a, b in (("1", "23"), ("12", "3"), ("1", "2"), ("2", "1"))}
    assert len(ids) == 4
    assert all(len(each) == 32 and set(each) <= set("0123456789abcdef") for each in ids)
    assert dispatch.invitation_id_of("1", "2") == invitation_id_of("1", "2")
