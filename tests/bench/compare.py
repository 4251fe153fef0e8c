"""What is in a file beside what loadgen sent: every frame by its hash, every hole, every picture decoded."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from tests.bench.measure import loadgen_folder

FRAME_S = 1 / 30
FOREVER_MS = 1 << 40


class Corrupt(AssertionError):
    """The file holds what was not sent, or what cannot be shown."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one stream sent: `frames` are numbers in the looped file, `at_ms` when, from START on."""

    take_id: str
    frames: list[int]
    at_ms: list[int]


@dataclass(frozen=True, slots=True)
class Hole:
    """Frames that were sent in a row and are not in the file. `at_ms` is the first one's time, `until_ms`
    that of the first frame after them, both from START on; `in_file_ms` is where the file lacks them."""

    frames: int
    at_ms: int
    until_ms: int
    in_file_ms: int


@dataclass(frozen=True, slots=True)
class Compared:
    """`missing` are those of the frames that count."""

    missing: int
    holes: list[Hole]


def read_log(path: Path) -> list[Sent]:
    """Of loadgen's `-log`."""
    return [Sent(item["take"], item["frames"], item["at_ms"]) for item in json.loads(path.read_text())["streams"]]


def _packets(path: Path) -> list[tuple[bytes, bool, float]]:
    """The hash of every video packet, whether it is a key frame, and its time in seconds."""
    with av.open(str(path)) as container:
        return [
            (hashlib.sha256(bytes(packet)).digest(), packet.is_keyframe, float((packet.pts or 0) * packet.time_base))
            for packet in container.demux(video=0)
            if packet.size
        ]


@functools.cache
def sent_hashes() -> tuple[bytes, ...]:
    """The hash of every frame of the file that loadgen loops."""
    return tuple(found for found, _, _ in _packets(loadgen_folder() / "video.ivf"))


def recorded_frames(path: Path) -> int:
    """How many frames the file holds, each equal by hash to what loadgen sent in its place. Raises Corrupt."""
    found = [item for item, _, _ in _packets(path)]
    for index, (ours, theirs) in enumerate(zip(found, itertools.cycle(sent_hashes()), strict=False)):
        if ours != theirs:
            raise Corrupt(f"{path.name}: frame {index} is not the one that was sent")
    return len(found)


def compare(path: Path, sent: Sent, from_ms: int = 0, until_ms: int = FOREVER_MS) -> Compared:
    """Finds every frame of the file among those sent, in order. Frames sent outside the times given do not
    count as missing. Raises Corrupt, also for a frame that leans on one that is not there."""
    number_of = {digest: number for number, digest in enumerate(sent_hashes())}
    counts = [from_ms <= at_ms < until_ms for at_ms in sent.at_ms]
    holes: list[Hole] = []
    missing = at = 0
    before_ms = 0.0

    def hole(end: int) -> None:
        nonlocal missing
        if counted := sum(counts[at:end]):
            missing += counted
            holes.append(Hole(end - at, sent.at_ms[at], sent.at_ms[min(end, len(counts) - 1)], round(before_ms)))

    for index, (digest, key, time_s) in enumerate(_packets(path)):
        number = number_of.get(digest)
        if number is None:
            raise Corrupt(f"{path.name}: frame {index} was never sent")
        try:
            place = sent.frames.index(number, at)
        except ValueError:
            raise Corrupt(f"{path.name}: frame {index} is not in the order of what was sent") from None
        if place > at:
            if not key:
                raise Corrupt(f"{path.name}: frame {index} follows a hole and is no key frame")
            hole(place)
        at, before_ms = place + 1, time_s * 1000
    if at < len(counts):
        hole(len(counts))
    return Compared(missing, holes)


def seconds_played(path: Path) -> float:
    """Decodes every picture with errors fatal; where the last one ends. Raises Corrupt."""
    last = 0.0
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.options = {"err_detect": "explode"}
            for frame in container.decode(video=0):
                last = float(frame.time or 0)
    except av.FFmpegError as error:
        raise Corrupt(f"{path.name}: {error}") from error
    return last + FRAME_S


def recording(folder: Path, take: dict[str, Any]) -> Path:
    """The file of a take's result. Raises Corrupt when there is none."""
    if not take.get("file"):
        raise Corrupt(f"{take['take_id']}: no file: {take.get('reasons')}")
    return folder / "recordings" / str(take["take_id"]) / str(take["file"])


def sidecar(folder: Path, take_id: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "recordings" / take_id / f"{take_id}.json").read_text())
    return content
