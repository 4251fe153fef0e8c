"""What somebody of the hiring team did, written down in the transaction that does it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events
from storage.logins import Login


async def note(
    conn: AsyncConnection,
    login: Login,
    kind: str,
    subject_kind: str,
    subject_id: str,
    now_ms: int,
    detail: dict[str, Any] | None = None,
) -> None:
    """One event by the signed-in person, in their organisation. `detail` is JSON and holds no secret."""
    await events.append(
        conn,
        organisation_id=login.user.organisation_id,
        at_ms=now_ms,
        actor=f"user:{login.user.id}",
        kind=kind,
        subject_kind=subject_kind,
        subject_id=subject_id,
        detail=detail,
    )
