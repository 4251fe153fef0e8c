"""ICE-lite (RFC 8445 §2.5): answers the browser's connectivity checks and asks none itself.

Nothing in a check is believed before its MESSAGE-INTEGRITY is (RFC 8445 §7.3).
"""

from __future__ import annotations

import secrets
import string
import struct
from dataclasses import dataclass

from aioice import stun

from recorder.address import Address, plain

MAGIC_COOKIE = b"\x21\x12\xa4\x42"
HEADER_BYTES = 20
USERNAME = 0x0006
_ALPHABET = string.ascii_letters + string.digits


class CheckRefused(Exception):
    """The message is no connectivity check we answer; `str` says why, for a counter."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one side signs its checks with (RFC 8445 §5.3)."""

    ufrag: str
    password: str


def new_credentials(worker: int) -> Credentials:
    """The ufrag starts with the worker's number, so that a log or a balancer can tell whose it is."""
    ufrag = f"{worker}x" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return Credentials(ufrag, "".join(secrets.choice(_ALPHABET) for _ in range(24)))


def local_ufrag(message: bytes) -> str | None:
    """Our half of USERNAME, found without parsing the rest; None for anything but a binding request.

    This is all that an unknown sender's message costs us.
    """
    if len(message) < HEADER_BYTES or message[4:8] != MAGIC_COOKIE or message[:2] != b"\x00\x01":
        return None
    if int.from_bytes(message[2:4], "big") + HEADER_BYTES != len(message):
        return None
    position = HEADER_BYTES
    while position + 4 <= len(message):
        kind = int.from_bytes(message[position : position + 2], "big")
        length = int.from_bytes(message[position + 2 : position + 4], "big")
        if kind == USERNAME:
            ours, colon, _ = message[position + 4 : position + 4 + length].partition(b":")
            return ours.decode("ascii", "replace") if colon and len(ours) <= 256 else None
        position += 4 + length + (-length % 4)
    return None


@dataclass(frozen=True, slots=True)
class Check:
    """A believed check: the reply to send, and whether the browser nominates this address."""

    reply: bytes
    nominated: bool


def answer_check(message: bytes, ours: Credentials, their_ufrag: str, sender: Address) -> Check:
    """The reply to a binding request signed with our password. Raises CheckRefused."""
    try:
        request = stun.parse_message(message)
    except (ValueError, LookupError, struct.error) as error:
        raise CheckRefused("malformed") from error
    if request.message_method != stun.Method.BINDING or request.message_class != stun.Class.REQUEST:
        raise CheckRefused("not a binding request")
    if request.attributes.get("USERNAME") != f"{ours.ufrag}:{their_ufrag}":
        raise CheckRefused("username")
    key = ours.password.encode()
    if not request.check_message_integrity(key):
        raise CheckRefused("integrity")
    reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id)
    reply.attributes["XOR-MAPPED-ADDRESS"] = plain(sender)
    reply.add_message_integrity(key)
    return Check(bytes(reply), "USE-CANDIDATE" in request.attributes)
