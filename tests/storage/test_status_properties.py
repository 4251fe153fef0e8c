"""PRODUCT's table of statuses, written down once more in Python, against the real database: whatever two connections
do at the same moment, the outcome is that of one after the other, by the table, and each transition happens once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import interviews, invitations
from storage.database import Database
from storage.errors import NoticeNotAccepted
from storage.expiry import CLOSING_GRACE_MS
from storage.invitation_list import Wanted, listing
from storage.invitations import Invitation
from storage.states import InvitationStatus
from tests.storage.world import HOUR_MS, NOW_MS, World, invite, keep_take

PENDING, ACTIVE = InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS
COMPLETED, EXPIRED, CANCELLED = InvitationStatus.COMPLETED, InvitationStatus.EXPIRED, InvitationStatus.CANCELLED

# PRODUCT.md, "Status of an invitation". Not taken from the code on purpose.
ONWARD = {
    PENDING: {ACTIVE, EXPIRED, CANCELLED},
    ACTIVE: {COMPLETED, EXPIRED, CANCELLED},
    COMPLETED: set(),
    EXPIRED: set(),
    CANCELLED: set(),
}


@dataclass(frozen=True)
class Call:
    """One thing that somebody does. `later_ms` is how far an extension reaches from now."""

    name: str
    later_ms: int = 0


@dataclass(frozen=True)
class Model:
    """All that the rules look at."""

    status: InvitationStatus
    expires_at_ms: int | None
    accepted: bool = False
    answered_at_ms: int | None = None
    ended_at_ms: int | None = None

    def closed(self, now_ms: int) -> bool:
        if self.expires_at_ms is None or not ONWARD[self.status]:
            return False
        if self.status is PENDING:
            return now_ms >= self.expires_at_ms
        return now_ms >= max(self.expires_at_ms, self.answered_at_ms or 0) + CLOSING_GRACE_MS

    def after(self, call: Call, now_ms: int) -> tuple[Model, bool]:
        """What the call leaves, and whether it may say that it did it."""
        unexpired = self.expires_at_ms is None or now_ms < self.expires_at_ms
        is_open = bool(ONWARD[self.status]) and not self.closed(now_ms)
        match call.name:
            case "start" if self.status is PENDING and unexpired and self.accepted:
                return replace(self, status=ACTIVE), True
            case "complete" if self.status is ACTIVE and self.answered_at_ms is not None and is_open:
                return replace(self, status=COMPLETED, ended_at_ms=now_ms), True
            case "cancel" if is_open:
                return replace(self, status=CANCELLED, ended_at_ms=now_ms), True
            case "expire" if self.closed(now_ms):
                return replace(self, status=EXPIRED, ended_at_ms=now_ms), True
            case "extend" if ONWARD[self.status] and self.expires_at_ms is not None and unexpired:
                if now_ms + call.later_ms > self.expires_at_ms:
                    return replace(self, expires_at_ms=now_ms + call.later_ms), True
        return self, False


async def make(database: Database, invitation_id: str, call: Call, now_ms: int) -> bool:
    async with database.write() as conn:
        match call.name:
            case "start":
                try:
                    return await invitations.start(conn, invitation_id, now_ms)
                except NoticeNotAccepted:
                    return False
            case "complete":
                return await invitations.complete(conn, invitation_id, now_ms)
            case "cancel":
                return await invitations.cancel(conn, invitation_id, reason="a reason", now_ms=now_ms)
            case "expire":
                return await invitations.expire(conn, invitation_id, now_ms)
            case _:
                later_ms = now_ms + call.later_ms
                return await invitations.extend(conn, invitation_id, expires_at_ms=later_ms, now_ms=now_ms)


async def read(database: Database, invitation_id: str) -> Invitation:
    async with database.read() as conn:
        return await invitations.get(conn, invitation_id)


def agree(model: Model, found: Invitation) -> bool:
    return (model.status, model.expires_at_ms, model.ended_at_ms) == (
        found.status,
        found.expires_at_ms,
        found.ended_at_ms,
    )


@pytest.fixture
async def second(database: Database) -> AsyncIterator[Database]:
    """Another process, as far as the file can tell."""
    opened = Database(database.path)
    await opened.open()
    yield opened
    await opened.close()


pauses = st.integers(0, HOUR_MS) | st.sampled_from([0, CLOSING_GRACE_MS - 1, CLOSING_GRACE_MS])
calls = st.builds(Call, st.sampled_from(["start", "complete", "cancel", "expire"])) | st.builds(
    Call, st.just("extend"), st.integers(-HOUR_MS, 3 * HOUR_MS)
)
quiet = st.sampled_from(["accept", "answer", "nothing"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    expires_after_ms=st.none() | st.integers(1, 2 * HOUR_MS),
    steps=st.lists(st.tuples(pauses, quiet, calls, calls), min_size=1, max_size=7),
)
async def test_two_connections_at_once_leave_what_one_after_the_other_would(
    database: Database,
    second: Database,
    world: World,
    expires_after_ms: int | None,
    steps: list[tuple[int, str, Call, Call]],
) -> None:
    now_ms = NOW_MS
    async with database.write() as conn:
        made = await invite(
            conn,
            world.organisation.id,
            world.application.id,
            world.version.id,
            expires_at_ms=None if expires_after_ms is None else NOW_MS + expires_after_ms,
        )
    model = Model(PENDING, made.expires_at_ms)
    for pause_ms, before, one, other in steps:
        now_ms += pause_ms
        model = await beforehand(database, world, made.id, model, before, now_ms)
        won = await asyncio.gather(make(database, made.id, one, now_ms), make(second, made.id, other, now_ms))
        found = await read(second, made.id)
        assert found.status is model.status or found.status in ONWARD[model.status] or steps_of_two(model, found)
        possible = []
        for first, then, swapped in ((one, other, False), (other, one, True)):
            between, first_won = model.after(first, now_ms)
            end, then_won = between.after(then, now_ms)
            said = [then_won, first_won] if swapped else [first_won, then_won]
            if said == won and agree(end, found):
                possible.append(end)
        assert possible, (model, one, other, won, found.status)
        model = possible[0]
        await shown_is_the_model(second, world, made.id, model, now_ms)


def steps_of_two(model: Model, found: Invitation) -> bool:
    """Both calls moved it: from pending over active to an end."""
    return any(found.status in ONWARD[between] for between in ONWARD[model.status])


async def beforehand(
    database: Database, world: World, invitation_id: str, model: Model, what: str, now_ms: int
) -> Model:
    """What the candidate does in peace before the race."""
    if model.closed(now_ms):
        return model
    async with database.write() as conn:
        if what == "accept" and ONWARD[model.status]:
            await invitations.accept_notice(conn, invitation_id, notice_id=world.privacy.id, now_ms=now_ms)
            return replace(model, accepted=True)
        if what == "answer" and model.status is ACTIVE:
            for answer in (await interviews.load(conn, invitation_id)).answers:
                await keep_take(conn, answer, ended_at_ms=now_ms)
            return replace(model, answered_at_ms=now_ms)
    return model


async def shown_is_the_model(database: Database, world: World, invitation_id: str, model: Model, now_ms: int) -> None:
    """The list shows, and finds by its filter, what the rules say at this moment, sweep or no sweep."""
    status = EXPIRED if model.closed(now_ms) else model.status
    async with database.read() as conn:
        for wanted in InvitationStatus:
            rows = await listing(conn, world.organisation.id, wanted=Wanted(status=wanted), now_ms=now_ms, limit=200)
            [*mine] = [row for row in rows if row.id == invitation_id]
            assert [row.status for row in mine] == ([status] if wanted is status else [])


@pytest.mark.parametrize("name", ["start", "complete", "cancel", "expire", "extend"])
async def test_of_eight_that_race_exactly_one_wins(
    database: Database, second: Database, world: World, name: str
) -> None:
    deadline_ms = NOW_MS + HOUR_MS
    async with database.write() as conn:
        made = await invite(
            conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=deadline_ms
        )
        await invitations.accept_notice(conn, made.id, notice_id=world.privacy.id, now_ms=NOW_MS)
        if name == "complete":
            assert await invitations.start(conn, made.id, NOW_MS)
            for answer in (await interviews.load(conn, made.id)).answers:
                await keep_take(conn, answer)
    call = Call(name, 2 * HOUR_MS)
    now_ms = deadline_ms if name == "expire" else NOW_MS
    won = await asyncio.gather(*(make(each, made.id, call, now_ms) for each in (database, second) for _ in range(4)))
    assert sorted(won) == [False] * 7 + [True]


async def test_an_extension_and_the_expiry_that_race_never_both_happen(
    database: Database, second: Database, world: World
) -> None:
    for _ in range(10):
        deadline_ms = NOW_MS + HOUR_MS
        async with database.write() as conn:
            made = await invite(
                conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=deadline_ms
            )
        # The recruiter pressed just before the deadline; the sweep ran at it.
        extended, expired = await asyncio.gather(
            make(database, made.id, Call("extend", 2 * HOUR_MS), deadline_ms - 1),
            make(second, made.id, Call("expire"), deadline_ms),
        )
        found = await read(database, made.id)
        assert extended != expired
        assert found.status is (PENDING if extended else EXPIRED)
        assert found.expires_at_ms == (deadline_ms - 1 + 2 * HOUR_MS if extended else deadline_ms)


async def test_what_is_over_is_not_cancelled_before_the_sweep_comes(database: Database, world: World) -> None:
    async with database.write() as conn:
        made = await invite(
            conn, world.organisation.id, world.application.id, world.version.id, expires_at_ms=NOW_MS + 1
        )
        assert not await invitations.cancel(conn, made.id, reason="", now_ms=NOW_MS + 1)
        assert await invitations.expire(conn, made.id, NOW_MS + 1)
