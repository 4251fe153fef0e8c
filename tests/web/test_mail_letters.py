"""What letters say and what travels: both forms alike, the link, the deadline, and nothing typed that breaks out."""

from __future__ import annotations

import email
from dataclasses import replace
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from icalendar import Calendar
from sqlalchemy import text

from storage import invitations, logos, mails, team_invites, users
from storage.ids import new_id
from storage.invitations import Invitation
from storage.letters import InterviewFacts
from storage.mails import Mail
from storage.states import InvitationStatus, MailKind, Role
from tests.web.world import START_MS, Site, text_of
from web import demo, links
from web.keys import DATABASE, POST
from web.mail import addresses
from web.mail.addresses import Address, NoAddress
from web.mail.compose import envelope
from web.mail.letters import Ended, Letter, Letters, candidate_content
from web.mail.opening import picture_path
from web.mail.words import WORDS, spoken

ORIGIN = "https://interviews.example.com"
SENDER = Address("interviews", "example.com")
DAY_MS = 24 * 3_600_000
PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"


async def posted(site: Site, kind: MailKind, invitation: Invitation | None = None) -> Mail:
    async with site.app[DATABASE].write() as conn:
        mail_id = await site.app[POST].to_candidate(conn, invitation or site.invitation, kind, site.clock.now_ms)
        mail = await mails.by_id(conn, mail_id or "")
    assert mail is not None
    return mail


async def letter(site: Site, mail: Mail) -> Letter:
    async with site.app[DATABASE].read() as conn:
        return await Letters(ORIGIN, site.folder.secret).write(conn, mail, site.clock.now_ms)


def parsed(letter: Letter) -> EmailMessage:
    return email.message_from_bytes(envelope(letter, SENDER).message, policy=policy.default)  # type: ignore[return-value]


def parts(message: EmailMessage) -> dict[str, EmailMessage]:
    return {part.get_content_type(): part for part in message.walk()}  # type: ignore[misc]


async def test_an_invitation_says_the_same_in_both_forms_with_link_facts_and_needs(site: Site) -> None:
    invitation = await site.invite(name="Kim Ek", expires_at_ms=START_MS + 5 * DAY_MS)
    written = await letter(site, await posted(site, MailKind.INVITATION, invitation))
    link = f"{ORIGIN}/i/{links.link_token(site.folder.secret, invitation.id, 1)}"
    html = text_of(written.html)
    for said in (
        "Hello Kim Ek,",
        "Meadow Studio",
        "Porter",
        "3 questions",
        "at most 7 min",
        "26 September 2026, 14:13 (UTC)",
        "A camera and a microphone",
        "Firefox",
        "Write to Alex Berg at hiring@example.com.",
        "because of a disability",
        link,
    ):
        assert said in html, said
        assert said in written.text, said
    assert written.html.count(f'href="{link}"') == 2, "the button, and the bare link"
    assert "<script" not in written.html


async def test_its_parts_are_text_and_html_alternatives_with_the_deadline_beside_them(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + 5 * DAY_MS)
    mail = await posted(site, MailKind.INVITATION, invitation)
    async with site.app[DATABASE].write() as conn:
        await logos.put(conn, invitation.organisation_id, media_type="image/png", body=PNG, now_ms=START_MS)
    message = parsed(await letter(site, mail))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/calendar",
    ]
    found = parts(message)
    assert found["image/png"]["Content-ID"] == "<logo>"
    assert found["image/png"].get_content() == PNG
    assert "cid:logo" in found["text/html"].get_content()
    assert message["Message-ID"] == f"<{mail.id}@example.com>"
    assert message["From"] == "Meadow Studio <interviews@example.com>"
    assert message["Reply-To"] == "Meadow Studio <hiring@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    raw = envelope(await letter(site, mail), SENDER).message
    assert raw.isascii()
    assert max(len(line) for line in raw.splitlines()) <= 998


async def test_the_calendar_file_moves_the_same_event_when_the_deadline_moves(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + 5 * DAY_MS)
    first = await letter(site, await posted(site, MailKind.INVITATION, invitation))
    site.clock.now_ms += DAY_MS
    async with site.app[DATABASE].write() as conn:
        later = START_MS + 9 * DAY_MS
        assert await invitations.extend(conn, invitation.id, expires_at_ms=later, now_ms=site.clock.now_ms)
    second = await letter(site, await posted(site, MailKind.EXTENDED, invitation))
    [before], [after] = [Calendar.from_ical(each.calendar or b"").walk("VEVENT") for each in (first, second)]
    assert before["UID"] == after["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert before["DTSTART"].dt.timestamp() * 1000 == START_MS + 5 * DAY_MS
    assert after["DTSTART"].dt.timestamp() * 1000 == later
    assert "You have more time" in second.subject


async def test_without_a_deadline_there_is_no_calendar_file_and_the_letter_says_none(site: Site) -> None:
    written = await letter(site, await posted(site, MailKind.INVITATION))
    assert written.calendar is None
    assert "Deadline: none" in written.text
    assert "text/calendar" not in parts(parsed(written))


@pytest.mark.parametrize("kind", sorted(mails.TO_CANDIDATES))
async def test_every_kind_to_candidates_can_be_written(site: Site, kind: MailKind) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + DAY_MS)
    written = await letter(site, await posted(site, kind, invitation))
    assert "Porter" in written.subject
    assert site.link_of(invitation) in written.html


@pytest.mark.parametrize("status", [InvitationStatus.CANCELLED, InvitationStatus.EXPIRED])
async def test_what_has_ended_is_not_written_about(site: Site, status: InvitationStatus) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + DAY_MS)
    mail = await posted(site, MailKind.RESENT, invitation)
    if status is InvitationStatus.CANCELLED:
        async with site.app[DATABASE].write() as conn:
            assert await invitations.cancel(conn, invitation.id, reason="filled", now_ms=START_MS)
    else:
        site.clock.now_ms += DAY_MS
    with pytest.raises(Ended):
        await letter(site, mail)


async def test_a_reminder_to_start_is_not_sent_to_who_has_started_but_others_say_that_all_is_kept(site: Site) -> None:
    invitation = await site.invite(expires_at_ms=START_MS + DAY_MS)
    await site.start(invitation)
    with pytest.raises(Ended):
        await letter(site, await posted(site, MailKind.REMINDER_START, invitation))
    written = await letter(site, await posted(site, MailKind.REMINDER_EXPIRY, invitation))
    assert "What you have recorded so far is kept." in written.text


async def test_names_with_line_ends_and_markup_break_nothing(site: Site) -> None:
    nasty = 'Eve\r\nBcc: all@example.com\n<b>"x", =cmd\u202e'
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE candidates SET name = :name"), {"name": nasty})
        await conn.execute(text("UPDATE jobs SET title = :title"), {"title": "Gardener\r\nX-Evil: 1 <script>"})
        await conn.execute(text("UPDATE organisations SET name = :name"), {"name": "A, B & C\nCc: all@example.com"})
    written = await letter(site, await posted(site, MailKind.INVITATION))
    message = parsed(written)
    assert message["Bcc"] is None
    assert message["Cc"] is None
    assert message["X-Evil"] is None
    assert "Eve Bcc: all@example.com" in message["To"].addresses[0].display_name
    assert [each.addr_spec for each in message["To"].addresses] == [demo.CANDIDATE_EMAIL]
    assert [each.addr_spec for each in message["From"].addresses] == ["interviews@example.com"]
    assert "<script>" not in written.html
    assert "&lt;b&gt;" in written.html


async def test_long_names_in_other_scripts_arrive_as_they_are(site: Site) -> None:
    name = "Ñandú, Жюль-Верн 𝒜lexander van der Bürgermeister " * 3
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE candidates SET name = :name"), {"name": name})
    raw = envelope(await letter(site, await posted(site, MailKind.INVITATION)), SENDER).message
    to = email.message_from_bytes(raw, policy=policy.compat32)["To"]
    # Not by the newer parser, which keeps the white space between encoded words (RFC 2047 §6.2 drops it).
    decoded = str(make_header(decode_header(to.replace("\r\n", ""))))
    assert decoded == f"{' '.join(name.split())} <{demo.CANDIDATE_EMAIL}>"


async def test_a_letter_to_a_colleague_has_the_link_to_join_until_it_is_revoked(site: Site) -> None:
    async with site.app[DATABASE].write() as conn:
        user = await users.by_email(conn, demo.EMAIL)
        assert user is not None
        invite = await team_invites.create(
            conn,
            invite_id=new_id(START_MS),
            organisation_id=user.organisation_id,
            email="new@example.com",
            role=Role.REVIEWER,
            job_ids=[],
            token_sha256="0" * 64,
            invited_by=user.id,
            now_ms=START_MS,
        )
        mail_id = await site.app[POST].team_invite(
            conn, invite_id=invite.id, organisation_id=user.organisation_id, to_address=invite.email, now_ms=START_MS
        )
        mail = await mails.by_id(conn, mail_id)
    assert mail is not None
    written = await letter(site, mail)
    assert f"{ORIGIN}/join/{links.team_token(site.folder.secret, invite.id, 1)}" in written.text
    assert "Reviewer" in written.text
    async with site.app[DATABASE].write() as conn:
        await team_invites.revoke(conn, invite.id, organisation_id=user.organisation_id, now_ms=START_MS)
    with pytest.raises(Ended):
        await letter(site, mail)


async def test_the_team_is_told_of_a_completed_interview_once_each(site: Site) -> None:
    await site.complete()
    async with site.app[DATABASE].write() as conn:
        invitation = await invitations.get(conn, site.invitation.id)
        await site.app[POST].completed(conn, invitation, START_MS)
        await site.app[POST].completed(conn, invitation, START_MS)
        told = await mails.of_invitation(conn, invitation.id)
        alerts = (await conn.execute(text("SELECT count(*) FROM alerts"))).scalar_one()
    assert [(mail.kind, mail.to_address) for mail in told] == [(MailKind.COMPLETED, demo.EMAIL)]
    assert alerts == 1
    written = await letter(site, told[0])
    assert written.subject == "Robin Lindgren completed the interview: Support engineer"
    assert f"{ORIGIN}/interviews/{invitation.id}" in written.text


async def test_who_wants_no_mail_is_told_in_the_app_alone(site: Site) -> None:
    await site.complete()
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE users SET mail_on_completion = 0"))
        await site.app[POST].completed(conn, site.invitation, START_MS)
        assert await mails.of_invitation(conn, site.invitation.id) == []
        assert (await conn.execute(text("SELECT count(*) FROM alerts"))).scalar_one() == 1


async def test_an_estimate_of_the_recruiters_is_preferred_and_sound_alone_is_mentioned(site: Site) -> None:
    mail = await posted(site, MailKind.INVITATION)
    invitation = replace(site.invitation, contact_name="", contact_email="")
    facts = InterviewFacts("sv", "", True, 15, 1, 60)
    content = candidate_content(mail, invitation, facts, link="L", picture_url="P")
    assert ("Time needed", "about 15 min, 1 question") in content.facts
    assert content.language == "en"
    assert "sound alone" in str(content.after[0].points)
    assert content.after[1].paragraphs[0] == "Ask Meadow Studio."
    facts = replace(facts, instructions=" \r\n\r\nA\r\nB\r\n\r\nC")
    plain = candidate_content(mail, invitation, facts, link="L", picture_url="P")
    assert plain.before[0].paragraphs == ("A\nB", "C")


def test_every_language_has_every_word_and_is_found_by_its_first_part() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    assert (spoken("en-GB"), spoken("xx")) == ("en", "en")


@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        (" kim@example.com ", "kim@example.com"),
        ("kim@BÜRO.example", "kim@xn--bro-hoa.example"),
        ("jürg@example.com", "jürg@example.com"),
        ("o'neil+x@a.b.example", "o'neil+x@a.b.example"),
    ],
)
def test_addresses_are_put_as_the_wire_needs_them(typed: str, wire: str) -> None:
    assert str(addresses.parse(typed)) == wire


@pytest.mark.parametrize(
    "typed",
    ["", "kim", "kim@", "@example.com", "kim@localhost", "a b@example.com", "a\n@example.com", ".a@example.com",
     "a..b@example.com", "a@b@example.com", "a<b@example.com", f"{'x' * 65}@example.com", "a@-x.example",
     "a@exa mple.com", "a@example..com", "a@\nexample.com", "a\u200bb@example.com", "a\u2028b@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(NoAddress, match=r"\.$"):
        addresses.parse(typed)


async def test_fetching_the_picture_is_noted_once_and_says_nothing(site: Site) -> None:
    mail = await posted(site, MailKind.INVITATION)
    path = picture_path(site.folder.secret, mail.id)
    answers = [await site.get(each) for each in (path, f"/mail/{mail.id}/wrong.gif", "/mail/unknown/mark.gif", path)]
    bodies = {await each.read() for each in answers}
    assert [each.status for each in answers] == [200] * 4
    assert [len(body) for body in bodies] == [43]
    assert {each.headers["Cache-Control"] for each in answers} == {"no-store"}
    assert {each.headers["Content-Type"] for each in answers} == {"image/gif"}
    async with site.app[DATABASE].read() as conn:
        seen = await mails.by_id(conn, mail.id)
    assert seen is not None
    assert seen.opened_at_ms == START_MS


async def test_a_wrong_mark_or_a_look_at_the_head_alone_notes_nothing(site: Site) -> None:
    mail = await posted(site, MailKind.INVITATION)
    await site.get(f"/mail/{mail.id}/wrong.gif")
    await site.client.head(picture_path(site.folder.secret, mail.id))
    async with site.app[DATABASE].read() as conn:
        seen = await mails.by_id(conn, mail.id)
    assert seen is not None
    assert seen.opened_at_ms is None
