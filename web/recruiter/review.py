"""The review page: what a candidate sent, played in the page, with the team's scores and comments; of anything unsent,
the status only (C24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import alerts, comments, interviews, scores, templates
from storage.comments import Comment
from storage.ids import new_id
from storage.interviews import LedgerEntry, SubmittedAnswer, TakeRow
from storage.invitations import Invitation
from storage.logins import Login
from storage.scores import OVERALL, Score
from storage.templates import Question, TemplateVersion
from storage.users import User
from web.dates import span
from web.keys import DATABASE, NOW_MS
from web.recruiter import review_forms, review_parts, wording
from web.recruiter.access import own_invitation
from web.recruiter.noting import note
from web.recruiter.review_contexts import (
    CommentLine,
    Composer,
    LedgerLine,
    Rating,
    Recording,
    ReviewAnswer,
    ReviewPage,
    Thread,
)
from web.rendering import UNREAD, page


@dataclass(frozen=True, slots=True)
class Team:
    """What the team has written on one interview, as far as the viewer may see it."""

    viewer: User
    scores: list[Score] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    drafts: dict[int, Comment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """What was typed and not accepted: a new comment's form by question, or the line of an edited one."""

    composers: Mapping[int, Composer] = field(default_factory=dict)
    edited: CommentLine | None = None


NOTHING_REFUSED = Refused()


async def review(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}; `answer` is the number of the question to show first, `at` the second to begin at."""
    asked = review_forms.number(request.query.get("answer", ""))
    return await show(request, login, asked, deleted=review_forms.identity(request.query.get("deleted", "")))


async def show(
    request: web.Request,
    login: Login,
    asked: int | None,
    *,
    deleted: str | None = None,
    refused: Refused = NOTHING_REFUSED,
) -> web.StreamResponse:
    """The page, on the question asked for. `deleted` is a comment that may be brought back; with something
    `refused` the status is 422."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        version = await templates.version(conn, invitation.version_id)
        submitted = await interviews.submitted(conn, invitation.id)
        ledgers = await interviews.ledgers_of(conn, [answer.answer_id for answer in submitted])
        team = await _team(conn, invitation, login.user, deleted) if submitted else Team(login.user)
    if request.method == "GET":
        await _note_view(request, login, invitation, now_ms, submitted=bool(submitted))
    chosen = _chosen(asked, submitted)
    answers = [_answer(invitation, each, ledgers[each.answer_id], team, refused, now_ms) for each in submitted]
    happened, at_ms = wording.last_step(invitation)
    context = ReviewPage(
        viewer=login.user,
        here="interviews",
        zone=invitation.zone,
        invitation=invitation,
        status=wording.STATUSES[invitation.status],
        happened=happened,
        at_ms=at_ms,
        details=_details(invitation, version),
        answers=answers,
        chosen=chosen,
        start_s=_start_s(request.query.get("at", "")),
        rating=_rating(OVERALL, team, chosen),
        thread=_thread(OVERALL, team, refused, now_ms, answer=chosen, timed=False),
    )
    failed = bool(refused.composers) or refused.edited is not None
    return page(request, "recruiter/review.html", context, status=422 if failed else 200)


async def _team(conn: AsyncConnection, invitation: Invitation, viewer: User, deleted: str | None) -> Team:
    return Team(
        viewer=viewer,
        scores=await scores.of_invitation(conn, invitation.id),
        comments=await comments.posted(conn, invitation.id, deleted=deleted),
        drafts=await comments.drafts(conn, invitation.id, viewer.id),
    )


async def _note_view(
    request: web.Request, login: Login, invitation: Invitation, now_ms: int, *, submitted: bool
) -> None:
    """Logs that submitted answers were looked at; what the bell had to tell of this interview is read now."""
    if not submitted and not request.get(UNREAD, 0):
        return
    async with request.app[DATABASE].write() as conn:
        told = await alerts.mark_read_of(conn, login.user.id, invitation.id, now_ms)
        if submitted:
            await note(conn, login, "interview.viewed", "invitation", invitation.id, now_ms)
    request[UNREAD] = max(0, request.get(UNREAD, 0) - told)


def _details(invitation: Invitation, version: TemplateVersion) -> list[tuple[str, str]]:
    """What the candidate typed, by the form's own labels; empty fields left out."""
    typed = invitation.details
    return [(field["label"], typed[field["name"]]) for field in version.details_fields if typed.get(field["name"])]


def _chosen(asked: int | None, submitted: list[SubmittedAnswer]) -> int:
    """The number asked for if there is such a question, else the first with a recording, else the first."""
    numbers = [answer.question.position for answer in submitted]
    if asked in numbers:
        return asked or 0
    recorded = [answer.question.position for answer in submitted if answer.take is not None]
    return (recorded or numbers or [0])[0]


def _start_s(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 5 else 0


def _rating(number: int, team: Team, answer: int) -> Rating:
    return review_parts.rating(number, team.scores, team.viewer, answer=answer)


def _thread(number: int, team: Team, refused: Refused, now_ms: int, *, answer: int, timed: bool) -> Thread:
    composer = refused.composers.get(number) or review_parts.composer(new_id(now_ms), team.drafts.get(number))
    made = review_parts.thread(number, team.comments, team.viewer, composer, answer=answer, timed=timed)
    return made if refused.edited is None else review_parts.with_line(made, refused.edited)


def _answer(
    invitation: Invitation,
    answer: SubmittedAnswer,
    ledger: list[LedgerEntry],
    team: Team,
    refused: Refused,
    now_ms: int,
) -> ReviewAnswer:
    zone = ZoneInfo(invitation.zone)
    number = answer.question.position
    return ReviewAnswer(
        number=number,
        text=answer.question.text,
        rules=_rules(answer.question),
        required=answer.question.required,
        missed=answer.missed,
        recording=_recording(invitation, answer.take) if answer.take else None,
        ledger=[
            LedgerLine(
                at_ms=at_ms,
                clock=f"{datetime.fromtimestamp(at_ms / 1000, zone):%H:%M:%S}",
                sentence=wording.ledger_sentence(entry),
            )
            for entry in ledger
            for at_ms in (wording.happened_at_ms(entry),)
        ],
        rating=_rating(number, team, number),
        thread=_thread(number, team, refused, now_ms, answer=number, timed=answer.take is not None),
    )


def _rules(question: Question) -> str:
    think = f"{span(question.think_s)} to think" if question.think_s else "no think clock"
    if question.retakes is None:
        retakes = "unlimited retakes"
    elif question.retakes == 0:
        retakes = "no retakes"
    else:
        retakes = f"{question.retakes} retake{'' if question.retakes == 1 else 's'}"
    return f"{think} · up to {span(question.limit_s)} to answer · {retakes}"


def _recording(invitation: Invitation, take: TakeRow) -> Recording:
    url = f"/interviews/{invitation.id}/takes/{take.id}"
    return Recording(
        id=take.id,
        url=url,
        poster_url=f"{url}/poster" if take.poster else None,
        waveform_url=f"{url}/waveform" if take.waveform else None,
        duration_ms=take.duration_ms,
        audio_only=take.media_type.startswith("audio/"),
        verdict=wording.verdict(take.verdict),
        reasons=[
            *(wording.reason(code) for code in take.reasons),
            *([wording.NOT_LOOKED_AT] if take.looked_at_ms is None else []),
        ],
        recovered=take.recovered,
    )
