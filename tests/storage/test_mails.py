"""Mails: posted once, settled once, whoever races; and who is due for a reminder."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import invitations, letters, mails, reminders
from storage.database import Database
from storage.errors import NotFound
from storage.mails import Mail
from storage.states import MailKind, MailState
from tests.storage.world import HOUR_MS, NOW_MS, World, invite, start_interview

DAY_MS = 24 * HOUR_MS


async def posted(conn: AsyncConnection, world: World, **values: object) -> Mail:
    given: dict[str, object] = {
        "organisation_id": world.organisation.id,
        "kind": MailKind.INVITATION,
        "to_address": "kim@example.org",
        "invitation_id": world.invitation.id,
        "now_ms": NOW_MS,
    }
    mail_id = await mails.post(conn, **{**given, **values})  # type: ignore[arg-type]
    assert mail_id is not None
    mail = await mails.by_id(conn, mail_id)
    assert mail is not None
    return mail


async def test_a_posted_mail_waits_for_its_first_attempt(database: Database, world: World) -> None:
    async with database.write() as conn:
        mail = await posted(conn, world)
    assert (mail.state, mail.attempts, mail.next_attempt_at_ms) == (MailState.QUEUED, 0, NOW_MS)


async def test_a_mail_is_posted_once_under_a_name(database: Database, world: World) -> None:
    async with database.write() as conn:
        await posted(conn, world, once="only")
        again = await mails.post(
            conn,
            organisation_id=world.organisation.id,
            kind=MailKind.RESENT,
            to_address="kim@example.org",
            invitation_id=world.invitation.id,
            once="only",
            now_ms=NOW_MS,
        )
        assert again is None
        assert len(await mails.of_invitation(conn, world.invitation.id)) == 1


async def test_of_two_runs_of_one_attempt_only_the_first_settles_it(database: Database, world: World) -> None:
    async with database.write() as conn:
        mail = await posted(conn, world)

    async def settle(reply: str) -> bool:
        async with database.write() as conn:
            return await mails.sent(conn, mail, reply=reply, now_ms=NOW_MS + 1)

    assert sorted(await asyncio.gather(settle("a"), settle("b"))) == [False, True]
    async with database.read() as conn:
        settled = await mails.by_id(conn, mail.id)
    assert settled is not None
    assert (settled.state, settled.attempts, settled.ended_at_ms) == (MailState.SENT, 1, NOW_MS + 1)
    assert settled.next_attempt_at_ms is None


async def test_an_attempt_put_off_leaves_the_mail_queued_for_the_next_one(database: Database, world: World) -> None:
    async with database.write() as conn:
        mail = await posted(conn, world)
        assert await mails.put_off(conn, mail, reply="451 busy" * 200, next_attempt_at_ms=NOW_MS + 60_000)
        assert not await mails.refused(conn, mail, reply="late", now_ms=NOW_MS), "that attempt is over"
        later = await mails.by_id(conn, mail.id)
        assert later is not None
        assert (later.state, later.attempts, later.next_attempt_at_ms) == (MailState.QUEUED, 1, NOW_MS + 60_000)
        assert len(later.reply) == mails.REPLY_CHARS
        assert await mails.gave_up(conn, later, reply="no", now_ms=NOW_MS)


async def test_nothing_moves_a_mail_that_has_ended(database: Database, world: World) -> None:
    async with database.write() as conn:
        for end in ("refused", "gave_up", "stopped", "sent"):
            mail = await posted(conn, world)
            assert await getattr(mails, end)(conn, mail, reply="", now_ms=NOW_MS)
            ended = await mails.by_id(conn, mail.id)
            assert ended is not None
            assert not await mails.sent(conn, ended, reply="", now_ms=NOW_MS)


async def test_opening_is_noted_once(database: Database, world: World) -> None:
    async with database.write() as conn:
        mail = await posted(conn, world)
        assert await mails.opened(conn, mail.id, NOW_MS + 5)
        assert not await mails.opened(conn, mail.id, NOW_MS + 9)
        assert not await mails.opened(conn, "unknown", NOW_MS)
        seen = await mails.by_id(conn, mail.id)
    assert seen is not None
    assert seen.opened_at_ms == NOW_MS + 5


async def test_mails_are_counted_by_state_and_time(database: Database, world: World) -> None:
    async with database.write() as conn:
        await mails.refused(conn, await posted(conn, world), reply="550", now_ms=NOW_MS)
        await mails.written(conn, await posted(conn, world, now_ms=NOW_MS - DAY_MS), outbox_file="x.eml", now_ms=NOW_MS)
        organisation = world.organisation.id
        assert await mails.count(conn, organisation, [MailState.REFUSED, MailState.OUTBOX]) == 2
        assert await mails.count(conn, organisation, [MailState.OUTBOX], since_ms=NOW_MS) == 0
        assert await mails.count(conn, "another", [MailState.REFUSED]) == 0


async def test_only_a_queued_mail_long_overdue_is_stranded(database: Database, world: World) -> None:
    async with database.write() as conn:
        lost = await posted(conn, world, now_ms=NOW_MS - HOUR_MS)
        await posted(conn, world)
        await mails.sent(conn, await posted(conn, world, now_ms=NOW_MS - HOUR_MS), reply="", now_ms=NOW_MS)
        assert [mail.id for mail in await mails.stranded(conn, NOW_MS - 1)] == [lost.id]


async def test_what_a_letter_tells_of_an_interview(database: Database, world: World) -> None:
    async with database.read() as conn:
        facts = await letters.interview(conn, world.version.id)
        assert (facts.questions, facts.longest_s, facts.duration_min) == (3, 60 + 90 + 90, None)
        assert facts.audio_only_allowed
        with pytest.raises(NotFound):
            await letters.interview(conn, "unknown")


async def mailed(conn: AsyncConnection, world: World, invitation_id: str, at_ms: int, **values: object) -> None:
    mail = await posted(conn, world, invitation_id=invitation_id, now_ms=at_ms, **values)
    await mails.sent(conn, mail, reply="", now_ms=at_ms)


async def starters(conn: AsyncConnection, now_ms: int) -> list[str]:
    return await reminders.to_start(conn, mailed_until_ms=now_ms - 3 * DAY_MS, expires_after_ms=now_ms + DAY_MS)


async def test_a_reminder_to_start_is_due_three_days_after_the_last_mail(database: Database, world: World) -> None:
    async with database.write() as conn:
        assert await starters(conn, NOW_MS + 9 * DAY_MS) == [], "nothing was ever mailed"
        await mailed(conn, world, world.invitation.id, NOW_MS)
        assert await starters(conn, NOW_MS + 3 * DAY_MS - 1) == []
        assert await starters(conn, NOW_MS + 3 * DAY_MS) == [world.invitation.id]
        await mailed(conn, world, world.invitation.id, NOW_MS + DAY_MS, kind=MailKind.RESENT)
        assert await starters(conn, NOW_MS + 3 * DAY_MS) == []
        assert await starters(conn, NOW_MS + 4 * DAY_MS) == [world.invitation.id]
        once = reminders.start_once(world.invitation.id)
        await mailed(conn, world, world.invitation.id, NOW_MS + 4 * DAY_MS, kind=MailKind.REMINDER_START, once=once)
        assert await starters(conn, NOW_MS + 30 * DAY_MS) == [], "once"


async def test_whoever_was_refused_started_or_ended_is_not_reminded_to_start(database: Database, world: World) -> None:
    async with database.write() as conn:
        refused = await posted(conn, world)
        await mails.refused(conn, refused, reply="550", now_ms=NOW_MS)
        assert await starters(conn, NOW_MS + 9 * DAY_MS) == []
        await mailed(conn, world, world.invitation.id, NOW_MS)
        assert await starters(conn, NOW_MS + 9 * DAY_MS) == [world.invitation.id]
        await start_interview(conn, world)
        assert await starters(conn, NOW_MS + 9 * DAY_MS) == []
        other = await invite(conn, world.organisation.id, world.application.id, world.version.id)
        await mailed(conn, world, other.id, NOW_MS)
        await invitations.cancel(conn, other.id, reason="", now_ms=NOW_MS)
        assert await starters(conn, NOW_MS + 9 * DAY_MS) == []


async def test_a_reminder_to_finish_is_due_once_for_each_deadline(database: Database, world: World) -> None:
    async with database.write() as conn:
        deadline = NOW_MS + 5 * DAY_MS
        chosen = await invite(
            conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=deadline
        )
        await mailed(conn, world, chosen.id, NOW_MS)

        async def due(now_ms: int) -> list[tuple[str, int]]:
            return await reminders.to_finish(
                conn,
                mailed_until_ms=now_ms - 12 * HOUR_MS,
                expires_after_ms=now_ms + HOUR_MS,
                expires_until_ms=now_ms + DAY_MS,
            )

        assert await due(deadline - DAY_MS - 1) == []
        assert await due(deadline - DAY_MS) == [(chosen.id, deadline)]
        assert await due(deadline - HOUR_MS) == [], "too late to be of use"
        once = reminders.expiry_once(chosen.id, deadline)
        await mailed(conn, world, chosen.id, deadline - DAY_MS, kind=MailKind.REMINDER_EXPIRY, once=once)
        assert await due(deadline - 2 * HOUR_MS) == []
        assert await invitations.extend(conn, chosen.id, expires_at_ms=deadline + 3 * DAY_MS, now_ms=deadline - HOUR_MS)
        assert await due(deadline + 2 * DAY_MS) == [(chosen.id, deadline + 3 * DAY_MS)]
