"""PRODUCT's rules of when an invitation closes; and the same rules in SQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import invitations
from storage.database import Database
from storage.expiry import CLOSING_GRACE_MS, closes_at_ms, end_of_day_ms
from storage.states import InvitationStatus
from tests.storage.world import NOW_MS, World, invite, keep_take, start_interview

PENDING, IN_PROGRESS = InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS


@pytest.mark.parametrize("status", list(InvitationStatus))
def test_without_an_expiry_nothing_closes(status: InvitationStatus) -> None:
    assert closes_at_ms(status, None) is None


def test_a_pending_invitation_closes_at_its_expiry_at_once() -> None:
    assert closes_at_ms(PENDING, NOW_MS) == NOW_MS


def test_an_interview_in_progress_closes_ten_minutes_after_its_expiry() -> None:
    assert closes_at_ms(IN_PROGRESS, NOW_MS) == NOW_MS + 600_000


def test_an_interview_in_progress_closes_ten_minutes_after_the_take_that_ran_at_its_expiry() -> None:
    assert closes_at_ms(IN_PROGRESS, NOW_MS, NOW_MS + 90_000) == NOW_MS + 690_000


def test_a_take_that_ended_before_the_expiry_changes_nothing() -> None:
    assert closes_at_ms(IN_PROGRESS, NOW_MS, NOW_MS - 90_000) == NOW_MS + 600_000


@pytest.mark.parametrize("status", [status for status in InvitationStatus if status not in invitations.OPEN])
def test_what_has_ended_closes_no_more(status: InvitationStatus) -> None:
    assert closes_at_ms(status, NOW_MS) is None


@pytest.mark.parametrize(
    ("day", "zone", "utc"),
    [
        (date(2026, 1, 15), "Europe/Helsinki", datetime(2026, 1, 15, 21, 59, 59, tzinfo=UTC)),
        (date(2026, 7, 15), "Europe/Helsinki", datetime(2026, 7, 15, 20, 59, 59, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Helsinki", datetime(2026, 3, 29, 20, 59, 59, tzinfo=UTC)),
        (date(2026, 1, 15), "America/Los_Angeles", datetime(2026, 1, 16, 7, 59, 59, tzinfo=UTC)),
        (date(2026, 1, 15), "Asia/Kathmandu", datetime(2026, 1, 15, 18, 14, 59, tzinfo=UTC)),
    ],
)
def test_a_date_means_the_last_second_of_that_day_in_the_organisations_zone(
    day: date, zone: str, utc: datetime
) -> None:
    assert end_of_day_ms(day, zone) == int(utc.timestamp()) * 1000


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    started=st.booleans(),
    expires_after_ms=st.none() | st.integers(1, 3 * CLOSING_GRACE_MS),
    take_ends_after_ms=st.none() | st.integers(1, 3 * CLOSING_GRACE_MS),
    asked_after_ms=st.integers(0, 5 * CLOSING_GRACE_MS),
)
async def test_the_database_ends_an_invitation_exactly_when_the_rule_says(
    database: Database,
    world: World,
    started: bool,
    expires_after_ms: int | None,
    take_ends_after_ms: int | None,
    asked_after_ms: int,
) -> None:
    expires_at_ms = None if expires_after_ms is None else NOW_MS + expires_after_ms
    take_ended_at_ms = None
    async with database.write() as conn:
        invitation = await invite(
            conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=expires_at_ms
        )
        if started:
            answers = await start_interview(conn, world, invitation=invitation)
            if take_ends_after_ms is not None:
                take_ended_at_ms = NOW_MS + take_ends_after_ms
                await keep_take(conn, answers[0], ended_at_ms=take_ended_at_ms)
        closes = closes_at_ms(IN_PROGRESS if started else PENDING, expires_at_ms, take_ended_at_ms)
        due = closes is not None and closes <= NOW_MS + asked_after_ms
        listed = invitation.id in await invitations.overdue(conn, NOW_MS + asked_after_ms)
        assert listed == due
        assert await invitations.expire(conn, invitation.id, NOW_MS + asked_after_ms) == due


@pytest.mark.parametrize(
    ("zone", "night"), [("America/Santiago", date(2027, 4, 3)), ("Africa/Cairo", date(2026, 10, 29))]
)
def test_the_end_of_a_day_that_ends_twice_is_the_later_one(zone: str, night: date) -> None:
    midnight = datetime.combine(night + timedelta(days=1), time(), ZoneInfo(zone))
    assert end_of_day_ms(night, zone) == int(midnight.timestamp()) * 1000 - 1000
