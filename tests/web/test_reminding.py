"""Reminders by themselves: sensible ones, once each, however often the sweep is called."""

from __future__ import annotations

import asyncio

from storage import invitations, mails
from storage.invitations import Invitation
from storage.states import MailKind
from tests.web.world import START_MS, Site
from web.keys import DATABASE, POST
from web.reminding import remind

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def mailed(site: Site, invitation: Invitation, kind: MailKind = MailKind.INVITATION) -> None:
    async with site.app[DATABASE].write() as conn:
        await site.app[POST].to_candidate(conn, invitation, kind, site.clock.now_ms)
    await delivered(site, invitation)


async def delivered(site: Site, invitation: Invitation) -> None:
    """All that is queued for the candidate leaves now."""
    async with site.app[DATABASE].write() as conn:
        for mail in await mails.of_invitation(conn, invitation.id):
            await mails.sent(conn, mail, reply="", now_ms=site.clock.now_ms)


async def sweep(site: Site, at_ms: int) -> int:
    site.clock.now_ms = at_ms
    return await remind(site.app[DATABASE], site.app[POST], at_ms)


async def kinds(site: Site, invitation: Invitation) -> list[MailKind]:
    async with site.app[DATABASE].read() as conn:
        return [mail.kind for mail in reversed(await mails.of_invitation(conn, invitation.id))]


async def test_who_has_not_started_is_reminded_three_days_later_and_once(site: Site) -> None:
    await mailed(site, site.invitation)
    assert await sweep(site, START_MS + 3 * DAY_MS - 1) == 0
    assert await sweep(site, START_MS + 3 * DAY_MS) == 1
    await delivered(site, site.invitation)
    assert await sweep(site, START_MS + 30 * DAY_MS) == 0
    assert await kinds(site, site.invitation) == [MailKind.INVITATION, MailKind.REMINDER_START]


async def test_two_sweeps_at_once_post_one_reminder(site: Site) -> None:
    await mailed(site, site.invitation)
    moment = START_MS + 3 * DAY_MS
    assert sum(await asyncio.gather(sweep(site, moment), sweep(site, moment))) == 1


async def test_a_day_before_the_deadline_there_is_one_reminder_started_or_not(site: Site) -> None:
    waiting = await site.invite(expires_at_ms=START_MS + 2 * DAY_MS)
    started = await site.invite(expires_at_ms=START_MS + 2 * DAY_MS)
    for invitation in (waiting, started):
        await mailed(site, invitation)
    await site.start(started)
    assert await sweep(site, START_MS + DAY_MS - 1) == 0
    assert await sweep(site, START_MS + DAY_MS) == 2
    assert await sweep(site, START_MS + DAY_MS + 1) == 0
    for invitation in (waiting, started):
        assert await kinds(site, invitation) == [MailKind.INVITATION, MailKind.REMINDER_EXPIRY]


async def test_an_extension_has_its_own_reminder(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + 2 * DAY_MS)
    await mailed(site, invitation)
    assert await sweep(site, START_MS + DAY_MS) == 1
    await delivered(site, invitation)
    async with site.app[DATABASE].write() as conn:
        later = START_MS + 5 * DAY_MS
        assert await invitations.extend(conn, invitation.id, expires_at_ms=later, now_ms=site.clock.now_ms)
    assert await sweep(site, later - DAY_MS) == 1


async def test_nobody_is_reminded_who_was_mailed_within_twelve_hours_or_has_an_hour_left(site: Site) -> None:
    short = await site.invite(expires_at_ms=START_MS + 20 * HOUR_MS)
    await mailed(site, short)
    assert await sweep(site, START_MS + 11 * HOUR_MS) == 0, "mailed this morning"
    assert await sweep(site, START_MS + 12 * HOUR_MS) == 1
    shorter = await site.invite(expires_at_ms=START_MS + 24 * HOUR_MS)
    site.clock.now_ms = START_MS + 12 * HOUR_MS
    await mailed(site, shorter)
    assert await sweep(site, START_MS + 23 * HOUR_MS) == 0, "an hour is too late"


async def test_a_near_deadline_has_one_reminder_not_two(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + 4 * DAY_MS)
    await mailed(site, invitation)
    assert await sweep(site, START_MS + 3 * DAY_MS) == 1
    assert await kinds(site, invitation) == [MailKind.INVITATION, MailKind.REMINDER_EXPIRY]


async def test_whoever_was_never_mailed_or_has_ended_is_not_reminded(site: Site) -> None:
    ended = await site.invite(expires_at_ms=START_MS + 9 * DAY_MS)
    await mailed(site, ended)
    async with site.app[DATABASE].write() as conn:
        await invitations.cancel(conn, ended.id, reason="", now_ms=START_MS)
    assert await sweep(site, START_MS + 8 * DAY_MS + HOUR_MS) == 0
