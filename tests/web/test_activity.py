"""R25 and R26: a candidate's feed in words, and the card of their scores."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
import pytest

from storage import comments, events, scores, users
from storage.ids import new_id
from storage.users import User
from tests.web.review_world import colleague
from tests.web.world import START_MS, Site
from web import demo
from web.keys import DATABASE
from web.recruiter import activity, scoring
from web.recruiter.activity import ActivityLine
from web.recruiter.activity_wording import Around, said


async def note(
    site: Site, event: str, at_ms: int, actor: str = "system", subject: str = "invitation", **detail: Any
) -> None:
    ids = {
        "invitation": site.invitation.id,
        "application": site.invitation.application_id,
        "candidate": site.invitation.candidate_id,
    }
    async with site.app[DATABASE].write() as conn:
        await events.append(
            conn,
            organisation_id=site.invitation.organisation_id,
            at_ms=at_ms,
            actor=actor,
            kind=event,
            subject_kind=subject,
            subject_id=ids[subject],
            detail=detail,
        )


async def fed(site: Site, before: int | None = None) -> list[ActivityLine]:
    async with site.app[DATABASE].read() as conn:
        feed = await activity.feed(conn, site.invitation.organisation_id, site.invitation.candidate_id, before)
    return feed.lines


async def recruiter(site: Site) -> User:
    async with site.app[DATABASE].read() as conn:
        found = await users.by_email(conn, demo.EMAIL)
    assert found is not None
    return found


async def test_what_happened_is_told_the_newest_first_with_who_did_it(site: Site) -> None:
    alex = f"user:{(await recruiter(site)).id}"
    me = f"candidate:{site.invitation.id}"
    await note(site, "candidate.created", START_MS, alex, "candidate")
    await note(site, "application.moved", START_MS + 1, alex, "application", **{"from": "new", "to": "interview"})
    await note(site, "invitation.sent", START_MS + 2, alex, expires_at_ms=None)
    await note(site, "invitation.started", START_MS + 3, me)
    await note(site, "invitation.completed", START_MS + 4, me)
    await note(site, "mail.refused", START_MS + 5, kind="resent", reply="550 no such user")
    await note(site, "comment.posted", START_MS + 6, alex, question=2, comment="c")
    lines = (await fed(site))[:7]
    assert [f"{line.who} {line.says}".strip() for line in lines] == [
        "Alex Berg commented on question 2",
        "The invitation, sent again, was refused by the receiving mail server",
        "Robin Lindgren completed the interview “First conversation”",
        "Robin Lindgren started the interview “First conversation”",
        "Alex Berg sent the interview “First conversation” for Support engineer",
        "Alex Berg moved the application for Support engineer from New to Interview",
        "Alex Berg added this candidate",
    ]
    assert (lines[2].href, lines[2].label) == (f"/interviews/{site.invitation.id}", "View responses")
    assert lines[0].href == f"/interviews/{site.invitation.id}?answer=2#said-2"
    assert (lines[1].warns, lines[1].note) == (True, "550 no such user")
    assert lines[4].note == "No deadline"


async def test_several_scores_and_looks_of_one_person_are_one_line_each(site: Site) -> None:
    alex = f"user:{(await recruiter(site)).id}"
    maya = f"user:{(await colleague(site, 'Maya')).id}"
    await note(site, "interview.viewed", START_MS, alex)
    for question in (1, 2, 0):
        await note(site, "score.given", START_MS + question * 1000, alex, question=question, value=4)
        await note(site, "recording.opened", START_MS + question * 1000, alex)
    await note(site, "score.given", START_MS + 5000, maya, question=0, value=5)
    await note(site, "score.given", START_MS + 3 * activity.TOGETHER_MS, alex, question=1, value=None)
    lines = [f"{line.who} {line.says}" for line in await fed(site)][:4]
    assert lines == [
        "Alex Berg took back the score of question 1",
        "Maya scored the interview: 5 of 5",
        "Alex Berg watched the answers for Support engineer",
        "Alex Berg gave 3 scores for Support engineer",
    ]


async def test_a_question_scored_anew_is_one_score(site: Site) -> None:
    alex = f"user:{(await recruiter(site)).id}"
    maya = f"user:{(await colleague(site, 'Maya')).id}"
    ren = f"user:{(await colleague(site, 'Ren')).id}"
    for number, value in enumerate((3, 4, 5)):
        await note(site, "score.given", START_MS + number, alex, question=1, value=value)
    for number, (question, given) in enumerate([(1, 2), (2, 3), (1, None)]):
        await note(site, "score.given", START_MS + 10 + number, maya, question=question, value=given)
    for number, question in enumerate((1, 2)):
        await note(site, "score.given", START_MS + 20 + number, ren, question=question, value=None)
    assert [f"{line.who} {line.says}" for line in await fed(site)][:3] == [
        "Ren took back scores for Support engineer",
        "Maya gave 1 score for Support engineer",
        "Alex Berg scored question 1: 5 of 5",
    ]


async def test_a_refused_letter_to_a_colleague_is_not_told_as_one_to_the_candidate(site: Site) -> None:
    await note(site, "mail.refused", START_MS, kind="completed", reply="550 no such user")
    [line] = [line for line in await fed(site) if line.warns]
    assert line.says == "The mail that tells a colleague of the answers was refused by the receiving mail server"


async def test_a_long_feed_comes_in_pages_without_gaps(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "PAGE_EVENTS", 2)
    for number in range(5):
        await note(site, "candidate.edited", START_MS + number, subject="candidate")
    seen: list[int] = []
    before = None
    while True:
        async with site.app[DATABASE].read() as conn:
            feed = await activity.feed(conn, site.invitation.organisation_id, site.invitation.candidate_id, before)
        seen += [line.at_ms for line in feed.lines if "edited" in line.says.casefold()]
        before = feed.older
        if before is None:
            break
    assert seen == [START_MS + number for number in (4, 3, 2, 1, 0)]


async def test_another_organisation_reads_no_feed_and_no_scores(site: Site) -> None:
    await site.another_organisations_recruiter()
    await note(site, "candidate.edited", START_MS, subject="candidate")
    async with site.app[DATABASE].read() as conn:
        stranger = await users.by_email(conn, "eli@elsewhere.example")
        assert stranger is not None
        feed = await activity.feed(conn, stranger.organisation_id, site.invitation.candidate_id)
        card = await scoring.card(conn, stranger.organisation_id, site.invitation.candidate_id)
    assert (feed.lines, feed.older, card.interviews) == ([], None, [])


def test_a_kind_from_a_later_version_is_named_as_it_is() -> None:
    event = events.Event(1, "o", 0, "system", "robot.danced_well", "invitation", "i", {})
    assert said(event, Around(None, "", "UTC")).says == "robot danced well"


def test_details_that_are_missing_leave_a_sentence_all_the_same() -> None:
    for kind in ("application.moved", "invitation.extended", "score.given", "mail.failed", "comment.posted"):
        event = events.Event(1, "o", 0, "system", kind, "invitation", "i", {})
        assert len(said(event, Around(None, "", "UTC")).says) > 10


@pytest.mark.parametrize(("text", "key"), [("12", 12), ("", None), ("x", None), ("-1", None), ("9" * 20, None)])
def test_a_key_of_an_older_page_is_a_number(text: str, key: int | None) -> None:
    assert activity.parse_before(text) == key


async def test_the_card_has_a_row_for_each_question_and_one_for_the_whole(site: Site) -> None:
    await site.complete()
    maya, paul = await colleague(site, "Maya"), await colleague(site, "Paul")
    async with site.app[DATABASE].write() as conn:
        for who, question, value in ((maya, 1, 4), (paul, 1, 3), (maya, 0, 5)):
            await scores.give(conn, site.invitation.id, user_id=who.id, question=question, value=value, now_ms=START_MS)
        await comments.post(
            conn, new_id(), invitation_id=site.invitation.id, user_id=maya.id, question=0, text="Yes.",
            moment_ms=None, now_ms=START_MS,
        )  # fmt: skip
        card = await scoring.card(conn, site.invitation.organisation_id, site.invitation.candidate_id)
    [interview] = card.interviews
    assert (interview.raters, interview.comments) == (["Maya", "Paul"], 1)
    assert [(row.label, row.mean, row.values) for row in interview.rows] == [
        ("Question 1", "3.5", [4, 3]),
        ("Question 2", "", [None, None]),
        ("Question 3", "", [None, None]),
        ("Overall", "5.0", [5, None]),
    ]
    assert interview.href == f"/interviews/{site.invitation.id}"


async def test_feed_and_card_are_drawn_without_markup_from_names(site: Site) -> None:
    evil = await colleague(site, "<i>Eve</i>")
    await site.complete()
    await note(site, "candidate.edited", START_MS, f"user:{evil.id}", "candidate")
    async with site.app[DATABASE].write() as conn:
        await scores.give(conn, site.invitation.id, user_id=evil.id, question=1, value=4, now_ms=START_MS)
        feed = await activity.feed(conn, site.invitation.organisation_id, site.invitation.candidate_id)
        card = await scoring.card(conn, site.invitation.organisation_id, site.invitation.candidate_id)
    environment = site.app[aiohttp_jinja2.APP_KEY]
    drawn = environment.get_template("recruiter/activity.html").module.feed(feed.lines, "UTC")
    drawn += environment.get_template("recruiter/scores_card.html").module.scores(card, "UTC")
    assert "<i>Eve" not in drawn
    assert drawn.count("&lt;i&gt;Eve") == 2
