"""What came of a press, told on the page that the press returns to: a code in its address, a sentence here."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection
from yarl import URL

from storage import invitations
from storage.invitations import Invitation
from storage.logins import Login
from web.dates import when
from web.keys import SETTINGS
from web.recruiter.access import member_id
from web.recruiter.interview_contexts import Told
from web.recruiter.send_form import deliverable
from web.sign_in import local_path


class News(StrEnum):
    """What can have come of it."""

    RESENT = "resent"
    JUST_RESENT = "just-resent"
    NOT_RESENT = "not-resent"
    NO_ADDRESS = "no-address"
    CANCELLED = "cancelled"
    EXTENDED = "extended"


def address_of(back: str, news: News, invitation_id: str) -> str:
    """The page to return to, with the news for it."""
    return str(URL(local_path(back)).update_query({"told": news.value, "about": invitation_id}))


async def told(conn: AsyncConnection, request: web.Request, login: Login) -> Told | None:
    """The sentence for the page that is asked for; None if there is no news, or it is not theirs to read."""
    try:
        news = News(request.query.get("told", ""))
    except ValueError:
        return None
    about = await invitations.by_id(
        conn,
        request.query.get("about", ""),
        organisation_id=login.user.organisation_id,
        member_id=member_id(login),
    )
    return None if about is None else sentence(news, about, mail_leaves=bool(request.app[SETTINGS].mail.host))


def sentence(news: News, about: Invitation, *, mail_leaves: bool) -> Told:
    """As it is told. Unless `mail_leaves`, mails are files in the outbox."""
    name, page = about.candidate_name, f"/interviews/{about.id}"
    match news:
        case News.RESENT:
            if not mail_leaves:
                return Told(
                    True,
                    f"The invitation to {name} is written to the outbox folder again, with the same link as before. "
                    "No mail server is set up, so it does not leave by itself.",
                )
            return Told(True, f"The invitation was sent to {name} again, with the same link as before.")
        case News.JUST_RESENT:
            return Told(True, f"The invitation was sent to {name} again less than a minute ago. It was not sent twice.")
        case News.NOT_RESENT:
            return _not_resent(about)
        case News.NO_ADDRESS:
            link = f"/candidates/{about.candidate_id}"
            return Told(
                False, f"Mail cannot reach {name}'s e-mail address. Nothing was sent.", link, "Edit the address"
            )
        case News.CANCELLED:
            return Told(
                True, f"{name}'s interview is cancelled. Their link says so from now on.", page, "Open interview"
            )
        case News.EXTENDED:
            return _extended(about, mail_leaves=mail_leaves)
        case _:
            assert_never(news)


def _extended(about: Invitation, *, mail_leaves: bool) -> Told:
    until = when(about.expires_at_ms, about.zone) if about.expires_at_ms is not None else "any time"
    said = f"{about.candidate_name} has until {until} now"
    if not deliverable(about.candidate_email):
        link = f"/candidates/{about.candidate_id}"
        return Told(True, f"{said}, but mail cannot reach them: tell them yourself.", link, "Edit the address")
    if not mail_leaves:
        return Told(True, f"{said}. No mail server is set up: the mail about it is in the outbox folder.")
    return Told(True, f"{said}, and is told by mail.")


def _not_resent(about: Invitation) -> Told:
    if about.completed_at_ms is not None:
        page = f"/interviews/{about.id}"
        return Told(
            False, f"{about.candidate_name} has sent all answers already. Nothing was mailed.", page, "View responses"
        )
    link = str(URL("/send").with_query({"candidate": about.candidate_id, "job": about.job_id}))
    sentence_ = f"{about.candidate_name}'s interview is over, so its link was not sent again."
    return Told(False, sentence_, link, "Send a new interview")
