"""One candidate's interview with a real database, real files, a fake recorder and a clock moved by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.messages import PeerState, TakeId
from signaling.hub import Hub
from signaling.messages import (
    Ask,
    CloseCode,
    Error,
    Hello,
    Offer,
    Progress,
    QuestionView,
    Record,
    Reveal,
    State,
    Stop,
    Superseded,
    Tell,
)
from signaling.relays import Relay
from signaling.session import LiveSession
from signaling.surroundings import Limits
from storage import candidates, interviews, invitations, jobs, organisations, templates
from storage.database import Database
from storage.ids import new_id
from storage.interviews import AnswerRow, Interview, TakeRow
from storage.recordings import Recordings
from storage.schema import NoticeKind
from tests.signaling.fake_clock import NOW_MS, FakeClock
from tests.signaling.fake_recorders import FakeRecorders

OPEN, TIMED, OPTIONAL = 0, 1, 2
DEADLINE_S = 10.0

LIMITS = Limits(linger_s=30.0, read_again_s=0.0)


async def until(condition: Callable[[], Any]) -> None:
    """Waits for a condition, and fails the test when it does not come."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.002)


@dataclass(eq=False)
class FakePage:
    """A page as the session sees it."""

    tab: str
    told: list[Tell] = field(default_factory=list)
    closed: CloseCode | None = None

    def tell(self, tell: Tell) -> None:
        if self.closed is None:
            self.told.append(tell)

    def close(self, code: CloseCode) -> None:
        self.closed = self.closed or code

    @property
    def state(self) -> State:
        return [tell for tell in self.told if isinstance(tell, State)][-1]

    @property
    def errors(self) -> list[str]:
        return [tell.code for tell in self.told if isinstance(tell, Error)]

    @property
    def progress(self) -> list[Progress]:
        return [tell for tell in self.told if isinstance(tell, Progress)]

    @property
    def superseded(self) -> bool:
        return any(isinstance(tell, Superseded) for tell in self.told)

    def question(self, number: int) -> QuestionView:
        return self.state.questions[number]


class Room:
    """`furnish` first. Questions: open with 1 retake, timed (30 s) without, optional with any number."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        self.recordings = Recordings(root)
        self.clock = FakeClock()
        self.recorders = FakeRecorders(self.clock)
        self.relays: tuple[Relay, ...] = ()
        self.hub = self._hub()
        self.invitation_id = ""
        self.questions: list[str] = []
        self._sessions: dict[int, LiveSession] = {}

    def _hub(self) -> Hub:
        hub = Hub(self.database, self.recordings, self.recorders, self.clock, LIMITS, relays=self.relays)
        self.recorders.events = hub.on_recorder_event
        return hub

    async def furnish(self, *, expires_in_ms: int | None = None, audio_only: bool = False, start: bool = True) -> None:
        async with self.database.write() as conn:
            organisation = await organisations.create(
                conn, name="Northwind", contact_name="Aino", contact_email="a@b.example", zone="UTC", now_ms=NOW_MS
            )
            notice = await organisations.add_notice(
                conn,
                organisation_id=organisation.id,
                kind=NoticeKind.PRIVACY,
                language="en",
                text="Privacy.",
                now_ms=NOW_MS,
            )
            job = await jobs.create(conn, organisation_id=organisation.id, title="Baker", now_ms=NOW_MS)
            draft = await templates.create(
                conn,
                organisation_id=organisation.id,
                name="First talk",
                audio_only_allowed=audio_only,
                now_ms=NOW_MS,
            )
            for number, (think_s, retakes, required) in enumerate(
                ((0, 1, True), (30, 0, True), (0, None, False)), start=1
            ):
                made = await templates.add_question(
                    conn,
                    draft.id,
                    text=f"Secret question {number}?",
                    think_s=think_s,
                    limit_s=60,
                    retakes=retakes,
                    required=required,
                    now_ms=NOW_MS,
                )
                self.questions.append(made.id)
            await templates.publish(conn, draft.id, NOW_MS)
            await templates.attach(conn, draft.template_id, job.id)
            candidate = await candidates.create(
                conn, organisation_id=organisation.id, name="Kim", email="kim@example.org", now_ms=NOW_MS
            )
            application = await candidates.apply(conn, candidate.id, job.id, now_ms=NOW_MS)
            self.invitation_id = new_id(NOW_MS)
            await invitations.create(
                conn,
                invitation_id=self.invitation_id,
                organisation_id=organisation.id,
                application_id=application.id,
                version_id=draft.id,
                token_sha256="0" * 64,
                expires_at_ms=None if expires_in_ms is None else NOW_MS + expires_in_ms,
                now_ms=NOW_MS,
            )
            await invitations.accept_notice(conn, self.invitation_id, notice_id=notice.id, now_ms=NOW_MS)
        await self.hub.start()
        if start:
            assert await self.hub.start_interview(self.invitation_id)

    async def restart(self, *, start: bool = True) -> None:
        """The server is gone in the middle of whatever it did, and another comes up on the same files."""
        await self.hub.stop()
        self.hub = self._hub()
        if start:
            await self.hub.start()

    async def join(self, tab: str = "tab-one-1") -> FakePage:
        page = FakePage(tab)
        session = self.hub.attach(self.invitation_id, page)
        assert session is not None
        self._sessions[id(page)] = session
        await until(lambda: page.told or page.closed)
        return page

    async def leave(self, page: FakePage) -> None:
        self._sessions[id(page)].detach(page)
        await self.settled()

    async def ask(self, page: FakePage, ask: Ask) -> None:
        """Asks, and waits until that was decided."""
        assert not isinstance(ask, Hello)
        self._sessions[id(page)].ask(page, ask)
        await self.settled()

    async def settled(self) -> None:
        await self.hub.settled([self.invitation_id])

    async def pass_time(self, ms: int) -> None:
        self.clock.now_ms += ms
        self.hub.tick()
        await self.settled()

    async def with_camera(self, tab: str = "tab-one-1") -> FakePage:
        """A page whose media arrive."""
        page = await self.join(tab)
        await self.offer(page)
        return page

    async def offer(self, page: FakePage) -> None:
        await self.ask(page, Offer("v=0", 1))
        await until(lambda: page.state.media == "live")

    async def count_down(self, page: FakePage, number: int = OPEN) -> TakeId:
        question = self.questions[number]
        if page.question(number).state == "hidden":
            await self.ask(page, Reveal(question))
        before = len(self.recorders.armed)
        if page.question(number).state != "countdown":
            await self.ask(page, Record(question))
        await until(lambda: len(self.recorders.armed) > before)
        return self.recorders.last

    async def record(self, page: FakePage, number: int = OPEN) -> TakeId:
        take_id = await self.count_down(page, number)
        self.recorders.start()
        await self.settled()
        assert page.question(number).state == "recording"
        return take_id

    async def answer(self, page: FakePage, number: int = OPEN) -> TakeId:
        take_id = await self.record(page, number)
        await self.ask(page, Stop(self.questions[number]))
        await until(lambda: take_id in self.recorders.stopped)
        self.recorders.ending()
        self.recorders.finish()
        await self.settled()
        assert page.question(number).state == "draft"
        return take_id

    def camera_gone(self) -> None:
        self.recorders.everybody(PeerState.GONE)

    async def kept(self) -> Interview:
        """What the database has now."""
        async with self.database.read() as conn:
            return await interviews.load(conn, self.invitation_id)

    async def kept_answer(self, number: int = OPEN) -> AnswerRow:
        return (await self.kept()).answers[number]

    async def kept_take(self, take_id: str) -> TakeRow:
        async with self.database.read() as conn:
            found = await interviews.take(conn, take_id)
        assert found is not None
        return found

    async def ledger(self, number: int = OPEN) -> list[str]:
        answer = await self.kept_answer(number)
        async with self.database.read() as conn:
            return [entry.kind for entry in await interviews.ledger(conn, answer.id)]

    def files(self) -> set[str]:
        return {path.name for path in self.recordings.folder(self.invitation_id).iterdir()}
