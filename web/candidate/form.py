"""The form of personal details (C8, C9): what is known is filled in, what is wrong is said beside its field. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from storage.shapes import DetailsField
from web.candidate.contexts import Field
from web.forms import printable

LONGEST = 200

_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_TEL = re.compile(r"\+?[0-9][0-9 ()./-]{3,}[0-9]")
_AUTOCOMPLETE = {"email": "email", "tel": "tel"}
_NAMES = frozenset({"name", "full_name"})


def prefilled(fields: Sequence[DetailsField], details: Mapping[str, str], name: str, email: str) -> list[Field]:
    """The fields with what was saved before, else with what the invitation knows of its candidate."""
    known = {field["name"]: email for field in fields if field["kind"] == "email"}
    known |= {field["name"]: name for field in fields if field["name"] in _NAMES}
    return [_field(field, details.get(field["name"], known.get(field["name"], "")), None) for field in fields]


def checked(fields: Sequence[DetailsField], typed: Mapping[str, str]) -> list[Field]:
    """The fields as typed, each with its mistake, if it has one. What is no field is left out."""
    return [_checked(field, typed.get(field["name"], "")) for field in fields]


def is_email(text: str) -> bool:
    """Whether it has the form of an address; whether mail arrives there is another matter."""
    return len(text) <= LONGEST and _EMAIL.fullmatch(text) is not None


def _checked(field: DetailsField, typed: str) -> Field:
    value = " ".join(typed.split())
    return _field(field, printable(value) or printable(typed), _mistake(field, value))


def _mistake(field: DetailsField, value: str) -> str | None:
    if not value:
        return f"{field['label']} is required." if field["required"] else None
    if len(value) > LONGEST:
        return f"This is {len(value)} characters long; at most {LONGEST} fit."
    if not value.isprintable():
        return "This had a character that cannot be shown. It was left out: check what is here now."
    if field["kind"] == "email" and not is_email(value):
        return "This is not an e-mail address. It looks like name@example.com."
    if field["kind"] == "tel" and not _TEL.fullmatch(value):
        return "This is not a telephone number. It looks like +358 40 123 4567."
    return None


def _field(field: DetailsField, value: str, error: str | None) -> Field:
    autocomplete = "name" if field["name"] in _NAMES else _AUTOCOMPLETE.get(field["kind"], "off")
    return Field(
        name=field["name"],
        label=field["label"],
        kind=field["kind"],
        required=field["required"],
        value=value,
        error=error,
        autocomplete=autocomplete,
    )
