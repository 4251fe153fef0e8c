"""How failed attempts to sign in are counted, and the pauses they cost (OWASP's advice: slow down, never lock out).

What is right or wrong is `web.sign_in`'s; the rows, and how long they are kept, are `storage.logins`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import logins
from web.settings import SignIn

COUNT_FOR_MS = 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures that are counted together: `free` of them cost nothing, and no pause is longer than `longest_s`."""

    key: str
    free: int
    longest_s: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """What one attempt counts for.

    A stranger who knows an account can only use up `everywhere`, whose pauses are short: its owner gets in elsewhere.
    """

    account_here: Tally
    here: Tally
    everywhere: Tally

    @property
    def all(self) -> tuple[Tally, Tally, Tally]:
        return self.account_here, self.here, self.everywhere


def tallies_of(account: str, network: str, rules: SignIn) -> Tallies:
    """For an account, known or not (the folded address), and the network that the attempt came from."""
    return Tallies(
        account_here=Tally(f"account-at:{network} {account}", rules.free_attempts_account, rules.longest_pause_s),
        here=Tally(f"address:{network}", rules.free_attempts_address, rules.longest_pause_s),
        everywhere=Tally(f"account:{account}", rules.free_attempts_everywhere, rules.longest_pause_everywhere_s),
    )


async def pause_s(conn: AsyncConnection, tallies: Tallies, now_ms: int, *, known_here: bool) -> int:
    """Seconds that an attempt has to wait now; 0 for none. `known_here`: the account is signed in at this network."""
    counted = (tallies.account_here, tallies.here) if known_here else tallies.all
    return max([await _pause_s(conn, tally, now_ms) for tally in counted])


async def note_failure(conn: AsyncConnection, tallies: Tallies, now_ms: int) -> None:
    """Counts one more for all three."""
    for tally in tallies.all:
        await logins.note_failure(conn, tally.key, now_ms)


async def note_success(conn: AsyncConnection, tallies: Tallies) -> None:
    """Forgets what this person mistyped here. The other two are not theirs alone: guesses at others are in them."""
    await logins.clear_failures(conn, tallies.account_here.key)


def pause_after(failures: int, tally: Tally) -> int:
    """Seconds without an attempt after so many failures: none for the free ones, then 2, 4, 8 … to the longest."""
    if failures < tally.free:
        return 0
    doublings = min(failures - tally.free + 1, 20)
    return min(1 << doublings, tally.longest_s)


async def _pause_s(conn: AsyncConnection, tally: Tally, now_ms: int) -> int:
    failures = await logins.failures_since(conn, tally.key, now_ms - COUNT_FOR_MS)
    seconds = pause_after(failures, tally)
    return seconds if seconds and await logins.failures_since(conn, tally.key, now_ms - seconds * 1000) else 0
