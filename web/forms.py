"""What a posted form holds, as text; anything that is no form is a mistake of the sender, never a fault of ours.

Forms are UTF-8 (all our pages are) and are read within a time and a size. What a field may hold is its page's to say.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

from web.keys import SETTINGS

READ_TIMEOUT_S = 20.0
MOST_FIELDS = 2000


# Forms that are read from somebody who need not have signed in.
_STRANGERS = ("/i/", "/sign-in", "/join/")


def most_bytes(request: web.Request) -> int:
    """How large a body this address takes; those of the hiring team are read after the sign-in check."""
    limits = request.app[SETTINGS].limits
    return limits.form_bytes if request.path.startswith(_STRANGERS) else limits.team_form_bytes


async def typed(request: web.Request) -> dict[str, str]:
    """The fields by name, the last of equal names. Ends as `typed_pairs` does."""
    return dict(await typed_pairs(request))


async def typed_pairs(request: web.Request) -> list[tuple[str, str]]:
    """Name and value of every field, in the form's order; no files. Never a lone surrogate in them.

    Ends with 400 for what cannot be read, with 413 for what is too large, and with 408 for what does not arrive.
    """
    if not request.can_read_body:
        return []
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPBadRequest
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise web.HTTPBadRequest
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            body = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    if len(body) > most_bytes(request):
        raise web.HTTPRequestEntityTooLarge(max_size=most_bytes(request), actual_size=len(body))
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",  # so a surrogate, which UTF-8 has not (RFC 3629 §3), is refused percent-encoded too
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise web.HTTPBadRequest from error


def printable(text: str) -> str:
    """The text without what cannot be shown in a field: control characters, NUL above all."""
    return "".join(sign for sign in text if sign.isprintable())
