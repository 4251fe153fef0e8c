"""What people type on the review page, checked. Pure; a mistake is a sentence for beside its field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from storage.comments import TEXT_LIMIT
from storage.scores import HIGHEST, LOWEST

_ID = re.compile(r"[0-9a-f]{32}")
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d)", re.ASCII)
_SECONDS = re.compile(r"\d{1,5}", re.ASCII)
_KEPT_CONTROLS = frozenset("\n\t")
MOMENT_FORM = "Write the moment as minutes and seconds, like 0:42."


@dataclass(frozen=True, slots=True)
class TypedComment:
    """A comment as it was typed. `moment_ms` is None where none was meant, or where it is a mistake."""

    text: str
    moment: str
    moment_ms: int | None
    mistake: str
    moment_mistake: str

    @property
    def good(self) -> bool:
        return not self.mistake and not self.moment_mistake


def comment(fields: Mapping[str, str], *, duration_ms: int | None) -> TypedComment:
    """Text and moment of a form. `duration_ms` is the recording's length, None where there is no recording."""
    text, moment = words(fields.get("text", "")), fields.get("moment", "").strip()[:20]
    moment_ms, mistake = moment_of(moment, duration_ms)
    return TypedComment(text, moment, moment_ms, text_mistake(text), mistake)


def words(typed: str) -> str:
    """The text with plain line ends, without control characters, and without blanks around it."""
    lines = typed.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        sign for sign in lines if sign in _KEPT_CONTROLS or unicodedata.category(sign) not in {"Cc", "Cs"}
    ).strip()


def text_mistake(text: str) -> str:
    """What is wrong with the text of a comment; empty if nothing is."""
    if not text:
        return "Write your comment first."
    if len(text) > TEXT_LIMIT:
        return f"This is {len(text):,} characters long. Shorten it to {TEXT_LIMIT:,}."
    return ""


def moment_of(typed: str, duration_ms: int | None) -> tuple[int | None, str]:
    """Milliseconds into the recording, and what is wrong. Nothing typed is no moment, and no mistake."""
    if not typed:
        return None, ""
    clock = _CLOCK.fullmatch(typed)
    if clock is not None:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        moment_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000
    elif _SECONDS.fullmatch(typed):
        moment_ms = int(typed) * 1000
    else:
        return None, MOMENT_FORM
    if duration_ms is None:
        return None, "There is no recording here to point into. Leave the moment empty."
    if moment_ms > duration_ms:
        return None, "The recording ends before that moment."
    return moment_ms, ""


def score(typed: str) -> int | None:
    """The value, or None for a score taken back. Raises ValueError for anything else."""
    if not typed:
        return None
    if len(typed) > 1 or not typed.isascii() or not typed.isdigit() or not LOWEST <= int(typed) <= HIGHEST:
        raise ValueError("not a score")
    return int(typed)


def number(typed: str) -> int | None:
    """The number of a question, 0 for the whole interview; None for what is no such number."""
    if not typed.isascii() or not typed.isdigit() or len(typed) > 3:
        return None
    return int(typed)


def identity(typed: str) -> str | None:
    """An id of ours; None for what is none."""
    return typed if _ID.fullmatch(typed) else None
