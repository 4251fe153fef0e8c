"""STUN and TURN servers for a candidate's browser, with credentials that are made when they are asked for.

A TURN server that shares a secret with us checks them by itself ("A REST API For Access To TURN Services",
draft-uberti-behave-turn-rest-00 §2.2): the user name says until when it is good, the credential signs it. Knows no
page; the secret stays here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from signaling.messages import IceServer, IceServers


@dataclass(frozen=True, slots=True)
class Relay:
    """One server of the operator's. With a `secret` each page gets credentials of its own, for `lifetime_s`."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    lifetime_s: int = 3600


def ice_servers(relays: Sequence[Relay], invitation_id: str, wall_ms: int) -> IceServers:
    """What one interview's page may use from now on."""
    return IceServers([_server(relay, invitation_id, wall_ms) for relay in relays])


def _server(relay: Relay, invitation_id: str, wall_ms: int) -> IceServer:
    if relay.secret:
        username = f"{wall_ms // 1000 + relay.lifetime_s}:{_alias(relay.secret, invitation_id)}"
        return IceServer(list(relay.urls), username, turn_credential(relay.secret, username))
    return IceServer(list(relay.urls), relay.username or None, relay.credential or None)


def turn_credential(secret: str, username: str) -> str:
    """base64(HMAC-SHA1(secret, username)), as the TURN server computes it."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), hashlib.sha1)).decode()


def _alias(secret: str, invitation_id: str) -> str:
    """The same for each connection of an interview, so that the server can bound them, and nothing to anybody else."""
    return hmac.digest(secret.encode(), invitation_id.encode(), hashlib.sha256).hex()[:16]
