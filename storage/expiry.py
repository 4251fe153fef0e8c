"""When an invitation closes: PRODUCT's rules of expiry, pure. Ending one is in `storage.invitations`."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import assert_never
from zoneinfo import ZoneInfo

from storage.states import InvitationStatus

CLOSING_GRACE_MS = 10 * 60 * 1000


def closes_at_ms(status: InvitationStatus, expires_at_ms: int | None, take_ends_at_ms: int | None = None) -> int | None:
    """The moment at which this invitation expires; None if it never does, or has ended already.

    Pending: at `expires_at_ms`. In progress: nothing new starts from `expires_at_ms` on, but playback and sending
    stay possible until ten minutes after it, or after the end of the take that ran then. `take_ends_at_ms` is the
    end of the latest take, or the latest moment at which the running one can end; None when there is none.
    """
    if expires_at_ms is None:
        return None
    match status:
        case InvitationStatus.PENDING:
            return expires_at_ms
        case InvitationStatus.IN_PROGRESS:
            return max(expires_at_ms, take_ends_at_ms or expires_at_ms) + CLOSING_GRACE_MS
        case InvitationStatus.COMPLETED | InvitationStatus.EXPIRED | InvitationStatus.CANCELLED:
            return None
        case _:
            assert_never(status)


def end_of_day_ms(day: date, zone: str) -> int:
    """23:59:59 of `day` in the IANA zone `zone`: what a date without a time means as an expiry.

    The later one where clocks go back at midnight, and there are two.
    """
    return int(datetime.combine(day, time(23, 59, 59, fold=1), ZoneInfo(zone)).timestamp()) * 1000
