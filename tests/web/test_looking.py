"""Each kept take is looked at once, moments later, and what was found reaches who reviews it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from recorder.look import Look, from_json
from storage import interviews
from storage.interviews import TakeRow
from storage.schema import takes
from tests.recorder.test_look import heard, recorded, seen, still, tone
from tests.web.review_world import page
from tests.web.world import Site
from web import looking
from web.keys import DATABASE, HUB, NOW_MS, RECORDINGS
from web.looking import Looker, looked


def looker(site: Site) -> Looker:
    return Looker(site.app[DATABASE], site.app[RECORDINGS], site.app[NOW_MS], site.app[HUB].changed)


async def read(site: Site, take: TakeRow) -> TakeRow:
    async with site.app[DATABASE].read() as conn:
        found = await interviews.take_with_invitation(conn, take.id)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A recording without a sound, and of one picture."""
    return recorded(tmp_path_factory.mktemp("silent"), heard(tone(0.0)), seen(still)).read_bytes()


async def test_what_a_look_finds_is_beside_the_verdict_on_the_review_page(site: Site, silent: bytes) -> None:
    first, second = await site.complete()
    path = site.app[RECORDINGS].path(site.invitation.id, first.file)
    path.write_bytes(silent)
    await site.sign_in()
    before = await page(site)
    assert "Nothing is to be heard." not in before
    assert before.count("is still being checked") == 2
    assert await looker(site).look_at_all() == 2
    found = await read(site, first)
    assert (found.verdict, found.reasons) == ("usable", ["silent", "identical"])
    assert found.sidecar["look"]["heard_ms"] == 0
    written = from_json(path.with_name(f"{first.id}.look.json").read_bytes())
    assert written is not None and written.reasons == ["silent", "identical"]
    shown = await page(site)
    assert "Nothing is to be heard." in shown
    assert "The picture stands still" in shown
    assert "Recording is usable" in shown
    assert "is still being checked" not in shown
    broken = await read(site, second)  # ten digits a hundred times: no recording, and its verdict is as it was
    assert (broken.verdict, broken.reasons, broken.sidecar["look"]["problem"]) == ("good", [], "Unreadable")
    assert await looker(site).look_at_all() == 0


async def test_what_a_look_finds_is_told_to_the_page_that_is_open(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = await site.start()
    await site.keep_take(site.invitation, answers[0], b"0123456789" * 100)

    async def quick(_: Path) -> Look:
        return Look(["silent"])

    async def told(socket: Any) -> tuple[str, list[str]]:
        shown = (await socket.receive_json(timeout=10))["questions"][0]["take"]
        return shown["verdict"], shown["reasons"]

    monkeypatch.setattr(looking, "looked", quick)
    async with site.client.ws_connect(f"{site.link}/live") as socket:
        await socket.send_json({"type": "hello", "tab": "0123456789abcdef"})
        assert await told(socket) == ("good", [])
        async with asynccontextmanager(looking.looking)(site.app):
            assert await told(socket) == ("usable", ["silent"])


async def test_a_look_that_was_cut_off_is_made_at_the_next_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    take, _ = await site.complete()
    begun = asyncio.Event()

    async def for_ever(path: Path) -> Look:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    with monkeypatch.context() as stopped:
        stopped.setattr(looking, "looked", for_ever)
        task = asyncio.create_task(looker(site).run())
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await read(site, take)).reasons == []

    async def quick(_: Path) -> Look:
        return Look(["silent"])

    monkeypatch.setattr(looking, "looked", quick)
    assert await looker(site).look_at_all() == 2
    assert (await read(site, take)).reasons == ["silent"]


async def test_a_take_discarded_meanwhile_gets_no_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    take, _ = await site.complete()
    path = site.app[RECORDINGS].path(site.invitation.id, take.file)

    async def deleted(_: Path) -> Look:
        path.unlink(missing_ok=True)
        return Look(["silent"])

    monkeypatch.setattr(looking, "looked", deleted)
    await looker(site).look_at_all()
    assert not path.with_name(f"{take.id}.look.json").exists()
    async with site.app[DATABASE].read() as conn:
        assert await conn.scalar(select(takes.c.looked_at_ms).where(takes.c.id == take.id))


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), ValueError("a defect")])
async def test_a_look_that_cannot_be_noted_holds_up_no_other_and_is_not_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    first, second = await site.complete()

    seen_at: list[str] = []

    async def quick(path: Path) -> Look:
        seen_at.append(path.stem)
        return Look(["black"])

    def full(folder: Path, take_id: str, *_: object) -> None:
        if take_id == first.id:
            raise trouble

    monkeypatch.setattr(looking, "looked", quick)
    looks = looker(site)
    with monkeypatch.context() as small:
        small.setattr(looking, "write_look", full)
        assert (await looks.look_at_all(), looks.left) == (1, 1)
        assert (await looks.look_at_all(), looks.left) == (0, 2)
    assert [(await read(site, take)).reasons for take in (first, second)] == [[], ["black"]]
    assert await looks.look_at_all() == 1
    assert (await read(site, first)).reasons == ["black"]
    assert sorted(seen_at) == sorted([first.id, second.id]), "each is looked at once, however often it is noted"


async def test_a_look_that_is_told_in_parts_is_heard_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parts(asyncio.StreamReader):
        """Gives what has come so far, as a pipe does."""

        async def read(self, n: int = -1) -> bytes:
            return await super().read(min(n, 7))

    class Process:
        stdout, returncode = Parts(), 0

        async def wait(self) -> int:
            return 0

    async def started(*_: object, **__: object) -> Process:
        return Process()

    Process.stdout.feed_data(json.dumps(asdict(Look(["silent"], heard_ms=0))).encode())
    Process.stdout.feed_eof()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    assert await looked(Path("take-1.webm")) == Look(["silent"], heard_ms=0)


@pytest.mark.parametrize("problem", ["ended", "OSError"])
async def test_a_look_that_was_ended_from_outside_is_made_again_a_few_times(
    site: Site, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    take, _ = await site.complete()

    async def ended(_: Path) -> Look:
        return Look(problem=problem)

    monkeypatch.setattr(looking, "looked", ended)
    looks = looker(site)
    assert [await looks.look_at_all() for _ in range(looking.TRIES)] == [0] * (looking.TRIES - 1) + [2]
    assert looks.left == 2 * (looking.TRIES - 1)
    assert (await read(site, take)).sidecar["look"]["problem"] == problem


async def test_a_signal_to_the_look_is_told_from_what_the_look_does_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "take-1.webm")  # opened for reading, it waits for a writer
    real, code = asyncio.create_subprocess_exec, signal.SIGTERM

    async def signalled(*args: Any, **kwargs: Any) -> asyncio.subprocess.Process:
        process = await real(*args, **kwargs)
        process.send_signal(code)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", signalled)
    assert (await looked(tmp_path / "take-1.webm")).problem == "ended"
    code = signal.SIGKILL
    assert (await looked(tmp_path / "take-1.webm")).problem == "exit code -9"


async def test_a_look_that_never_ends_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "take-1.webm")  # opened for reading, it waits for a writer
    look = await looked(tmp_path / "take-1.webm", timeout_s=1.0)
    assert look.problem == "timeout"
