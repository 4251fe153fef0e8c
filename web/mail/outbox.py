"""The outbox: letters as .eml files, where no SMTP server is configured. Whole files or none, for their owner alone."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from web.mail.carriers import Taken, Unreachable
from web.mail.compose import Envelope


class OutboxCarrier:
    """Writes into one folder, which it makes when it is needed. The same letter has the same name each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def carry(self, mail_id: str, envelope: Envelope) -> Taken:
        """As `carriers.Carrier`; a full disk is trouble that may pass."""
        name = f"{mail_id}.eml"
        try:
            await asyncio.to_thread(_write, self._folder, name, envelope.message)
        except OSError as error:
            raise Unreachable(f"The outbox cannot be written: {error.strerror or error}.") from error
        return Taken(outbox_file=name)


def _write(folder: Path, name: str, message: bytes) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / name)
    finally:
        fresh.unlink(missing_ok=True)
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
