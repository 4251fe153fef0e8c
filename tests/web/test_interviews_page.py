"""The list of interviews, and what its menus do: resend, cancel, extend, and showing the link."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from html import unescape

import pytest
from aiohttp import ClientResponse
from sqlalchemy import select, update

from signaling.hub import Hub
from storage import events, invitations, job_members, users
from storage.expiry import CLOSING_GRACE_MS
from storage.ids import new_id
from storage.invitations import Invitation
from storage.schema import candidates as candidates_table
from storage.schema import mails
from storage.states import InvitationStatus, MailKind, MailState, Role
from tests.web.world import PASSWORD_HASH, START_MS, Site, text_of
from web.keys import DATABASE, HUB
from web.recruiter import deadlines
from web.recruiter.deadlines import Mistake
from web.recruiter.invitation_changes import LONGEST_REASON, RESEND_AGAIN_MS
from web.recruiter.telling import News, sentence

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def now(site: Site, invitation: Invitation) -> Invitation:
    async with site.app[DATABASE].read() as conn:
        return await invitations.get(conn, invitation.id)


async def kinds_of_mail(site: Site, invitation: Invitation) -> list[str]:
    async with site.app[DATABASE].read() as conn:
        return list(await conn.scalars(select(mails.c.kind).where(mails.c.invitation_id == invitation.id)))


async def kinds_of_events(site: Site, invitation: Invitation) -> list[str]:
    async with site.app[DATABASE].read() as conn:
        found = await events.for_subject(conn, invitation.organisation_id, "invitation", invitation.id)
    return [event.kind for event in found]


async def do(site: Site, what: str, invitation: Invitation | None = None, **typed: str) -> ClientResponse:
    chosen = invitation or site.invitation
    return await site.post(f"/interviews/{chosen.id}/{what}", typed)


async def told(site: Site, response: ClientResponse) -> str:
    """What the page says that the press returns to."""
    assert response.status == 303, await response.text()
    page = await (await site.get(response.headers["Location"])).text()
    return unescape(text_of(page.split('role="status">')[1].split("</div>")[0]))


async def reviewer(site: Site) -> users.User:
    async with site.app[DATABASE].write() as conn:
        return await users.create(
            conn,
            organisation_id=site.invitation.organisation_id,
            email="rita@example.com",
            name="Rita",
            role=Role.REVIEWER,
            password_hash=PASSWORD_HASH,
            now_ms=START_MS,
        )


async def lines(site: Site, query: str = "") -> str:
    return text_of((await (await site.get(f"/interviews?{query}")).text()).partition("<tbody>")[2])


async def test_what_is_shown_reckons_with_the_clock_and_so_do_the_filters(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(name="Kim Ek", expires_at_ms=START_MS + HOUR_MS)
    assert "Kim Ek" in await lines(site, "status=pending")
    site.clock.now_ms += HOUR_MS
    assert "Kim Ek" not in await lines(site, "status=pending")
    assert "Robin Lindgren" in await lines(site, "status=pending")
    shown = await lines(site, "status=expired")
    assert "Kim Ek" in shown
    assert "Expired" in shown
    assert (await now(site, kim)).status is InvitationStatus.PENDING  # no sweep has been there


async def test_an_interview_under_way_stays_active_until_it_closes(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(name="Kim Ek", expires_at_ms=START_MS + HOUR_MS)
    await site.start(kim)
    site.clock.now_ms += HOUR_MS
    assert "Kim Ek" in await lines(site, "status=in_progress")
    site.clock.now_ms += CLOSING_GRACE_MS
    assert "Kim Ek" in await lines(site, "status=expired")


@pytest.mark.parametrize(
    ("state", "opened", "label", "query"),
    [
        (MailState.QUEUED, False, "Queued", "queued"),
        (MailState.SENT, False, "Sent", "sent"),
        (MailState.SENT, True, "Maybe opened", "opened"),
        (MailState.REFUSED, False, "Refused", "refused"),
        (MailState.FAILED, False, "Failed", "failed"),
        (MailState.OUTBOX, False, "Written to outbox", "outbox"),
    ],
)
async def test_the_mail_is_a_fact_of_its_own(
    site: Site, state: MailState, opened: bool, label: str, query: str
) -> None:
    await site.sign_in()
    async with site.app[DATABASE].write() as conn:
        await conn.execute(
            mails.insert().values(
                id=new_id(START_MS),
                organisation_id=site.invitation.organisation_id,
                kind=MailKind.INVITATION,
                invitation_id=site.invitation.id,
                to_address="robin@example.com",
                state=state,
                attempts=1,
                created_at_ms=START_MS,
                ended_at_ms=None if state is MailState.QUEUED else START_MS,
                reply="550 5.1.1 <b>no such user</b>" if state is MailState.REFUSED else "",
                outbox_file="",
                opened_at_ms=START_MS if opened else None,
            )
        )
    shown = await lines(site, f"mail={query}")
    assert "Robin Lindgren" in shown
    assert label in shown
    assert ("550 5.1.1 &lt;b&gt;no such user" in shown) == (state is MailState.REFUSED)
    other = "sent" if query != "sent" else "queued"
    assert "Robin Lindgren" not in await lines(site, f"mail={other}")


async def test_filters_are_kept_together_and_what_is_none_filters_nothing(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(name="Kim Ek")
    assert "Robin" not in await lines(site, f"job={kim.job_id}")
    assert "Kim Ek" in await lines(site, f"job={kim.job_id}&status=pending&q=KIM")
    page = await (await site.get(f"/interviews?job={kim.job_id}&status=completed&q=kim")).text()
    assert "No interview is like this" in page
    assert f'href="/interviews?status=expired&amp;job={kim.job_id}&amp;q=kim"' in page
    for query in ("status=nonsense", "mail=%00", "job=" + "a" * 32, "before=x", "q=%20"):
        assert "Robin Lindgren" in await lines(site, query)


async def test_a_reviewer_sees_the_interviews_of_their_jobs_without_menus(site: Site) -> None:
    rita = await reviewer(site)
    kim = await site.invite(name="Kim Ek")
    await site.sign_in(email=rita.email)
    page = await (await site.get("/interviews")).text()
    assert "No interviews yet" in page
    assert "/candidates" not in page.split('id="main"')[1]
    async with site.app[DATABASE].write() as conn:
        await job_members.set_members(conn, kim.job_id, [rita.id])
    page = await (await site.get("/interviews")).text()
    assert "Kim Ek" in page
    assert "Robin Lindgren" not in page
    assert "interview-menu" not in page
    assert "Support engineer" not in page  # another job's name is not for them either
    assert "Robin" not in await lines(site, f"job={site.invitation.job_id}")
    for what in ("resend", "cancel", "extend"):
        assert (await do(site, what, kim)).status == 403
    assert (await site.get(f"/interviews/{kim.id}/link")).status == 403


async def test_resending_mails_the_same_link_and_makes_no_interview(site: Site) -> None:
    await site.sign_in()
    answers = await site.start()
    before = await now(site, site.invitation)
    sentence = await told(site, await do(site, "resend", back="/interviews?status=in_progress"))
    assert "to Robin Lindgren is written to the outbox folder again, with the same link" in sentence
    after = await now(site, site.invitation)
    assert (after, await kinds_of_mail(site, after)) == (before, ["resent"])
    assert (await site.interview()).answers == answers
    assert "invitation.resent" in await kinds_of_events(site, after)


async def test_pressing_resend_twice_sends_once(site: Site) -> None:
    await site.sign_in()
    said = await asyncio.gather(*(do(site, "resend") for _ in range(4)))
    assert await kinds_of_mail(site, site.invitation) == ["resent"]
    news = [response.headers["Location"].split("told=")[1].split("&")[0] for response in said]
    assert sorted(news) == ["just-resent"] * 3 + ["resent"]
    site.clock.now_ms += RESEND_AGAIN_MS - 1
    assert "less than a minute ago" in await told(site, await do(site, "resend"))
    site.clock.now_ms += 1
    assert "same link" in await told(site, await do(site, "resend"))
    assert await kinds_of_mail(site, site.invitation) == ["resent", "resent"]


async def test_a_completed_interview_is_not_resent_and_the_person_is_told(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    mailed = await kinds_of_mail(site, site.invitation)
    assert "has sent all answers already. Nothing was mailed." in await told(site, await do(site, "resend"))
    assert await kinds_of_mail(site, site.invitation) == mailed


async def test_an_expired_interview_is_not_resent_and_a_new_one_is_offered(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(expires_at_ms=START_MS + HOUR_MS)
    site.clock.now_ms += HOUR_MS
    response = await do(site, "resend", kim)
    page = await (await site.get(response.headers["Location"])).text()
    assert "is over, so its link was not sent again" in page
    assert f"/send?candidate={kim.candidate_id}&amp;job={kim.job_id}" in page
    assert await kinds_of_mail(site, kim) == []


async def test_an_address_that_mail_cannot_reach_is_told_with_the_way_to_mend_it(site: Site) -> None:
    await site.sign_in()
    async with site.app[DATABASE].write() as conn:
        await conn.execute(update(candidates_table).values(email="robin@localhost"))
    assert "Mail cannot reach Robin Lindgren's e-mail address" in await told(site, await do(site, "resend"))
    assert await kinds_of_mail(site, site.invitation) == []


async def test_what_is_told_of_a_mail_is_what_becomes_of_it(site: Site) -> None:
    kim = await site.invite(name="Kim Ek", expires_at_ms=START_MS + DAY_MS)
    unreachable = replace(kim, candidate_email="kim@localhost")

    def said(news: News, about: Invitation, *, mail_leaves: bool) -> str:
        return sentence(news, about, mail_leaves=mail_leaves).sentence

    assert "was sent to Kim Ek again, with the same link" in said(News.RESENT, kim, mail_leaves=True)
    assert "outbox" in said(News.RESENT, kim, mail_leaves=False)
    assert said(News.EXTENDED, kim, mail_leaves=True).endswith("now, and is told by mail.")
    assert "outbox" in said(News.EXTENDED, kim, mail_leaves=False)
    for mail_leaves in (True, False):
        assert "mail cannot reach them: tell them yourself" in said(News.EXTENDED, unreachable, mail_leaves=mail_leaves)


async def test_a_way_back_that_leads_elsewhere_is_not_taken(site: Site) -> None:
    await site.sign_in()
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        assert (await do(site, "resend", back=back)).headers["Location"].startswith("/interviews?told=")
    page = await (await site.get(f"/interviews/{site.invitation.id}/cancel?back=//evil.example")).text()
    assert "evil.example" not in page


async def test_news_are_not_told_of_another_organisations_interview(site: Site) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    page = await (await site.get(f"/interviews?told=cancelled&about={site.invitation.id}")).text()
    assert "Robin" not in page


async def test_cancelling_keeps_the_reason_and_ends_what_runs_after_the_commit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.sign_in()
    await site.start()
    seen: list[InvitationStatus] = []
    end = Hub.end

    async def watched(hub: Hub, invitation_id: str) -> None:
        seen.append((await now(site, site.invitation)).status)
        await end(hub, invitation_id)

    monkeypatch.setattr(Hub, "end", watched)
    form = text_of(await (await site.get(f"/interviews/{site.invitation.id}/cancel")).text())
    assert "Cancel interview?" in form
    assert "has begun to answer" in form
    assert "Keep it" in form
    sentence = await told(site, await do(site, "cancel", reason="  The job was filled.  "))
    assert "Robin Lindgren's interview is cancelled" in sentence
    found = await now(site, site.invitation)
    assert (found.status, found.cancel_reason) == (InvitationStatus.CANCELLED, "The job was filled.")
    assert seen == [InvitationStatus.CANCELLED]
    assert (await kinds_of_events(site, found))[0] == "invitation.cancelled"
    candidates_page = await (await site.get(site.link)).text()
    assert "The job was filled." not in candidates_page


async def test_cancelling_twice_at_once_is_one_cancellation(site: Site) -> None:
    await site.sign_in()
    said = await asyncio.gather(*(do(site, "cancel", reason=str(number)) for number in range(4)))
    assert {response.status for response in said} == {303}
    assert (await kinds_of_events(site, site.invitation)).count("invitation.cancelled") == 1


async def test_what_has_ended_is_not_cancelled(site: Site) -> None:
    await site.complete()
    await site.sign_in()
    response = await do(site, "cancel", reason="too late")
    assert response.status == 409
    assert "This interview is completed already." in await response.text()
    assert (await now(site, site.invitation)).status is InvitationStatus.COMPLETED
    kim = await site.invite(expires_at_ms=START_MS + HOUR_MS)
    site.clock.now_ms += HOUR_MS
    assert (await do(site, "cancel", kim)).status == 409  # over, though no sweep has been there


async def test_a_reason_that_is_too_long_comes_back_whole(site: Site) -> None:
    await site.sign_in()
    reason = "<i>" + "x" * LONGEST_REASON
    response = await do(site, "cancel", reason=reason)
    page = await response.text()
    assert response.status == 422
    assert "500 is the most" in page
    assert "&lt;i&gt;" + "x" * LONGEST_REASON in page
    assert (await now(site, site.invitation)).status is InvitationStatus.PENDING


async def test_extending_moves_the_deadline_and_tells_the_candidate(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(name="Kim Ek", expires_at_ms=START_MS + DAY_MS)
    form = await (await site.get(f"/interviews/{kim.id}/extend")).text()
    day, clock = deadlines.fields(START_MS + 8 * DAY_MS, "UTC")
    assert f'name="day" value="{day}"' in form
    assert f'name="clock" value="{clock}"' in form
    said = await asyncio.gather(*(do(site, "extend", kim, day="2026-10-10", clock="12:00") for _ in range(3)))
    assert "until 10 October 2026, 12:00 (UTC)" in await told(site, said[0])
    assert {response.status for response in said} == {303}
    assert (await now(site, kim)).expires_at_ms == 1_791_633_600_000
    assert await kinds_of_mail(site, kim) == ["extended"]
    async with site.app[DATABASE].read() as conn:
        [event] = await events.for_subject(conn, kim.organisation_id, "invitation", kim.id)
    assert (event.kind, event.detail) == ("invitation.extended", {"from": START_MS + DAY_MS, "to": 1_791_633_600_000})


@pytest.mark.parametrize(
    ("day", "clock", "sentence"),
    [
        ("", "", "Choose the new date."),
        ("2026-09-01", "", "This day has passed."),
        ("2026-09-21", "18:00", "This is not later than the deadline of now"),
        ("nonsense", "", "This is not a date."),
        ("2026-10-01", "noon", "This is not a time."),
    ],
)
async def test_a_deadline_that_is_not_later_is_refused_beside_its_field(
    site: Site, day: str, clock: str, sentence: str
) -> None:
    await site.sign_in()
    kim = await site.invite(expires_at_ms=START_MS + DAY_MS)
    response = await do(site, "extend", kim, day=day, clock=clock)
    page = await response.text()
    assert response.status == 422
    assert sentence in page
    assert f'name="day" value="{day}"' in page
    assert f'name="clock" value="{clock}"' in page
    assert (await now(site, kim)).expires_at_ms == START_MS + DAY_MS


async def test_after_the_deadline_nothing_is_extended_and_a_new_one_is_offered(site: Site) -> None:
    await site.sign_in()
    kim = await site.invite(expires_at_ms=START_MS + HOUR_MS)
    await site.start(kim)
    site.clock.now_ms += HOUR_MS
    response = await do(site, "extend", kim, day="2026-10-10")
    page = await response.text()
    assert response.status == 409
    assert "The deadline has passed." in page
    assert f"/send?candidate={kim.candidate_id}" in page
    assert (await now(site, kim)).expires_at_ms == START_MS + HOUR_MS
    assert "Extend deadline" not in await lines(site)


async def test_without_a_deadline_there_is_none_to_extend(site: Site) -> None:
    await site.sign_in()
    response = await do(site, "extend", day="2026-10-10")
    assert response.status == 409
    assert "has no deadline" in await response.text()


async def test_the_link_shown_is_the_one_in_the_mail_and_is_kept_nowhere(site: Site) -> None:
    await site.sign_in()
    response = await site.get(f"/interviews/{site.invitation.id}/link")
    page = await response.text()
    assert f'{site.link}" readonly' in page
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_menu_offers_what_can_be_done(site: Site) -> None:
    await site.sign_in()
    offered = await lines(site)
    for words in ("Resend invitation", "Show link", "Cancel interview"):
        assert words in offered
    assert "Extend deadline" not in offered
    await site.complete()
    offered = await lines(site)
    assert "View responses" in offered
    assert "Send a new interview" in offered
    assert "Resend invitation" not in offered
    assert "Cancel interview" not in offered


@pytest.mark.parametrize("what", ["resend", "cancel", "extend"])
async def test_another_organisations_interview_is_not_found(site: Site, what: str) -> None:
    await site.sign_in(email=await site.another_organisations_recruiter())
    assert (await do(site, what)).status == 404
    for page in ("cancel", "extend", "link"):
        assert (await site.get(f"/interviews/{site.invitation.id}/{page}")).status == 404
    assert await kinds_of_mail(site, site.invitation) == []


async def test_an_extension_reaches_the_live_interview(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.sign_in()
    kim = await site.invite(expires_at_ms=START_MS + DAY_MS)
    told_of: list[str] = []
    monkeypatch.setattr(site.app[HUB], "changed", told_of.append)
    await do(site, "extend", kim, day="2026-10-10")
    assert told_of == [kim.id]


def test_deadlines_are_read_in_their_zone() -> None:
    now_ms = START_MS
    assert deadlines.read("", "", "Europe/Helsinki", now_ms) is None
    assert deadlines.read(" 2026-10-01 ", " 12:00 ", "Europe/Helsinki", now_ms) == 1_790_845_200_000
    assert deadlines.read("2026-10-01", "12:00:30", "Asia/Kolkata", now_ms) == 1_790_836_200_000
    last = deadlines.read("9999-12-31", "", "UTC", now_ms)
    assert isinstance(last, Mistake)
    # The day there is not the day here: 21 September has begun in Kiritimati twelve hours before.
    assert deadlines.read("2026-09-21", "", "Pacific/Kiritimati", now_ms) != deadlines.read(
        "2026-09-21", "", "UTC", now_ms
    )


def test_how_long_is_left_is_said_in_whole_units() -> None:
    said = [deadlines.left(START_MS + ms, START_MS) for ms in (0, 1, 59 * 60_000, HOUR_MS, 47 * HOUR_MS, 2 * DAY_MS)]
    assert said == ["passed", "in 1 min", "in 59 min", "in 1 h", "in 47 h", "in 2 days"]
