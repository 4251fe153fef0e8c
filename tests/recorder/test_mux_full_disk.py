"""A disk that is really full: a small filesystem of its own, mounted by the test (which needs root, as CI has)."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.finish import finish
from recorder.messages import EndReason, TakeId, TakeResult, Verdict
from recorder.mux import Mux, MuxClosed, MuxFault, Writer
from recorder.part import PartLock, journal_path, part_path, reserve_path
from recorder.recovery import recover, recover_take
from recorder.sidecar import read_result
from tests.recorder.encoded_media import decode_strictly
from tests.recorder.test_finish import facts_of, names, part_with
from tests.recorder.test_mux import CODECS, TAKE, feed, order_for, until


def mount(*arguments: str) -> None:
    run = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if run.returncode:
        pytest.fail(f"this test needs a filesystem of its own, and mounting one was refused: {run.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Takes what room is left."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    assert not os.statvfs(disk).f_bavail
    return filler


def recorded_until_full(folder: Path, codec: str) -> MuxClosed:
    writer = Writer(0.01, 0.05)
    writer.start()
    mux = Mux(writer, order_for(folder, codec))
    for second in range(60):
        feed(mux, codec, 30, first=second * 30)
        until(lambda: not mux._pending)
        if mux.fault is not None:
            break
    closed = mux.close().result(10)
    assert writer.close()
    assert closed.fault is MuxFault.DISK_FULL
    return closed


def plays(folder: Path, result: TakeResult) -> None:
    """Every picture up to where the disk was full decodes; a fragment that was being written is cut."""
    assert result.video_frames > 150
    assert decode_strictly(folder / result.file, to_the_cut=True)["video"] == result.video_frames


@pytest.mark.parametrize("codec", CODECS)
def test_a_take_that_fills_the_disk_is_kept_and_described(small_disk: Path, codec: str) -> None:
    folder = small_disk / "a"
    closed = recorded_until_full(folder, codec)
    fill(small_disk)
    facts = replace(facts_of(closed), end_reason=EndReason.DISK_FULL, clock_ms=0)
    result = finish(folder, TAKE, facts, closed.lock)
    assert (result.verdict, result.end_reason) == (Verdict.USABLE, EndReason.DISK_FULL)
    assert "not_seekable" in result.reasons
    plays(folder, result)
    assert read_result(folder, TAKE) == result
    assert names(folder) == {result.file, "take-1.json"}
    assert recover(small_disk) == []


@pytest.mark.parametrize("codec", CODECS)
def test_a_sidecar_that_finds_no_room_is_made_by_recovery(
    small_disk: Path, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small_disk / "a"
    closed = recorded_until_full(folder, codec)
    reserve_path(folder, TAKE).unlink()
    filler = fill(small_disk)
    result = finish(folder, TAKE, replace(facts_of(closed), clock_ms=0), closed.lock)
    plays(folder, result)
    assert names(folder) == {result.file, "take-1.journal.json"}
    assert "recovery must describe it" in caplog.text

    (again,) = recover(small_disk)  # the disk is as full as before
    assert (again.file, again.sha256) == (result.file, result.sha256)
    assert names(folder) == {result.file, "take-1.journal.json"}

    filler.unlink()
    (later,) = recover(small_disk)
    assert (later.file, later.sha256, later.verdict) == (result.file, result.sha256, Verdict.USABLE)
    assert names(folder) == {result.file, "take-1.json", later.poster}
    assert read_result(folder, TAKE) == later
    assert recover(small_disk) == []


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_dead_worker_left_on_a_full_disk_is_recovered(small_disk: Path, codec: str) -> None:
    folder = small_disk / "a"
    closed = recorded_until_full(folder, codec)
    assert closed.lock
    closed.lock.release()
    fill(small_disk)
    result = recover_take(folder, TAKE)
    assert result
    plays(folder, result)
    assert read_result(folder, TAKE) == result


def test_a_take_for_whose_sidecar_there_is_no_room_ends_at_once(small_disk: Path) -> None:
    fill(small_disk)
    writer = Writer(0.01, 0.05)
    writer.start()
    mux = Mux(writer, order_for(small_disk, "vp8"))
    until(lambda: mux.fault is not None)
    closed = mux.close().result(10)
    assert writer.close()
    assert closed.fault is MuxFault.DISK_FULL
    if closed.lock:
        closed.lock.release()
    assert recover(small_disk) == []
    assert names(small_disk) == {"filler"}


def test_a_take_that_cannot_be_recovered_keeps_no_other_from_it(
    tmp_path: Path, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in (small_disk / "a", tmp_path / "zz"):
        closed = part_with(folder, "vp8")
        assert closed.lock
        closed.lock.release()
    mount("-o", "remount,ro", str(small_disk))
    (result,) = recover(tmp_path)
    assert result.file
    assert names(tmp_path / "zz") == {result.file, result.poster, "take-1.json"}
    assert "take-1 cannot be recovered now" in caplog.text
    lost = recover_take(small_disk / "a", TAKE)
    assert lost
    assert (lost.verdict, lost.file) == (Verdict.FAILED, "")
    assert part_path(small_disk / "a", TAKE).exists()
    mount("-o", "remount,rw", str(small_disk))
    (result,) = recover(tmp_path)
    assert result.video_frames == 150


def test_a_reserve_without_its_take_is_cleared(tmp_path: Path) -> None:
    reserve_path(tmp_path, TAKE).write_bytes(bytes(9))
    lock = PartLock.create(part_path(tmp_path, TakeId("empty")))
    lock.release()
    journal_path(tmp_path, TakeId("empty")).write_text("{}")
    reserve_path(tmp_path, TakeId("empty")).write_bytes(bytes(9))
    assert recover(tmp_path) == []
    assert names(tmp_path) == set()
