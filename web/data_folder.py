"""The data directory: who may read it, the one server that may use it, and the secret in it.

Knows nothing of what the database or the recordings hold.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECRET_BYTES = 32


class DataFolderError(Exception):
    """The directory cannot be used; the text is a sentence for the operator."""


class AnotherServer(DataFolderError):
    """A running server holds the lock of this directory."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where everything that lasts lies. `open_folder` makes one."""

    root: Path
    secret: bytes

    @property
    def database(self) -> Path:
        return self.root / "greenroom.db"

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def outbox(self) -> Path:
        """Letters that no server takes; made with the first of them."""
        return self.root / "outbox"

    @property
    def run(self) -> Path:
        """Control sockets and locks: of use only while something runs."""
        return self.root / "run"


def open_folder(root: Path) -> DataFolder:
    """Makes what is missing: directories for the owner alone (0700), the secret (0600). Blocks.

    Raises DataFolderError.
    """
    root = root.absolute()
    try:
        for folder in (root, root / "recordings", root / "run"):
            folder.mkdir(mode=0o700, parents=folder == root, exist_ok=True)
        root.chmod(0o700)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError
        return DataFolder(root, _secret(root / "secret.key"))
    except PermissionError:
        raise DataFolderError(
            f"The data directory {root} cannot be written by this user. "
            "Give it to the user that runs Greenroom, or set data_dir to another one."
        ) from None
    except OSError as error:
        raise DataFolderError(f"The data directory {root} cannot be used: {error.strerror or error}.") from error


def _secret(path: Path) -> bytes:
    """The installation's secret; made once, complete or not at all."""
    if not path.exists():
        fresh = path.with_name(f".secret.{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process made it in the same moment; theirs counts
        finally:
            fresh.unlink()
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise DataFolderError(
            f"{path} holds {len(secret)} bytes, not {SECRET_BYTES}: it is damaged. "
            "Restore it from a backup; without it every link that was sent is lost."
        )
    return secret


@contextmanager
def only_server(folder: DataFolder) -> Iterator[None]:
    """Holds the directory for one server while inside. Raises AnotherServer at once if one runs.

    The lock is the kernel's (flock): it is gone when its holder is, however that ended.
    """
    with (folder.run / "server.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(32).strip() or "unknown"
            raise AnotherServer(
                f"Another Greenroom server (process {holder}) is running on {folder.root}. "
                "Stop it first, or use another data directory."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
