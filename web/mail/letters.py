"""What each mail says, as it is at the moment of sending: read, worded, and drawn as HTML and as plain text.

Whether it should be sent still is decided here too: Ended says why not. Nothing is kept of what was said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import jinja2
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import invitations, letters, logos, organisations, team_invites, users
from storage.expiry import closes_at_ms
from storage.invitations import OPEN, Invitation
from storage.letters import InterviewFacts
from storage.logos import Logo
from storage.mails import Mail
from storage.organisations import Organisation
from storage.reminders import FINISH_BEFORE_MS
from storage.states import InvitationStatus, MailKind
from storage.team_invites import InviteState
from web import dates, links
from web.mail import calendar_file
from web.mail.addresses import one_line
from web.mail.opening import picture_path
from web.mail.words import WORDS, spoken
from web.recruiter import recipients
from web.rendering import TEMPLATES

COUNTDOWN_S = 3


class Ended(Exception):
    """What the mail was about is over; the text is a sentence for the hiring team."""


@dataclass(frozen=True, slots=True)
class Section:
    """Paragraphs, then points, under a title."""

    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """`hint` stands under the bare link; empty for none."""

    label: str
    url: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The whole of a letter, which both its forms show. `before` stands above the button, `after` below it."""

    language: str
    subject: str
    company: str
    greeting: str
    leads: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    before: tuple[Section, ...]
    button: Button
    bare_link: str
    after: tuple[Section, ...]
    foot: str
    picture_url: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """Ready to be put into an envelope. `reply_to` is an address as it was typed, or empty.

    `to_address` is the candidate's of now: a link posted to a mistyped address does not follow the mistake.
    """

    mail_id: str
    to_address: str
    to_name: str
    from_name: str
    reply_to: str
    subject: str
    html: str
    text: str
    logo: Logo | None
    calendar: bytes | None
    created_at_ms: int


class Letters:
    """Writes them. `origin` is where this server's pages are, `secret` what its links are derived from."""

    def __init__(self, origin: str, secret: bytes) -> None:
        self._origin = origin
        self._secret = secret
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=jinja2.select_autoescape(["html"]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._html = environment.get_template("mail/letter.html")
        self._text = environment.get_template("mail/letter.txt")

    async def write(self, conn: AsyncConnection, mail: Mail, now_ms: int) -> Letter:
        """The letter of a queued mail. Raises Ended, and NotFound where its cause has gone."""
        logo = await logos.of(conn, mail.organisation_id)
        match mail.kind:
            case (
                MailKind.INVITATION
                | MailKind.RESENT
                | MailKind.REMINDER_START
                | MailKind.REMINDER_EXPIRY
                | MailKind.EXTENDED
            ):
                return await self._to_candidate(conn, mail, logo, now_ms)
            case MailKind.COMPLETED:
                return await self._completed(conn, mail, logo)
            case MailKind.TEAM_INVITE:
                return await self._team_invite(conn, mail, logo, now_ms)
            case MailKind.TRIAL:
                return await self._trial(conn, mail, logo)
            case _:
                assert_never(mail.kind)

    async def _to_candidate(self, conn: AsyncConnection, mail: Mail, logo: Logo | None, now_ms: int) -> Letter:
        invitation = await invitations.get(conn, mail.invitation_id or "")
        closes = closes_at_ms(invitation.status, invitation.expires_at_ms)
        if invitation.status not in OPEN or (closes is not None and closes <= now_ms):
            raise Ended("The interview had ended before this mail left.")
        if mail.kind is MailKind.REMINDER_START and invitation.status is not InvitationStatus.PENDING:
            raise Ended("The interview was started before this reminder left.")
        if mail.kind is MailKind.REMINDER_EXPIRY and _moved_away(invitation.expires_at_ms, mail.created_at_ms):
            raise Ended("The deadline was moved before this reminder left.")
        facts = await letters.interview(conn, invitation.version_id)
        link = f"{self._origin}/i/{links.link_token(self._secret, invitation.id, invitation.generation)}"
        content = candidate_content(
            mail,
            invitation,
            facts,
            link=link,
            picture_url=self._origin + picture_path(self._secret, mail.id),
        )
        return self._letter(
            mail,
            content,
            logo,
            to_name=invitation.candidate_name,
            to_address=invitation.candidate_email,
            reply_to=invitation.contact_email,
            calendar=_calendar(mail, invitation, content, link),
        )

    async def _completed(self, conn: AsyncConnection, mail: Mail, logo: Logo | None) -> Letter:
        invitation = await invitations.get(conn, mail.invitation_id or "")
        told = {user.id: user for user in await recipients.of_completion(conn, invitation)}
        user = told.get(mail.user_id or "")
        if user is None:
            raise Ended("The colleague it was for is not told of this interview any more.")
        words = WORDS[spoken("en")]
        names = {"candidate": invitation.candidate_name, "job": invitation.job_title}
        content = Content(
            language="en",
            subject=words["subject.completed"].format(**names),
            company=invitation.organisation_name,
            greeting=words["greeting"].format(name=user.name),
            leads=(words["lead.completed"].format(**names),),
            facts=(
                (words["fact.candidate"], invitation.candidate_name),
                (words["fact.job"], invitation.job_title),
                (words["fact.interview"], invitation.template_name),
                (
                    words["fact.completed"],
                    dates.when(invitation.completed_at_ms or mail.created_at_ms, invitation.zone),
                ),
            ),
            before=(),
            button=Button(words["button.completed"], f"{self._origin}/interviews/{invitation.id}"),
            bare_link=words["bare_link"],
            after=(),
            foot=words["foot.completed"].format(company=invitation.organisation_name),
        )
        return self._letter(mail, content, logo, to_name=user.name)

    async def _team_invite(self, conn: AsyncConnection, mail: Mail, logo: Logo | None, now_ms: int) -> Letter:
        invite = await team_invites.by_id(conn, mail.team_invite_id or "", organisation_id=mail.organisation_id)
        if invite is None or invite.state(now_ms) is not InviteState.OPEN:
            raise Ended("The invite had been used or revoked, or had run out, before this mail left.")
        organisation = await organisations.get(conn, mail.organisation_id)
        user = await users.by_id(conn, invite.invited_by)
        inviter = user.name if user is not None else organisation.name
        words = WORDS[spoken("en")]
        names = {"inviter": inviter, "company": organisation.name}
        link = f"{self._origin}/join/{links.team_token(self._secret, invite.id, invite.generation)}"
        content = Content(
            language="en",
            subject=words["subject.team_invite"].format(**names),
            company=organisation.name,
            greeting=words["greeting.nameless"],
            leads=(words["lead.team_invite"].format(**names),),
            facts=(
                (words["fact.role"], words[f"role.{invite.role}"]),
                (words["fact.open_until"], dates.when(invite.expires_at_ms, organisation.zone)),
            ),
            before=(),
            button=Button(words["button.team_invite"], link, words["yours_alone"]),
            bare_link=words["bare_link"],
            after=(),
            foot=words["foot.team_invite"].format(**names),
        )
        return self._letter(mail, content, logo, to_name="", reply_to=user.email if user is not None else "")

    async def _trial(self, conn: AsyncConnection, mail: Mail, logo: Logo | None) -> Letter:
        organisation = await organisations.get(conn, mail.organisation_id)
        user = await users.by_id(conn, mail.user_id or "")
        name = user.name if user is not None else mail.to_address
        words = WORDS[spoken("en")]
        content = Content(
            language="en",
            subject=words["subject.trial"],
            company=organisation.name,
            greeting=words["greeting"].format(name=name),
            leads=(words["lead.trial"],),
            facts=((words["fact.asked_by"], name), (words["fact.sent_from"], self._origin)),
            before=(),
            button=Button(words["button.trial"], f"{self._origin}/"),
            bare_link=words["bare_link"],
            after=(_whom_to_ask(words, organisation),),
            foot=words["foot.trial"],
        )
        return self._letter(mail, content, logo, to_name=name)

    def _letter(
        self,
        mail: Mail,
        content: Content,
        logo: Logo | None,
        *,
        to_name: str,
        to_address: str = "",
        reply_to: str = "",
        calendar: bytes | None = None,
    ) -> Letter:
        return Letter(
            mail_id=mail.id,
            to_address=to_address or mail.to_address,
            to_name=one_line(to_name),
            from_name=one_line(content.company),
            reply_to=reply_to,
            subject=one_line(content.subject),
            html=self._html.render(letter=content, logo=logo is not None),
            text=self._text.render(letter=content),
            logo=logo,
            calendar=calendar,
            created_at_ms=mail.created_at_ms,
        )


def candidate_content(
    mail: Mail, invitation: Invitation, facts: InterviewFacts, *, link: str, picture_url: str
) -> Content:
    """Everything a letter to a candidate says. Pure."""
    language = spoken(facts.language)
    words = WORDS[language]
    names = {"company": invitation.organisation_name, "job": invitation.job_title}
    leads = [words[f"lead.{mail.kind}"].format(**names)]
    if invitation.status is InvitationStatus.IN_PROGRESS:
        leads.append(words["kept"])
    if invitation.expires_at_ms is None:
        deadline = words["no_deadline"]
    else:
        deadline = dates.when(invitation.expires_at_ms, invitation.zone)
    message = _paragraphs(facts.instructions)
    from_company = Section(words["title.message"].format(**names), message)
    expect = Section(
        words["title.expect"],
        points=(
            words["expect.one_at_a_time"],
            words["expect.pause"],
            words["expect.send"].format(**names),
        ),
    )
    camera = "need.camera_or_sound" if facts.audio_only_allowed else "need.camera"
    need = Section(words["title.need"], points=(words[camera], words["need.browser"], words["need.place"]))
    return Content(
        language=language,
        subject=words[f"subject.{mail.kind}"].format(**names),
        company=invitation.organisation_name,
        greeting=words["greeting"].format(name=invitation.candidate_name),
        leads=tuple(leads),
        facts=(
            (words["fact.job"], invitation.job_title),
            (words["fact.time"], _time_needed(words, facts)),
            (words["fact.deadline"], deadline),
        ),
        before=(from_company, expect) if message else (expect,),
        button=Button(words["button.candidate"], link, words["yours_alone"]),
        bare_link=words["bare_link"],
        after=(need, _whom_to_ask(words, invitation, words["accommodations"])),
        foot=words["foot.candidate"].format(address=invitation.candidate_email, **names),
        picture_url=picture_url,
    )


def _moved_away(expires_at_ms: int | None, reminded_at_ms: int) -> bool:
    """The deadline is none any more of which a reminder was due at that moment."""
    return expires_at_ms is None or expires_at_ms > reminded_at_ms + FINISH_BEFORE_MS


def _calendar(mail: Mail, invitation: Invitation, content: Content, link: str) -> bytes | None:
    if invitation.expires_at_ms is None:
        return None
    words = WORDS[content.language]
    names = {"company": one_line(invitation.organisation_name), "job": one_line(invitation.job_title)}
    return calendar_file.deadline(
        uid=f"{invitation.id}@greenroom",
        sequence=max(0, mail.created_at_ms - invitation.created_at_ms) // 1000,
        written_at_ms=mail.created_at_ms,
        expires_at_ms=invitation.expires_at_ms,
        title=words["calendar.title"].format(**names),
        description=words["calendar.text"].format(link=link),
        link=link,
    )


def _time_needed(words: Mapping[str, str], facts: InterviewFacts) -> str:
    if facts.duration_min is not None:
        time = words["time.about"].format(minutes=facts.duration_min)
    else:
        longest_s = facts.longest_s + COUNTDOWN_S * facts.questions
        time = words["time.at_most"].format(minutes=math.ceil(longest_s / 60))
    asked = words["questions.one"] if facts.questions == 1 else words["questions.many"].format(count=facts.questions)
    return f"{time}, {asked}"


def _whom_to_ask(words: Mapping[str, str], company: Invitation | Organisation, more: str = "") -> Section:
    name = company.organisation_name if isinstance(company, Invitation) else company.name
    contact = company.contact_name or name
    ask = words["ask"] if company.contact_email else words["ask.nobody"]
    sentence = ask.format(contact=contact, address=company.contact_email)
    return Section(words["title.ask"], (sentence, more) if more else (sentence,))


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("\r\n", "\n").split("\n\n"))
    return tuple(part for part in parts if part)
