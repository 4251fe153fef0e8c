"""Between frames on the candidate's WebSocket and the dataclasses of `messages`.

Strict on the way in: a frame is one of our asks, whole and nothing more, or a `FrameRefused` that names the problem.
Decides nothing about the interview.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model

from signaling.codes import SENTENCES, ErrorCode
from signaling.messages import FRAME_LIMIT_BYTES, Ask, Error, Offer, Restart, Tell

LENGTHS: dict[str, tuple[int, int]] = {"tab": (8, 64), "question": (1, 64), "sdp": (1, 60_000)}
"""Shortest and longest of each text field of an ask, in characters."""

RANGES: dict[str, tuple[int, int]] = {"number": (1, 2**31 - 1)}
"""Least and greatest of each whole number in an ask."""

DETAIL_LIMIT = 200
"""How much of what a frame holds may get into a log, in characters."""

_CODES = {"missing": ErrorCode.MISSING_FIELD, "extra_forbidden": ErrorCode.UNKNOWN_FIELD}


class SignalingError(Exception):
    """Base of everything this package raises on purpose."""


class FrameRefused(SignalingError):
    """The frame is not an ask. `about` is the ask's type and `number` an offer's, if they could be read; `detail` is
    for logs: in one line and short, whatever the frame holds."""

    def __init__(
        self, code: ErrorCode, about: str | None = None, detail: str = "", *, number: int | None = None
    ) -> None:
        super().__init__(f"{code}: {detail[:DETAIL_LIMIT]!r}" if detail else str(code))
        self.code = code
        self.about = about
        self.number = number

    def error(self) -> Error:
        return error(self.code, self.about, self.number)


def error(code: ErrorCode, about: str | None, number: int | None = None) -> Error:
    """The message that refuses something, with the sentence for its code."""
    return Error(code=code, message=SENTENCES[code], about=about, number=number)


def refusal(code: ErrorCode, ask: Ask) -> Error:
    """The message that refuses this ask."""
    return error(code, type_name(type(ask)), ask.number if isinstance(ask, Offer | Restart) else None)


def type_name(kind: type[Any]) -> str:
    """`TakeOver` → `take_over`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


ASKS: dict[str, type[Ask]] = {type_name(kind): kind for kind in get_args(Ask)}
TELLS: dict[str, type[Tell]] = {type_name(kind): kind for kind in get_args(Tell)}


def _checker(kind: type[Ask]) -> TypeAdapter[Any]:
    """Refuses fields that are missing, unknown, of another type, of another length or out of range."""
    hints = get_type_hints(kind)
    typed: dict[str, Any] = {}
    for each in fields(kind):
        if each.name in RANGES:
            least, greatest = RANGES[each.name]
            limits = Field(ge=least, le=greatest)
        else:
            shortest, longest = LENGTHS[each.name]
            limits = Field(min_length=shortest, max_length=longest)
        typed[each.name] = (Annotated[hints[each.name], limits], ...)
    return TypeAdapter(create_model(kind.__name__, __config__=ConfigDict(extra="forbid", strict=True), **typed))


_CHECKERS = {name: _checker(kind) for name, kind in ASKS.items()}


def decode_ask(frame: str) -> Ask:
    """The ask in a text frame. Raises FrameRefused, and nothing else, whatever the text."""
    if len(frame) > FRAME_LIMIT_BYTES or len(frame.encode("utf-8", "surrogatepass")) > FRAME_LIMIT_BYTES:
        raise FrameRefused(ErrorCode.TOO_LARGE)
    try:
        body = json.loads(frame)
    except (ValueError, RecursionError) as unreadable:
        raise FrameRefused(ErrorCode.NOT_JSON, detail=str(unreadable)) from None
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise FrameRefused(ErrorCode.NOT_OBJECT)
    name = body.pop("type")
    if name not in ASKS:
        raise FrameRefused(ErrorCode.UNKNOWN_TYPE, detail=name)
    try:
        _CHECKERS[name].validate_python(body)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        code = _CODES.get(first["type"], ErrorCode.WRONG_FIELD)
        detail = f"{first['loc']}: {first['type']}"
        raise FrameRefused(code, about=name, detail=detail, number=_number(name, body)) from None
    return ASKS[name](**body)


def _number(name: str, body: dict[str, Any]) -> int | None:
    """Of an offer that is refused, if it has a right one."""
    number = body.get("number") if name in ("offer", "restart") else None
    least, greatest = RANGES["number"]
    return number if type(number) is int and least <= number <= greatest else None


def encode_tell(tell: Tell) -> str:
    """One text frame."""
    return json.dumps({"type": type_name(type(tell)), **asdict(tell)}, separators=(",", ":"), ensure_ascii=False)
