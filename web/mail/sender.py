"""Whom letters come from."""

from __future__ import annotations

from urllib.parse import urlsplit

from web.mail.addresses import Address, NoAddress, parse
from web.settings import Settings

_LOCAL = "greenroom"


def sender(settings: Settings) -> Address:
    """The configured address; without one, which only the outbox allows, one at the server's own name."""
    if settings.mail.from_address:
        return parse(settings.mail.from_address)
    host = urlsplit(settings.origin).hostname or "localhost"
    try:
        return parse(f"{_LOCAL}@{host}")
    except NoAddress:
        return Address(_LOCAL, "localhost")
