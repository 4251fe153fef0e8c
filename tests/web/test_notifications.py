"""R31 in the app: the bell, its page, and who is told."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from storage import alerts, users
from storage.schema import invitations as invitations_table
from storage.schema import job_members
from storage.schema import users as users_table
from storage.states import Role
from tests.web.review_world import colleague
from tests.web.world import PASSWORD, Site, text_of
from web import demo
from web.keys import DATABASE
from web.recruiter import notifications, recipients

KIND = "invitation.completed"


async def tell(site: Site, email: str = demo.EMAIL) -> None:
    async with site.app[DATABASE].write() as conn:
        user = await users.by_email(conn, email)
        assert user is not None
        await alerts.raise_for(
            conn, user_ids=[user.id], kind=KIND, invitation_id=site.invitation.id, now_ms=site.clock.now_ms
        )


async def told(site: Site) -> list[str]:
    async with site.app[DATABASE].read() as conn:
        return [user.name for user in await recipients.of_completion(conn, site.invitation)]


async def disable(site: Site, email: str) -> None:
    async with site.app[DATABASE].write() as conn:
        await conn.execute(update(users_table).where(users_table.c.email == email).values(disabled_at_ms=1))


async def invited_by(site: Site, user_id: str) -> None:
    async with site.app[DATABASE].write() as conn:
        await conn.execute(update(invitations_table).values(invited_by=user_id))


async def test_the_bell_leads_to_what_was_told_and_from_there_to_the_answers(site: Site) -> None:
    await site.complete()
    await tell(site)
    await site.sign_in()
    html = await (await site.get("/notifications")).text()
    assert 'aria-label="Notifications, 1 unread"' in html
    assert "Robin Lindgren completed the interview" in text_of(html)
    assert f'href="/interviews/{site.invitation.id}"' in html
    assert "Mark all as read" in html


async def test_the_bell_counts_beside_a_mistake_too(site: Site) -> None:
    await site.complete()
    await tell(site)
    await site.sign_in()
    refused = await site.post("/jobs", {"title": ""})
    assert refused.status == 422
    assert "Notifications, 1 unread" in await refused.text()


async def test_what_was_shown_is_marked_read_and_nothing_later(site: Site) -> None:
    await site.complete()
    await tell(site)
    await site.sign_in()
    html = await (await site.get("/notifications")).text()
    through = html.split('name="through" value="')[1].split('"')[0]
    assert (await site.post("/notifications/read", {"through": "0"})).headers["Location"] == "/notifications"
    assert "1 unread" in await (await site.get("/notifications")).text()
    assert (await site.post("/notifications/read", {"through": through})).status == 303
    html = await (await site.get("/notifications")).text()
    assert "unread" not in html
    assert "Mark all as read" not in html


@pytest.mark.parametrize("through", ["", "x", "-1", "1" * 20, "²"])
async def test_a_place_in_the_list_that_is_none_is_refused(site: Site, through: str) -> None:
    await site.sign_in()
    assert (await site.post("/notifications/read", {"through": through})).status == 400


async def test_looking_at_the_answers_is_having_read_of_them(site: Site) -> None:
    await site.complete()
    await tell(site)
    await site.sign_in()
    assert "unread" not in await (await site.get(f"/interviews/{site.invitation.id}")).text()
    assert "unread" not in await (await site.get("/notifications")).text()


async def test_nothing_told_yet_says_what_will_be(site: Site) -> None:
    await site.sign_in()
    assert "Nothing to tell yet" in await (await site.get("/notifications")).text()


async def test_many_come_in_pages_without_gaps_or_repeats(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "PAGE_ALERTS", 2)
    names = [f"Candidate {number}" for number in range(3)]
    for name in names:
        invitation = await site.invite(name=name)
        async with site.app[DATABASE].write() as conn:
            user = await users.by_email(conn, demo.EMAIL)
            assert user is not None
            await alerts.raise_for(conn, user_ids=[user.id], kind=KIND, invitation_id=invitation.id, now_ms=1)
    await site.sign_in()
    first = await (await site.get("/notifications")).text()
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = await (await site.get(older)).text()
    assert [name in first for name in names] == [False, True, True]
    assert [name in second for name in names] == [True, False, False]
    assert 'rel="next"' not in second


async def test_signed_out_people_come_back_to_the_bell(site: Site) -> None:
    assert (await site.get("/notifications")).headers["Location"] == "/sign-in?next=/notifications"
    assert (await site.post("/notifications/read", {"through": "1"})).headers["Location"] == "/sign-in"


async def test_a_reviewer_taken_off_the_job_is_told_of_it_no_more(site: Site) -> None:
    await site.complete()
    reviewer = await colleague(site, "Rui", Role.REVIEWER, assigned=site.invitation)
    await tell(site, reviewer.email)
    await site.sign_in(reviewer.email, PASSWORD)
    assert "Robin Lindgren" in await (await site.get("/notifications")).text()
    async with site.app[DATABASE].write() as conn:
        await conn.execute(job_members.delete())
    html = await (await site.get("/notifications")).text()
    assert "Robin Lindgren" not in html
    assert "unread" not in html


async def test_whoever_sent_the_invitation_is_told_and_those_assigned_to_the_job(site: Site) -> None:
    sender = await colleague(site, "Sam")
    await colleague(site, "Paul")
    await colleague(site, "Rui", Role.REVIEWER, assigned=site.invitation)
    await colleague(site, "Ren", Role.REVIEWER)
    await invited_by(site, sender.id)
    assert await told(site) == ["Rui", "Sam"]


async def test_if_the_sender_is_gone_every_admin_and_recruiter_is_told(site: Site) -> None:
    sender = await colleague(site, "Sam")
    await colleague(site, "Ada", Role.ADMIN)
    gone = await colleague(site, "Rui", Role.REVIEWER, assigned=site.invitation)
    assert await told(site) == ["Ada", "Alex Berg", "Rui", "Sam"], "nobody is known to have sent it"
    await invited_by(site, sender.id)
    await disable(site, sender.email)
    await disable(site, gone.email)
    assert await told(site) == ["Ada", "Alex Berg"]


async def test_a_sender_who_only_reviews_now_is_told_no_more_and_nobody_elsewhere_is(site: Site) -> None:
    sender = await colleague(site, "Sam")
    await site.another_organisations_recruiter()
    await invited_by(site, sender.id)
    async with site.app[DATABASE].write() as conn:
        await conn.execute(update(users_table).where(users_table.c.id == sender.id).values(role=Role.REVIEWER))
    assert await told(site) == ["Alex Berg"]
