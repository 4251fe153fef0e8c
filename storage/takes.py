"""Takes: one row for each recording, from its countdown until its files are gone. The files are `storage.recordings`'.

A take changes only from the state it was read in, and a completed interview keeps what it was completed with.
`storage.interviews` is the way in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Select, and_, exists, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.answers import in_completed_interview
from storage.errors import InterviewEnded, NotFound
from storage.schema import answers, invitations, takes
from storage.shapes import as_object, as_texts
from storage.states import InvitationStatus, TakeState

TAKES_LIMIT = 1000
_NEVER_KEPT = ("", "failed")
"""Verdicts of failed takes that were no answer at any time; a damaged one was, and its files stay."""


@dataclass(frozen=True, slots=True)
class TakeRow:
    """One recording, from its countdown on. What only a finished take has is empty or 0 before."""

    id: str
    answer_id: str
    state: TakeState
    created_at_ms: int
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: str = ""
    verdict: str = ""
    reasons: list[str] = field(default_factory=list)
    file: str = ""
    media_type: str = ""
    size_bytes: int = 0
    duration_ms: int = 0
    sha256: str = ""
    poster: str = ""
    waveform: str = ""
    recovered: bool = False
    sidecar: dict[str, Any] = field(default_factory=dict)
    looked_at_ms: int | None = None


COLUMNS = (
    takes.c.id,
    takes.c.answer_id,
    takes.c.state,
    takes.c.created_at_ms,
    takes.c.started_at_ms,
    takes.c.ended_at_ms,
    takes.c.end_reason,
    takes.c.verdict,
    takes.c.reasons,
    takes.c.file,
    takes.c.media_type,
    takes.c.size_bytes,
    takes.c.duration_ms,
    takes.c.sha256,
    takes.c.poster,
    takes.c.waveform,
    takes.c.recovered,
    takes.c.sidecar,
    takes.c.looked_at_ms,
)


async def add_take(
    conn: AsyncConnection, *, take_id: str, answer_id: str, now_ms: int, state: TakeState = TakeState.COUNTDOWN
) -> TakeRow:
    """A new take of this answer; write it before the answer that points at it.

    Raises NotFound (no such answer) and InterviewEnded (not in progress, however the caller remembers it).
    """
    status = await conn.scalar(
        select(invitations.c.status)
        .join(answers, answers.c.invitation_id == invitations.c.id)
        .where(answers.c.id == answer_id)
        .with_for_update(of=invitations)
    )
    if status is None:
        raise NotFound("answer", answer_id)
    if status != InvitationStatus.IN_PROGRESS:
        raise InterviewEnded(f"the interview is {status}")
    made = TakeRow(take_id, answer_id, state, now_ms)
    await conn.execute(
        insert(takes).values(id=made.id, answer_id=made.answer_id, created_at_ms=made.created_at_ms, **_changing(made))
    )
    return made


async def save_take(conn: AsyncConnection, take: TakeRow, from_state: TakeState) -> bool:
    """Writes the take if it is in `from_state` still. False when it is not, or when that would take away what a
    completed interview keeps. Its answer and its time of creation never change."""
    query = update(takes).where(takes.c.id == take.id, takes.c.state == from_state)
    if from_state is TakeState.KEPT and take.state is not TakeState.KEPT:
        submitted = exists().where(answers.c.id == takes.c.answer_id, answers.c.take_id == takes.c.id)
        query = query.where(not_(submitted.where(in_completed_interview())))
    return (await conn.execute(query.values(**_changing(take)))).rowcount == 1


async def take(conn: AsyncConnection, take_id: str) -> TakeRow | None:
    """Any take, whoever's: see `own_take` and `submitted_take` for what a person may watch."""
    row = (await conn.execute(select(*COLUMNS).where(takes.c.id == take_id))).one_or_none()
    return None if row is None else take_from_row(row)


async def take_with_invitation(conn: AsyncConnection, take_id: str) -> tuple[TakeRow, str] | None:
    """Any take with its invitation's id: for events of recorders, which know takes alone."""
    row = (await conn.execute(_takes_with_answers().where(takes.c.id == take_id))).one_or_none()
    return None if row is None else (take_from_row(row), row.invitation_id)


async def own_take(conn: AsyncConnection, invitation_id: str, take_id: str) -> TakeRow | None:
    """A take that this invitation's candidate may play back: kept, and theirs. None for anything else."""
    query = _takes_with_answers().where(answers.c.invitation_id == invitation_id, takes.c.id == take_id)
    row = (await conn.execute(query.where(takes.c.state == TakeState.KEPT))).one_or_none()
    return None if row is None else take_from_row(row)


async def takes_in(
    conn: AsyncConnection, states: Iterable[TakeState], *, limit: int = TAKES_LIMIT
) -> list[tuple[TakeRow, str]]:
    """Takes in these states with their invitations' ids, the oldest first; at most `limit` (never over TAKES_LIMIT).

    Settling moves them on, so asking again gives the rest.
    """
    rows = await conn.execute(
        _takes_with_answers()
        .where(takes.c.state.in_(list(states)))
        .order_by(takes.c.created_at_ms, takes.c.id)
        .limit(max(0, min(limit, TAKES_LIMIT)))
    )
    return [(take_from_row(row), row.invitation_id) for row in rows]


async def unwanted_takes(
    conn: AsyncConnection, *, before_ms: int, after: str = "", limit: int = TAKES_LIMIT
) -> list[tuple[str, str]]:
    """Ids of takes whose files may go and are not known to be gone, each with its invitation's id, in order of id.

    Discarded, abandoned, or failed with nothing kept; made before `before_ms`. `after`: the last take read before.
    """
    never_kept = and_(takes.c.state == TakeState.FAILED, takes.c.verdict.in_(_NEVER_KEPT))
    rows = await conn.execute(
        select(takes.c.id, answers.c.invitation_id)
        .join_from(takes, answers, takes.c.answer_id == answers.c.id)
        .where(takes.c.state.in_((TakeState.DISCARDED, TakeState.ABANDONED, TakeState.FAILED)))
        .where(takes.c.gone_at_ms.is_(None), takes.c.id > after, takes.c.created_at_ms < before_ms)
        .where(or_(takes.c.state != TakeState.FAILED, never_kept))
        .order_by(takes.c.id)
        .limit(max(0, min(limit, TAKES_LIMIT)))
    )
    return [(row.id, row.invitation_id) for row in rows]


async def note_gone(conn: AsyncConnection, take_ids: Iterable[str], now_ms: int) -> int:
    """Nothing of these takes is on disk any more. How many were not known to be gone."""
    wanted = takes.c.id.in_(list(take_ids)), takes.c.gone_at_ms.is_(None)
    return (await conn.execute(update(takes).where(*wanted).values(gone_at_ms=now_ms))).rowcount


def _takes_with_answers() -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS, answers.c.invitation_id).join_from(takes, answers, takes.c.answer_id == answers.c.id)


def _changing(row: TakeRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "started_at_ms": row.started_at_ms,
        "ended_at_ms": row.ended_at_ms,
        "end_reason": row.end_reason,
        "verdict": row.verdict,
        "reasons": as_texts(row.reasons, "takes.reasons"),
        "file": row.file,
        "media_type": row.media_type,
        "size_bytes": row.size_bytes,
        "duration_ms": row.duration_ms,
        "sha256": row.sha256,
        "poster": row.poster,
        "waveform": row.waveform,
        "recovered": row.recovered,
        "sidecar": as_object(row.sidecar, "takes.sidecar"),
    }


def take_from_row(row: Row[*tuple[Any, ...]]) -> TakeRow:
    """A take from a row that has COLUMNS."""
    return TakeRow(
        id=row.id,
        answer_id=row.answer_id,
        state=TakeState(row.state),
        created_at_ms=row.created_at_ms,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        end_reason=row.end_reason,
        verdict=row.verdict,
        reasons=as_texts(row.reasons, "takes.reasons"),
        file=row.file,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        duration_ms=row.duration_ms,
        sha256=row.sha256,
        poster=row.poster,
        waveform=row.waveform,
        recovered=row.recovered,
        sidecar=as_object(row.sidecar, "takes.sidecar"),
        looked_at_ms=row.looked_at_ms,
    )
