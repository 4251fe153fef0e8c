"""What takes a letter away: the seam between deciding about a delivery and making it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from web.mail.compose import Envelope


class DeliveryTrouble(Exception):
    """The letter was not taken. `permanent`: no later attempt will fare better. The text says why, on one line."""

    permanent = False


class Unreachable(DeliveryTrouble):
    """No server answered, or it asked to come again."""


class Refused(DeliveryTrouble):
    """The server said no to this letter, its sender or its recipient, for good."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Taken:
    """A server took it, with this reply; or it lies in `outbox_file`, if that is not empty."""

    reply: str = ""
    outbox_file: str = ""


class Carrier(Protocol):
    async def carry(self, mail_id: str, envelope: Envelope) -> Taken:
        """Returns once the letter is out of our hands. Raises DeliveryTrouble. Harmless to repeat, but for a double."""
