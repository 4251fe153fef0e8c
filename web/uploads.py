"""One uploaded file of a form, within a size and a time. Whether the file is any good is its page's to say."""

from __future__ import annotations

import asyncio

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

READ_TIMEOUT_S = 60.0
_OVERHEAD_BYTES = 8 * 1024


class UploadTooLarge(Exception):
    """There is more of it than was asked for; the rest is left unread."""


async def uploaded(request: web.Request, name: str, *, most_bytes: int) -> bytes:
    """The file in the field `name`, which is the form's only one; empty when none was chosen.

    Raises UploadTooLarge. Ends with 400 for what is no such form, and with 408 for what does not arrive.
    """
    if request.content_type != "multipart/form-data":
        raise web.HTTPBadRequest
    if request.content_length is not None and request.content_length > most_bytes + _OVERHEAD_BYTES:
        raise UploadTooLarge
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await _first_part(request, name, most_bytes)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (ValueError, RuntimeError, AssertionError, HttpProcessingError) as error:
        # All of these are aiohttp's words for a broken form: the last is of the heads of its parts.
        raise web.HTTPBadRequest from error


async def _first_part(request: web.Request, name: str, most_bytes: int) -> bytes:
    part = await (await request.multipart()).next()
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise web.HTTPBadRequest
    body = bytearray()
    while chunk := await part.read_chunk():
        body += chunk
        if len(body) > most_bytes:
            raise UploadTooLarge
    return bytes(body)
