"""The review page: what a candidate sent, played in the page; of anything unsent, the status only (C24)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, interviews, templates
from storage.interviews import LedgerEntry, SubmittedAnswer, TakeRow
from storage.invitations import Invitation
from storage.logins import Login
from storage.templates import Question, TemplateVersion
from web.dates import span
from web.keys import DATABASE, NOW_MS
from web.recruiter import wording
from web.recruiter.access import own_invitation
from web.recruiter.contexts import LedgerLine, Recording, ReviewAnswer, ReviewPage
from web.rendering import page


async def review(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /interviews/{id}; `answer` is the number of the question to show first."""
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        invitation = await own_invitation(conn, request, login)
        version = await templates.version(conn, invitation.version_id)
        submitted = await interviews.submitted(conn, invitation.id)
        ledgers = {answer.answer_id: await _whole_ledger(conn, answer.answer_id) for answer in submitted}
    if submitted and request.method == "GET":
        await _note_view(request, login, invitation, now_ms)
    answers = [_answer(invitation, answer, ledgers[answer.answer_id]) for answer in submitted]
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
        chosen=_chosen(request.query.get("answer", ""), answers),
    )
    return page(request, "recruiter/review.html", context)


async def _note_view(request: web.Request, login: Login, invitation: Invitation, now_ms: int) -> None:
    async with request.app[DATABASE].write() as conn:
        await events.append(
            conn,
            organisation_id=invitation.organisation_id,
            at_ms=now_ms,
            actor=f"user:{login.user.id}",
            kind="interview.viewed",
            subject_kind="invitation",
            subject_id=invitation.id,
        )


async def _whole_ledger(conn: AsyncConnection, answer_id: str) -> list[LedgerEntry]:
    """Every step of the answer, in the order they were written."""
    return [entry async for entries in interviews.ledger_pages(conn, answer_id) for entry in entries]


def _details(invitation: Invitation, version: TemplateVersion) -> list[tuple[str, str]]:
    """What the candidate typed, by the form's own labels; empty fields left out."""
    typed = invitation.details
    return [(field["label"], typed[field["name"]]) for field in version.details_fields if typed.get(field["name"])]


def _chosen(asked: str, answers: list[ReviewAnswer]) -> int:
    """The number asked for if there is such a question, else the first with a recording, else the first."""
    numbers = [answer.number for answer in answers]
    if asked.isascii() and asked.isdigit() and len(asked) < 4 and int(asked) in numbers:
        return int(asked)
    recorded = [answer.number for answer in answers if answer.recording is not None]
    return (recorded or numbers or [0])[0]


def _answer(invitation: Invitation, answer: SubmittedAnswer, ledger: list[LedgerEntry]) -> ReviewAnswer:
    zone = ZoneInfo(invitation.zone)
    return ReviewAnswer(
        number=answer.question.position,
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
        reasons=[wording.reason(code) for code in take.reasons],
        recovered=take.recovered,
    )
