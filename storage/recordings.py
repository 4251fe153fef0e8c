"""The files of recordings on this machine's disk: where they lie, whether they are whole, how they go.

Every function here blocks on the disk: call them on a thread. Deliberately does not write recordings (the recorder
does), and believes no name it is given: a name that is not plain never becomes a path.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from storage.errors import GivenUp, UnsafeName
from storage.takes import TakeRow

SIDECAR_LIMIT_BYTES = 16 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,32}){1,3}")


class Recordings:
    """Everything below `root`: `<last 2 of the id>/<invitation id>/<take id>.*`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        return self._root

    def folder(self, invitation_id: str) -> Path:
        """The invitation's directory, which exists afterwards and is private (0700). Raises UnsafeName, OSError."""
        folder = self._place(invitation_id)
        for directory in (self._root, folder.parent, folder):
            directory.mkdir(mode=0o700, parents=directory is self._root, exist_ok=True)
        return folder

    def path(self, invitation_id: str, file_name: str) -> Path:
        """Where this file is, or would be. Raises UnsafeName. The one function here that touches no disk."""
        if not _FILE_NAME.fullmatch(file_name):
            raise UnsafeName(f"{file_name!r} is not a plain file name")
        return self._place(invitation_id) / file_name

    def free_bytes(self) -> int:
        """What may still be written below the root. Raises OSError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self._root).free

    def any_left(self, invitation_id: str, take_id: str) -> bool:
        """Whether there is any file of this take. Raises UnsafeName, OSError."""
        beginning = _id(take_id) + "."
        try:
            with os.scandir(self._place(invitation_id)) as entries:
                return any(entry.name.startswith(beginning) for entry in entries)
        except FileNotFoundError:
            return False

    def discard(self, invitation_id: str, take_id: str) -> int:
        """Deletes every file of this take and says how many; 0 if there are none. Raises UnsafeName, OSError.

        The sidecar goes last: media without one is a take to be recovered.
        """
        beginning = _id(take_id) + "."
        gone = 0
        try:
            with os.scandir(self._place(invitation_id)) as entries:
                found = [entry.name for entry in entries if entry.name.startswith(beginning)]
        except FileNotFoundError:
            return 0
        for name in sorted(found, key=lambda name: (name == f"{beginning}json", name)):
            (self._place(invitation_id) / name).unlink(missing_ok=True)
            gone += 1
        return gone

    def sidecar(self, invitation_id: str, take_id: str) -> dict[str, Any] | None:
        """What the recorder wrote beside the take; None if that is missing or not whole. Raises UnsafeName."""
        try:
            with _open(self.path(invitation_id, f"{_id(take_id)}.json")) as file:
                text = file.read(SIDECAR_LIMIT_BYTES + 1)
            found = json.loads(text) if len(text) <= SIDECAR_LIMIT_BYTES else None
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def verify(self, invitation_id: str, take: TakeRow, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Whether the take's file is there with its size and SHA-256: reads all of it.

        Raises UnsafeName, and OSError when the disk did not let it be read: that says nothing about the file.
        Seconds for a big file on a slow disk: on a thread, never while a transaction is open. `given_up` is asked
        between reads, on that thread; when true, the rest is not read and GivenUp is raised.
        """
        if not take.file or take.size_bytes <= 0:
            return False
        digest = hashlib.sha256()
        try:
            with _open(self.path(invitation_id, take.file)) as file:
                if os.fstat(file.fileno()).st_size != take.size_bytes:
                    return False
                while piece := file.read(_READ_BYTES):
                    if given_up():
                        raise GivenUp(f"{take.file} was not read to its end")
                    digest.update(piece)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return digest.hexdigest() == take.sha256

    def _place(self, invitation_id: str) -> Path:
        # The last digits of an id are random, so they spread; the first are its time.
        return self._root / _id(invitation_id)[-2:] / invitation_id


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise UnsafeName(f"{text!r} is not an id")
    return text


def _open(path: Path) -> BinaryIO:
    """A regular file, and no link to one: nobody else writes here, and nothing else is believed.

    Raises FileNotFoundError for anything else, OSError when it cannot be known.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileNotFoundError(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")
