"""What was typed into a field of one line: kept as it is, or with its mistake beside it. Pure.

Text that looks like a spreadsheet's formula is text like any other here: what writes spreadsheets makes it inert.
"""

from __future__ import annotations

from dataclasses import dataclass

from web.mail.addresses import NoAddress, parse

LONGEST_NAME = 200
LONGEST_ADDRESS = 254

# They are not "printable", and yet Persian, Hindi and others cannot be written without them (UAX #31 §2.3).
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class TypedLine:
    """What the field shows again, and what is wrong with what was typed, if anything is."""

    value: str = ""
    mistake: str | None = None


def name_line(typed: str, *, missing: str) -> TypedLine:
    """A name or a title: one line of at most LONGEST_NAME characters. `missing` is said of an empty one."""
    text = typed.replace("\u00a0", " ").strip()
    if not text:
        return TypedLine("", missing)
    if not all(_can_be_shown(sign) for sign in text):
        shown = " ".join("".join(sign if _can_be_shown(sign) else " " for sign in text).split())
        return TypedLine(
            shown, "This had a line break or another character that cannot be shown. Check what is here now."
        )
    if len(text) > LONGEST_NAME:
        return TypedLine(text, f"This is {len(text)} characters long; at most {LONGEST_NAME} fit.")
    return TypedLine(text)


def address_line(typed: str) -> TypedLine:
    """An e-mail address that mail can be sent to, as it was written."""
    text = typed.strip()
    shown = "".join(sign for sign in text if sign.isprintable())
    if not text:
        return TypedLine("", "Type an e-mail address: the invitation goes there.")
    if shown != text:
        return TypedLine(shown, "This had a character that cannot be shown. It was left out: check what is here now.")
    if len(text) > LONGEST_ADDRESS:
        return TypedLine(text, f"This is {len(text)} characters long; at most {LONGEST_ADDRESS} fit.")
    try:
        parse(text)
    except NoAddress as error:
        return TypedLine(text, str(error))
    return TypedLine(text)


def _can_be_shown(sign: str) -> bool:
    return sign.isprintable() or sign in _JOINERS
