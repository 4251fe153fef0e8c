"""What a posted form holds, as text; anything that is no form is a mistake of the sender, never a fault of ours."""

from __future__ import annotations

from aiohttp import web


async def typed(request: web.Request) -> dict[str, str]:
    """The fields by name, the last of equal names; our forms send no files.

    Ends with 400 for what cannot be read, and with 413 for what is too large.
    """
    if not request.can_read_body:
        return {}
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPBadRequest
    try:
        posted = await request.post()
    except (ValueError, LookupError) as error:  # not in its charset, or no such charset
        raise web.HTTPBadRequest from error
    fields = {name: value for name, value in posted.items() if isinstance(value, str)}
    if any("\0" in value for value in fields.values()):
        raise web.HTTPBadRequest
    return fields
