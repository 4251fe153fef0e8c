"""JSON columns as the types they must have. Raises ShapeBroken on anything our own code never writes.

Deliberately not for input from outside: forms and messages are checked where they come in.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from storage.errors import ShapeBroken

FieldKind = Literal["text", "email", "tel"]


class DetailsField(TypedDict):
    """One field of the form of personal details."""

    name: str
    label: str
    required: bool
    kind: FieldKind


def as_object(value: object, column: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise ShapeBroken(f"{column} is not an object")
    return value


def as_texts(value: object, column: str) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ShapeBroken(f"{column} is not a list of texts")
    return value


def as_text_by_name(value: object, column: str) -> dict[str, str]:
    """An object whose values are texts."""
    found = as_object(value, column)
    if not all(isinstance(item, str) for item in found.values()):
        raise ShapeBroken(f"{column} holds something else than texts")
    return found


def as_details_fields(value: object, column: str) -> list[DetailsField]:
    """The fields in their order, each with exactly its four keys and a name of its own."""
    if not isinstance(value, list):
        raise ShapeBroken(f"{column} is not a list")
    fields = [_as_details_field(item, column) for item in value]
    if len({field["name"] for field in fields}) != len(fields):
        raise ShapeBroken(f"{column} names a field twice")
    return fields


def _as_details_field(item: object, column: str) -> DetailsField:
    match item:
        case {
            "name": str(name),
            "label": str(label),
            "required": bool(required),
            "kind": ("text" | "email" | "tel") as kind,
            **others,
        } if name and not others:
            return DetailsField(name=name, label=label, required=required, kind=kind)
    raise ShapeBroken(f"{column} holds {item!r}, which is no field")
