"""Making, finding, listing invitations; details and consents."""

from __future__ import annotations

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import IntegrityError

from storage import candidates, invitations, organisations, templates
from storage.database import Database
from storage.errors import NotFound, ShapeBroken, TemplateNotAttached, VersionNotPublished
from storage.invitations import LISTING_LIMIT
from storage.schema import NoticeKind
from storage.schema import invitations as invitations_table
from storage.states import InvitationStatus
from tests.storage.world import (
    HOUR_MS,
    NOW_MS,
    answer_everything,
    furnish,
    invite,
    keep_take,
    sha256,
    start_interview,
)


async def test_an_invitation_is_found_by_its_token_and_id_with_the_names_around_it(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        found = await invitations.by_token_sha256(conn, sha256(world.invitation.id))
        assert found == await invitations.by_id(conn, world.invitation.id) == world.invitation
        assert found is not None
        assert (found.candidate_name, found.candidate_email, found.job_title) == ("Kim", "kim@example.org", "Baker")
        assert (found.organisation_name, found.zone, found.template_name) == (
            "Northwind",
            "Europe/Helsinki",
            "First talk",
        )
        assert (found.status, found.generation, found.details) == (InvitationStatus.PENDING, 1, {})
        assert found.token_sha256 not in repr(found)
        assert await invitations.by_token_sha256(conn, sha256("another")) is None
        assert await invitations.by_id(conn, "nothing") is None
        with pytest.raises(NotFound):
            await invitations.get(conn, "nothing")


async def test_an_invitation_of_another_organisation_looks_like_none(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        organisation_id = ours.organisation.id
        assert await invitations.by_id(conn, theirs.invitation.id, organisation_id=organisation_id) is None
        assert await invitations.by_id(conn, ours.invitation.id, organisation_id=organisation_id) == ours.invitation


async def test_only_published_templates_of_the_job_are_sent(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        draft = await templates.create(conn, organisation_id=ours.organisation.id, name="Draft", now_ms=NOW_MS)
        await templates.add_question(conn, draft.id, text="?", think_s=0, limit_s=9, retakes=0, now_ms=NOW_MS)
        await templates.attach(conn, draft.template_id, ours.job.id)
        with pytest.raises(VersionNotPublished):
            await invite(conn, ours.organisation.id, ours.application.id, draft.id)
        loose = await templates.create(conn, organisation_id=ours.organisation.id, name="Loose", now_ms=NOW_MS)
        await templates.add_question(conn, loose.id, text="?", think_s=0, limit_s=9, retakes=0, now_ms=NOW_MS)
        await templates.publish(conn, loose.id, NOW_MS)
        with pytest.raises(TemplateNotAttached):
            await invite(conn, ours.organisation.id, ours.application.id, loose.id)
        with pytest.raises(NotFound):
            await invite(conn, ours.organisation.id, ours.application.id, theirs.version.id)
        with pytest.raises(NotFound):
            await invite(conn, ours.organisation.id, theirs.application.id, ours.version.id)


async def test_two_invitations_never_share_a_token(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await invitations.create(
                conn,
                invitation_id="another",
                organisation_id=world.organisation.id,
                application_id=world.application.id,
                version_id=world.version.id,
                token_sha256=world.invitation.token_sha256,
                expires_at_ms=None,
                now_ms=NOW_MS,
            )


async def test_the_list_is_newest_first_and_pages_through_everything_once(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        other = await furnish(conn, name="Southwind")
        made = [world.invitation.id]
        for number in range(7):
            invitation = await invite(
                conn,
                world.organisation.id,
                world.application.id,
                world.version.id,
                now_ms=NOW_MS + number // 3,  # some at the same moment
            )
            made.append(invitation.id)
    seen: list[str] = []
    before = None
    async with database.read() as conn:
        while rows := await invitations.listing(conn, world.organisation.id, limit=3, before=before):
            assert len(rows) <= 3
            seen += [row.id for row in rows]
            before = (rows[-1].created_at_ms, rows[-1].id)
        everything = await invitations.listing(conn, world.organisation.id, limit=100)
    assert sorted(seen) == sorted(made) and len(set(seen)) == len(seen)
    assert [row.id for row in everything] == seen
    assert [row.created_at_ms for row in everything] == sorted((r.created_at_ms for r in everything), reverse=True)
    assert other.invitation.id not in seen


async def test_a_row_of_the_list_counts_what_was_answered(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        (row,) = await invitations.listing(conn, world.organisation.id)
        assert (row.status, row.answered, row.questions) == (InvitationStatus.PENDING, 0, 3)
        answers = await start_interview(conn, world, now_ms=NOW_MS + 1)
        await keep_take(conn, answers[1])
        (row,) = await invitations.listing(conn, world.organisation.id)
        assert (row.status, row.answered, row.started_at_ms) == (InvitationStatus.IN_PROGRESS, 1, NOW_MS + 1)
        await keep_take(conn, answers[0])
        assert await invitations.complete(conn, world.invitation.id, NOW_MS + 2)
        (row,) = await invitations.listing(conn, world.organisation.id)
        assert (row.status, row.answered, row.completed_at_ms) == (InvitationStatus.COMPLETED, 2, NOW_MS + 2)
        assert (row.candidate_name, row.job_title, row.template_name) == ("Kim", "Baker", "First talk")


async def test_the_list_is_one_query_of_bounded_length(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        for number in range(LISTING_LIMIT + 3):
            await invite(conn, world.organisation.id, world.application.id, world.version.id, now_ms=NOW_MS + number)
    statements: list[str] = []
    async with database.read() as conn:
        event.listen(
            conn.sync_connection, "before_cursor_execute", lambda *args: statements.append(args[2]), named=False
        )
        assert len(await invitations.listing(conn, world.organisation.id, limit=10**9)) == LISTING_LIMIT
        assert len(statements) == 1
        assert await invitations.listing(conn, world.organisation.id, limit=-1) == []


async def test_the_first_sending_is_the_one_that_is_kept(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        assert await invitations.mark_sent(conn, world.invitation.id, NOW_MS + 1)
        assert not await invitations.mark_sent(conn, world.invitation.id, NOW_MS + 2)
        assert (await invitations.get(conn, world.invitation.id)).sent_at_ms == NOW_MS + 1


async def test_details_are_saved_until_the_invitation_has_ended(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        invitation_id = world.invitation.id
        assert await invitations.save_details(conn, invitation_id, details={"phone": "1"}, now_ms=NOW_MS)
        answers = await start_interview(conn, world)
        assert await invitations.save_details(conn, invitation_id, details={"phone": "2"}, now_ms=NOW_MS)
        await answer_everything(conn, answers)
        assert await invitations.complete(conn, invitation_id, NOW_MS)
        assert not await invitations.save_details(conn, invitation_id, details={"phone": "3"}, now_ms=NOW_MS)
        assert (await invitations.get(conn, invitation_id)).details == {"phone": "2"}


async def test_details_are_not_saved_after_the_expiry_even_if_nothing_has_ended_it_yet(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn, expires_at_ms=NOW_MS + HOUR_MS)
        late = NOW_MS + HOUR_MS
        assert not await invitations.save_details(conn, world.invitation.id, details={"phone": "1"}, now_ms=late)
        assert not await invitations.accept_notice(conn, world.invitation.id, notice_id=world.privacy.id, now_ms=late)


async def test_details_that_are_no_texts_are_refused_when_written_and_when_read(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        with pytest.raises(ShapeBroken):
            await invitations.save_details(
                conn,
                world.invitation.id,
                details={"phone": 1},  # type: ignore[dict-item]
                now_ms=NOW_MS,
            )
        await conn.execute(update(invitations_table).values(details=["no", "object"]))
        with pytest.raises(ShapeBroken):
            await invitations.get(conn, world.invitation.id)


async def test_audio_only_needs_the_templates_leave(database: Database) -> None:
    async with database.write() as conn:
        strict = await furnish(conn)
        lenient = await furnish(conn, name="Southwind", audio_only_allowed=True)
        assert not await invitations.set_audio_only(conn, strict.invitation.id, audio_only=True, now_ms=NOW_MS)
        assert await invitations.set_audio_only(conn, lenient.invitation.id, audio_only=True, now_ms=NOW_MS)
        assert (await invitations.get(conn, lenient.invitation.id)).audio_only
        assert await invitations.set_audio_only(conn, lenient.invitation.id, audio_only=False, now_ms=NOW_MS)
        assert not (await invitations.get(conn, strict.invitation.id)).audio_only


async def test_a_consent_keeps_its_version_language_and_first_time(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        invitation_id = world.invitation.id
        assert await invitations.accept_notice(conn, invitation_id, notice_id=world.privacy.id, now_ms=NOW_MS + 1)
        assert await invitations.accept_notice(conn, invitation_id, notice_id=world.cookie.id, now_ms=NOW_MS + 2)
        assert not await invitations.accept_notice(conn, invitation_id, notice_id=world.privacy.id, now_ms=NOW_MS + 3)
        await organisations.add_notice(
            conn,
            organisation_id=world.organisation.id,
            kind=NoticeKind.PRIVACY,
            language="en",
            text="Newer.",
            now_ms=NOW_MS + 4,
        )
        found = await invitations.consents(conn, invitation_id)
        assert [(each.kind, each.version, each.language, each.at_ms) for each in found] == [
            (NoticeKind.PRIVACY, 1, "en", NOW_MS + 1),
            (NoticeKind.COOKIE, 1, "en", NOW_MS + 2),
        ]


async def test_nobody_consents_to_the_notice_of_another_organisation(database: Database) -> None:
    async with database.write() as conn:
        ours = await furnish(conn)
        theirs = await furnish(conn, name="Southwind")
        with pytest.raises(NotFound):
            await invitations.accept_notice(conn, ours.invitation.id, notice_id=theirs.privacy.id, now_ms=NOW_MS)


async def test_nothing_is_consented_to_after_the_end(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        assert await invitations.cancel(conn, world.invitation.id, reason="filled", now_ms=NOW_MS)
        assert not await invitations.accept_notice(conn, world.invitation.id, notice_id=world.privacy.id, now_ms=NOW_MS)
        assert await invitations.consents(conn, world.invitation.id) == []


async def test_a_candidate_with_two_invitations_has_two_links(database: Database) -> None:
    async with database.write() as conn:
        world = await furnish(conn)
        again = await invite(conn, world.organisation.id, world.application.id, world.version.id)
        assert again.token_sha256 != world.invitation.token_sha256
        assert await candidates.by_email(conn, world.organisation.id, "kim@example.org") is not None
