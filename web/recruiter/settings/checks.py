"""What may stand in a field of the settings: pure, from what was typed to what is kept, or the mistake in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from storage.states import Role
from web.candidate.form import is_email
from web.forms import printable
from web.mail import addresses

LONGEST_LINE = 200
LONGEST_PROSE = 20_000

_NOT_SHOWN = "This had a character that cannot be shown. It was left out: check what is here now."
_ONE_LINE = "This is one line: the line break was left out. Check what is here now."
_REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@dataclass(frozen=True, slots=True)
class Typed:
    """A field as it goes back into the form: what is in it, and what is wrong with it, if anything is."""

    value: str
    mistake: str | None = None


def line(text: str, needed: str) -> Typed:
    """One line without spaces around it. `needed` is the sentence for an empty one."""
    value = text.strip()
    if not value.isprintable():
        broken = any(sign in value for sign in "\r\n")
        return Typed(printable(" ".join(value.split())), _ONE_LINE if broken else _NOT_SHOWN)
    value = " ".join(value.split())
    if not value:
        return Typed("", needed)
    if len(value) > LONGEST_LINE:
        return Typed(value, f"This is {len(value)} characters long; at most {LONGEST_LINE} fit.")
    return Typed(value)


def address(text: str, needed: str = "Type an e-mail address.") -> Typed:
    """An e-mail address by its form; whether mail arrives there is another matter."""
    typed = line(text, needed)
    if typed.mistake is not None:
        return typed
    if not is_email(typed.value):
        return Typed(typed.value, "This is not an e-mail address. It looks like name@example.com.")
    try:
        addresses.parse(typed.value)
    except addresses.NoAddress as error:
        return Typed(typed.value, str(error))
    return typed


def prose(text: str, needed: str) -> Typed:
    """Paragraphs as typed, with plain line feeds. `needed` is the sentence for an empty text."""
    value = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").strip()
    kept = "\n".join(printable(each).rstrip() for each in value.split("\n"))
    if not all(each.isprintable() for each in value.split("\n")):
        return Typed(kept, _NOT_SHOWN)
    if not kept:
        return Typed("", needed)
    if len(kept) > LONGEST_PROSE:
        return Typed(kept, f"This is {len(kept)} characters long; at most {LONGEST_PROSE} fit.")
    return Typed(kept)


def zone(text: str) -> Typed:
    """A time zone by its IANA name."""
    return Typed(text) if text in available_timezones() else Typed("UTC", "Choose a time zone from the list.")


def role(text: str) -> Role | None:
    """None for anything that is no role."""
    return Role(text) if text in set(Role) else None


@cache
def zones() -> dict[str, tuple[str, ...]]:
    """The zones that people choose from, by region; old spellings are left out."""
    known = sorted(available_timezones())
    by_region = {region: tuple(name for name in known if name.startswith(f"{region}/")) for region in _REGIONS}
    return {"Everywhere": ("UTC",), **by_region}
