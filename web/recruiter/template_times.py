"""The times and choices of the template editor: what its lists offer, and times as people write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from storage.states import Difficulty
from web.dates import span

OTHER = "other"
UNLIMITED = "unlimited"
LONGEST_S = 30 * 60
SHORTEST_LIMIT_S = 5
MOST_RETAKES = 20

_THINK_S = (0, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
_LIMIT_S = (15, 30, 45, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900)
_RETAKES = (0, 1, 2, 3, 4, 5, 10)

DIFFICULTIES: Mapping[Difficulty, str] = {
    Difficulty.INTRODUCTORY: "Introductory",
    Difficulty.INTERMEDIATE: "Intermediate",
    Difficulty.ADVANCED: "Advanced",
}

# Languages are named as their speakers name them.
LANGUAGES: Mapping[str, str] = {"en": "English", "fi": "Suomi", "de": "Deutsch", "es": "Español"}

_UNITS = (("h", 3600), ("min", 60), ("m", 60), ("s", 1))
_PART = re.compile(r"(\d{1,5}(?:[.,]\d{1,2})?)\s*(hours?|h|minutes?|mins?|min|m|seconds?|secs?|sec|s)\b\.?\s*")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)")


def seconds_of(text: str) -> int | None:
    """Seconds in "90 s", "2 min", "1 min 30 s", "1:30" or a bare "90"; None for anything else.

    A bare number below 10 is nothing: it may mean seconds as well as minutes.
    """
    text = text.strip().casefold()
    if clock := _CLOCK.fullmatch(text):
        return int(clock[1]) * 60 + int(clock[2])
    if is_number(text):
        return int(text) if int(text) == 0 or int(text) >= 10 else None
    total, at = 0.0, 0
    while part := _PART.match(text, at):
        unit = next(seconds for name, seconds in _UNITS if part[2].startswith(name))
        total += float(part[1].replace(",", ".")) * unit
        at = part.end()
    return round(total) if at and at == len(text) else None


def is_number(text: str) -> bool:
    """Whether it is a whole number of at most five plain digits."""
    return text.isascii() and text.isdigit() and len(text) <= 5


def think_choices(*present: str) -> list[tuple[str, str]]:
    """Value and label of each think time offered; `present` are values that must be among them."""
    return _choices(_THINK_S, present, lambda s: span(s) if s else "No clock")


def limit_choices(*present: str) -> list[tuple[str, str]]:
    """As `think_choices`, of the answer limits."""
    return _choices(_LIMIT_S, present, span)


def retake_choices(*present: str) -> list[tuple[str, str]]:
    """As `think_choices`, of the retakes; the last is unlimited."""
    chosen = _numbers(_RETAKES, present)
    return [(str(n), retakes_words(n)) for n in chosen] + [(UNLIMITED, retakes_words(None))]


def retakes_words(retakes: int | None) -> str:
    """Like "1 retake"."""
    if retakes is None:
        return "Unlimited"
    return "None" if retakes == 0 else f"{retakes} retake{'' if retakes == 1 else 's'}"


def rules_words(think_s: int, limit_s: int, retakes: int | None) -> str:
    """The rules of a question as its card tells them to the candidate."""
    think = f"{_card_span(think_s)} to think" if think_s else "no think clock"
    tries = "unlimited retakes" if retakes is None else "no retake" if retakes == 0 else retakes_words(retakes)
    return f"{think} · up to {_card_span(limit_s)} to answer · {tries}"


def _card_span(seconds: int) -> str:
    # As js/candidate/words.js says it: seconds up to two minutes.
    return f"{seconds} s" if seconds < 120 else span(seconds)


def _choices(offered: Sequence[int], present: Sequence[str], words: Callable[[int], str]) -> list[tuple[str, str]]:
    return [(str(n), words(n)) for n in _numbers(offered, present)] + [(OTHER, "Other…")]


def _numbers(offered: Sequence[int], present: Sequence[str]) -> list[int]:
    also = {int(text) for text in present if is_number(text)}
    return sorted({*offered, *also})
