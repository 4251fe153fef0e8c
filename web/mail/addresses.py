"""E-mail addresses as SMTP and headers need them (RFC 5321 §4.1.2, RFC 6531). Pure.

What people may type is checked where they type it; this is the last gate before the wire.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna

_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 253
_NOT_IN_LOCAL = re.compile(r"[\x00-\x20\x7f-\xa0\"(),:;<>@\[\\\]]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# Format signs, separators: they come along when an address is copied from a page, and nobody sees them.
_UNSEEN = frozenset({"Cf", "Zl", "Zp", "Zs"})
_SPACES = re.compile(r"\s+")
_LONGEST_NAME = 200


class NoAddress(ValueError):
    """No mail can be sent to this; the text is a sentence for the hiring team."""


@dataclass(frozen=True, slots=True)
class Address:
    """`domain` is in ASCII. `local` may need a server that speaks SMTPUTF8."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        return not self.local.isascii()


def parse(text: str) -> Address:
    """The address, its domain in ASCII (IDNA 2008). Raises NoAddress."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not domain:
        raise NoAddress("This is not an e-mail address: it has the form name@example.com.")
    misplaced_dot = local.startswith(".") or local.endswith(".") or ".." in local
    unseen = any(unicodedata.category(sign) in _UNSEEN for sign in local)
    if len(local.encode()) > _LONGEST_LOCAL or misplaced_dot or unseen or _NOT_IN_LOCAL.search(local):
        raise NoAddress("The part before the @ of this e-mail address is not one that can be used.")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise NoAddress("The part after the @ of this e-mail address is not the name of a mail server.") from error
    if "." not in ascii_domain or len(ascii_domain) > _LONGEST_DOMAIN:
        raise NoAddress("The part after the @ of this e-mail address has no dot in it, as in example.com.")
    return Address(local, ascii_domain)


def one_line(text: str) -> str:
    """Fit for a header: no control signs, no line ends, no direction marks, and no longer than a name is."""
    return _SPACES.sub(" ", _CONTROL.sub(" ", text)).strip()[:_LONGEST_NAME].rstrip()
