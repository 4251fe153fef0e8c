"""What machines ask: whether the server answers, and whether they may index it."""

from __future__ import annotations

from aiohttp import web

from web.keys import DATABASE


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz: 200 while the database can be read."""
    async with request.app[DATABASE].read():
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})


async def robots(request: web.Request) -> web.Response:
    """GET /robots.txt: nothing here is for search engines."""
    return web.Response(text="User-agent: *\nDisallow: /\n")
