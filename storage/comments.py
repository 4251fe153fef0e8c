"""What the hiring team writes on a completed interview: on one question, or on the whole (question 0), and
if wished at a moment of the recording.

Who makes a comment makes its id first, so a comment that is sent twice is one comment. Until it is posted it is its
author's draft, and nobody else's to read. A deleted one can be brought back; nothing is erased here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound, TooManyComments
from storage.schema import comments, users
from storage.scores import check_question

TEXT_LIMIT = 4000
COMMENTS_LIMIT = 1000
DRAFTS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Comment:
    """`moment_ms` is a place in the recording of `question`. A draft has no `posted_at_ms`."""

    id: str
    invitation_id: str
    user_id: str
    author: str
    question: int
    moment_ms: int | None
    text: str
    created_at_ms: int
    posted_at_ms: int | None
    edited_at_ms: int | None
    deleted_at_ms: int | None


async def save_draft(
    conn: AsyncConnection,
    comment_id: str,
    *,
    invitation_id: str,
    user_id: str,
    question: int,
    text: str,
    moment_ms: int | None,
    now_ms: int,
) -> bool:
    """Keeps what its author has typed so far; an empty text forgets it. False if the comment was posted meanwhile.

    Raises NotCompleted, NotFound (no such question, or somebody else's id), TooManyComments.
    """
    await check_question(conn, invitation_id, question)
    if not text:
        await conn.execute(delete(comments).where(_of(comment_id, invitation_id, user_id), _IS_DRAFT))
        return not await _is_taken(conn, comment_id, invitation_id, user_id)
    changed = await conn.execute(
        update(comments)
        .where(_of(comment_id, invitation_id, user_id), _IS_DRAFT)
        .values(text=text, moment_ms=moment_ms, question=question, edited_at_ms=now_ms)
    )
    if changed.rowcount == 1:
        return True
    if await _is_taken(conn, comment_id, invitation_id, user_id):
        return False
    await _insert(conn, comment_id, invitation_id, user_id, question, text, moment_ms, now_ms, posted=False)
    return True


async def post(
    conn: AsyncConnection,
    comment_id: str,
    *,
    invitation_id: str,
    user_id: str,
    question: int,
    text: str,
    moment_ms: int | None,
    now_ms: int,
) -> bool:
    """The draft becomes a comment, or a new one is made. False if it was posted before: nothing changes then.

    Raises as `save_draft` does.
    """
    await check_question(conn, invitation_id, question)
    changed = await conn.execute(
        update(comments)
        .where(_of(comment_id, invitation_id, user_id), _IS_DRAFT)
        .values(text=text, moment_ms=moment_ms, question=question, posted_at_ms=now_ms, edited_at_ms=None)
    )
    if changed.rowcount == 1:
        return True
    if await _is_taken(conn, comment_id, invitation_id, user_id):
        return False
    await _insert(conn, comment_id, invitation_id, user_id, question, text, moment_ms, now_ms, posted=True)
    return True


async def edit(
    conn: AsyncConnection, comment_id: str, *, invitation_id: str, user_id: str, text: str, now_ms: int
) -> bool:
    """Other words for one's own posted comment. False if it is not that, or was deleted."""
    changed = await conn.execute(
        update(comments)
        .where(_of(comment_id, invitation_id, user_id), _IS_POSTED, comments.c.deleted_at_ms.is_(None))
        .values(text=text, edited_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def remove(
    conn: AsyncConnection, comment_id: str, *, invitation_id: str, user_id: str | None, now_ms: int
) -> bool:
    """Takes a posted comment from everybody's sight; with `user_id`, only their own. False if there is none."""
    changed = await conn.execute(
        update(comments)
        .where(_of(comment_id, invitation_id, user_id), _IS_POSTED, comments.c.deleted_at_ms.is_(None))
        .values(deleted_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def restore(conn: AsyncConnection, comment_id: str, *, invitation_id: str, user_id: str | None) -> bool:
    """Brings a deleted comment back as it was; with `user_id`, only their own. False if there is none."""
    changed = await conn.execute(
        update(comments)
        .where(_of(comment_id, invitation_id, user_id), _IS_POSTED, comments.c.deleted_at_ms.is_not(None))
        .values(deleted_at_ms=None)
    )
    return changed.rowcount == 1


async def by_id(conn: AsyncConnection, comment_id: str, *, invitation_id: str) -> Comment | None:
    """A posted comment of this interview, deleted or not."""
    query = _named().where(comments.c.id == comment_id, comments.c.invitation_id == invitation_id, _IS_POSTED)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _comment(row)


async def posted(conn: AsyncConnection, invitation_id: str, *, deleted: str | None = None) -> list[Comment]:
    """What everybody may read, the oldest first; never over COMMENTS_LIMIT.

    `deleted` is the id of a deleted one to list as well, in its place.
    """
    shown: ColumnElement[bool] = comments.c.deleted_at_ms.is_(None)
    if deleted is not None:
        shown = or_(shown, comments.c.id == deleted)
    rows = await conn.execute(
        _named()
        .where(comments.c.invitation_id == invitation_id, _IS_POSTED, shown)
        .order_by(comments.c.posted_at_ms, comments.c.id)
        .limit(COMMENTS_LIMIT)
    )
    return [_comment(row) for row in rows]


async def counts(conn: AsyncConnection, invitation_ids: Collection[str]) -> dict[str, int]:
    """How many comments everybody may read, by interview; one without any is missing."""
    rows = await conn.execute(
        select(comments.c.invitation_id, func.count())
        .where(comments.c.invitation_id.in_(invitation_ids), _IS_POSTED, comments.c.deleted_at_ms.is_(None))
        .group_by(comments.c.invitation_id)
        .limit(len(invitation_ids))
    )
    return {row[0]: row[1] for row in rows}


async def drafts(conn: AsyncConnection, invitation_id: str, user_id: str) -> dict[int, Comment]:
    """This person's unposted words by question: of each question those typed last."""
    rows = await conn.execute(
        _named()
        .where(comments.c.invitation_id == invitation_id, comments.c.user_id == user_id, _IS_DRAFT)
        .order_by(comments.c.edited_at_ms.desc(), comments.c.id.desc())
        .limit(DRAFTS_LIMIT)
    )
    newest: dict[int, Comment] = {}
    for row in rows:
        newest.setdefault(row.question, _comment(row))
    return newest


_IS_DRAFT = comments.c.posted_at_ms.is_(None)
_IS_POSTED = comments.c.posted_at_ms.is_not(None)


def _of(comment_id: str, invitation_id: str, user_id: str | None) -> ColumnElement[bool]:
    which = (comments.c.id == comment_id) & (comments.c.invitation_id == invitation_id)
    return which if user_id is None else which & (comments.c.user_id == user_id)


async def _is_taken(conn: AsyncConnection, comment_id: str, invitation_id: str, user_id: str) -> bool:
    """Whether this person has used the id here. Raises NotFound if it is of something else."""
    row = (
        await conn.execute(select(comments.c.invitation_id, comments.c.user_id).where(comments.c.id == comment_id))
    ).one_or_none()
    if row is None:
        return False
    if (row.invitation_id, row.user_id) != (invitation_id, user_id):
        raise NotFound("comment", comment_id)
    return True


async def _insert(
    conn: AsyncConnection,
    comment_id: str,
    invitation_id: str,
    user_id: str,
    question: int,
    text: str,
    moment_ms: int | None,
    now_ms: int,
    *,
    posted: bool,
) -> None:
    held = select(func.count()).select_from(comments).where(comments.c.invitation_id == invitation_id)
    if (await conn.scalar(held) or 0) >= COMMENTS_LIMIT:
        raise TooManyComments(f"an interview has at most {COMMENTS_LIMIT} comments")
    await conn.execute(
        insert(comments).values(
            id=comment_id,
            invitation_id=invitation_id,
            user_id=user_id,
            question=question,
            moment_ms=moment_ms,
            text=text,
            created_at_ms=now_ms,
            posted_at_ms=now_ms if posted else None,
            edited_at_ms=None if posted else now_ms,
        )
    )


def _named() -> Select[*tuple[Any, ...]]:
    return select(
        comments.c.id,
        comments.c.invitation_id,
        comments.c.user_id,
        users.c.name.label("author"),
        comments.c.question,
        comments.c.moment_ms,
        comments.c.text,
        comments.c.created_at_ms,
        comments.c.posted_at_ms,
        comments.c.edited_at_ms,
        comments.c.deleted_at_ms,
    ).join(users, comments.c.user_id == users.c.id)


def _comment(row: Row[*tuple[Any, ...]]) -> Comment:
    return Comment(*row)
