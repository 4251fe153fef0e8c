"""Whatever is called in whatever order, a status follows the table, and an end is the end."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import interviews, invitations
from storage.database import Database
from storage.errors import NoticeNotAccepted
from storage.invitations import ALLOWED, Invitation
from storage.states import InvitationStatus
from tests.storage.world import HOUR_MS, NOW_MS, World, invite, keep_take

CALLS = ("accept", "start", "answer", "complete", "cancel", "expire", "details", "sent", "audio")
ENDS_BY = {
    "start": InvitationStatus.IN_PROGRESS,
    "complete": InvitationStatus.COMPLETED,
    "cancel": InvitationStatus.CANCELLED,
    "expire": InvitationStatus.EXPIRED,
}


async def call(conn: AsyncConnection, world: World, invitation_id: str, name: str, now_ms: int) -> bool:
    match name:
        case "accept":
            return await invitations.accept_notice(conn, invitation_id, notice_id=world.privacy.id, now_ms=now_ms)
        case "start":
            try:
                return await invitations.start(conn, invitation_id, now_ms)
            except NoticeNotAccepted:
                return False
        case "answer":
            found = await interviews.load(conn, invitation_id)
            if found.invitation.status is InvitationStatus.IN_PROGRESS:
                for answer in found.answers:
                    await keep_take(conn, answer, ended_at_ms=now_ms)
            return False
        case "complete":
            return await invitations.complete(conn, invitation_id, now_ms)
        case "cancel":
            return await invitations.cancel(conn, invitation_id, reason="a reason", now_ms=now_ms)
        case "expire":
            return await invitations.expire(conn, invitation_id, now_ms)
        case "details":
            return await invitations.save_details(conn, invitation_id, details={"phone": name}, now_ms=now_ms)
        case "sent":
            return await invitations.mark_sent(conn, invitation_id, now_ms)
        case _:
            return await invitations.set_audio_only(conn, invitation_id, audio_only=True, now_ms=now_ms)


def times_agree(invitation: Invitation) -> bool:
    ended = not ALLOWED[invitation.status]
    return (
        (invitation.ended_at_ms is not None) == ended
        and (invitation.completed_at_ms is not None) == (invitation.status is InvitationStatus.COMPLETED)
        and (invitation.started_at_ms is not None or invitation.status is not InvitationStatus.IN_PROGRESS)
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    expires_after_ms=st.none() | st.integers(0, 2 * HOUR_MS),
    calls=st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, HOUR_MS)), max_size=14),
)
async def test_no_sequence_of_calls_leaves_the_table_of_transitions(
    database: Database, world: World, expires_after_ms: int | None, calls: list[tuple[str, int]]
) -> None:
    now_ms = NOW_MS
    async with database.write() as conn:
        before = await invite(
            conn,
            world.organisation.id,
            world.application.id,
            world.version.id,
            expires_at_ms=None if expires_after_ms is None else NOW_MS + expires_after_ms,
        )
        for name, pause_ms in calls:
            now_ms += pause_ms
            moved = await call(conn, world, before.id, name, now_ms)
            after = await invitations.get(conn, before.id)
            assert times_agree(after)
            if after.status is not before.status:
                assert after.status in ALLOWED[before.status]
                assert moved and ENDS_BY[name] is after.status
            elif name in ENDS_BY:
                assert not moved
            if not ALLOWED[before.status] and name != "sent":
                assert after == before
            before = after
