"""Passwords: argon2id by the library's own profile, on threads, a few at a time.

One hash takes 64 MiB and tens of milliseconds, so a flood of attempts may neither
block the loop nor fill the memory: past `MOST_WAITING` they are refused.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS = 10
MOST_CHARACTERS = 512
AT_ONCE = 2
MOST_WAITING = 40


class PasswordsBusy(Exception):
    """Too many attempts wait already; a moment later there is room again."""


class PasswordUnfit(ValueError):
    """The password cannot be set; the text is a sentence for the person."""


def check_new(password: str) -> None:
    """Raises PasswordUnfit for what may not be set as a new password."""
    if len(password) < LEAST_CHARACTERS:
        raise PasswordUnfit(f"A password has at least {LEAST_CHARACTERS} characters.")
    if len(password) > MOST_CHARACTERS:
        raise PasswordUnfit(f"A password has at most {MOST_CHARACTERS} characters.")


def generated() -> str:
    """A new random password that can be typed: four groups of five, 94 bits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def hashed(password: str) -> str:
    """The hash to store. Blocks for tens of milliseconds: for the command line."""
    return PasswordHasher().hash(password)


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    """The hash of a password that nobody has, at this hasher's cost: made once, since it takes its time."""
    return hasher.hash(secrets.token_urlsafe(24))


_USUAL = PasswordHasher()


class Passwords:
    """Verifies and hashes, off the loop. One per application."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or _USUAL
        self._nobody = _nobodys(self._hasher)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One attempt at a time, or nearly: what is counted before `verify` must hold while it runs.

        Raises PasswordsBusy.
        """
        if self._waiting >= MOST_WAITING:
            raise PasswordsBusy
        self._waiting += 1
        try:
            async with self._room:
                yield
        finally:
            self._waiting -= 1

    async def verify(self, stored_hash: str | None, password: str) -> bool:
        """Whether they match; call it inside a `turn`. None (no such account) takes as long and never matches."""
        right = await asyncio.to_thread(self._verify, stored_hash or self._nobody, password)
        return right and stored_hash is not None

    async def hash_new(self, password: str) -> str:
        """The hash to store of a password that `check_new` took. Takes its turn itself. Raises PasswordsBusy."""
        async with self.turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, stored_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored_hash, password)
        except (VerificationError, InvalidHashError):
            return False
