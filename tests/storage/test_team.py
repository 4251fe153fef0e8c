"""The organisation's own settings, its team with roles, and invites into it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import job_members, jobs, logins, logos, organisations, team_invites, users
from storage.database import Database
from storage.errors import AlreadyInvited, EmailTaken, LastAdmin, NotFound, NoticeChanged
from storage.ids import new_id
from storage.schema import NoticeKind
from storage.states import Role
from storage.team_invites import LASTS_MS, InviteState, TeamInvite
from storage.users import User
from tests.storage.world import NOW_MS, World, furnish, sha256

MINUTE_MS = 60_000


async def colleague(conn: AsyncConnection, world: World, role: Role, name: str = "Aino") -> User:
    return await users.create(
        conn,
        organisation_id=world.organisation.id,
        email=f"{new_id()}@northwind.example",
        name=name,
        role=role,
        password_hash="hash",
        now_ms=NOW_MS,
    )


async def invited(
    conn: AsyncConnection,
    world: World,
    *,
    email: str = "new@northwind.example",
    role: Role = Role.RECRUITER,
    job_ids: tuple[str, ...] = (),
    now_ms: int = NOW_MS,
) -> TeamInvite:
    invite_id = new_id(now_ms)
    return await team_invites.create(
        conn,
        invite_id=invite_id,
        organisation_id=world.organisation.id,
        email=email,
        role=role,
        job_ids=job_ids,
        token_sha256=sha256(invite_id),
        invited_by=world.recruiter.id,
        now_ms=now_ms,
    )


async def test_an_organisation_is_changed_and_only_that_one(database: Database) -> None:
    async with database.write() as conn:
        ours, theirs = await furnish(conn), await furnish(conn, name="Southwind")
        changed = {
            "name": "North & Wind",
            "contact_name": "Sam",
            "contact_email": "sam@northwind.example",
            "zone": "UTC",
        }
        await organisations.edit(conn, ours.organisation.id, **changed)
        assert await organisations.get(conn, ours.organisation.id) == replace(ours.organisation, **changed)
        assert await organisations.get(conn, theirs.organisation.id) == theirs.organisation
        with pytest.raises(NotFound):
            await organisations.edit(conn, "nobody", **changed)


async def test_a_logo_is_replaced_whole_and_its_address_changes_with_it(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        assert await logos.of(conn, organisation_id) is None
        first = await logos.put(conn, organisation_id, media_type="image/png", body=b"one", now_ms=NOW_MS)
        second = await logos.put(conn, organisation_id, media_type="image/webp", body=b"two", now_ms=NOW_MS + 1)
        assert first != second == await logos.sha256_of(conn, organisation_id)
        assert await logos.by_sha256(conn, first) is None
        kept = await logos.by_sha256(conn, second)
        assert kept is not None
        assert (kept.media_type, kept.body) == ("image/webp", b"two")
        assert kept == await logos.of(conn, organisation_id)
        assert await logos.remove(conn, organisation_id)
        assert not await logos.remove(conn, organisation_id)
        assert await logos.sha256_of(conn, organisation_id) is None


async def test_of_two_who_write_a_notice_at_once_the_second_is_told(database: Database, world: World) -> None:
    organisation_id = world.organisation.id

    async def publish(text: str, after: int) -> int:
        async with database.write() as conn:
            made = await organisations.add_notice(
                conn,
                organisation_id=organisation_id,
                kind=NoticeKind.PRIVACY,
                language="en",
                text=text,
                now_ms=NOW_MS + 1,
                after=after,
            )
            return made.version

    outcomes = await asyncio.gather(publish("Mine.", 1), publish("Yours.", 1), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["NoticeChanged", "int"]
    with pytest.raises(NoticeChanged):
        await publish("A first one, where there is one.", 0)
    assert await publish("The third.", 2) == 3


async def test_the_present_texts_and_their_history_are_listed_by_language(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        other = await furnish(conn, name="Southwind")
        for at, (kind, language) in enumerate(
            [(NoticeKind.PRIVACY, "fi"), (NoticeKind.PRIVACY, "fi"), (NoticeKind.PRIVACY, "en")], start=1
        ):
            await organisations.add_notice(
                conn, organisation_id=organisation_id, kind=kind, language=language, text=f"{at}", now_ms=NOW_MS + at
            )
        present = await organisations.current_notices(conn, organisation_id)
        history = await organisations.notice_history(conn, organisation_id, "fi")
    assert {(each.language, each.kind, each.version) for each in present} == {
        ("en", NoticeKind.PRIVACY, 2),
        ("en", NoticeKind.COOKIE, 1),
        ("fi", NoticeKind.PRIVACY, 2),
    }
    assert other.privacy not in present
    assert [each.text for each in history] == ["2", "1"]


async def test_the_team_is_listed_with_those_disabled_last_and_nobody_of_another(database: Database) -> None:
    async with database.write() as conn:
        world, _ = await furnish(conn), await furnish(conn, name="Southwind")
        gone = await colleague(conn, world, Role.RECRUITER, "Aaron")
        await colleague(conn, world, Role.ADMIN, "zoe")
        await users.disable(conn, gone.id, organisation_id=world.organisation.id, now_ms=NOW_MS)
        assert [each.name for each in await users.team(conn, world.organisation.id)] == ["Robin", "zoe", "Aaron"]


async def test_the_last_admin_keeps_the_role_and_the_account(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        first = await colleague(conn, world, Role.ADMIN)
        second = await colleague(conn, world, Role.ADMIN)
        assert await users.set_role(conn, first.id, organisation_id=organisation_id, role=Role.RECRUITER)
        assert not await users.set_role(conn, first.id, organisation_id=organisation_id, role=Role.RECRUITER)
        with pytest.raises(LastAdmin):
            await users.set_role(conn, second.id, organisation_id=organisation_id, role=Role.REVIEWER)
        with pytest.raises(LastAdmin):
            await users.disable(conn, second.id, organisation_id=organisation_id, now_ms=NOW_MS)
        assert not await users.set_role(conn, second.id, organisation_id=organisation_id, role=Role.ADMIN)


async def test_a_disabled_admin_does_not_count_as_one_that_is_left(database: Database, world: World) -> None:
    organisation_id = world.organisation.id
    async with database.write() as conn:
        first = await colleague(conn, world, Role.ADMIN)
        second = await colleague(conn, world, Role.ADMIN)
        assert await users.disable(conn, first.id, organisation_id=organisation_id, now_ms=NOW_MS)
        with pytest.raises(LastAdmin):
            await users.disable(conn, second.id, organisation_id=organisation_id, now_ms=NOW_MS)
        assert await users.enable(conn, first.id, organisation_id=organisation_id)
        assert await users.disable(conn, second.id, organisation_id=organisation_id, now_ms=NOW_MS)


async def test_two_admins_who_demote_each_other_at_once_leave_one(database: Database, world: World) -> None:
    async with database.write() as conn:
        pair = [await colleague(conn, world, Role.ADMIN) for _ in range(2)]

    async def demote(user: User) -> bool:
        async with database.write() as conn:
            return await users.set_role(conn, user.id, organisation_id=world.organisation.id, role=Role.RECRUITER)

    outcomes = await asyncio.gather(*(demote(each) for each in pair), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["LastAdmin", "bool"]


async def test_a_disabled_colleague_is_signed_out_everywhere_at_once(database: Database, world: World) -> None:
    async with database.write() as conn:
        user = await colleague(conn, world, Role.RECRUITER)
        await logins.create(
            conn,
            user_id=user.id,
            token_sha256=sha256("t"),
            now_ms=NOW_MS,
            expires_at_ms=NOW_MS + LASTS_MS,
            address="192.0.2.1",
            user_agent="",
        )
        assert await logins.find(conn, sha256("t"), NOW_MS) is not None
        assert await users.disable(conn, user.id, organisation_id=world.organisation.id, now_ms=NOW_MS + 1)
        assert not await users.disable(conn, user.id, organisation_id=world.organisation.id, now_ms=NOW_MS + 2)
        assert await logins.find(conn, sha256("t"), NOW_MS + 1) is None
        assert await users.enable(conn, user.id, organisation_id=world.organisation.id)
        assert not await users.enable(conn, user.id, organisation_id=world.organisation.id)
        assert await logins.find(conn, sha256("t"), NOW_MS + 3) is None
        assert await users.last_seen(conn, world.organisation.id) == {user.id: NOW_MS}


async def test_another_organisations_colleague_is_as_unknown_as_none(database: Database) -> None:
    async with database.write() as conn:
        ours, theirs = await furnish(conn), await furnish(conn, name="Southwind")
        stranger = theirs.recruiter.id
        assert await users.of_organisation(conn, stranger, ours.organisation.id) is None
        with pytest.raises(NotFound):
            await users.set_role(conn, stranger, organisation_id=ours.organisation.id, role=Role.ADMIN)
        with pytest.raises(NotFound):
            await users.disable(conn, stranger, organisation_id=ours.organisation.id, now_ms=NOW_MS)
        with pytest.raises(NotFound):
            await users.enable(conn, stranger, organisation_id=ours.organisation.id)


async def test_a_new_password_ends_every_login_but_the_one_that_set_it(database: Database, world: World) -> None:
    user_id = world.recruiter.id
    async with database.write() as conn:
        kept, _ = [
            await logins.create(
                conn,
                user_id=user_id,
                token_sha256=sha256(token),
                now_ms=NOW_MS,
                expires_at_ms=NOW_MS + LASTS_MS,
                address="192.0.2.1",
                user_agent="",
            )
            for token in ("here", "elsewhere")
        ]
        await users.set_password(conn, user_id, "new", NOW_MS, keep=kept)
        assert [each.id for each in await logins.of_user(conn, user_id, NOW_MS)] == [kept]
        await users.set_own(conn, user_id, name="Robin B", mail_on_completion=False)
        changed = await users.by_id(conn, user_id)
        assert changed is not None
        assert (changed.name, changed.mail_on_completion, changed.password_hash) == ("Robin B", False, "new")
        with pytest.raises(NotFound):
            await users.set_own(conn, "nobody", name="N", mail_on_completion=True)


async def test_a_reviewers_jobs_are_those_of_their_own_organisation(database: Database) -> None:
    async with database.write() as conn:
        ours, theirs = await furnish(conn), await furnish(conn, name="Southwind")
        reviewer = await colleague(conn, ours, Role.REVIEWER)
        other = await jobs.create(conn, organisation_id=ours.organisation.id, title="a miller", now_ms=NOW_MS)
        await job_members.set_jobs(conn, reviewer.id, [ours.job.id, other.id])
        assert set(await job_members.jobs_of(conn, reviewer.id)) == {ours.job.id, other.id}
        with pytest.raises(NotFound):
            await job_members.set_jobs(conn, reviewer.id, [theirs.job.id])
        await job_members.set_jobs(conn, reviewer.id, [])
        assert await job_members.jobs_of(conn, reviewer.id) == []
        choices = await job_members.job_choices(conn, ours.organisation.id)
        assert [(each.title, each.closed) for each in choices] == [("a miller", False), ("Baker", False)]


async def test_an_invite_is_found_by_its_link_and_used_once(database: Database, world: World) -> None:
    async with database.write() as conn:
        made = await invited(conn, world, email=" New@Northwind.example", role=Role.REVIEWER, job_ids=(world.job.id,))
        assert made.email == "new@northwind.example"
        assert await team_invites.by_token_sha256(conn, made.token_sha256) == made
        assert await team_invites.by_token_sha256(conn, sha256("another")) is None
        assert made.token_sha256 not in repr(made)
        assert await team_invites.standing(conn, world.organisation.id) == [made]
        assert await team_invites.accept(conn, made.id, NOW_MS + 1)
        assert not await team_invites.accept(conn, made.id, NOW_MS + 2)
        assert not await team_invites.revoke(conn, made.id, organisation_id=world.organisation.id, now_ms=NOW_MS + 2)
        used = await team_invites.by_id(conn, made.id, organisation_id=world.organisation.id)
        assert used is not None
        assert used.state(NOW_MS + 3) is InviteState.ACCEPTED
        assert await team_invites.standing(conn, world.organisation.id) == []


async def test_an_invite_that_two_open_at_once_makes_one_account(database: Database, world: World) -> None:
    async with database.write() as conn:
        made = await invited(conn, world)

    async def accept() -> bool:
        async with database.write() as conn:
            return await team_invites.accept(conn, made.id, NOW_MS + 1)

    assert sorted(await asyncio.gather(accept(), accept())) == [False, True]


async def test_a_revoked_or_expired_invite_lets_nobody_in(database: Database, world: World) -> None:
    async with database.write() as conn:
        revoked = await invited(conn, world)
        assert await team_invites.revoke(conn, revoked.id, organisation_id=world.organisation.id, now_ms=NOW_MS)
        assert not await team_invites.accept(conn, revoked.id, NOW_MS + 1)
        old = await invited(conn, world, email="old@northwind.example")
        assert old.state(NOW_MS + LASTS_MS - 1) is InviteState.OPEN
        assert old.state(NOW_MS + LASTS_MS) is InviteState.EXPIRED
        assert not await team_invites.accept(conn, old.id, NOW_MS + LASTS_MS)


async def test_an_address_has_one_open_invite_and_none_with_an_account(database: Database, world: World) -> None:
    async with database.write() as conn:
        first = await invited(conn, world)
        with pytest.raises(AlreadyInvited):
            await invited(conn, world, email="NEW@northwind.example")
        with pytest.raises(EmailTaken):
            await invited(conn, world, email=world.recruiter.email.upper())
        later = await invited(conn, world, now_ms=NOW_MS + LASTS_MS)
        assert await team_invites.standing(conn, world.organisation.id) == [later]
        assert not await team_invites.accept(conn, first.id, NOW_MS + 1)


async def test_sending_again_opens_an_invite_for_as_long_again_but_not_twice_within_a_minute(
    database: Database, world: World
) -> None:
    ours = world.organisation.id

    async def again(invite: TeamInvite, now_ms: int, organisation_id: str = ours) -> bool:
        async with database.write() as conn:
            return await team_invites.prolong(
                conn, invite.id, organisation_id=organisation_id, now_ms=now_ms, not_within_ms=MINUTE_MS
            )

    async with database.write() as conn:
        made = await invited(conn, world)
    assert not await again(made, NOW_MS + MINUTE_MS - 1)
    assert not await again(made, NOW_MS + MINUTE_MS, "another")
    assert sorted(await asyncio.gather(again(made, NOW_MS + MINUTE_MS), again(made, NOW_MS + MINUTE_MS))) == [
        False,
        True,
    ]
    expired_ms = NOW_MS + 3 * LASTS_MS
    assert await again(made, expired_ms)
    async with database.write() as conn:
        assert await team_invites.accept(conn, made.id, expired_ms + LASTS_MS - 1)
    assert not await again(made, expired_ms + LASTS_MS)


async def test_an_invite_names_jobs_of_its_own_organisation_only(database: Database) -> None:
    async with database.write() as conn:
        ours, theirs = await furnish(conn), await furnish(conn, name="Southwind")
        with pytest.raises(NotFound):
            await invited(conn, ours, role=Role.REVIEWER, job_ids=(theirs.job.id,))
        made = await invited(conn, ours)
        assert await team_invites.by_id(conn, made.id, organisation_id=theirs.organisation.id) is None
        assert not await team_invites.revoke(conn, made.id, organisation_id=theirs.organisation.id, now_ms=NOW_MS)
