"""A fragmented MP4 made plain where it lies: its fragments become one `mdat`, a `moov` behind them names every sample.

While a take is recorded libav writes fragments and forgets them: its own plain or hybrid form keeps a table of all
samples in memory (8 KB a second), and a copy at the end writes every byte once more. What is needed for the table is
in the fragments' headers (ISO/IEC 14496-12 §8.8), and nothing else is read of them here.

Knows the files that `part_file` writes, whole or cut anywhere, and refuses any other. Blocks: for a finishing thread.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HEADER_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Of one `moov` or `moof`: a fragment of a second takes under 10 KB."""
SAMPLES_LIMIT: Final = 50_000_000
"""Of one track; a name of 12 bytes may stand for many that are alike, as a muted microphone's are."""
MOVIE_TICKS: Final = 1000
_LARGE: Final = 0xFFFFFFFF
_NOT_SYNC: Final = 0x10000
_CONTAINERS: Final = frozenset((b"trak", b"mdia", b"minf", b"stbl"))
_TABLES: Final = frozenset((b"stts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"ctts"))
OPUS_ROLL: Final = -4
"""Packets of 20 ms that a decoder needs before it is right: 80 ms (Opus in ISOBMFF §4.3.6)."""


class NotFragmented(Exception):
    """Not a file of ours in fragments, or nothing whole is in it."""


@dataclass(slots=True)
class _Track:
    """The samples of one track; times are in its own ticks, `syncs` count from 1, a chunk is what one `trun` has."""

    number: int
    ticks: int
    video: bool
    sizes: array[int] = field(default_factory=lambda: array("I"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    syncs: array[int] = field(default_factory=lambda: array("I"))
    chunks: list[tuple[int, int]] = field(default_factory=list)
    """Where each begins in the file, and how many samples it has."""
    end: int = 0

    @property
    def duration(self) -> int:
        return max(self.end, 0)


def make_plain(path: Path, *, width: int = 0, height: int = 0, end_us: int = 0) -> None:
    """Appends the `moov`, then turns all before it into `mdat`; durable. The header says `width` and `height` if given.

    The last picture, which libav takes to last as long as the one before, ends at `end_us` if given. Nothing of a
    sample is moved or changed. Until its last step, a write of 16 bytes, the file is in fragments as it was and
    plays. Raises NotFragmented, and OSError (a full disk) with every sample where it was.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        moov_at, moov, tracks = _read(file.fileno(), size)
        if not any(track.sizes for track in tracks.values()):
            raise NotFragmented("no sample is whole")
        for track in tracks.values():
            if track.video and track.sizes and end_us:
                track.end = min(track.end, max(track.starts[-1] + 1, end_us * track.ticks // 1_000_000))
        box = _moov(moov, tracks, width, height)
        _end_last_box(file.fileno(), size)
        size = file.seek(0, os.SEEK_END)
        try:
            file.write(box)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(file.fileno(), size)
            raise
        os.pwrite(file.fileno(), struct.pack(">I4sQ", 1, b"mdat", size - moov_at), moov_at)
        os.fsync(file.fileno())


def _end_last_box(fd: int, size: int) -> None:
    """A box that was cut ends where the file does: what comes behind it is never read as its samples."""
    for kind, at, length in _top_boxes(fd, size):
        if 8 <= size - at < min(length, _LARGE) and kind in (b"mdat", b"moof"):
            os.pwrite(fd, struct.pack(">I4s", size - at, kind if kind == b"mdat" else b"free"), at)
            os.fsync(fd)


def _read(fd: int, size: int) -> tuple[int, bytes, dict[int, _Track]]:
    moov_at, moov = -1, b""
    tracks: dict[int, _Track] = {}
    moof: tuple[int, bytes] | None = None
    for kind, at, length in _top_boxes(fd, size):
        if moof is not None and kind == b"mdat":  # else it was cut right here, and what follows was put behind it
            _add_fragment(moof[1], moof[0], min(size, at + length), tracks)
        moof = None
        if kind == b"moov" and moov_at < 0:
            moov_at, moov = at, _payload(fd, at, length, size)
            if not any(name == b"mvex" for name, _ in _boxes(moov)):
                raise NotFragmented("it is plain already")
            tracks = {track.number: track for track in _tracks(moov)}
        elif kind == b"moof" and moov_at >= 0 and at + length <= size:
            moof = at, _payload(fd, at, length, size)
    if moov_at < 0 or not tracks:
        raise NotFragmented("no header")
    return moov_at, moov, tracks


def _top_boxes(fd: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and length of each box of the file; the last one may reach beyond its end."""
    at = 0
    while at + 8 <= size:
        head = os.pread(fd, 16, at)
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return
        yield kind, at, length
        at += length


def _payload(fd: int, at: int, length: int, size: int) -> bytes:
    if length > HEADER_LIMIT_BYTES or at + length > size:
        raise NotFragmented("a header is cut or out of bounds")
    return os.pread(fd, length - 8, at + 8)


def _boxes(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box within another. Raises NotFragmented."""
    at = 0
    while at < len(payload):
        if at + 8 > len(payload):
            raise NotFragmented("a box is cut")
        length, kind = struct.unpack_from(">I4s", payload, at)
        if length < 8 or at + length > len(payload):
            raise NotFragmented(f"a box {kind!r} of {length} bytes")
        yield kind, payload[at + 8 : at + length]
        at += length


def _inner(payload: bytes, *kinds: bytes) -> bytes:
    for kind in kinds:
        found = next((content for name, content in _boxes(payload) if name == kind), None)
        if found is None:
            raise NotFragmented(f"no {kind!r}")
        payload = found
    return payload


def _tracks(moov: bytes) -> Iterator[_Track]:
    for kind, trak in _boxes(moov):
        if kind == b"trak":
            tkhd, mdia = _inner(trak, b"tkhd"), _inner(trak, b"mdia")
            mdhd, hdlr = _inner(mdia, b"mdhd"), _inner(mdia, b"hdlr")
            if len(tkhd) != 84 or len(mdhd) != 24 or len(hdlr) < 12:
                raise NotFragmented("a track header of another version")
            if _number(_inner(mdia, b"minf", b"stbl", b"stsz"), 8):
                raise NotFragmented("samples before the first fragment")
            yield _Track(_number(tkhd, 12), _number(mdhd, 12) or 1, hdlr[8:12] == b"vide")


def _number(content: bytes, at: int) -> int:
    try:
        return int(struct.unpack_from(">I", content, at)[0])
    except struct.error as error:
        raise NotFragmented("a box is cut") from error


class _Fields:
    """Reads 32-bit numbers one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self) -> int:
        value = _number(self.content, self.at)
        self.at += 4
        return value

    def take_if(self, there: int, otherwise: int) -> int:
        return self.take() if there else otherwise


def _add_fragment(moof: bytes, moof_at: int, size: int, tracks: dict[int, _Track]) -> None:
    """The samples of one `moof` that lie whole within the file."""
    for kind, traf in _boxes(moof):
        if kind != b"traf":
            continue
        header = _Fields(_inner(traf, b"tfhd"))
        flags = header.take() & 0xFFFFFF
        track = tracks.get(header.take())
        if track is None:
            raise NotFragmented("a track without a header")
        base = moof_at
        if flags & 0x1:  # base-data-offset-present
            base = header.take() << 32 | header.take()
        header.take_if(flags & 0x2, 0)
        duration = header.take_if(flags & 0x8, 0)
        length = header.take_if(flags & 0x10, 0)
        sample_flags = header.take_if(flags & 0x20, 0)
        time = _Fields(_inner(traf, b"tfdt"))
        start = (time.take() << 32 | time.take()) if time.take() >> 24 else time.take()
        for name, content in _boxes(traf):
            if name == b"trun":
                start = _add_run(content, track, base, start, (duration, length, sample_flags), size)


def _add_run(content: bytes, track: _Track, base: int, start: int, defaults: tuple[int, int, int], size: int) -> int:
    """When the next run starts."""
    run = _Fields(content)
    flags = run.take() & 0xFFFFFF
    count = run.take()
    if len(track.sizes) + count > SAMPLES_LIMIT:
        raise NotFragmented("more samples than any take has")
    if flags & 0x800 or (track.sizes and start < track.starts[-1]):
        raise NotFragmented("not as the recorder writes it")
    offset = run.take_if(flags & 0x1, 0)
    at = base + (offset - (1 << 32) if offset & 0x80000000 else offset)
    first_flags = run.take_if(flags & 0x4, defaults[2])
    chunk_at, added = at, 0
    for index in range(count):
        duration = run.take_if(flags & 0x100, defaults[0])
        length = run.take_if(flags & 0x200, defaults[1])
        sample_flags = run.take_if(flags & 0x400, first_flags if not index else defaults[2])
        if at < 0 or at + length > size:
            break
        track.sizes.append(length)
        track.starts.append(start)
        if not sample_flags & _NOT_SYNC:
            track.syncs.append(len(track.sizes))
        at += length
        start += duration
        added += 1
    if added:
        track.chunks.append((chunk_at, added))
        track.end = start
    return start


# The new `moov`.


def _box(kind: bytes, *contents: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, contents)), kind) + b"".join(contents)


def _moov(moov: bytes, tracks: dict[int, _Track], width: int, height: int) -> bytes:
    longest = max(_in_movie_ticks(track) for track in tracks.values())
    contents = []
    for kind, content in _boxes(moov):
        if kind == b"mvhd":
            contents.append(_box(kind, _with_duration(content, 16, longest)))
        elif kind == b"trak":
            track = tracks[_number(_inner(content, b"tkhd"), 12)]
            if track.sizes:
                contents.append(_box(kind, _trak(content, track, width, height)))
        elif kind != b"mvex":
            contents.append(_box(kind, content))
    return _box(b"moov", *contents)


def _in_movie_ticks(track: _Track) -> int:
    return -(-track.duration * MOVIE_TICKS // track.ticks)


def _with_duration(content: bytes, at: int, duration: int) -> bytes:
    if duration > _LARGE or len(content) < at + 4:
        raise NotFragmented("longer than any take")
    return content[:at] + struct.pack(">I", duration) + content[at + 4 :]


def _trak(content: bytes, track: _Track, width: int, height: int) -> bytes:
    """A track's boxes again, with its durations, its size, and its samples' tables; an edit list was for fragments."""
    found = []
    for kind, inner in _boxes(content):
        if kind == b"tkhd":
            inner = _with_duration(inner, 20, _in_movie_ticks(track))
            if track.video and width and height:
                inner = inner[:76] + struct.pack(">II", width << 16, height << 16)
        elif kind == b"mdhd":
            inner = _with_duration(inner, 16, track.duration)
        elif kind == b"stsd" and track.video and width and height and len(inner) > 44:
            inner = inner[:40] + struct.pack(">HH", width, height) + inner[44:]
        if kind in _CONTAINERS:
            inner = _trak(inner, track, width, height)
        if kind not in _TABLES and kind != b"edts":
            found.append(_box(kind, inner))
        if kind == b"stsd":
            found.append(_sample_tables(track))
    return b"".join(found)


def _sample_tables(track: _Track) -> bytes:
    """ISO/IEC 14496-12 §8.6.1.2, §8.6.2, §8.7.3 to §8.7.5, and §10.1 for sound."""
    count = len(track.sizes)
    tables = [_full(b"stts", _runs(_durations(track)))]
    if len(track.syncs) != count:
        tables.append(_full(b"stss", [len(track.syncs), *track.syncs]))
    places, lengths = [at for at, _ in track.chunks], [length for _, length in track.chunks]
    tables.append(_full(b"stsc", _chunk_runs(lengths)))
    tables.append(_full(b"stsz", [0, count, *track.sizes]))
    if max(places) > _LARGE:
        tables.append(_box(b"co64", bytes(4), struct.pack(f">I{len(places)}Q", len(places), *places)))
    else:
        tables.append(_full(b"stco", [len(places), *places]))
    if not track.video:
        tables.append(_box(b"sgpd", b"\x01\0\0\0roll", struct.pack(">IIh", 2, 1, OPUS_ROLL)))
        tables.append(_box(b"sbgp", bytes(4), b"roll", struct.pack(">III", 1, count, 1)))
    return b"".join(tables)


def _full(kind: bytes, numbers: list[int]) -> bytes:
    return _box(kind, bytes(4), struct.pack(f">{len(numbers)}I", *numbers))


def _durations(track: _Track) -> Iterator[int]:
    starts = track.starts
    for index in range(1, len(starts)):
        yield starts[index] - starts[index - 1]
    yield track.end - starts[-1]


def _runs(values: Iterator[int]) -> list[int]:
    """[how many runs, length and value of each]."""
    runs: list[int] = [0]
    for value in values:
        if runs[0] and runs[-1] == value:
            runs[-2] += 1
        elif 0 <= value <= _LARGE:
            runs += (1, value)
            runs[0] += 1
        else:
            raise NotFragmented("a time that no player knows")
    return runs


def _chunk_runs(lengths: list[int]) -> list[int]:
    """[how many runs, first chunk, samples of each, description]."""
    runs: list[int] = [0]
    for index, length in enumerate(lengths):
        if not runs[0] or runs[-2] != length:
            runs += (index + 1, length, 1)
            runs[0] += 1
    return runs
