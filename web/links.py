"""Candidates' links, their device cookies, and colleagues' invites, derived from the installation's secret (C1).

Nothing here is stored in clear anywhere: the database holds a link's SHA-256 only,
and whoever has the secret and an invitation's id can make the same link again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NewType

LinkToken = NewType("LinkToken", str)

_TOKEN_CHARS = 43


def link_token(secret: bytes, invitation_id: str, generation: int) -> LinkToken:
    """What follows /i/ in the candidate's link; 256 bits, base64url without padding."""
    return LinkToken(_derive(secret, f"{invitation_id}\n{generation}"))


def team_token(secret: bytes, invite_id: str, generation: int) -> LinkToken:
    """What follows /join/ in a colleague's invite: of the same form as a candidate's, and never equal to one."""
    return LinkToken(_derive(secret, f"team\n{invite_id}\n{generation}"))


def token_sha256(token: str) -> str:
    """What the database holds of a token; hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def looks_like_token(text: str) -> bool:
    """Whether `text` has the form of a link's token; says nothing of whether it is one."""
    return len(text) == _TOKEN_CHARS and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def device_mark(secret: bytes, invitation_id: str, generation: int) -> str:
    """The cookie value of a device on which this invitation's notice was accepted."""
    return _derive(secret, f"device\n{invitation_id}\n{generation}")


def is_device_mark(secret: bytes, invitation_id: str, generation: int, given: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(device_mark(secret, invitation_id, generation).encode(), given.encode())


def _derive(secret: bytes, message: str) -> str:
    digest = hmac.digest(secret, message.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
