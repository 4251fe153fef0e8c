"""The files of a take by name, and the lock that keeps recovery off a `.part` in use.

Names, locking and durable small writes; nothing here reads or writes media.
All functions block: they belong on a thread.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, Final

from recorder.messages import RecorderError, TakeId

RESERVE_BYTES: Final = 256 * 1024
"""Room kept from a take's first byte on for its sidecar: the disk may be full when it ends."""
MEDIA_SUFFIXES: Final = {"mp4": ".mp4", "webm": ".webm"}
UNREADABLE_SUFFIX: Final = ".unreadable"
MEDIA_TYPES: Final = {"mp4": "video/mp4", "webm": "video/webm"}


class PartBusy(RecorderError):
    """Someone else holds the `.part`: a live writer, or a recovery under way."""


def container_for(codec: str) -> str:
    """ "mp4" for H.264, "webm" for VP8 and for sound alone."""
    return "mp4" if codec == "h264" else "webm"


def part_path(folder: Path, take_id: TakeId) -> Path:
    return folder / f"{take_id}.part"


def journal_path(folder: Path, take_id: TakeId) -> Path:
    return folder / f"{take_id}.journal.json"


def sidecar_path(folder: Path, take_id: TakeId) -> Path:
    return folder / f"{take_id}.json"


def reserve_path(folder: Path, take_id: TakeId) -> Path:
    return folder / f"{take_id}.reserve"


class PartLock:
    """An open descriptor of a `.part` with `flock(LOCK_EX)` on it; a dead process lets go by itself."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def create(cls, path: Path) -> PartLock:
        """Makes the file (0600, must not exist) and locks it. Raises OSError."""
        return cls._locked(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), path)

    @classmethod
    def take(cls, path: Path) -> PartLock:
        """Locks an existing file. Raises PartBusy, FileNotFoundError."""
        return cls._locked(os.open(path, os.O_RDWR | os.O_CLOEXEC), path)

    @classmethod
    def _locked(cls, fd: int, path: Path) -> PartLock:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between open and lock its owner may have renamed it into place.
            if not os.path.samestat(os.fstat(fd), path.stat()):
                raise PartBusy(path.name)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                raise PartBusy(path.name) from error
            raise
        except PartBusy:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """Idempotent."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


def sync_folder(folder: Path) -> None:
    """Makes the names in a directory durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Makes what is in a file durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_reserve(path: Path) -> None:
    """A file of `RESERVE_BYTES` that has its blocks already. Raises OSError, with nothing left, on a full disk."""
    try:
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes, *, into: Path | None = None, durable: bool = True) -> None:
    """The file is there with all of `content`, or as it was before. Raises OSError.

    `into` is a reserve whose blocks the content takes over, so that no new ones
    are needed; it is used up if it is there. `durable` means the content, not the name.
    """
    reserved = into is not None and into.exists()
    beside = into if into is not None and reserved else path.with_name(path.name + ".tmp")
    try:
        truncate = 0 if reserved else os.O_TRUNC
        fd = os.open(beside, os.O_CREAT | truncate | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.truncate()
            if durable:
                file.flush()
                os.fsync(fd)
        beside.rename(path)
    except OSError:
        if not reserved:
            beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any], *, into: Path | None = None, durable: bool = True) -> None:
    """As `write_whole`, in one line of JSON."""
    write_whole(path, json_line(content), into=into, durable=durable)


def json_line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None when it is absent or holds no JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
