"""Parts of pages: what a script on the page asks for is answered with the part alone, everything else with a page."""

from __future__ import annotations

from aiohttp import web


def is_for_a_part(request: web.Request) -> bool:
    """Whether htmx on one of our pages asked (its header HX-Request)."""
    return request.headers.get("HX-Request") == "true"
