"""Real workers in real processes under real load, and what is left when they are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.messages import Verdict
from recorder.sidecar import read_result
from recorder.verify import verify
from tests.bench import measure
from tests.bench.compare import recorded_frames, seconds_played
from tests.bench.measure import front, load, post, state, until, whip_url
from tests.ports import free_port

WHIP = "tests.bench.whip"
A_SECOND_BYTES = 190_000


@contextlib.contextmanager
def sending(port: int, streams: int, seconds: int) -> Iterator[None]:
    """loadgen in the background, from START on."""
    with measure.sending(whip_url(port), streams, seconds) as run:
        run.started()
        yield


def grown(folder: Path, size_bytes: int) -> bool:
    """Whether every take that is being written has reached this size."""
    found = parts(folder)
    return bool(found) and all(part.stat().st_size >= size_bytes for part in found)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "recordings").glob("*/*.part"))


@pytest.mark.parametrize("streams", [4])
def test_not_one_frame_is_missing_of_what_was_sent(tmp_path: Path, streams: int) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port) as (_, pid):
        sent = load([pid], whip_url(port), streams, 3)
        answer = post(port, "/finish")
    takes = answer["takes"]
    assert [take["verdict"] for take in takes] == ["good"] * streams
    assert sum(take["video_frames"] for take in takes) == sent.video_sent
    files = [tmp_path / "recordings" / take["take_id"] / take["file"] for take in takes]
    assert sum(recorded_frames(path) for path in files) == sent.video_sent
    assert answer["counters"]["frames"] == sent.video_sent
    assert answer["counters"]["errors"] == 0
    assert parts(tmp_path) == []


def test_a_killed_worker_is_restarted_and_its_takes_are_recovered(tmp_path: Path) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port) as (_, pid), sending(port, 2, 30):
        until(lambda: len(parts(tmp_path)) == 2, 10, "two takes are being written")
        began = time.monotonic()
        until(lambda: grown(tmp_path, 3 * A_SECOND_BYTES), 15, "three seconds of them")
        os.kill(pid, signal.SIGKILL)
        elapsed_s = time.monotonic() - began
        until(lambda: not parts(tmp_path), 10, "both are recovered")
        takes = post(port, "/finish")["takes"]
        assert [take["recovered"] for take in takes] == [True, True]
        for take in takes:
            assert take["verdict"] != str(Verdict.FAILED)
            path = tmp_path / "recordings" / take["take_id"] / take["file"]
            assert seconds_played(path) >= elapsed_s - 1.5
            assert recorded_frames(path) == take["video_frames"]
        report = verify(tmp_path)
        assert (report.findings, report.takes) == ([], 2)
    with front(WHIP, tmp_path, port) as (_, again):
        assert again != pid


def test_workers_go_on_without_their_server_and_the_next_server_adopts_them(tmp_path: Path) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port, "--workers", "2") as (process, _), sending(port, 2, 30):
        until(lambda: len(parts(tmp_path)) == 2, 10, "two takes are being written")
        before = state(port)
        assert {take["worker"] for take in before["takes"].values()} == {0, 1}
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        alone_from = max(part.stat().st_size for part in parts(tmp_path))
        until(lambda: grown(tmp_path, alone_from + 2 * A_SECOND_BYTES), 15, "two seconds alone")
        with front(WHIP, tmp_path, port, "--workers", "2"):
            after = state(port)
            assert after["pids"] == before["pids"]
            assert {take_id: take["worker"] for take_id, take in after["takes"].items()} == {
                take_id: take["worker"] for take_id, take in before["takes"].items()
            }
            takes = post(port, "/finish")["takes"]
        assert len(takes) == 2
        for take in takes:
            assert (take["verdict"], take["recovered"], take["end_reason"]) == ("good", False, "stopped")
            assert take["duration_ms"] >= 2000
            assert recorded_frames(tmp_path / "recordings" / take["take_id"] / take["file"]) == take["video_frames"]


def test_a_server_that_stops_in_order_keeps_the_running_takes(tmp_path: Path) -> None:
    port = free_port()
    with front(WHIP, tmp_path, port), sending(port, 1, 30):
        until(lambda: len(parts(tmp_path)) == 1, 10, "a take is being written")
        until(lambda: grown(tmp_path, 2 * A_SECOND_BYTES), 15, "two seconds of it")
        (part,) = parts(tmp_path)
    assert parts(tmp_path) == []
    result = read_result(part.parent, part.stem)  # type: ignore[arg-type]
    assert result is not None
    assert (str(result.verdict), str(result.end_reason)) == ("good", "abandoned_by_server")
    assert verify(tmp_path).findings == []
