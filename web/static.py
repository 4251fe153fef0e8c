"""Our own style sheets, scripts and pictures, under one hash of all of them.

The hash is the tree's, not a file's, so that modules and style sheets may name each
other by relative paths. What carries the present hash is cached for ever; another
hash (a page from before an upgrade) gets the present file, uncached.
Files are read once, at start: the server never touches the disk for them again.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

ROOT = Path(__file__).parent / "static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".woff2": "font/woff2",
    ".ico": "image/x-icon",
}
_COMPRESSED = frozenset({".css", ".js", ".svg"})
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """`gzipped` is None where compressing does not pay."""

    content_type: str
    body: bytes
    gzipped: bytes | None


@cache
def own_files() -> StaticFiles:
    """Greenroom's own, read and compressed once a process."""
    return StaticFiles()


class StaticFiles:
    """Everything that may be served below /static/, in memory."""

    def __init__(self, root: Path = ROOT) -> None:
        self._files: dict[str, StaticFile] = {}
        tree = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            if path.suffix not in _TYPES or not path.is_file():
                continue
            name = path.relative_to(root).as_posix()
            body = path.read_bytes()
            tree.update(f"{name}\n{len(body)}\n".encode() + body)
            packed = gzip.compress(body, mtime=0) if path.suffix in _COMPRESSED else None
            self._files[name] = StaticFile(_TYPES[path.suffix], body, packed)
        self.tree_hash = tree.hexdigest()[:16]

    def url(self, name: str) -> str:
        """The path a page links to. Raises KeyError for a file that does not exist."""
        if name not in self._files:
            raise KeyError(f"there is no static file {name}")
        return f"/static/{self.tree_hash}/{name}"

    def text(self, name: str) -> str:
        """The contents, for what is drawn into a page. Raises KeyError."""
        return self._files[name].body.decode()

    async def serve(self, request: web.Request) -> web.Response:
        """Handles GET /static/{tree}/{name}."""
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        current = request.match_info["tree"] == self.tree_hash
        headers = {
            "Content-Type": file.content_type,
            "Cache-Control": _FOR_EVER if current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if file.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.gzipped, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)
