"""Invitations end by themselves, a little after their time."""

from __future__ import annotations

from storage import events
from storage.states import InvitationStatus
from tests.web.world import START_MS, Site
from web.expiring import expire_overdue
from web.keys import DATABASE, HUB

HOUR_MS = 3_600_000


async def test_what_is_overdue_is_expired_and_noted(site: Site) -> None:
    late = await site.invite(expires_at_ms=START_MS + HOUR_MS)
    later = await site.invite(expires_at_ms=START_MS + 2 * HOUR_MS)
    site.clock.now_ms = START_MS + HOUR_MS
    database = site.app[DATABASE]
    assert await expire_overdue(database, site.app[HUB], site.clock.now_ms) == 1
    assert (await site.interview(late)).invitation.status is InvitationStatus.EXPIRED
    assert (await site.interview(later)).invitation.status is InvitationStatus.PENDING
    assert (await site.interview()).invitation.status is InvitationStatus.PENDING
    async with database.read() as conn:
        [event] = await events.for_subject(conn, late.organisation_id, "invitation", late.id)
    assert (event.kind, event.actor) == ("invitation.expired", "system")
    assert await expire_overdue(database, site.app[HUB], site.clock.now_ms) == 0


async def test_an_open_page_is_told_when_its_interview_expires(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + HOUR_MS)
    await site.start(invitation)
    async with site.client.ws_connect(f"{site.link_of(invitation)}/live") as socket:
        await socket.send_json({"type": "hello", "tab": "0123456789abcdef"})
        await socket.receive_json(timeout=5)
        site.clock.now_ms = START_MS + 2 * HOUR_MS
        await expire_overdue(site.app[DATABASE], site.app[HUB], site.clock.now_ms)
        while (await socket.receive(timeout=5)).data != 4010:
            pass
