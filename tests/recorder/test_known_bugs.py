"""The bugs that other recorders had. Each has one test of its own, named `test_bug_NN_…`; this finds them."""

from __future__ import annotations

import re
from pathlib import Path

BUGS = {
    1: "sound and picture start apart: a track is enabled 3 s late",
    2: "the first seconds are missing while waiting for a sender report",
    3: "drift over a long take",
    4: "garbage until the next key frame after a loss burst",
    5: "black start: the first key frame is lost",
    6: "the file is not seekable",
    7: "wrong duration: a timestamp jumps by 2^30",
    8: "unreadable after a crash",
    9: "a size change breaks the file",
    10: "sideways phone video",
    11: "blurred first seconds",
    12: "muted or DTX sound shortens the track",
    13: "a sender clock 11.1 times too fast",
    14: "a codec is accepted and never recorded",
    15: "a frozen sender splits or resets the file",
    16: "the sequence number wraps at 65535 under loss",
    17: "SPS and PPS in packets of their own",
    18: "several slices a picture",
    19: "the camera is swapped by replaceTrack",
    20: "a take of 30 minutes",
}


def test_each_known_bug_has_one_test() -> None:
    found: dict[int, list[str]] = {}
    for path in Path(__file__).parents[1].rglob("test_*.py"):
        for number in re.findall(r"^(?:async )?def test_bug_(\d\d)_", path.read_text(), re.MULTILINE):
            found.setdefault(int(number), []).append(path.name)
    assert {number: len(files) for number, files in found.items()} == dict.fromkeys(BUGS, 1), found
