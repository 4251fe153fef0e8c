"""The form of `messages` on the control socket: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from recorder.messages import Message, RecorderError

LINE_LIMIT_BYTES = 4 * 1024 * 1024

_ADAPTERS: dict[str, TypeAdapter[Message]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Message)}


class MessageMalformed(RecorderError):
    """The line is not one of our messages."""


def encode(message: Message, call_id: int | None = None) -> bytes:
    """One line of JSON with its newline; `call_id` joins a reply to its call."""
    kind = type(message).__name__
    body: dict[str, Any] = {"type": kind, "fields": _ADAPTERS[kind].dump_python(message)}
    if call_id is not None:
        body["id"] = call_id
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> tuple[Message, int | None]:
    """The message and the call it belongs to (None for events). Raises MessageMalformed."""
    try:
        body = json.loads(line)
        message = _ADAPTERS[body["type"]].validate_python(body["fields"])
        call_id = body.get("id")
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise MessageMalformed(str(error)) from error
    if call_id is not None and not isinstance(call_id, int):
        raise MessageMalformed("id is not a whole number")
    return message, call_id
