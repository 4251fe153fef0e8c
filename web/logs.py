"""What is logged, and what never is: a candidate's token.

Every handler of the process writes through `RedactingFormatter`, so that a token
is cut out wherever it came from: an access line, a parser's complaint, a trace.
Percent-encoding hides nothing, at whatever depth: the router decodes, and so would a reader.
"""

from __future__ import annotations

import logging
import re
import sys

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

_SLASH = r"(?:/|%(?:25)*2[Ff])"
_LINK = re.compile(rf"({_SLASH}(?:i|%(?:25)*69){_SLASH})[^/?#\s\"'\\]+")
# As long as a token, wherever it stands. Possessive, so that no line of a log takes more than one pass.
_LIKE_A_TOKEN = re.compile(r"(?:%(?:25)*+[0-9A-Fa-f]{2}|[A-Za-z0-9_-]){43,}+")


def redact(text: str) -> str:
    """The text with an ellipsis for the token of every candidate's link, and for whatever is as long as one."""
    return _LIKE_A_TOKEN.sub("…", _LINK.sub(r"\1…", text))


class RedactingFormatter(logging.Formatter):
    """Formats as usual, then redacts the whole of it, traces included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class AccessLog(AbstractAccessLogger):
    """One line a request: address, method, path without query, status, bytes, milliseconds."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        self.logger.info(
            "%s %s %s %d %d B %.0f ms",
            request.remote or "-",
            request.method,
            redact(request.rel_url.raw_path),
            response.status,
            response.body_length,
            time * 1000,
        )


def to_stderr(level: int = logging.INFO) -> None:
    """Sends the process's log lines to standard error. Called once, by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
