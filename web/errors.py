"""What people see when something is wrong: one sentence each, and what to do.

The one place where an error becomes an HTTP status and a page. Logs hold the cause.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from storage.errors import Busy
from web.logs import redact
from web.rendering import page

log = logging.getLogger("greenroom.web")

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class NotFoundContext:
    """For not_found.html, which says no more than that."""

    title: str = "Page not found"


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """For both error.html. `error_id` stands in the log beside the cause, or is None where the fault is not ours."""

    status: int
    title: str
    sentence: str
    advice: str
    error_id: str | None


_KNOWN: dict[int, tuple[str, str, str]] = {
    400: (
        "This request cannot be read",
        "What your browser sent was not complete, or not in a form this page understands.",
        "Go back, reload the page and try again.",
    ),
    403: (
        "Request refused",
        "This request came from another site, so nothing was changed.",
        "Open the page on this site and try again from there.",
    ),
    405: (
        "Not possible here",
        "This address does not take that kind of request.",
        "Go back and use the buttons on the page.",
    ),
    408: (
        "This took too long",
        "What your browser sent did not arrive in time, so nothing was saved.",
        "Check your connection, go back and try again.",
    ),
    413: (
        "That is too large",
        "What was sent is larger than this page accepts, so nothing was saved.",
        "Go back, shorten it and try again.",
    ),
    429: (
        "Too many attempts",
        "There were too many attempts in a short time.",
        "Wait a moment and try again.",
    ),
    503: (
        "Not available for a moment",
        "The server cannot do this just now.",
        "Wait a few seconds and reload the page.",
    ),
}
_UNFORESEEN = (
    "Something went wrong on our side",
    "The server met a problem it did not expect. What was saved before is safe.",
    "Reload the page to try again. If it happens again, tell us the code below: it leads us to the cause.",
)


_WRONG_ROLE = (
    "Not part of your role",
    "You are signed in, but this page is for colleagues with another role.",
    "Ask an admin of your team if you need it.",
)


class WrongRole(web.HTTPForbidden):
    """Signed in, but not as somebody who may do this."""


def not_found() -> NoReturn:
    """Ends the request with a plain 404."""
    raise web.HTTPNotFound


def page_for_status(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """The page for an error that a handler or the router raised; redirects stay as they are."""
    if error.status < 400 or error.status in {412, 416}:
        raise error
    if error.status == 404:
        template = "candidate/not_found.html" if _is_candidates(request) else "not_found.html"
        response = page(request, template, NotFoundContext(), status=404)
    else:
        known = _WRONG_ROLE if isinstance(error, WrongRole) else _KNOWN.get(error.status, _KNOWN[400])
        title, sentence, advice = known
        context = ErrorContext(error.status, title, sentence, advice, None)
        response = page(request, _error_template(request), context, status=error.status)
        if error.status == 408:
            response.force_close()
    for name in ("Allow", "Retry-After"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def page_for_busy(request: web.Request, error: Busy) -> web.StreamResponse:
    """The page for a database that did not come free in time: nothing was changed, and a moment later it may be."""
    log.warning("busy at %s %s: %s", request.method, redact(request.rel_url.raw_path), error)
    return page_for_status(request, web.HTTPServiceUnavailable(headers={"Retry-After": str(RETRY_AFTER_S)}))


def page_for_unforeseen(request: web.Request, error: Exception) -> web.StreamResponse:
    """A page with an id; the log has the same id, the request and the trace."""
    error_id = secrets.token_hex(5)
    log.error("error %s at %s %s", error_id, request.method, redact(request.rel_url.raw_path), exc_info=error)
    title, sentence, advice = _UNFORESEEN
    try:
        context = ErrorContext(500, title, sentence, advice, error_id)
        return page(request, _error_template(request), context, status=500)
    except Exception:
        log.exception("error %s: its page could not be drawn either", error_id)
        return web.Response(status=500, text=f"{title}. Code: {error_id}")


def _error_template(request: web.Request) -> str:
    return "candidate/error.html" if _is_candidates(request) else "error.html"


def _is_candidates(request: web.Request) -> bool:
    return request.path.startswith("/i/")
