"""Second verdicts on takes: which are still to be made, and what one of them adds to the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import answers, takes
from storage.shapes import as_object, as_texts
from storage.states import TakeState
from storage.takes import COLUMNS, TakeRow, take_from_row

_GOOD, _USABLE = "good", "usable"


async def next_unlooked(conn: AsyncConnection, *, after: str = "") -> tuple[TakeRow, str] | None:
    """The first kept take behind `after` that nobody has looked at, with its invitation's id."""
    row = (
        await conn.execute(
            select(*COLUMNS, answers.c.invitation_id)
            .join_from(takes, answers, takes.c.answer_id == answers.c.id)
            .where(takes.c.state == TakeState.KEPT, takes.c.looked_at_ms.is_(None), takes.c.id > after)
            .order_by(takes.c.id)
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else (take_from_row(row), row.invitation_id)


async def note_look(
    conn: AsyncConnection, take_id: str, reasons: Sequence[str], look: dict[str, Any], now_ms: int
) -> bool:
    """Adds what was found to the verdict: a good take with a reason is a usable one. False if it was noted before,
    or the take is not kept any more."""
    row = (
        await conn.execute(
            select(*COLUMNS)
            .where(takes.c.id == take_id, takes.c.state == TakeState.KEPT, takes.c.looked_at_ms.is_(None))
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        return False
    take = take_from_row(row)
    added = [reason for reason in reasons if reason not in take.reasons]
    await conn.execute(
        update(takes)
        .where(takes.c.id == take_id)
        .values(
            reasons=as_texts([*take.reasons, *added], "takes.reasons"),
            verdict=_USABLE if take.verdict == _GOOD and reasons else take.verdict,
            sidecar=as_object({**take.sidecar, "look": look}, "takes.sidecar"),
            looked_at_ms=now_ms,
        )
    )
    return True
