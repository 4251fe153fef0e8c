"""What happens around every request: bounds, cross-site refusal, error pages, security headers.

There are no tokens in forms: a request that changes something, or opens a WebSocket,
is refused when the browser says it began on another site.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from storage.errors import Busy
from web import errors
from web.forms import most_bytes
from web.keys import SETTINGS

# Their pages bound the file themselves, and say beside its field when it is too large.
UPLOADS = frozenset({"/settings/organisation/logo"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
NO_CAPTURE = "camera=(), microphone=(), display-capture=(), geolocation=()"
CAPTURE = "camera=(self), microphone=(self), display-capture=(), geolocation=()"


async def security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every response, files and sockets included (a signal: middlewares do not see those prepared).

    Referrer-Policy is same-origin, not no-referrer: the latter makes browsers send "Origin: null"
    with our own forms, and over plain HTTP on a LAN that is all we have to tell them from others' by.
    """
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("Permissions-Policy", NO_CAPTURE)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("X-Robots-Tag", "noindex, nofollow")
    if request.app[SETTINGS].https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers.popall(hdrs.SERVER, None)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes a page; what was not foreseen gets an id that is in the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return errors.page_for_status(request, error)
    except (ConnectionResetError, ConnectionAbortedError):
        raise  # the client is gone: nobody reads a page
    except Busy as error:
        return errors.page_for_busy(request, error)
    except Exception as error:
        return errors.page_for_unforeseen(request, error)


@web.middleware
async def request_bounds(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses a body that says it is too large before a byte of it is read."""
    if request.path in UPLOADS:
        return await handler(request)
    most = most_bytes(request)
    if request.content_length is not None and request.content_length > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=request.content_length)
    return await handler(request)


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what another site's page began, where it would change or hold something open."""
    if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
        # Browsers always send Origin with these (RFC 6455 §4.1), and not all of them Sec-Fetch-Site.
        allowed = origin_is_ours(request)
    else:
        allowed = request.method in _SAFE or began_here(request)
    if not allowed:
        raise web.HTTPForbidden
    return await handler(request)


def began_here(request: web.Request) -> bool:
    """Whether the browser says so: by Sec-Fetch-Site (W3C Fetch Metadata), else by Origin."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in {"same-origin", "none"} if site is not None else origin_is_ours(request)


def origin_is_ours(request: web.Request) -> bool:
    """No Origin at all means it is no browser, and so carries nobody's cookies."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True
    return origin == request.app[SETTINGS].origin or urlsplit(origin).netloc == request.host
