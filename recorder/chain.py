"""The chain over all takes of one recordings folder: a file of lines, each of which names the hash of the one before.

`chain.jsonl` lies in the folder itself. A line is a `Link` as JSON; the hash of a link is the SHA-256 of its line
without the newline: `tail -n 1 chain.jsonl | tr -d '\\n' | sha256sum` is the head. Several processes and threads append
to it, one at a time (flock). A line that a crash cut was believed by nobody, and goes before the next is written.

What it proves and what it does not is in docs/verify.md. All of it blocks: for a thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from recorder.messages import RecorderError, TakeId
from recorder.part import sync_folder

FILE_NAME: Final = "chain.jsonl"
BEFORE_THE_FIRST: Final = "0" * 64
LINE_LIMIT_BYTES: Final = 4096
NUMBER_LIMIT: Final = 1 << 53
ROOM_BYTES: Final = 256 * 1024
"""Kept behind the last link, for the takes that end on a full disk."""
_KEEP_SIZE: Final = 1


class ChainError(RecorderError):
    """The folder is not below the chain's."""


class Kind(StrEnum):
    """`TAKE`: a sidecar and its file. `LOOKED`: the second verdict's file. `GONE`: all of the take is to be deleted.

    `FOUND`: as `TAKE`, but settled by a version that had no chain. These stand before all others.
    """

    TAKE = "take"
    FOUND = "found"
    LOOKED = "looked"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Link:
    """`folder` is relative to the chain's. `file` and what follows are "" and 0 where there is no such file."""

    number: int
    previous: str
    kind: Kind
    take_id: str
    folder: str
    at_unix_ms: int
    file: str = ""
    size_bytes: int = 0
    sha256: str = ""
    sidecar_sha256: str = ""


_LINK: Final = TypeAdapter(Link)


def line_of(link: Link) -> bytes:
    """Without its newline."""
    return json.dumps(asdict(link), separators=(",", ":")).encode()


def hash_of(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def read_link(line: bytes) -> Link | None:
    """None for what is no link, or not written as one is."""
    try:
        link = _LINK.validate_json(line)
    except (ValidationError, ValueError):
        return None
    return link if 0 < link.number < NUMBER_LIMIT and line_of(link) == line else None


class Tip:
    """The end of the chain while it is held: what the next link must say, and the way to add it."""

    def __init__(self, fd: int, end: int, number: int, previous: str) -> None:
        self.number, self.previous = number, previous
        self._fd, self._end = fd, end

    def append(self, link: Link, *, durable: bool = True) -> None:
        """Durable when it returns, or with the next that is. Raises OSError, with the chain as it was before."""
        line = line_of(link) + b"\n"
        if len(line) > LINE_LIMIT_BYTES:
            raise ChainError("a link of more bytes than any take needs")
        try:
            if os.pwrite(self._fd, line, self._end) != len(line):
                raise OSError("the link was written in part")
            if durable:
                self.sync()
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise
        self._end += len(line)
        self.number, self.previous = link.number + 1, hash_of(line[:-1])

    def sync(self) -> None:
        os.fdatasync(self._fd)


class Chain:
    """`root` is the recordings folder. Holds nothing open between calls."""

    def __init__(self, root: Path, unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.root = root
        self._unix_ms = unix_ms

    @property
    def path(self) -> Path:
        return self.root / FILE_NAME

    def folder(self, folder: Path) -> str:
        """As links name it. Raises ChainError."""
        try:
            return folder.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError as error:
            raise ChainError(f"{folder} is not below {self.root}") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[Tip]:
        """Waits for its turn; nobody else appends inside. Raises OSError."""
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            end = _without_cut_line(fd)
            if not end:
                sync_folder(self.root)
            _keep_room(fd, end)
            number, previous = _tip(fd, end)
            yield Tip(fd, end, number, previous)
        finally:
            os.close(fd)

    def link(
        self, tip: Tip, kind: Kind, take_id: TakeId, folder: Path, *, file: str = "", size_bytes: int = 0,
        sha256: str = "", sidecar_sha256: str = "",
    ) -> Link:  # fmt: skip
        """The link that may come next. Raises ChainError."""
        return Link(
            tip.number, tip.previous, kind, take_id, self.folder(folder), self._unix_ms(), file, size_bytes, sha256,
            sidecar_sha256,
        )  # fmt: skip

    def note_gone(self, folder: Path, take_id: TakeId) -> None:
        """Before its files are deleted: the chain stays whole without them. Raises OSError, ChainError."""
        with self.held() as tip:
            tip.append(self.link(tip, Kind.GONE, take_id, folder))

    def note_look(self, folder: Path, take_id: TakeId, file: str, content: bytes) -> None:
        """The second verdict is to be this file. Raises OSError, ChainError."""
        with self.held() as tip:
            tip.append(
                self.link(
                    tip, Kind.LOOKED, take_id, folder, file=file, size_bytes=len(content), sha256=hash_of(content)
                )
            )

    def has(self, number: int, sidecar_sha256: str) -> bool:
        """Whether this link is there and is of this sidecar."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            for line in file:
                link = read_link(line.rstrip(b"\n")) if b"%d," % number in line[:32] else None
                if link is not None and link.number == number:
                    return link.sidecar_sha256 == sidecar_sha256
        return False

    def is_gone(self, take_id: TakeId) -> bool:
        """Whether the take was to be deleted: nothing that is left of it is to be linked."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            for line in file:
                link = read_link(line.rstrip(b"\n")) if take_id.encode() in line else None
                if link is not None and link.kind is Kind.GONE and link.take_id == take_id:
                    return True
        return False

    def found(self) -> set[str] | None:
        """The takes that are linked as found, as long as there is no link of another kind; else None."""
        takes = set()
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            for line in file:
                link = read_link(line.rstrip(b"\n"))
                if link is None and not line.endswith(b"\n"):
                    break  # a crash cut it
                if link is None or link.kind is not Kind.FOUND:
                    return None
                takes.add(link.take_id)
        return takes


def _without_cut_line(fd: int) -> int:
    """Where the last whole line ends; what a crash left behind it is cut off."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, LINE_LIMIT_BYTES, max(0, size - LINE_LIMIT_BYTES))
    end = size - (len(tail) - 1 - tail.rfind(b"\n"))
    if b"\n" not in tail and size > len(tail):
        return size + os.pwrite(fd, b"\n", size)  # no line of ours: nothing of it is thrown away
    if end != size:
        os.ftruncate(fd, end)
    return end


def _tip(fd: int, end: int) -> tuple[int, str]:
    """The number and the `previous` of the next link, whatever the last line is."""
    if not end:
        return 1, BEFORE_THE_FIRST
    tail = os.pread(fd, min(end, LINE_LIMIT_BYTES + 1), max(0, end - LINE_LIMIT_BYTES - 1))
    last = tail.removesuffix(b"\n").rpartition(b"\n")[2]
    link = read_link(last)
    if link is not None:
        return link.number + 1, hash_of(last)
    with os.fdopen(os.dup(fd), "rb") as file:  # it was altered; `verify` names it, and takes go on
        file.seek(0)
        return 1 + sum(1 for _ in file), hash_of(last)


def _keep_room(fd: int, end: int) -> None:
    """Asks the file system for blocks behind the end of the file (fallocate(2)); one that cannot is not asked twice."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).fallocate64(
            ctypes.c_int(fd), ctypes.c_int(_KEEP_SIZE), ctypes.c_int64(end), ctypes.c_int64(ROOM_BYTES)
        )
