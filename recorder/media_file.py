"""A finished container read back, and copied into one that is seekable.

We take packets only; libav itself may decode a first picture to fill in what a
header leaves out, so it is told how much it may read and how large a picture
may be. Whatever it raises on hostile or damaged bytes is `Unreadable`.
Blocks: for a finishing thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from recorder.frames import PIXELS_LIMIT
from recorder.lipsync import SoundMove
from recorder.moved_sound import MovedSound
from recorder.opus import opus_duration_us
from recorder.part import sync_file

OPEN_OPTIONS: Final = {"max_pixels": str(PIXELS_LIMIT), "probesize": "262144", "analyzeduration": "1000000"}
_CODECS: Final = {"h264", "vp8", "opus"}
_EBML: Final = b"\x1a\x45\xdf\xa3"
_CUES: Final = b"\x1c\x53\xbb\x6b"
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_INDEX_WITHIN_BYTES: Final = 4 * 1024 * 1024
"""More than `part_file.index_space` ever reserves in front of the first Cluster."""


class Unreadable(Exception):
    """libav finds no container of ours in the file."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds, found by reading all its packets.

    `codec` is "" without video. `intact` means it was read to its end without
    an error or a cut packet. `rising` means that each track's timestamps rise.
    `indexed` means that a player can seek in it at once.
    """

    container: str
    codec: str
    width: int
    height: int
    has_audio: bool
    duration_us: int
    video_frames: int
    audio_packets: int
    first_is_key: bool
    rising: bool
    intact: bool
    indexed: bool
    size_bytes: int


def read_back(path: Path) -> Reading:
    """Reads every packet. Raises Unreadable, and OSError where it is not libav that cannot read."""
    indexed = _is_indexed(path)
    with opened(path) as container:
        video, audio = _tracks(container)
        frames = packets = 0
        first_is_key = False
        rising = True
        last_dts: dict[int, int] = {}
        ends_us = 0
        walk = _Walk(container)
        for packet in walk:
            index, dts = packet.stream_index, packet.dts or 0
            before = last_dts.get(index)
            rising = rising and (before is None or dts >= before + 1)
            last_dts[index] = dts
            if video is not None and index == video.index:
                if not frames:
                    first_is_key = packet.is_keyframe
                frames += 1
            else:
                packets += 1
        for stream in (video, audio):
            if stream is not None and stream.time_base is not None and stream.index in last_dts:
                ends_us = max(ends_us, int(last_dts[stream.index] * stream.time_base * 1_000_000))
        context: Any = video.codec_context if video is not None else None
        return Reading(
            container="mp4" if "mp4" in container.format.name else "webm",
            codec=context.name if context is not None else "",
            width=context.width if context is not None else 0,
            height=context.height if context is not None else 0,
            has_audio=audio is not None,
            duration_us=max(container.duration or 0, ends_us),
            video_frames=frames,
            audio_packets=packets,
            first_is_key=first_is_key,
            rising=rising,
            intact=walk.intact,
            indexed=indexed,
            size_bytes=path.stat().st_size,
        )


def copy_seekable(
    source: Path,
    target: Path,
    *,
    width: int = 0,
    height: int = 0,
    moves: tuple[SoundMove, ...] = (),
    until_us: int = 0,
) -> int:
    """Copies the packets into a new file with its index in front, up to the first that is cut; synced.

    The header says `width` and `height` if given. Sound is moved by `moves`, and none is moved beyond `until_us`.
    The number of packets of sound that this added, or took away if negative. Raises Unreadable (a full disk, too,
    is a surprise to libav), OSError.
    """
    os.close(os.open(target, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with opened(source) as container:
        video, audio = _tracks(container)
        is_mp4 = "mp4" in container.format.name
        options = {"movflags": "+faststart"} if is_mp4 else {"cues_to_front": "1"}
        with av.open(str(target), "w", format="mp4" if is_mp4 else "webm", options=options) as output:
            streams = _copied_streams(output, video, audio, width, height)
            mover = MovedSound(moves, until_us)
            for packet in _Walk(container):
                stream = streams[packet.stream_index]
                if not moves or audio is None or packet.stream_index != audio.index or audio.time_base is None:
                    packet.stream = stream
                    output.mux_one(packet)
                    continue
                at_us = round((packet.pts or 0) * audio.time_base * 1_000_000)
                for pts_us, payload in mover.packets(at_us, bytes(packet)):
                    moved: Packet[Any] = Packet(payload)
                    moved.pts = moved.dts = round(pts_us / (audio.time_base * 1_000_000))
                    moved.duration = round(opus_duration_us(payload) / (audio.time_base * 1_000_000))
                    moved.time_base, moved.stream, moved.is_keyframe = audio.time_base, stream, True
                    output.mux_one(moved)
            if not streams:
                raise Unreadable(source.name)
            output.start_encoding()
    sync_file(target)
    return mover.added


def _copied_streams(
    output: OutputContainer, video: Stream | None, audio: Stream | None, width: int, height: int
) -> dict[int, Stream]:
    streams: dict[int, Stream] = {}
    if video is not None:
        context: Any = video.codec_context
        wide, tall = width or context.width, height or context.height
        if context.name == "vp8":
            copied: Stream = output.add_mux_stream("vp8", width=wide, height=tall)
        else:
            copied = output.add_stream_from_template(video)
            into: Any = copied.codec_context
            into.width, into.height = wide, tall
        streams[video.index] = copied
    if audio is not None:
        streams[audio.index] = output.add_stream_from_template(audio)
    return streams


@contextlib.contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The container, bounded in what it reads by itself. What goes wrong within the block is Unreadable.

    Raises OSError if the file itself cannot be opened.
    """
    with path.open("rb") as file:
        name = "matroska" if file.read(4) == _EBML else "mp4"
    try:
        with av.open(str(path), format=name, options=OPEN_OPTIONS, metadata_errors="replace") as container:
            yield container
    except Unreadable:
        raise
    except Exception as error:  # libav's errors, and PyAV's of every kind on what it did not expect
        raise Unreadable(f"{path.name}: {error!r}") from error


def _is_indexed(path: Path) -> bool:
    """WebM: its Cues are in front. MP4: plain, not in fragments (ISO/IEC 14496-12 §8.8)."""
    with path.open("rb") as file:
        if file.read(4) == _EBML:
            head = file.read(_INDEX_WITHIN_BYTES)
            return _CUES in head[: head.find(_CLUSTER)] if _CLUSTER in head else False
        at = 0
        while True:
            file.seek(at)
            box = file.read(16)
            size = int.from_bytes(box[:4], "big")
            if size == 1:
                size = int.from_bytes(box[8:16], "big")
            if len(box) < 8 or size < 8:
                return False
            if box[4:8] == b"moov":
                return b"mvex" not in file.read(min(size, _INDEX_WITHIN_BYTES))
            at += size


def _tracks(container: InputContainer) -> tuple[Stream | None, Stream | None]:
    video: Stream | None = next(iter(container.streams.video), None)
    audio: Stream | None = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise Unreadable("no track")
    for stream in (video, audio):
        context: Any = stream.codec_context if stream is not None else None
        if stream is not None and (context is None or context.name not in _CODECS):
            raise Unreadable(f"unexpected codec {context and context.name}")
    return video, audio


class _Walk:
    """The packets of a file up to its end, or to the first that is cut or cannot be read."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self.intact = True

    def __iter__(self) -> Iterator[Packet[Any]]:
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except Exception:  # as in `opened`: what came before it is good
                self.intact = False
                return
            if packet.dts is None:
                continue  # the flush packet of each stream
            if packet.is_corrupt or not packet.size:
                self.intact = False
                return
            yield packet
