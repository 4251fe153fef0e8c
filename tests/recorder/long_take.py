"""Minutes of small frames through one `Mux`, as fast as they go; prints by how many bytes this process grew.

`python -m tests.recorder.long_take <codec> <minutes>`
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from recorder.messages import TakeId
from recorder.mux import Mux, Writer
from recorder.part_file import MuxOrder
from tests.recorder.encoded_media import FRAME_US, SOUND_US, sound, video


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def grown_bytes(folder: Path, codec: str, minutes: int) -> int:
    frames, packets = video(codec, 64, 64, count=30), sound()
    writer = Writer(0.02, 1.0)
    writer.start()
    mux = Mux(writer, MuxOrder(folder, TakeId("take-1"), codec, True, 1 << 33, 0, limit_ms=minutes * 60_000))
    began = heard = 0
    for second in range(minutes * 60):
        for index in range(second * 30, second * 30 + 30):
            payload, key = frames[index % 30]
            mux.video(payload, index * FRAME_US, key, 64, 64)
            while heard * SOUND_US <= index * FRAME_US:
                mux.audio(packets[heard % len(packets)], heard * SOUND_US)
                heard += 1
        while mux._pending:
            mux._writer.wake()
            time.sleep(0)
        if second == 60:
            began = resident_bytes()
    grown = resident_bytes() - began
    assert mux.fault is None
    mux.close().result(30)
    writer.close()
    return grown


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(grown_bytes(Path(place), sys.argv[1], int(sys.argv[2])))
