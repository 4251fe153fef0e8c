"""Takes that a dead process left, at whatever step: settled once, and never while someone holds them."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recorder import facts as take_facts
from recorder import finish as finish_module
from recorder.chain import Chain, Link, Tip
from recorder.finish import finish, read_result
from recorder.media_file import read_back
from recorder.messages import EndReason, TakeId, Verdict
from recorder.mux import Mux, Writer
from recorder.part import PartBusy, PartLock, journal_path, part_path, sync_folder
from recorder.recovery import recover, recover_take
from recorder.verify import verify
from tests.recorder.encoded_media import decode_strictly
from tests.recorder.test_finish import facts_of, names, part_with
from tests.recorder.test_mux import CODECS, TAKE, feed, order_for


def test_a_part_that_is_held_is_left_alone(tmp_path: Path) -> None:
    closed = part_with(tmp_path / "a", "vp8")
    assert recover(tmp_path) == []
    with pytest.raises(PartBusy):
        recover_take(tmp_path / "a", TAKE)
    assert recover_take(tmp_path / "a", TakeId("nothing")) is None
    assert names(tmp_path / "a") == {"take-1.part", "take-1.journal.json", "take-1.reserve"}
    assert closed.lock
    closed.lock.release()
    (result,) = recover(tmp_path)
    assert (result.recovered, result.end_reason) == (True, EndReason.WORKER_DIED)
    assert (result.verdict, result.reasons) == (Verdict.USABLE, ["recovered"])
    assert result.started_unix_ms == 1_700_000_000_000
    assert recover(tmp_path) == []
    assert recover_take(tmp_path / "a", TAKE) == result


def test_leftovers_go_and_strangers_stay(tmp_path: Path) -> None:
    for name in ("gone.copy.tmp", "gone.json.tmp", "notes.txt", "take-9.json"):
        (tmp_path / name).write_bytes(b"x")
    closed = part_with(tmp_path, "vp8")
    (tmp_path / "take-1.copy.tmp").write_bytes(b"being written")
    assert recover(tmp_path) == []
    assert names(tmp_path) >= {"notes.txt", "take-9.json", "take-1.copy.tmp"}
    assert not names(tmp_path) & {"gone.copy.tmp", "gone.json.tmp"}
    assert closed.lock
    closed.lock.release()
    assert len(recover(tmp_path)) == 1
    assert not [name for name in names(tmp_path) if name.endswith(".tmp")]


def test_a_take_that_died_before_its_first_frame_leaves_nothing(tmp_path: Path) -> None:
    journal_path(tmp_path, TAKE).write_text('{"take_id": "take-1"}')
    assert recover(tmp_path) == []
    PartLock.create(part_path(tmp_path, TAKE)).release()
    journal_path(tmp_path, TAKE).write_text('{"take_id": "take-1"}')
    assert recover(tmp_path) == []
    assert names(tmp_path) == set()


def test_a_part_without_a_journal_is_recovered_all_the_same(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "h264")
    assert closed.lock
    closed.lock.release()
    journal_path(tmp_path, TAKE).unlink()
    (result,) = recover(tmp_path)
    assert (result.file, result.video_frames) == ("take-1.mp4", 150)


def test_a_part_of_rubbish_is_a_failed_take(tmp_path: Path) -> None:
    part_path(tmp_path, TAKE).write_bytes(b"rubbish" * 999)
    (result,) = recover(tmp_path)
    assert (result.verdict, result.reasons, result.file) == (Verdict.FAILED, ["unreadable"], "")
    assert recover(tmp_path) == []


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_part_is_settled_or_left_and_never_stops_recovery(
    tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    closed = part_with(tmp_path / "origin", codec, lambda mux: feed(mux, codec, 45))
    assert closed.lock
    closed.lock.release()
    raw = part_path(tmp_path / "origin", TAKE).read_bytes()
    dice, readable = random.Random(3), 0
    for number in range(60):
        damaged = bytearray(raw)
        for _ in range(dice.choice((1, 3, 20, 200))):
            # The headers are where a flipped byte hurts.
            damaged[dice.randrange(min(len(raw), dice.choice((600, 3_000, len(raw)))))] = dice.randrange(256)
        if dice.random() < 0.3:
            at = dice.randrange(len(raw) - 4096)
            damaged[at : at + 4096] = bytes(4096)
        folder = tmp_path / str(number)
        folder.mkdir()
        part_path(folder, TAKE).write_bytes(damaged)
        (result,) = recover(folder)
        readable += bool(result.file)
        assert names(folder) >= {"take-1.json", result.file or "take-1.unreadable"}
        assert recover(folder) == []
    assert readable > 20
    assert "cannot be recovered" not in caplog.text


def test_media_without_a_sidecar_gets_one_where_it_lies(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "h264")
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock)
    (tmp_path / "take-1.json").unlink()
    (tmp_path / "stranger.mp4").write_bytes(b"not ours")
    inode = (tmp_path / result.file).stat().st_ino
    (again,) = recover(tmp_path)
    assert (again.file, again.sha256, again.reasons) == (result.file, result.sha256, ["recovered"])
    assert (tmp_path / result.file).stat().st_ino == inode
    assert (tmp_path / "stranger.mp4").read_bytes() == b"not ours"
    assert recover(tmp_path) == []


def test_a_power_cut_that_takes_the_new_names_back_makes_no_second_link(tmp_path: Path) -> None:
    closed = part_with(tmp_path, "vp8", lambda mux: feed(mux, "vp8", 45))
    result = finish(tmp_path, TAKE, facts_of(closed), closed.lock, chain=Chain(tmp_path))
    (tmp_path / result.file).rename(tmp_path / "take-1.part")
    (tmp_path / "take-1.json").rename(tmp_path / "take-1.reserve")
    journal_path(tmp_path, TAKE).write_text('{"codec": "vp8"}')
    assert recover(tmp_path) == [result]
    report = verify(tmp_path)
    assert (report.findings, report.links) == ([], 1)
    assert names(tmp_path) == {result.file, result.poster, result.waveform, "take-1.json", "chain.jsonl"}


def test_the_recording_has_its_name_for_good_before_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_append, real_sync = Tip.append, sync_folder
    closed = part_with(tmp_path, "vp8", lambda mux: feed(mux, "vp8", 45))

    def sync(folder: Path) -> None:
        done.append("synced" if (folder / "take-1.webm").exists() else "")
        real_sync(folder)

    def append(tip: Tip, link: Link) -> None:
        done.append("linked")
        real_append(tip, link)

    monkeypatch.setattr(finish_module, "sync_folder", sync)
    monkeypatch.setattr(Tip, "append", append)
    finish(tmp_path, TAKE, facts_of(closed), closed.lock, chain=Chain(tmp_path))
    assert done[:2] == ["synced", "linked"]


@pytest.mark.parametrize("codec", CODECS)
def test_a_part_cut_at_any_byte_plays_to_its_end(tmp_path: Path, codec: str) -> None:
    """What a kill or a power cut leaves: the file of a running take, up to any byte."""
    writer = Writer()  # never started: what its thread would do is done here, to the last byte
    mux = Mux(writer, order_for(tmp_path, codec))
    feed(mux, codec, 150)
    mux.write_pending()
    running = part_path(tmp_path, TAKE).read_bytes()
    mux.discard()
    assert mux.finish()
    mux.settle()
    assert len(running) > 200_000
    previous = 0
    for step in range(24):
        folder = tmp_path / str(step)
        folder.mkdir()
        cut = len(running) * (step + 1) // 24 - step % 3
        part_path(folder, TAKE).write_bytes(running[:cut])
        results = recover(folder)
        if not results or not results[0].file:
            assert previous == 0
            continue
        (result,) = results
        assert decode_strictly(folder / result.file)["video"] == result.video_frames
        assert result.video_frames >= previous
        assert read_back(folder / result.file).intact
        previous = result.video_frames
    assert previous >= 90


CRASH = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from recorder.recovery import recover
remaining = 0
def deadly(real):
    def call(*args, **kwargs):
        global remaining
        if str(args[0]).startswith({folder!r}) or isinstance(args[0], int):
            if not remaining:
                os.kill(os.getpid(), signal.SIGKILL)
            remaining -= 1
        return real(*args, **kwargs)
    return call
for name in ("open", "rename", "unlink", "fsync", "pwrite", "fdatasync"):
    setattr(os, name, deadly(getattr(os, name)))
for line in sys.stdin:
    child = os.fork()
    if not child:
        remaining = int(line)
        recover(Path({folder!r}, line.strip()))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("clean", [True, False])
def test_a_crash_at_any_step_of_finishing_is_recovered_from(tmp_path: Path, codec: str, clean: bool) -> None:
    """SIGKILL before the nth call that changes the disk, for every n; then recovery."""
    closed = part_with(tmp_path / "origin", codec, lambda mux: feed(mux, codec, 45))
    assert closed.lock
    closed.lock.release()
    if clean:
        # As after finish had written what it knows: then nothing needs copying.
        facts = take_facts.to_json(replace(facts_of(closed), clock_ms=1_500))
        journal_path(tmp_path / "origin", TAKE).write_text(json.dumps({"facts": facts}))
    program, status, died = CRASH.format(root=str(Path.cwd()), folder=str(tmp_path)), -9, 0
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forker:
        assert forker.stdin
        assert forker.stdout
        while status:
            folder = tmp_path / str(died)
            folder.mkdir()
            for path in (tmp_path / "origin").iterdir():
                (folder / path.name).write_bytes(path.read_bytes())
            print(died, file=forker.stdin, flush=True)
            status = int(forker.stdout.readline())
            assert status in (0, -9)
            recover(folder)
            result = read_result(folder, TAKE)
            assert result is not None
            assert (result.video_frames, result.recovered) == (45, True)
            assert decode_strictly(folder / result.file)["video"] == 45
            assert hashlib.sha256((folder / result.file).read_bytes()).hexdigest() == result.sha256
            assert names(folder) == {result.file, result.poster, result.waveform, "take-1.json", "chain.jsonl"} - {""}
            assert recover(folder) == []
            assert verify(folder).findings == []
            died += status == -9
        forker.stdin.close()
    assert died > 10
