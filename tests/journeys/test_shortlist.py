"""From template to shortlist: both sides, real mail, and every status on every page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.candidate import PLAY, Candidate
from tests.journeys.house import EMAIL, ZONE, House, Invited, until
from tests.journeys.recruiter import Recruiter
from tests.web.smtp import PostOffice, Received

JOB, TEMPLATE = "Gardener", "First conversation"
QUESTIONS = ("What would you plant first?", "A customer is unhappy. What do you do?")
ADA, BO, CAI = "Ada Larsen", "Bo Nyman", "Cai Åström"
DAY_MS = 86_400_000


def address_of(name: str) -> str:
    return f"{name.split()[0].casefold()}@example.com"


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    office = PostOffice()
    office.start()
    yield office
    office.stop()


def link_in(letter: Received) -> str:
    """The bare link of the text part, which the HTML part has too."""
    (link,) = set(re.findall(r"http://\S+/i/[\w-]{43}", letter.text()))
    assert link in letter.text("text/html")
    return link


def invited_by(letter: Received, house: House, name: str) -> Invited:
    """Whom the letter invites, by the link in it."""
    (row,) = house.rows(
        "SELECT invitations.id FROM invitations JOIN applications ON applications.id = application_id"
        " JOIN candidates ON candidates.id = candidate_id WHERE candidates.name = ?",
        name,
    )
    return Invited(row["id"], link_in(letter).rsplit("/", 1)[1], name)


def test_from_template_to_shortlist(house: House, browser: Browser, post_office: PostOffice) -> None:
    house.settings["mail"] = (
        f'{{ host = "127.0.0.1", port = {post_office.port}, security = "none", from_address = "hiring@example.com" }}'
    )
    house.put_clock_forward(0)
    house.settle_in()
    house.start()
    recruiter = Recruiter(browser, house)
    page = recruiter.page
    recruiter.sign_in()
    recruiter.makes_a_job(JOB)
    recruiter.makes_a_template(TEMPLATE, JOB, *QUESTIONS)
    for name in (ADA, BO, CAI):
        recruiter.adds_a_candidate(name, address_of(name), JOB)

    # Two in bulk, from the pipeline, with a deadline.
    recruiter.go("/jobs")
    recruiter.follow(JOB)
    for name in (ADA, BO):
        page.get_by_role("checkbox", name=f"Choose {name}").check()
    expect(page.locator("[data-count]")).to_contain_text("2")
    recruiter.press("Send interview")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send interview to 2 candidates")
    page.get_by_role("radio", name=TEMPLATE).check()
    day = datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=2)
    page.get_by_label("Date", exact=True).fill(day.isoformat())
    recruiter.press("Send interview")
    expect(page).to_have_url(re.compile(r"/sendings/[0-9a-f]{32}$"))
    for name in (ADA, BO):
        expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("Invited")
    results = page.url.removeprefix(house.url)
    # One from the profile, without.
    recruiter.go("/candidates?q=astrom")
    page.get_by_role("link", name=CAI, exact=True).click()
    recruiter.follow("Send interview")
    recruiter.dialog.get_by_role("radio", name=TEMPLATE).check()
    recruiter.press("Send interview", within=recruiter.dialog)
    expect(page).to_have_url(re.compile(r"/sendings/"))

    # The mails.
    until(lambda: len(post_office.received) == 3, 20, "three mails arrive")
    until(lambda: not house.rows("SELECT id FROM mails WHERE state != 'sent'"), 10, "all of them are noted as sent")
    recruiter.go(results)
    for name in (ADA, BO):
        expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("Sent")
    for name in (ADA, BO, CAI):
        (letter,) = post_office.to(address_of(name))
        assert JOB in letter.text() and "Meadow Studio" in letter.message["subject"]
        assert letter.text().find(link_in(letter)) > 0
        calendars = [part for part in letter.message.walk() if part.get_content_type() == "text/calendar"]
        assert len(calendars) == (0 if name == CAI else 1)
        for part in calendars:
            (event,) = icalendar.Calendar.from_ical(part.get_content()).walk("VEVENT")
            assert event.decoded("dtend" if "dtend" in event else "dtstart").astimezone(ZoneInfo(ZONE)).date() == day
        assert set(recruiter.statuses(name).values()) == {"Invited"}

    # Ada answers.
    (letter,) = post_office.to(address_of(ADA))
    candidate = Candidate(browser, house, invited_by(letter, house, ADA))
    candidate.accept_and_start()
    assert set(recruiter.statuses(ADA).values()) == {"Active"}
    for _ in QUESTIONS:
        candidate.show(timed=True)
        candidate.record_for(2)
        candidate.press("Keep")
    candidate.press("Send answers and close interview")
    candidate.press("Confirm")
    expect(candidate.page).to_have_url(re.compile("/receipt$"))
    assert candidate.problems == []
    candidate.close()

    # The recruiter is told, in the app and by mail.
    told = until(lambda: post_office.to(EMAIL), 20, "the recruiter is told by mail")
    assert ADA in told[0].text()
    recruiter.go("/interviews")
    page.get_by_role("link", name=re.compile("Notifications, 1 unread")).click()
    page.get_by_role("link", name=re.compile(ADA)).click()

    # Watches, scores, comments; typed is kept.
    assert page.locator("video").first.evaluate(PLAY)["advanced"] > 0.2
    recruiter.scores(1, 4)
    recruiter.scores(0, 5)
    recruiter.comments("Calm, and to the point.")
    page.reload()
    assert recruiter.score_of(1) == 4
    assert recruiter.score_of(0) == 5
    expect(page.get_by_text("Calm, and to the point.").first).to_be_visible()
    expect_one = house.rows("SELECT count(*) AS n FROM comments WHERE posted_at_ms IS NOT NULL")
    assert expect_one[0]["n"] == 1

    # Cai's is sent again: the same link, no new interview. Then it is cancelled.
    (first,) = post_office.to(address_of(CAI))
    recruiter.menu_of(CAI, "Resend invitation")
    expect(page.locator("main .notice").first).to_be_visible()
    again = until(lambda: post_office.to(address_of(CAI))[1:], 20, "the mail comes again")[0]
    assert link_in(again) == link_in(first)
    assert house.rows("SELECT count(*) AS n FROM invitations")[0]["n"] == 3
    recruiter.menu_of(CAI, "Cancel interview")
    recruiter.press("Cancel interview", within=recruiter.dialog)
    expect(recruiter.dialog).to_have_count(0)
    assert set(recruiter.statuses(CAI).values()) == {"Cancelled"}

    # Bo's time runs out: shown at once, and ended by the schedule, once.
    house.put_clock_forward(3 * DAY_MS)
    assert set(recruiter.statuses(BO).values()) == {"Expired"}
    until(
        lambda: [row["status"] for row in house.rows("SELECT status FROM invitations WHERE status = 'expired'")],
        90,
        "the schedule ends it",
    )
    assert len(house.rows("SELECT * FROM events WHERE kind = 'invitation.expired'")) == 1
    assert {name: set(recruiter.statuses(name).values()) for name in (ADA, BO, CAI)} == {
        ADA: {"Completed"},
        BO: {"Expired"},
        CAI: {"Cancelled"},
    }
    assert recruiter.problems == []
    recruiter.close()
