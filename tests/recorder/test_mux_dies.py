"""A writing process that runs into a full disk, or is killed: real processes, in real time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.recovery import recover, recover_take
from tests.recorder.encoded_media import (
    decode_strictly,
    packets_in,
)
from tests.recorder.test_mux import CODECS, TAKE


@pytest.mark.parametrize("codec", CODECS)
def test_a_full_disk_is_a_fault_and_what_was_written_plays(tmp_path: Path, codec: str) -> None:
    program = FULL_DISK.format(root=str(Path.cwd()), folder=str(tmp_path), codec=codec)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    fault, frames = run.stdout.split()
    assert fault == "disk_full"
    assert int(frames) > 100
    result = recover_take(tmp_path, TAKE)
    assert result is not None
    assert result.file
    assert decode_strictly(tmp_path / result.file)["video"] == result.video_frames > 60


# A limit on the file size stands in for the disk's: write() fails in libav in the same way.
FULL_DISK = """
import resource, signal, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from recorder.mux import Mux, Writer
from tests.recorder.test_mux import feed, order_for
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Writer(0.01, 0.05)
writer.start()
mux = Mux(writer, order_for(Path({folder!r}), {codec!r}))
feed(mux, {codec!r}, 150)
deadline = time.monotonic() + 10
while mux._pending and time.monotonic() < deadline:
    time.sleep(0.01)
size = (Path({folder!r}) / "take-1.part").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000, resource.RLIM_INFINITY))
feed(mux, {codec!r}, 600, first=150)
result = mux.close().result(10)
assert writer.close()
print(result.fault, result.written.video_frames)
"""


LIVE = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from recorder.mux import Mux, Writer
from tests.recorder.encoded_media import FRAME_US
from tests.recorder.test_mux import feed, order_for
writer = Writer()
writer.start()
mux = Mux(writer, order_for(Path({folder!r}), {codec!r}))
feed(mux, {codec!r}, 1)
began = time.monotonic()
at = 1
while True:
    while at * FRAME_US < (time.monotonic() - began) * 1e6:
        feed(mux, {codec!r}, 1, first=at)
        at += 1
    print(at * FRAME_US, mux.safe_us, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kill_after_us", [2_300_000, 3_900_000])
def test_bug_08_after_a_crash_all_but_1_5_s_is_readable(tmp_path: Path, codec: str, kill_after_us: int) -> None:
    program = LIVE.format(root=str(Path.cwd()), folder=str(tmp_path), codec=codec)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        recorded_us = safe_us = 0
        for line in process.stdout:
            recorded_us, safe_us = map(int, line.split())
            if recorded_us >= kill_after_us:
                break
        assert recover(tmp_path) == []  # it lives, and holds its lock
        process.send_signal(signal.SIGKILL)
        tail = process.stdout.read().split()
    if tail:
        recorded_us = int(tail[-2])
    (result,) = recover(tmp_path)
    assert result.recovered
    assert result.duration_ms * 1000 >= recorded_us - 1_500_000
    assert result.duration_ms * 1000 >= safe_us
    media = tmp_path / result.file
    assert decode_strictly(media)["video"] == result.video_frames
    assert packets_in(media, "video")[0][2]
    assert recover(tmp_path) == []
