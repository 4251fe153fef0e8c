"""Giving scores (R28): at once, as they are pressed, or by the form's button. And the way in to a candidate's card of
scores (`web.recruiter.scores_card`)."""

from __future__ import annotations

from aiohttp import web

from storage import scores
from storage.errors import NotCompleted, NotFound
from storage.logins import Login
from web.errors import not_found
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter import review_forms, review_parts
from web.recruiter.access import own_invitation
from web.recruiter.noting import note
from web.recruiter.parts import is_for_a_part
from web.recruiter.review_contexts import RatingPart
from web.recruiter.scores_card import ScoresCard, card
from web.rendering import page

__all__ = ["ScoresCard", "card", "give"]


async def give(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/scores: `question`, and `value` 1 to 5, or empty to take the score back."""
    fields = await typed(request)
    now_ms = request.app[NOW_MS]()
    question = review_forms.number(fields.get("question", ""))
    try:
        value = review_forms.score(fields.get("value", ""))
    except ValueError as error:
        raise web.HTTPBadRequest from error
    if question is None:
        raise web.HTTPBadRequest
    async with request.app[DATABASE].write() as conn:
        invitation = await own_invitation(conn, request, login)
        try:
            if value is None:
                changed = await scores.take_back(conn, invitation.id, user_id=login.user.id, question=question)
            else:
                changed = await scores.give(
                    conn, invitation.id, user_id=login.user.id, question=question, value=value, now_ms=now_ms
                )
        except (NotCompleted, NotFound):
            not_found()
        if changed:
            await note(
                conn, login, "score.given", "invitation", invitation.id, now_ms, {"question": question, "value": value}
            )
        given = await scores.of_invitation(conn, invitation.id)
    answer = review_forms.number(fields.get("answer", "")) or question
    if not is_for_a_part(request):
        raise web.HTTPSeeOther(f"/interviews/{invitation.id}?answer={answer}#rate-{question}")
    saved = "Taken back" if value is None else "Saved"
    rating = review_parts.rating(question, given, login.user, answer=answer, saved=saved)
    return page(request, "recruiter/rating_part.html", RatingPart(invitation.id, rating))
