"""The second part of the verdict: what only decoding shows. A process of its own, of low priority and bounded means.

`python -m recorder.look <file>` decodes the sound and at most one key frame a second, judges whether anything is to be
heard and seen at all, and prints a `Look` as JSON. It judges the recording alone, never a person in it: no face, voice
or gaze. Whoever starts it kills it when it takes too long; a take that cannot be looked at is none the worse.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from array import array
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from pydantic import TypeAdapter, ValidationError

from recorder.chain import Chain, ChainError
from recorder.frames import PIXELS_LIMIT
from recorder.media_file import Unreadable, opened
from recorder.messages import TakeId
from recorder.part import json_line, sync_folder, write_whole
from recorder.verdict import Reason

VERSION: Final = 1
NICE: Final = 10
CPU_LIMIT_S: Final = 120
MEMORY_LIMIT_BYTES: Final = 1 << 30
OUTPUT_LIMIT_BYTES: Final = 64 * 1024

SOUND_LIMIT_S: Final = 2 * 3600
PICTURE_EVERY_S: Final = 1.0
PICTURES_LIMIT: Final = 240
"""They are spread over the take: a picture costs as much as a second of sound."""
_RATE: Final = 48_000
_BLOCK: Final = _RATE // 50

HEARD_PEAK: Final = 164
"""Of 32768, -46 dB: what a quiet voice reaches and the noise of an open microphone does not."""
HEARD_S: Final = 0.5
"""Less sound than that in a take is silence: a click, a chair."""
FULL_PEAK: Final = 32_700
FULL_SAMPLES: Final = _BLOCK // 50
"""Of a block whose tops are cut off. A limiter that brings a voice to full level leaves few, and those by the codec."""
CLIPPED_SHARE: Final = 0.05
"""Of the blocks in which something is heard; a laugh clips one now and then."""
_WIDE, _TALL = 32, 18
BLACK_MEAN: Final = 24
BLACK_PEAK: Final = 48
"""Luma; black is 16."""
BLACK_SHARE: Final = 0.5
SAME_STEP: Final = 1
"""By so much the same picture, encoded again, may differ in any of its 576 parts."""
IDENTICAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Look:
    """`reasons` are values of `Reason`; `problem` says why there was no look at all, and is "" otherwise."""

    reasons: list[str] = field(default_factory=list)
    heard_ms: int = 0
    loudest: int = 0
    clipped_ms: int = 0
    pictures: int = 0
    black_pictures: int = 0
    identical_ms: int = 0
    problem: str = ""


_LOOK: Final = TypeAdapter(Look)


def from_json(text: bytes) -> Look | None:
    """None for what is no look."""
    try:
        return _LOOK.validate_json(text)
    except ValidationError:
        return None


def look_name(take_id: TakeId) -> str:
    return f"{take_id}.look.json"


def write_look(folder: Path, take_id: TakeId, look: Look, chain: Chain) -> None:
    """Beside the sidecar, which never changes; a link of the chain holds its hash. Raises OSError. Safe to repeat."""
    content = json_line({"version": VERSION, "take_id": take_id, **asdict(look)})
    path = folder / look_name(take_id)
    staged = path.with_name(f"{path.name}.tmp")
    try:
        write_whole(staged, content)  # first: no link may promise what a full disk does not take
        with contextlib.suppress(ChainError):
            chain.note_look(folder, take_id, path.name, content)
        staged.rename(path)
        if chain.is_gone(take_id):  # deleted while it was looked at
            path.unlink(missing_ok=True)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    sync_folder(folder)


class _Sound:
    """Blocks of 20 ms, mono."""

    def __init__(self) -> None:
        self.blocks = self.heard = self.clipped = self.loudest = 0
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)

    def add(self, frame: AudioFrame) -> None:
        for mono in self._resampler.resample(frame):
            samples = array("h", bytes(mono.planes[0])[: mono.samples * 2])
            for at in range(0, len(samples), _BLOCK):
                block = samples[at : at + _BLOCK]
                peak = max(max(block), -min(block))
                self.blocks += 1
                self.loudest = max(self.loudest, peak)
                self.heard += peak >= HEARD_PEAK
                if peak >= FULL_PEAK:
                    self.clipped += sum(abs(sample) >= FULL_PEAK for sample in block) >= FULL_SAMPLES

    @property
    def full(self) -> bool:
        return self.blocks >= SOUND_LIMIT_S * 50


class _Pictures:
    """Key frames, shrunk to 32 by 18 parts of grey."""

    def __init__(self) -> None:
        self.seen = self.black = 0
        self.identical_s = 0.0
        self._last: bytes = b""
        self._same_since_s = 0.0

    def add(self, frame: VideoFrame, at_s: float) -> None:
        small = frame.reformat(width=_WIDE, height=_TALL, format="gray")
        line = small.planes[0].line_size
        rows = bytes(small.planes[0])
        grey = b"".join(rows[y * line : y * line + _WIDE] for y in range(_TALL))
        self.seen += 1
        self.black += max(grey) < BLACK_PEAK and sum(grey) < BLACK_MEAN * len(grey)
        if not self._last or any(abs(a - b) > SAME_STEP for a, b in zip(grey, self._last, strict=True)):
            self._same_since_s = at_s
        self._last = grey
        self.identical_s = max(self.identical_s, at_s - self._same_since_s)


def look_at(path: Path) -> Look:
    """Decodes. Raises Unreadable, OSError."""
    sound, pictures = _Sound(), _Pictures()
    with opened(path) as container:
        audio = next(iter(container.streams.audio), None)
        video = next(iter(container.streams.video), None)
        for stream in (audio, video):
            if stream is not None:
                stream.codec_context.thread_count = 1
        if video is not None:
            video.codec_context.options = {"max_pixels": str(PIXELS_LIMIT)}
        next_s = 0.0
        every_s = max(PICTURE_EVERY_S, (container.duration or 0) / 1_000_000 / PICTURES_LIMIT)
        for packet in container.demux([stream for stream in (audio, video) if stream is not None]):
            if packet.dts is None or not packet.size or packet.time_base is None:
                continue
            if video is not None and packet.stream_index == video.index:
                at_s = float(packet.dts * packet.time_base)
                if packet.is_keyframe and at_s >= next_s and pictures.seen < PICTURES_LIMIT:
                    next_s = at_s + every_s
                    for frame in _decoded(video.codec_context, packet):
                        pictures.add(frame, at_s)
            elif audio is not None and not sound.full:
                for heard in _decoded(audio.codec_context, packet):
                    sound.add(heard)
    return _judged(sound if audio is not None else None, pictures)


def _decoded(context: Any, packet: Any) -> list[Any]:
    """One packet by itself: a decoder that holds a key frame back is flushed. What it cannot decode says nothing."""
    is_video = context.type == "video"
    frames: list[Any] = []
    with contextlib.suppress(av.error.FFmpegError):
        frames += context.decode(packet)
        if is_video:
            frames += context.decode(None)
    if is_video:
        context.flush_buffers()
    return frames


def _judged(sound: _Sound | None, pictures: _Pictures) -> Look:
    found = []
    heard = sound.heard if sound is not None else 0
    if sound is not None and sound.blocks and heard < HEARD_S * 50:
        found.append(Reason.SILENT)
    if sound is not None and heard and sound.clipped > CLIPPED_SHARE * heard:
        found.append(Reason.CLIPPED)
    if pictures.seen and pictures.black > BLACK_SHARE * pictures.seen:
        found.append(Reason.BLACK)
    elif pictures.identical_s >= IDENTICAL_S:
        found.append(Reason.IDENTICAL)
    return Look(
        [str(reason) for reason in found],
        heard_ms=heard * 20,
        loudest=sound.loudest if sound is not None else 0,
        clipped_ms=sound.clipped * 20 if sound is not None else 0,
        pictures=pictures.seen,
        black_pictures=pictures.black,
        identical_ms=int(pictures.identical_s * 1000),
    )


def _step_back() -> None:
    """Behind everything else on this machine, and with little of it (sched(7), setrlimit(2))."""
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Prints the look. Exits 1 where there is nothing to look at."""
    _step_back()
    try:
        look = look_at(Path(arguments[0]))
    except (Unreadable, OSError, MemoryError) as error:
        look = Look(problem=type(error).__name__)
    sys.stdout.write(json.dumps(asdict(look)) + "\n")
    return 1 if look.problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
