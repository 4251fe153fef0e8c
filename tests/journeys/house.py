"""A real server in a process of its own, on data of its own; and who lives in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import candidates, invitations, jobs, templates, users
from storage.database import Database
from storage.ids import new_id
from storage.states import Role
from tests.ports import free_port
from web import links, passwords
from web.data_folder import open_folder
from web.founding import found

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.1
"""A look into a page costs four processes some 6 ms; the browser that is looked at has a picture to encode."""
EMAIL, PASSWORD = "pat@example.com", "a long enough password"
ZONE = "Europe/Helsinki"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a template. `retakes` None is unlimited."""

    text: str
    think_s: int = 0
    limit_s: int = 60
    retakes: int | None = 1
    required: bool = True


@dataclass(frozen=True, slots=True)
class Invited:
    """A candidate with a link; `token` is the last part of it."""

    id: str
    token: str
    name: str

    @property
    def path(self) -> str:
        return f"/i/{self.token}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of the condition. Fails after `seconds`, naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(LOOK_EVERY_S)
    return found


class House:
    """`start` and `kill` as often as you like; the data stays."""

    def __init__(self, folder: Path, *, codecs: Sequence[str] = ("h264", "vp8"), prefix: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.udp_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._prefix = list(prefix)
        self.settings: dict[str, str] = {
            "listen_port": str(self.port),
            "udp_port": str(self.udp_port),
            "data_dir": f'"{self.data}"',
            "advertised_ips": '["127.0.0.1"]',
            "video_codecs": "[" + ", ".join(f'"{codec}"' for codec in codecs) + "]",
            "min_free_disk_bytes": "1000000",
        }
        self._opened = open_folder(self.data)
        self._organisation = ""

    # The process.

    def start(self) -> None:
        config = self.folder / "config.toml"
        config.write_text("".join(f"{key} = {value}\n" for key, value in self.settings.items()))
        program = ["web.cli", "serve", "--config", str(config)]
        if self._shift.exists():
            program = ["tests.journeys.shifted", str(config), str(self._shift)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", *program],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(self._answers, START_TIMEOUT_S, f"the server answers; its log:\n{self.log.read_text()[-2000:]}")

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log.read_text()[-3000:]
        return b"is running" in self.log.read_bytes()[self._mark :]

    @property
    def _shift(self) -> Path:
        return self.folder / "clock_shift_ms"

    def put_clock_forward(self, by_ms: int) -> None:
        """The server's wall clock, from now on. Call it once before `start`, with 0 if you like, and again at will."""
        fresh = self._shift.with_suffix(".new")
        fresh.write_text(str(by_ms))
        fresh.replace(self._shift)

    _mark = 0

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def kill(self) -> None:
        """SIGKILL of the web process alone."""
        assert self.process is not None
        self._mark = self.log.stat().st_size
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self) -> None:
        """All of it at once, when a test is over."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.workers(), 10, "the workers are gone")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until(lambda: not self.workers(), 30, "the workers are gone")

    def workers(self) -> list[int]:
        """The process ids of the recorder workers of this house."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"recorder.control" in command and str(self.data).encode() in command:
                    found.append(int(entry.name))
        return found

    # Who lives here.

    def furnish(self, *asks: Ask, details: bool = False) -> Invited:
        """An organisation with a recruiter, a published template of these questions, and one invited candidate."""
        with ThreadPoolExecutor(1) as aside:  # this thread's loop is the browser driver's
            return aside.submit(asyncio.run, self._furnish(asks, details)).result()

    def settle_in(self) -> None:
        """An organisation with a recruiter, and nothing else."""
        with ThreadPoolExecutor(1) as aside:
            aside.submit(asyncio.run, self._alone()).result()

    async def _alone(self) -> None:
        database = Database(self._opened.database)
        await database.open()
        try:
            await database.migrate()
            async with database.write() as conn:
                await self._organised(conn)
        finally:
            await database.close()

    async def _organised(self, conn: AsyncConnection) -> str:
        if not self._organisation:
            made = await found(
                conn, name="Meadow Studio", contact_name="Alex Berg", contact_email="hiring@example.com",
                zone=ZONE, now_ms=now_ms(),
            )  # fmt: skip
            self._organisation = made.id
            await users.create(
                conn, organisation_id=made.id, email=EMAIL, name="Pat Recruiter", role=Role.RECRUITER,
                password_hash=passwords.hashed(PASSWORD), now_ms=now_ms(),
            )  # fmt: skip
        return self._organisation

    async def _furnish(self, asks: Sequence[Ask], details: bool) -> Invited:
        database = Database(self._opened.database)
        await database.open()
        try:
            await database.migrate()
            async with database.write() as conn:
                organisation = await self._organised(conn)
                job = await jobs.create(conn, organisation_id=organisation, title="Gardener", now_ms=now_ms())
                version = await templates.create(
                    conn, organisation_id=organisation, name="First conversation",
                    introduction="Thank you for your interest.\n\nTake your time.",
                    details_fields=({"name": "name", "label": "Full name", "required": True, "kind": "text"},)
                    if details else (),
                    now_ms=now_ms(),
                )  # fmt: skip
                for ask in asks:
                    await templates.add_question(
                        conn, version.id, text=ask.text, think_s=ask.think_s, limit_s=ask.limit_s,
                        retakes=ask.retakes, required=ask.required, now_ms=now_ms(),
                    )  # fmt: skip
                await templates.publish(conn, version.id, now_ms())
                await templates.attach(conn, version.template_id, job.id)
                name = f"Robin {new_id(now_ms())[-6:]}"
                candidate = await candidates.create(
                    conn, organisation_id=organisation, name=name, email=f"{name.split()[1]}@example.com",
                    now_ms=now_ms(),
                )  # fmt: skip
                application = await candidates.apply(conn, candidate_id=candidate.id, job_id=job.id, now_ms=now_ms())
                invitation_id = new_id(now_ms())
                token = links.link_token(self._opened.secret, invitation_id, 1)
                await invitations.create(
                    conn, invitation_id=invitation_id, organisation_id=organisation, application_id=application.id,
                    version_id=version.id, token_sha256=links.token_sha256(token), expires_at_ms=None,
                    now_ms=now_ms(),
                )  # fmt: skip
            return Invited(invitation_id, token, name)
        finally:
            await database.close()

    # What came of it.

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """A look into the database beside the running server."""
        with sqlite3.connect(f"file:{self._opened.database}?mode=ro", uri=True, timeout=10) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()

    def files(self, suffix: str) -> list[Path]:
        return sorted(self._opened.recordings.rglob(f"*{suffix}"))
