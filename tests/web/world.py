"""What the tests of pages stand on: the real application over the demo's database, with recorders that do nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher

from recorder.messages import Arm, Connected, PeerId, TakeId, WorkerUnavailable
from storage import candidates, interviews, invitations, jobs, templates, users
from storage.ids import new_id
from storage.interviews import AnswerRow, TakeRow
from storage.invitations import Invitation
from storage.states import AnswerState, Role, TakeState
from web import demo, links
from web.data_folder import DataFolder
from web.founding import found
from web.keys import DATABASE, RECORDINGS

START_MS = 1_790_000_000_000
PASSWORD = "correct-horse-battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD_HASH = QUICK.hash(PASSWORD)

Client = TestClient[web.Request, web.Application]


@dataclass
class StillClock:
    """Stands still until a test moves it."""

    now_ms: int = START_MS

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000


@dataclass
class NoRecorders:
    """Recorders that hold nothing and can do nothing."""

    stopped: list[str] = field(default_factory=list)

    @property
    def takes(self) -> dict[TakeId, str]:
        return {}

    async def connect(self, peer_id: PeerId, offer_sdp: str) -> Connected:
        raise WorkerUnavailable

    async def disconnect(self, peer_id: PeerId) -> None:
        pass

    async def arm(self, order: Arm) -> None:
        raise WorkerUnavailable

    async def stop_take(self, take_id: TakeId) -> None:
        self.stopped.append(take_id)


@dataclass
class Site:
    """A running server with the demo in it, and a browser without cookies."""

    client: Client
    app: web.Application
    folder: DataFolder
    clock: StillClock
    invitation: Invitation

    @property
    def link(self) -> str:
        return self.link_of(self.invitation)

    def link_of(self, invitation: Invitation) -> str:
        return f"/i/{links.link_token(self.folder.secret, invitation.id, invitation.generation)}"

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, **options)

    def cookies(self) -> dict[str, str]:
        """What the browser holds, by name."""
        return {cookie.key: cookie.value for cookie in self.client.session.cookie_jar}

    def forget_cookies(self) -> None:
        """Another browser, or the same one in a private window."""
        self.client.session.cookie_jar.clear()

    async def post(self, path: str, form: dict[str, str] | None = None, **options: Any) -> ClientResponse:
        return await self.client.post(path, data=form or {}, allow_redirects=False, **options)

    async def sign_in(self, email: str = demo.EMAIL, password: str = PASSWORD, wanted: str = "") -> ClientResponse:
        return await self.post("/sign-in", {"email": email, "password": password, "next": wanted})

    async def notice_ticked(self, link: str | None = None) -> dict[str, str]:
        """The form of the notice as it is shown now, ticked."""
        page = await (await self.get(f"{link or self.link}/notice")).text()
        hidden = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]+)">', page)
        return {**dict(hidden), "privacy": "yes"}

    async def accept_notice(self, link: str | None = None) -> None:
        response = await self.post(f"{link or self.link}/notice", await self.notice_ticked(link))
        assert response.status == 303

    async def fill_details(self, link: str | None = None) -> None:
        typed = {"name": "Robin Lindgren", "email": "robin@example.com", "phone": ""}
        response = await self.post(f"{link or self.link}/details", typed)
        assert response.status == 303

    async def start(self, invitation: Invitation | None = None) -> list[AnswerRow]:
        """From the notice to the interview, as a candidate does it."""
        chosen = invitation or self.invitation
        link = self.link_of(chosen)
        await self.accept_notice(link)
        await self.fill_details(link)
        response = await self.post(f"{link}/start")
        assert (response.status, response.headers["Location"]) == (303, f"{link}/interview")
        return (await self.interview(chosen)).answers

    async def interview(self, invitation: Invitation | None = None) -> interviews.Interview:
        async with self.app[DATABASE].read() as conn:
            return await interviews.load(conn, (invitation or self.invitation).id)

    async def keep_take(self, invitation: Invitation, answer: AnswerRow, content: bytes) -> TakeRow:
        """A draft with `content` as its file, a poster and a waveform, as a recorder leaves them."""
        folder = self.app[RECORDINGS].folder(invitation.id)
        take_id = new_id(self.clock.now_ms)
        files = {"webm": content, "jpg": b"\xff\xd8picture", "waveform.json": b'{"step_ms":100,"levels":[1]}'}
        for ending, body in files.items():
            (folder / f"{take_id}.{ending}").write_bytes(body)
        async with self.app[DATABASE].write() as conn:
            take = await interviews.add_take(conn, take_id=take_id, answer_id=answer.id, now_ms=self.clock.now_ms)
            kept = replace(
                take,
                state=TakeState.KEPT,
                started_at_ms=self.clock.now_ms,
                ended_at_ms=self.clock.now_ms + 7000,
                verdict="good",
                file=f"{take_id}.webm",
                media_type="video/webm",
                size_bytes=len(content),
                duration_ms=7000,
                sha256=hashlib.sha256(content).hexdigest(),
                poster=f"{take_id}.jpg",
                waveform=f"{take_id}.waveform.json",
            )
            assert await interviews.save_take(conn, kept, TakeState.COUNTDOWN)
            draft = replace(answer, state=AnswerState.DRAFT, take_id=take_id, attempts_used=1)
            assert await interviews.save(conn, draft, from_revision=answer.revision)
        return kept

    async def complete(self, invitation: Invitation | None = None) -> list[TakeRow]:
        """The whole way: two answers sent, the third missed."""
        chosen = invitation or self.invitation
        answers = await self.start(chosen)
        takes = [await self.keep_take(chosen, answer, b"0123456789" * 100) for answer in answers[:2]]
        async with self.app[DATABASE].write() as conn:
            missed = replace(answers[2], state=AnswerState.MISSED, attempts_used=2)
            assert await interviews.save(conn, missed, from_revision=answers[2].revision)
            await interviews.write_ledger(conn, answer_id=answers[2].id, at_ms=self.clock.now_ms, kind="missed")
            assert await invitations.complete(conn, chosen.id, self.clock.now_ms)
        return takes

    async def invite(self, *, name: str = "Kim Ek", expires_at_ms: int | None = None) -> Invitation:
        """Another candidate, to the same job and template."""
        first, now_ms = self.invitation, self.clock.now_ms
        async with self.app[DATABASE].write() as conn:
            version = await templates.version(conn, first.version_id)
            job = await jobs.create(conn, organisation_id=first.organisation_id, title="Porter", now_ms=now_ms)
            await templates.attach(conn, version.template_id, job.id)
            candidate = await candidates.create(
                conn,
                organisation_id=first.organisation_id,
                name=name,
                email=f"{new_id()}@example.com",
                now_ms=now_ms,
            )
            application = await candidates.apply(conn, candidate.id, job.id, now_ms=now_ms)
            invitation_id = new_id(now_ms)
            return await invitations.create(
                conn,
                invitation_id=invitation_id,
                organisation_id=first.organisation_id,
                application_id=application.id,
                version_id=first.version_id,
                token_sha256=links.token_sha256(links.link_token(self.folder.secret, invitation_id, 1)),
                expires_at_ms=expires_at_ms,
                now_ms=now_ms,
            )

    async def another_organisations_recruiter(self) -> str:
        """Their e-mail address; the password is PASSWORD."""
        async with self.app[DATABASE].write() as conn:
            other = await found(
                conn,
                name="Elsewhere",
                contact_name="Eli",
                contact_email="eli@elsewhere.example",
                zone="UTC",
                now_ms=self.clock.now_ms,
            )
            made = await users.create(
                conn,
                organisation_id=other.id,
                email="eli@elsewhere.example",
                name="Eli",
                role=Role.RECRUITER,
                password_hash=PASSWORD_HASH,
                now_ms=self.clock.now_ms,
            )
        return made.email


def text_of(html: str) -> str:
    """What a page says, without its tags, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
