"""Scores and comments as the review page shows them, on the page and as parts of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from storage.comments import Comment
from storage.scores import OVERALL, Score
from storage.states import Role
from storage.users import User
from web.dates import length
from web.recruiter.review_contexts import CommentLine, Composer, GivenScore, Rating, Thread
from web.recruiter.review_forms import TypedComment
from web.recruiter.scores_card import mean_of


def rating(number: int, given: Iterable[Score], viewer: User, *, answer: int, saved: str = "") -> Rating:
    """Everybody's scores of one question, the viewer's own apart."""
    here = [score for score in given if score.question == number]
    return Rating(
        number=number,
        answer=answer,
        title="The whole interview" if number == OVERALL else f"Question {number}",
        mine=next((score.value for score in here if score.user_id == viewer.id), None),
        others=[GivenScore(score.user_name, score.value) for score in here if score.user_id != viewer.id],
        mean=mean_of([score.value for score in here]),
        count=len(here),
        saved=saved,
    )


def thread(
    number: int, written: Iterable[Comment], viewer: User, composer: Composer, *, answer: int, timed: bool
) -> Thread:
    """The comments on one question that the viewer may see, the oldest first."""
    return Thread(
        number=number,
        answer=answer,
        timed=timed,
        comments=[line(each, viewer) for each in written if each.question == number and seen_by(each, viewer)],
        composer=composer,
    )


def line(comment: Comment, viewer: User, *, typed: str | None = None, mistake: str = "") -> CommentLine:
    """One comment as the viewer sees it."""
    return CommentLine(
        id=comment.id,
        author=comment.author,
        text=comment.text,
        moment=None if comment.moment_ms is None else length(comment.moment_ms),
        moment_s=(comment.moment_ms or 0) // 1000,
        at_ms=comment.posted_at_ms or comment.created_at_ms,
        edited=comment.edited_at_ms is not None,
        deleted=comment.deleted_at_ms is not None,
        mine=comment.user_id == viewer.id,
        may_delete=may_delete(comment, viewer),
        typed=typed,
        mistake=mistake,
    )


def may_delete(comment: Comment, viewer: User) -> bool:
    """Its author, and an admin."""
    return comment.user_id == viewer.id or viewer.role is Role.ADMIN


def seen_by(comment: Comment, viewer: User) -> bool:
    """A deleted one is seen by those alone who may bring it back."""
    return comment.deleted_at_ms is None or may_delete(comment, viewer)


def composer(comment_id: str, draft: Comment | None) -> Composer:
    """An empty form, or the one that goes on with a draft."""
    if draft is None:
        return Composer(comment_id)
    moment = "" if draft.moment_ms is None else length(draft.moment_ms)
    return Composer(draft.id, draft.text, moment, kept=True)


def composer_again(comment_id: str, typed: TypedComment) -> Composer:
    """The form with what was typed, and what is wrong with it."""
    return Composer(comment_id, typed.text, typed.moment, typed.mistake, typed.moment_mistake)


def with_line(of: Thread, changed: CommentLine) -> Thread:
    """The thread with this line in the place of the comment it is of."""
    return replace(of, comments=[changed if each.id == changed.id else each for each in of.comments])
