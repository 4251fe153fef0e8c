"""Organisations and their notices, users, candidates and applications."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from storage import candidates, jobs, organisations, users
from storage.database import Database
from storage.errors import AlreadyApplied, EmailTaken, NotFound
from storage.schema import NoticeKind
from storage.states import Role, Stage
from tests.storage.world import NOW_MS, furnish


async def test_an_organisation_is_found_as_it_was_made(database: Database) -> None:
    async with database.write() as conn:
        assert await organisations.first(conn) is None
        world = await furnish(conn)
        assert await organisations.get(conn, world.organisation.id) == world.organisation
        assert await organisations.first(conn) == world.organisation
        with pytest.raises(NotFound):
            await organisations.get(conn, "nobody")


async def test_a_changed_notice_is_a_new_version_and_the_old_one_stays(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        organisation_id = world.organisation.id
        changed = await organisations.add_notice(
            conn,
            organisation_id=organisation_id,
            kind=NoticeKind.PRIVACY,
            language="en",
            text="Another text.",
            now_ms=NOW_MS + 1,
        )
        assert changed.version == 2
        assert await organisations.current_notice(conn, organisation_id, NoticeKind.PRIVACY, "en") == changed
        assert await organisations.current_notice(conn, organisation_id, NoticeKind.COOKIE, "en") == world.cookie
        assert await organisations.current_notice(conn, organisation_id, NoticeKind.PRIVACY, "fi") is None
        assert await organisations.notice(conn, world.privacy.id) == world.privacy
        with pytest.raises(NotFound):
            await organisations.notice(conn, "nothing")


async def test_each_language_and_organisation_counts_its_own_notice_versions(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        finnish = await organisations.add_notice(
            conn,
            organisation_id=ours.organisation.id,
            kind=NoticeKind.PRIVACY,
            language="fi",
            text="Teksti.",
            now_ms=NOW_MS,
        )
        assert (finnish.version, theirs.privacy.version) == (1, 1)


async def test_a_user_is_found_however_the_address_is_written(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        made = await users.create(
            conn,
            organisation_id=world.organisation.id,
            email="  Straße@Example.ORG ",
            name="Sam",
            role=Role.ADMIN,
            password_hash="hash",
            now_ms=NOW_MS,
        )
        assert made.email == "strasse@example.org"
        assert await users.by_email(conn, "STRASSE@example.org") == made
        assert await users.by_id(conn, made.id) == made
        assert await users.by_email(conn, "nobody@example.org") is None
        assert await users.by_id(conn, "nobody") is None
        assert await users.count(conn) == 2


async def test_an_address_has_one_account_and_the_transaction_goes_on(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        with pytest.raises(EmailTaken):
            await users.create(
                conn,
                organisation_id=world.organisation.id,
                email=world.recruiter.email.upper(),
                name="Another",
                role=Role.REVIEWER,
                password_hash="hash",
                now_ms=NOW_MS,
            )
        assert await users.count(conn) == 1


async def test_a_user_of_no_organisation_is_not_called_a_taken_address(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await users.create(
                conn,
                organisation_id="nobody",
                email="a@example.org",
                name="A",
                role=Role.ADMIN,
                password_hash="hash",
                now_ms=NOW_MS,
            )


async def test_a_password_hash_never_shows_in_a_representation(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
    assert "argon2" not in repr(world.recruiter)


async def test_a_new_password_for_nobody_is_refused(database: Database) -> None:
    async with database.write() as conn:
        with pytest.raises(NotFound):
            await users.set_password(conn, "nobody", "hash", NOW_MS)


async def test_a_candidate_keeps_the_address_as_written_and_is_one_per_organisation(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        made = await candidates.create(
            conn, organisation_id=ours.organisation.id, name=" Lee ", email=" Lee@Example.org", now_ms=NOW_MS
        )
        assert (made.name, made.email) == ("Lee", "Lee@Example.org")
        assert await candidates.by_email(conn, ours.organisation.id, "lee@example.ORG") == made
        assert await candidates.by_email(conn, theirs.organisation.id, "lee@example.org") is None
        with pytest.raises(EmailTaken):
            await candidates.create(
                conn, organisation_id=ours.organisation.id, name="Lee", email="lee@example.org", now_ms=NOW_MS
            )
        await candidates.create(
            conn, organisation_id=theirs.organisation.id, name="Lee", email="lee@example.org", now_ms=NOW_MS
        )


async def test_a_candidate_applies_to_a_job_once(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        with pytest.raises(AlreadyApplied):
            await candidates.apply(conn, world.application.candidate_id, world.job.id, now_ms=NOW_MS)
        other = await jobs.create(conn, organisation_id=world.organisation.id, title="Miller", now_ms=NOW_MS)
        application = await candidates.apply(
            conn, world.application.candidate_id, other.id, now_ms=NOW_MS, stage=Stage.REVIEW
        )
        assert (application.stage, world.application.stage) == (Stage.REVIEW, Stage.NEW)


async def test_nobody_applies_to_a_job_of_another_organisation(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        with pytest.raises(NotFound):
            await candidates.apply(conn, ours.application.candidate_id, theirs.job.id, now_ms=NOW_MS)


async def test_a_job_is_found_as_it_was_made(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        assert await jobs.get(conn, world.job.id) == world.job
        with pytest.raises(NotFound):
            await jobs.get(conn, "nothing")
