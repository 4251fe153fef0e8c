"""Templates to pages. One frozen dataclass is the whole context of a template.

What every template may call: `static(name)`, `icon(name)`, `when(ms, zone)`, `ago_time(ms, zone)`,
`length(ms)`, `span(seconds)`, and gettext's `_`, with the messages as they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp_jinja2
import jinja2
from aiohttp import web
from jinja2.bccache import Bucket
from markupsafe import Markup

from web import dates
from web.static import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

TEMPLATES = Path(__file__).parent / "templates"

# How many alerts the viewer has not read; the sign-in check counts them for the bell in the frame.
UNREAD = web.RequestKey("unread", int)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Icons:
    """The vendored Lucide set, as markup that takes its size and colour from the page."""

    files: StaticFiles

    def draw(self, name: str) -> Markup:
        """The icon, hidden from screen readers: words or a label stand beside it. Raises KeyError."""
        svg = _SPACES.sub(" ", _COMMENT.sub("", self.files.text(f"vendor/lucide/{name}.svg"))).strip()
        svg = svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).replace("> <", "><")
        return Markup(svg)  # noqa: S704 (our own file)


class _CompiledOnce(jinja2.BytecodeCache):
    """Templates as they were compiled first in this process, for every environment of it; by name and content."""

    _compiled: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._compiled.get(bucket.key, ("", b""))
        if checksum == bucket.checksum:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = (bucket.checksum, bucket.bytecode_to_string())


def set_up(app: web.Application, files: StaticFiles, now_ms: Callable[[], int]) -> jinja2.Environment:
    """Gives the application its templates; a name that a context lacks is an error."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        bytecode_cache=_CompiledOnce(),
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]

    def ago_time(at_ms: int, zone: str) -> Markup:
        return Markup(
            '<span class="when" tabindex="0"><time datetime="{}">{}</time><span class="when-exact"> {}</span></span>'
        ).format(dates.machine_time(at_ms, zone), dates.ago(at_ms, now_ms(), zone), dates.when(at_ms, zone))

    environment.globals.update(
        static=files.url,
        icon=cache(Icons(files).draw),
        when=dates.when,
        machine_time=dates.machine_time,
        ago_time=ago_time,
        length=dates.length,
        span=dates.span,
    )
    return environment


def page(request: web.Request, template: str, context: DataclassInstance, status: int = 200) -> web.Response:
    """The template drawn with the context's fields; never cached, since it is one person's."""
    values: dict[str, Any] = {field.name: getattr(context, field.name) for field in fields(context)}
    values["unread"] = request.get(UNREAD, 0)
    response = aiohttp_jinja2.render_template(template, request, values, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
