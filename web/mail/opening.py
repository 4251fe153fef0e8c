"""Maybe opened (E8): a picture of one pixel in a letter, whose fetching is noted once.

Mail programs prefetch pictures, or never fetch any: what is noted is a hint, and pages call it so. The answer is the
same for a letter that never was, so that nobody learns from it which ones are.
"""

from __future__ import annotations

import base64
import hmac

from aiohttp import web

from storage import mails
from web.keys import DATABASE, FOLDER, NOW_MS

_MARK_BYTES = 16
# GIF89a, one transparent pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


def picture_path(secret: bytes, mail_id: str) -> str:
    """Where the letter's picture is fetched from; cannot be guessed for another letter."""
    return f"/mail/{mail_id}/{_mark(secret, mail_id)}.gif"


async def picture(request: web.Request) -> web.Response:
    """GET /mail/{mail_id}/{mark}.gif: one pixel, whatever is asked for."""
    mail_id, mark = request.match_info["mail_id"], request.match_info["mark"]
    genuine = hmac.compare_digest(_mark(request.app[FOLDER].secret, mail_id).encode(), mark.encode())
    if genuine and request.method == "GET":
        async with request.app[DATABASE].read() as conn:
            mail = await mails.by_id(conn, mail_id)
        if mail is not None and mail.opened_at_ms is None:
            async with request.app[DATABASE].write() as conn:
                await mails.opened(conn, mail_id, request.app[NOW_MS]())
    return web.Response(body=PIXEL, content_type="image/gif", headers={"Cache-Control": "no-store"})


def _mark(secret: bytes, mail_id: str) -> str:
    digest = hmac.digest(secret, f"opened\n{mail_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:_MARK_BYTES]).rstrip(b"=").decode()
