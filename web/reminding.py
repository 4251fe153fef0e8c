"""Reminders by themselves (E10): to start, three days after the last mail; to finish, a day before the deadline.

Sensible rather than many: one to start per invitation, one to finish per deadline, none to whom anything was mailed
within twelve hours, none to start when the one to finish is near, none in the last hour before a deadline.
"""

from __future__ import annotations

from storage import invitations, reminders
from storage.database import Database
from storage.states import MailKind
from web.mail.post import Post

_HOUR_MS = 3_600_000
START_AFTER_MS = 72 * _HOUR_MS
START_NOT_WITHIN_MS = 36 * _HOUR_MS
FINISH_NOT_WITHIN_MS = _HOUR_MS
QUIET_MS = 12 * _HOUR_MS


async def remind(database: Database, post: Post, now_ms: int) -> int:
    """Posts what is due, and says how many; each in a transaction of its own, and once, whoever else sweeps."""
    async with database.read() as conn:
        to_finish = await reminders.to_finish(
            conn,
            mailed_until_ms=now_ms - QUIET_MS,
            expires_after_ms=now_ms + FINISH_NOT_WITHIN_MS,
            expires_until_ms=now_ms + reminders.FINISH_BEFORE_MS,
        )
        to_start = await reminders.to_start(
            conn, mailed_until_ms=now_ms - START_AFTER_MS, expires_after_ms=now_ms + START_NOT_WITHIN_MS
        )
    posted = 0
    for invitation_id, expires_at_ms in to_finish:
        once = reminders.expiry_once(invitation_id, expires_at_ms)
        posted += await _post(database, post, invitation_id, MailKind.REMINDER_EXPIRY, once, now_ms)
    for invitation_id in to_start:
        once = reminders.start_once(invitation_id)
        posted += await _post(database, post, invitation_id, MailKind.REMINDER_START, once, now_ms)
    return posted


async def _post(database: Database, post: Post, invitation_id: str, kind: MailKind, once: str, now_ms: int) -> bool:
    async with database.write() as conn:
        invitation = await invitations.get(conn, invitation_id)
        return await post.to_candidate(conn, invitation, kind, now_ms, once=once) is not None
