"""Writing comments (R29): kept while they are typed, posted once, edited, deleted and brought back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import comments, interviews
from storage.comments import Comment
from storage.errors import NotCompleted, NotFound, TooManyComments
from storage.ids import new_id
from storage.invitations import Invitation
from storage.logins import Login
from web.errors import not_found
from web.forms import typed
from web.keys import DATABASE, NOW_MS
from web.recruiter import review, review_forms, review_parts
from web.recruiter.access import own_invitation
from web.recruiter.noting import note
from web.recruiter.parts import is_for_a_part
from web.recruiter.review import Refused
from web.recruiter.review_contexts import CommentLine, Composer, ComposerPart, SaidPart, Thread
from web.recruiter.review_forms import TypedComment
from web.rendering import page

_FULL = "This interview has as many comments as it can hold. Edit or extend one of those above."


async def keep_draft(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/comments/draft: `comment`, `question`, `text`, `moment`; answered with no body.

    409 where nothing was kept, since a comment was posted by this form meanwhile.
    """
    fields = await typed(request)
    comment_id, question = _place(fields)
    async with _own(request, login) as (conn, invitation):
        written = review_forms.comment(fields, duration_ms=await _length_ms(conn, invitation, question))
        if len(written.text) > comments.TEXT_LIMIT:
            raise web.HTTPUnprocessableEntity
        try:
            kept = await comments.save_draft(
                conn,
                comment_id,
                invitation_id=invitation.id,
                user_id=login.user.id,
                question=question,
                text=written.text,
                moment_ms=written.moment_ms,
                now_ms=request.app[NOW_MS](),
            )
        except TooManyComments as error:
            raise web.HTTPUnprocessableEntity from error
    return web.Response(status=204 if kept else 409)


async def post(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/comments: the same fields; a form sent twice is one comment."""
    fields = await typed(request)
    comment_id, question = _place(fields)
    now_ms = request.app[NOW_MS]()
    async with _own(request, login) as (conn, invitation):
        length_ms = await _length_ms(conn, invitation, question)
        written = review_forms.comment(fields, duration_ms=length_ms)
        composer = None if written.good else review_parts.composer_again(comment_id, written)
        if composer is None:
            composer = await _posted(conn, login, invitation, comment_id, question, written, now_ms)
        said = await comments.posted(conn, invitation.id)
    answer = _answer(fields, question)
    if composer is not None and not is_for_a_part(request):
        return await review.show(request, login, answer, refused=Refused({question: composer}))
    if not is_for_a_part(request):
        raise web.HTTPSeeOther(f"/interviews/{invitation.id}?answer={answer}#said-{question}")
    empty = Composer(new_id(now_ms))
    thread = _thread(question, said, login, composer or empty, answer, timed=length_ms is not None)
    if composer is not None:
        return page(request, "recruiter/composer_part.html", ComposerPart(invitation.id, thread), status=422)
    return page(request, "recruiter/said_part.html", SaidPart(invitation.id, invitation.zone, thread, posted=True))


async def edit(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/comments/{comment_id}: other words for one's own comment."""
    fields = await typed(request)
    text = review_forms.words(fields.get("text", ""))
    mistake = review_forms.text_mistake(text)
    async with _own(request, login) as (conn, invitation):
        comment = await _comment(conn, request, invitation)
        if comment.user_id != login.user.id or comment.deleted_at_ms is not None:
            not_found()
        if not mistake:
            own = {"invitation_id": invitation.id, "user_id": login.user.id}
            await comments.edit(conn, comment.id, **own, text=text, now_ms=request.app[NOW_MS]())
        said = await comments.posted(conn, invitation.id)
    if not mistake:
        return _said(request, login, invitation, comment, said, fields)
    again = review_parts.line(comment, login.user, typed=text, mistake=mistake)
    if is_for_a_part(request):
        return _said(request, login, invitation, comment, said, fields, again=again)
    return await review.show(request, login, _answer(fields, comment.question), refused=Refused(edited=again))


async def delete(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/comments/{comment_id}/delete: one's own; an admin anybody's."""
    return await _change(request, login, deleting=True)


async def restore(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /interviews/{id}/comments/{comment_id}/restore: what was deleted, by those who may delete it."""
    return await _change(request, login, deleting=False)


async def _change(request: web.Request, login: Login, *, deleting: bool) -> web.StreamResponse:
    fields = await typed(request)
    now_ms = request.app[NOW_MS]()
    async with _own(request, login) as (conn, invitation):
        comment = await _comment(conn, request, invitation)
        if not review_parts.may_delete(comment, login.user):
            not_found()
        if deleting:
            changed = await comments.remove(
                conn, comment.id, invitation_id=invitation.id, user_id=comment.user_id, now_ms=now_ms
            )
        else:
            changed = await comments.restore(conn, comment.id, invitation_id=invitation.id, user_id=comment.user_id)
        if changed:
            kind = "comment.deleted" if deleting else "comment.restored"
            await _tell(conn, login, invitation, kind, comment.question, comment.id, now_ms)
        said = await comments.posted(conn, invitation.id, deleted=comment.id if deleting else None)
    return _said(request, login, invitation, comment, said, fields, deleted=deleting)


@asynccontextmanager
async def _own(request: web.Request, login: Login) -> AsyncIterator[tuple[AsyncConnection, Invitation]]:
    """A transaction on the invitation of the path. What is not there, or not completed, ends as 404."""
    try:
        async with request.app[DATABASE].write() as conn:
            yield conn, await own_invitation(conn, request, login)
    except (NotCompleted, NotFound):
        not_found()


async def _posted(
    conn: AsyncConnection,
    login: Login,
    invitation: Invitation,
    comment_id: str,
    question: int,
    written: TypedComment,
    now_ms: int,
) -> Composer | None:
    """Posts it; the form again where there is no room."""
    kept_as = await _id_for(conn, invitation, comment_id, question, written)
    try:
        new = await comments.post(
            conn,
            kept_as,
            invitation_id=invitation.id,
            user_id=login.user.id,
            question=question,
            text=written.text,
            moment_ms=written.moment_ms,
            now_ms=now_ms,
        )
    except TooManyComments:
        return Composer(comment_id, written.text, written.moment, mistake=_FULL)
    if new:
        await _tell(conn, login, invitation, "comment.posted", question, kept_as, now_ms)
    return None


async def _id_for(
    conn: AsyncConnection, invitation: Invitation, comment_id: str, question: int, written: TypedComment
) -> str:
    """The form's own id; if other words were posted under it (in another tab, or before one went back to this form),
    one that is made of it and these words: so they are not lost, and two presses of them are still one comment."""
    there = await comments.by_id(conn, comment_id, invitation_id=invitation.id)
    if there is None:
        return comment_id
    same = (there.question, there.moment_ms, there.text) == (question, written.moment_ms, written.text)
    if same and there.deleted_at_ms is None:
        return comment_id
    made_of = f"{comment_id}\n{there.deleted_at_ms}\n{question}\n{written.moment_ms}\n{written.text}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:32]


async def _tell(
    conn: AsyncConnection,
    login: Login,
    invitation: Invitation,
    kind: str,
    question: int,
    comment_id: str,
    now_ms: int,
) -> None:
    await note(conn, login, kind, "invitation", invitation.id, now_ms, {"question": question, "comment": comment_id})


def _place(fields: dict[str, str]) -> tuple[str, int]:
    """The id made with the form, and the question. Ends with 400 for what no form of ours sends."""
    comment_id = review_forms.identity(fields.get("comment", ""))
    question = review_forms.number(fields.get("question", ""))
    if comment_id is None or question is None:
        raise web.HTTPBadRequest
    return comment_id, question


def _answer(fields: dict[str, str], question: int) -> int:
    return review_forms.number(fields.get("answer", "")) or question


async def _length_ms(conn: AsyncConnection, invitation: Invitation, question: int) -> int | None:
    """How long the submitted recording of the question is; None without one."""
    submitted = await interviews.submitted(conn, invitation.id)
    takes = [each.take for each in submitted if each.question.position == question]
    return takes[0].duration_ms if takes and takes[0] else None


async def _comment(conn: AsyncConnection, request: web.Request, invitation: Invitation) -> Comment:
    found = await comments.by_id(conn, request.match_info["comment_id"], invitation_id=invitation.id)
    return found if found is not None else not_found()


def _thread(
    question: int, said: list[Comment], login: Login, composer: Composer, answer: int, *, timed: bool
) -> Thread:
    return review_parts.thread(question, said, login.user, composer, answer=answer, timed=timed)


def _said(
    request: web.Request,
    login: Login,
    invitation: Invitation,
    comment: Comment,
    said: list[Comment],
    fields: dict[str, str],
    *,
    deleted: bool = False,
    again: CommentLine | None = None,
) -> web.StreamResponse:
    """The comments of the thread, with the edit that was refused; or the way back to the page."""
    answer = _answer(fields, comment.question)
    if not is_for_a_part(request):
        undo = f"&deleted={comment.id}" if deleted else ""
        raise web.HTTPSeeOther(f"/interviews/{invitation.id}?answer={answer}{undo}#said-{comment.question}")
    thread = _thread(comment.question, said, login, Composer(""), answer, timed=False)
    if again is not None:
        thread = review_parts.with_line(thread, again)
    part = SaidPart(invitation.id, invitation.zone, thread)
    return page(request, "recruiter/said_part.html", part, status=200 if again is None else 422)
