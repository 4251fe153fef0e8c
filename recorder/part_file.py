"""The container of one take while it is written: a `.part` that plays after a kill.

MP4 for H.264, WebM for VP8 or sound alone, by PyAV, without decoding. Runs on
the writer thread of `mux`, which owns queue and batches; knows nothing of them.
What waits for the disk itself (`sync`, `settle`) runs on the sync thread: one
slow fsync must not stop the writing of every other take.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
from av.container import OutputContainer
from av.stream import Stream

from recorder.messages import TakeId
from recorder.part import (
    PartLock,
    container_for,
    journal_path,
    make_reserve,
    part_path,
    reserve_path,
    sync_file,
    sync_folder,
    write_json,
)

FACTS_LIMIT: Final = 8192
"""Key frames that are listed; a hostile sender makes no longer list."""
SIZES_LIMIT: Final = 512
"""As above for size changes. Both together fit a sidecar into its reserve."""
EARLY_LIMIT_PACKETS: Final = 500
"""Sound (10 s) that is held for the first key frame, which the header waits for."""
INTERLEAVE_US: Final = 1_000_000
_OPTIONS: Final = {"flush_packets": "1", "max_interleave_delta": str(INTERLEAVE_US)}
_MOVFLAGS: Final = "+empty_moov+default_base_moof+skip_trailer"
"""Fragments, and no memory of them: what it takes to find a place in the file is made once, by `mp4_index`."""
_SETS_OPTIONS: Final = {"probesize": "32"}
"""So that libav reads the parameter sets and waits for no picture."""
_VIDEO_TICKS: Final = 90_000
_SOUND_TICKS: Final = 48_000
_WEBM_TICKS: Final = 1_000


@dataclass(frozen=True, slots=True)
class MuxOrder:
    """What to write where. `codec` is "h264", "vp8", or "" for sound alone; `limit_ms` 0 if there is none."""

    folder: Path
    take_id: TakeId
    codec: str
    audio: bool
    max_bytes: int
    started_unix_ms: int
    limit_ms: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the file, by count. Times are microseconds on the take's timeline.

    `clean` means the container was closed properly; a WebM then has its index in place.
    `last_us` is where the last frame or packet begins. `sizes` are
    [pts_us, width, height] of the first key frame and of each that changed it.
    """

    codec: str
    audio: bool
    clean: bool = False
    video_frames: int = 0
    audio_packets: int = 0
    payload_bytes: int = 0
    dropped: int = 0
    first_us: int = 0
    last_us: int = 0
    keys_us: list[int] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)


class PartFile:
    """The container of one take. `sync`, `settle` and `remove` run on the sync thread, the rest on the writer's."""

    def __init__(self, order: MuxOrder) -> None:
        self.order = order
        self.lock: PartLock | None = None
        self.safe_us = 0
        self._journal: dict[str, Any] = {}
        self._container: OutputContainer | None = None
        self._early: list[tuple[bytes, int, int, int, int]] = []
        self._video: Stream | None = None
        self._audio: Stream | None = None
        self._video_ticks = self._audio_ticks = 0
        self._video_pts = self._audio_pts = -1
        self._video_us = self._audio_us = -1
        self._video_frames = self._audio_packets = 0
        self._first_us = -1
        self._keys_us: list[int] = []
        self._sizes: list[list[int]] = []
        self._size = (0, 0)
        self._length = 0
        self._passed_us = 0
        self._written_us = 0
        self._clean = False
        self._opened = False
        self._named = False
        self._settled = False

    def open(self) -> None:
        """Makes the `.part`, locked, then the journal (alone it means nothing) and the sidecar's reserve.

        Nothing is synced here. Raises OSError, PartBusy.
        """
        if self._opened:
            return
        self._opened = True
        order = self.order
        order.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.lock = PartLock.create(part_path(order.folder, order.take_id))
        self._journal = {
            "take_id": order.take_id,
            "codec": order.codec,
            "audio": order.audio,
            "started_unix_ms": order.started_unix_ms,
            "limit_ms": order.limit_ms,
            "max_bytes": order.max_bytes,
        }
        write_json(journal_path(order.folder, order.take_id), self._journal, durable=False)
        make_reserve(reserve_path(order.folder, order.take_id))
        if not order.codec:
            self._begin(b"", 0, 0)

    def note(self, facts: dict[str, Any]) -> None:
        """Adds these to the journal. A full disk keeps them out of it, and no more than that."""
        self._journal |= facts
        with contextlib.suppress(OSError):
            write_json(journal_path(self.order.folder, self.order.take_id), self._journal, durable=False)
            self._named = False  # the one that was synced is replaced by this

    def write(self, payload: bytes, pts_us: int, kind: int, width: int, height: int) -> None:
        container = self._container
        if container is None:
            if not kind:
                if len(self._early) < EARLY_LIMIT_PACKETS:
                    self._early.append((payload, pts_us, kind, width, height))
                return
            self._begin(payload, width, height)
            self.write(payload, pts_us, kind, width, height)
            self._check_ticks()
            for frame in self._early:
                self.write(*frame)
            self._early = []
            return
        packet = av.Packet(payload)
        # In the stream's own ticks, and without a time base: PyAV then has nothing to rescale.
        if kind:
            if self._video is None:
                return
            packet.stream = self._video
            pts = max(pts_us * self._video_ticks // 1_000_000, self._video_pts + 1)
            self._video_pts = pts
            self._video_us = pts_us
            self._video_frames += 1
            if kind == 2:
                packet.is_keyframe = True
                self._note_key(pts_us, width, height)
        else:
            if self._audio is None:
                return
            packet.stream = self._audio
            pts = max(pts_us * self._audio_ticks // 1_000_000, self._audio_pts + 1)
            self._audio_pts = pts
            self._audio_us = pts_us
            self._audio_packets += 1
            packet.is_keyframe = True
        if self._first_us < 0:
            self._first_us = pts_us
        packet.pts = packet.dts = pts
        container.mux_one(packet)

    def _note_key(self, pts_us: int, width: int, height: int) -> None:
        if len(self._keys_us) < FACTS_LIMIT:
            self._keys_us.append(pts_us)
        if (width, height) != self._size and len(self._sizes) < SIZES_LIMIT:
            self._size = (width, height)
            self._sizes.append([pts_us, width, height])

    def _begin(self, key_frame: bytes, width: int, height: int) -> None:
        """Lays out the streams, and writes the header: in MP4 out of the first key frame's parameter sets."""
        order = self.order
        path = str(part_path(order.folder, order.take_id))
        if container_for(order.codec) == "mp4":
            options = {**_OPTIONS, "movflags": _MOVFLAGS, "frag_duration": "1000000"}
            container = av.open(path, "w", format="mp4", options=options)
            self._video_ticks, self._audio_ticks = _VIDEO_TICKS, _SOUND_TICKS
        else:
            space = str(index_space(order.limit_ms))
            options = {**_OPTIONS, "cluster_time_limit": "1000", "reserve_index_space": space}
            container = av.open(path, "w", format="webm", options=options)
            self._video_ticks = self._audio_ticks = _WEBM_TICKS
        self._container = container
        if order.codec == "h264":
            self._video = _h264_stream(container, key_frame, width, height)
        elif order.codec:
            self._video = container.add_mux_stream(order.codec, width=width, height=height)
        if self._video is not None:
            self._video.time_base = Fraction(1, self._video_ticks)
        if order.audio:
            # add_mux_stream would leave out the OpusHead; this encoder is never used to encode.
            self._audio = container.add_stream("libopus", rate=_SOUND_TICKS)

    def _check_ticks(self) -> None:
        """Raises ValueError if the muxer chose other time bases than those we count in."""
        for stream, ticks in ((self._video, self._video_ticks), (self._audio, self._audio_ticks)):
            if stream is not None and stream.time_base != Fraction(1, ticks):
                raise ValueError(f"the muxer counts in {stream.time_base}, not in 1/{ticks}")

    def mark_written(self) -> None:
        """Notes how far the file on disk reaches, seen by its growth.

        The muxers hold a cluster or fragment (1 s) back and write it whole, so
        all that had passed through the interleaver by the batch before is there.
        """
        if self.lock is None or self._container is None:
            return
        length = os.fstat(self.lock.fd).st_size
        if length != self._length:
            self._length = length
            self._written_us = max(self._written_us, self._passed_us)
        times = [us for stream, us in ((self._video, self._video_us), (self._audio, self._audio_us)) if stream]
        # Packets wait for the slower track, at most the interleave limit.
        self._passed_us = max(min(times), max(times) - INTERLEAVE_US, 0)

    def sync(self) -> None:
        """Makes what was written durable; nothing after `settle`. Raises OSError."""
        lock, written_us = self.lock, self._written_us
        if lock is not None and not self._settled and written_us > self.safe_us:
            self._sync_names()
            os.fdatasync(lock.fd)
            self.safe_us = written_us

    def _sync_names(self) -> None:
        """The journal and the names of the take's files: before anything of it is called safe, and after a note."""
        if not self._named:
            folder = self.order.folder
            self._named = True  # before, since a note on the writer's thread may come meanwhile
            try:
                with contextlib.suppress(FileNotFoundError):  # the disk was full already when it was to be written
                    sync_file(journal_path(folder, self.order.take_id))
                sync_folder(folder)
                sync_folder(folder.parent)
            except OSError:
                self._named = False
                raise

    def close(self, *, intact: bool) -> None:
        """Ends the container. It is not `clean` after a disk error: its parts so far are good, an end may not be."""
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
                self._clean = intact
            except av.error.ArgumentError:
                # More key frames than index space: all media is there, `finish` makes the index.
                self._clean = False

    def settle(self) -> None:
        """After `close`, the last call but `remove`: all that is in the file is durable. Raises OSError."""
        self._settled = True
        if self.lock is not None:
            os.fsync(self.lock.fd)
            self._sync_names()
            if self._clean:
                self.safe_us = max(self._video_us, self._audio_us, 0)

    def remove(self) -> None:
        """Deletes the take's files, if they are ours: with none opened, the names may be another's."""
        self._settled = True
        order = self.order
        if self.lock is not None:
            for path in (part_path, reserve_path, journal_path):
                path(order.folder, order.take_id).unlink(missing_ok=True)
            self.lock.release()

    def written(self, payload_bytes: int, dropped: int) -> Written:
        return Written(
            codec=self.order.codec,
            audio=self.order.audio,
            clean=self._clean,
            video_frames=self._video_frames,
            audio_packets=self._audio_packets,
            payload_bytes=payload_bytes,
            dropped=dropped,
            first_us=max(self._first_us, 0),
            last_us=max(self._video_us, self._audio_us, 0),
            keys_us=self._keys_us,
            sizes=self._sizes,
        )


def _h264_stream(container: OutputContainer, key_frame: bytes, width: int, height: int) -> Stream:
    """A stream whose header is known before its first packet.

    libav would take it out of that packet as well, but then writes nothing until every track has one: a take whose
    sound is late, or never comes, would be in memory alone.
    """
    with av.open(BytesIO(leading_sets(key_frame)), format="h264", options=_SETS_OPTIONS) as sets:
        stream = container.add_stream_from_template(sets.streams.video[0])
        context: Any = stream.codec_context
        context.width, context.height = width, height
        return stream


def leading_sets(access_unit: bytes) -> bytes:
    """What comes before the first slice of an Annex B access unit: its parameter sets, and other small things."""
    at = 0
    while (begin := access_unit.find(b"\x00\x00\x01", at)) >= 0:
        at = begin + 3
        if at < len(access_unit) and 1 <= access_unit[at] & 0x1F <= 5:
            return access_unit[:begin]
    return access_unit


def index_space(limit_ms: int) -> int:
    """Bytes to reserve in front of a WebM for its Cues: a key frame each second takes under 24.

    Where it is not enough the file is closed without an index and copied once.
    """
    return 4096 + 24 * (limit_ms // 1000 + 60)
