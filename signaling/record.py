"""Reads an interview from the database and writes decisions into it: answers, takes, ledger and events together.

Every write is one transaction of compare-and-set updates: all of a decision or nothing. Decides nothing, and calls
nobody but the database.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.messages import TakeId
from signaling.decision import Decision, Situation, TakeStep
from signaling.wire import SignalingError
from storage import events, interviews, invitations, templates
from storage.database import Database
from storage.interviews import AnswerRow, Interview, TakeRow
from storage.invitations import Invitation
from storage.states import AnswerState, InvitationStatus, TakeState

log = logging.getLogger(__name__)

RUNNING_TAKES = (TakeState.COUNTDOWN, TakeState.RECORDING, TakeState.SAVING)
OVER = (TakeState.KEPT, TakeState.FAILED)


class Stale(SignalingError):
    """The database holds something newer than what was decided upon: load again."""


@dataclass(frozen=True, slots=True)
class Record:
    """An interview as the database has it. `takes` are those its answers point at."""

    invitation: Invitation
    answers: tuple[AnswerRow, ...]
    takes: Mapping[str, TakeRow]
    take_ended_at_ms: int | None
    audio_only_allowed: bool

    def situation(self, *, media_live: bool, server_failed: bool = False) -> Situation:
        return Situation(self.invitation.status, self.invitation.expires_at_ms, media_live, self.answers, server_failed)


async def load(database: Database, invitation_id: str) -> Record:
    """Raises storage's NotFound."""
    async with database.read() as conn:
        found: Interview = await interviews.load(conn, invitation_id)
        version = await templates.version(conn, found.invitation.version_id)
    return Record(
        found.invitation, tuple(found.answers), found.takes, found.take_ended_at_ms, version.audio_only_allowed
    )


async def write(database: Database, record: Record, decision: Decision, now_ms: int) -> Record:
    """The record after the decision, once it is committed. Raises Stale, and whatever the database raises.

    `now_ms` is when what was decided upon happened, which may be before it can be written.
    """
    takes = dict(record.takes)
    ended_at_ms = record.take_ended_at_ms
    async with database.write() as conn:
        for step in decision.takes:
            takes[step.take_id] = await _write_take(conn, takes, step, now_ms)
            if step.to in OVER:
                ended_at_ms = max(ended_at_ms or 0, takes[step.take_id].ended_at_ms or 0)
        for answer in decision.answers:
            if not await interviews.save(conn, answer, from_revision=answer.revision):
                raise Stale(f"answer {answer.id} is not at revision {answer.revision}")
        await _write_ledger(conn, decision, now_ms)
    changed = {answer.id: replace(answer, revision=answer.revision + 1) for answer in decision.answers}
    answers = tuple(changed.get(answer.id, answer) for answer in record.answers)
    pointed_at = {take_id for answer in answers for take_id in (answer.take_id, answer.next_take_id) if take_id}
    kept = {take_id: take for take_id, take in takes.items() if take_id in pointed_at}
    return replace(record, answers=answers, takes=kept, take_ended_at_ms=ended_at_ms)


Completed = Callable[[AsyncConnection, Invitation, int], Awaitable[None]]


async def complete(database: Database, record: Record, decision: Decision, now_ms: int, consequence: Completed) -> bool:
    """Submits everything at once: status, answers, ledger, event, `consequence`. False if the database disagrees.

    A `consequence` that fails is undone and logged, and the interview is completed without it.
    """
    async with database.write() as conn:
        if not await invitations.complete(conn, record.invitation.id, now_ms):
            return False
        await _write_ledger(conn, decision, now_ms)
        submitted = sum(answer.take_id is not None for answer in decision.answers)
        detail = {"submitted": submitted, "missed": len(decision.answers) - submitted}
        await _append(conn, record.invitation, "invitation.completed", now_ms, detail=detail)
        invitation = await invitations.get(conn, record.invitation.id)
        try:
            async with conn.begin_nested():
                await consequence(conn, invitation, now_ms)
        except Exception:
            # Telling the team never stands between a candidate and their receipt.
            log.exception("invitation %s: completed, but what follows from it could not be written", invitation.id)
    return True


async def start(database: Database, invitation_id: str, now_ms: int) -> bool:
    """Pending to in progress. False if it was not pending or has expired. Raises storage's NoticeNotAccepted."""
    async with database.write() as conn:
        if not await invitations.start(conn, invitation_id, now_ms):
            return False
        invitation = await invitations.get(conn, invitation_id)
        await _append(conn, invitation, "invitation.started", now_ms)
    return True


async def expire(database: Database, invitation: Invitation, now_ms: int) -> bool:
    """To expired, if it has closed by now."""
    async with database.write() as conn:
        if not await invitations.expire(conn, invitation.id, now_ms):
            return False
        await _append(conn, invitation, "invitation.expired", now_ms, actor="system")
    return True


async def set_audio_only(database: Database, invitation_id: str, audio_only: bool, now_ms: int) -> bool:
    async with database.write() as conn:
        return await invitations.set_audio_only(conn, invitation_id, audio_only=audio_only, now_ms=now_ms)


async def take_and_owner(database: Database, take_id: TakeId) -> tuple[TakeRow, str] | None:
    """A take of whatever state with the id of its invitation."""
    async with database.read() as conn:
        return await interviews.take_with_invitation(conn, take_id)


async def unsettled(database: Database) -> list[tuple[TakeRow, str]]:
    """Takes that wait for a recorder, with their invitations' ids."""
    async with database.read() as conn:
        return await interviews.takes_in(conn, RUNNING_TAKES)


async def unwanted(database: Database, *, before_ms: int, after: str, limit: int) -> list[tuple[TakeId, str]]:
    """Takes whose files are to be deleted, with their invitations' ids, in order of id."""
    async with database.read() as conn:
        found = await interviews.unwanted_takes(conn, before_ms=before_ms, after=after, limit=limit)
    return [(TakeId(take_id), invitation_id) for take_id, invitation_id in found]


async def note_gone(database: Database, take_ids: Iterable[TakeId], now_ms: int) -> None:
    """The files of these takes are deleted."""
    async with database.write() as conn:
        await interviews.note_gone(conn, take_ids, now_ms)


async def thinking(database: Database) -> list[str]:
    """Invitations in progress in which a think clock or a wait runs."""
    async with database.read() as conn:
        return await interviews.invitations_with_answers_in(
            conn, (AnswerState.THINKING,), status=InvitationStatus.IN_PROGRESS
        )


async def _write_take(conn: AsyncConnection, takes: Mapping[str, TakeRow], step: TakeStep, now_ms: int) -> TakeRow:
    if step.to is TakeState.COUNTDOWN:
        return await interviews.add_take(conn, take_id=step.take_id, answer_id=step.answer_id, now_ms=now_ms)
    before = takes.get(step.take_id)
    if before is None:
        raise Stale(f"take {step.take_id} is not loaded")
    after = _moved(before, step, now_ms)
    if not await interviews.save_take(conn, after, before.state):
        raise Stale(f"take {step.take_id} is not {before.state}")
    return after


def _moved(take: TakeRow, step: TakeStep, now_ms: int) -> TakeRow:
    after = replace(take, state=step.to)
    if step.started_at_ms is not None:
        after = replace(after, started_at_ms=step.started_at_ms)
    if step.to is TakeState.SAVING or (step.to in OVER and take.ended_at_ms is None):
        after = replace(after, ended_at_ms=now_ms)
    if (result := step.result) is None:
        return after
    return replace(
        after,
        end_reason=str(result.end_reason),
        verdict=str(result.verdict),
        reasons=list(result.reasons),
        file=result.file,
        media_type=result.media_type,
        size_bytes=result.size_bytes,
        duration_ms=result.duration_ms,
        sha256=result.sha256,
        poster=result.poster,
        waveform=result.waveform,
        recovered=result.recovered,
        sidecar=asdict(result),
    )


async def _write_ledger(conn: AsyncConnection, decision: Decision, now_ms: int) -> None:
    for entry in decision.ledger:
        await interviews.write_ledger(
            conn,
            answer_id=entry.answer_id,
            at_ms=now_ms if entry.at_ms is None else entry.at_ms,
            kind=entry.kind,
            detail=entry.detail,
        )


async def _append(
    conn: AsyncConnection,
    invitation: Invitation,
    kind: str,
    now_ms: int,
    *,
    actor: str | None = None,
    detail: dict[str, int] | None = None,
) -> None:
    await events.append(
        conn,
        organisation_id=invitation.organisation_id,
        at_ms=now_ms,
        actor=actor or f"candidate:{invitation.id}",
        kind=kind,
        subject_kind="invitation",
        subject_id=invitation.id,
        detail=detail,
    )
