"""The organisation's logo, for its candidates' pages as for its own: under its hash, so it is cached for ever."""

from __future__ import annotations

import re

from aiohttp import web

from storage import logos
from web.errors import not_found
from web.keys import DATABASE

_SHA256 = re.compile(r"[0-9a-f]{64}")


async def logo(request: web.Request) -> web.StreamResponse:
    """GET /logo/{sha256}. A picture and nothing else, whatever is in the file: nothing in it may load or run."""
    sha256 = request.match_info["sha256"]
    if not _SHA256.fullmatch(sha256):
        not_found()
    async with request.app[DATABASE].read() as conn:
        found = await logos.by_sha256(conn, sha256)
    if found is None:
        not_found()
    headers = {
        "Content-Type": found.media_type,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return web.Response(body=found.body, headers=headers)


def logo_path(sha256: str | None) -> str | None:
    """Where the picture with this hash is served; None for none."""
    return None if sha256 is None else f"/logo/{sha256}"
