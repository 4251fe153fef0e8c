"""What is wrong with a draft as typed: a sentence for each mistake, by the name of its control. Pure.

A draft may be unfinished: `checked` refuses only what cannot be kept, `unready` says what publishing still needs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage.shapes import DetailsField
from storage.states import Difficulty
from storage.template_drafts import DraftContent, DraftQuestion
from web.recruiter import template_times as times
from web.recruiter.template_form import KINDS, DraftForm, FieldForm, QuestionForm

MOST_QUESTIONS = 40
MOST_FIELDS = 20
LONGEST_NAME = 120
LONGEST_LABEL = 80
LONGEST_QUESTION = 1000
LONGEST_TEXT = 4000
LONGEST_DURATION_MIN = 480

_NOT_SHOWN = "This had a character that cannot be shown. It was left out: check what is here now."
_NOT_OFFERED = "Choose one of the list."
# What candidates' own details fill in by themselves, in the languages of their pages.
_KNOWN_NAMES = {
    "full_name": "name",
    "your_name": "name",
    "koko_nimi": "name",
    "nimi": "name",
    "vollstandiger_name": "name",
    "nombre_completo": "name",
    "nombre": "name",
    "telephone": "phone",
    "e_mail_address": "email",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """`content` is None exactly when there are `mistakes`: a sentence by the name of its control."""

    content: DraftContent | None
    mistakes: dict[str, str]


def checked(form: DraftForm, languages: Sequence[str] = ()) -> Checked:
    """What can be kept of the form, or its mistakes. `languages`: those beside the ones offered that are kept too."""
    found: dict[str, str] = {}
    name = _line(found, "name", form.name, LONGEST_NAME)
    if not name and "name" not in found:
        found["name"] = "A template needs a name."
    if form.language not in {*times.LANGUAGES, *languages}:
        found["language"] = _NOT_OFFERED
    if form.difficulty not in {"", *Difficulty}:
        found["difficulty"] = _NOT_OFFERED
    if len(form.questions) > MOST_QUESTIONS:
        found["questions"] = f"These are {len(form.questions)} questions; at most {MOST_QUESTIONS} fit. Remove some."
    if len(form.fields) > MOST_FIELDS:
        found["fields"] = f"These are {len(form.fields)} fields; at most {MOST_FIELDS} fit. Remove some."
    content = DraftContent(
        name=name,
        language=form.language,
        introduction=_text(found, "introduction", form.introduction, LONGEST_TEXT),
        instructions=_text(found, "instructions", form.instructions, LONGEST_TEXT),
        details_fields=_fields(found, form.fields),
        audio_only_allowed=form.audio_only,
        difficulty=Difficulty(form.difficulty) if form.difficulty and "difficulty" not in found else None,
        focus_area=_line(found, "focus_area", form.focus_area, LONGEST_LABEL),
        duration_min=_duration(found, form.duration_min),
        questions=tuple(_question(found, each) for each in form.questions),
    )
    return Checked(None if found else content, found)


def unready(form: DraftForm) -> dict[str, str]:
    """What must be there before publishing and is not, by the name of its control."""
    found: dict[str, str] = {}
    if not form.questions:
        found["questions"] = "A template needs at least one question before it can be published."
    for question in form.questions:
        if not question.text.strip():
            found[f"text-{question.key}"] = "Write the question, or remove it."
    for field in form.fields:
        if not field.label.strip():
            found[f"label-{field.key}"] = "Say what to fill in here, or remove the field."
    return found


def shown(form: DraftForm) -> DraftForm:
    """The form without what a page cannot show: as it is drawn again."""
    return replace(
        form,
        name=showable(form.name),
        introduction=showable(form.introduction),
        instructions=showable(form.instructions),
        focus_area=showable(form.focus_area),
        duration_min=showable(form.duration_min),
        questions=tuple(
            replace(
                each,
                text=showable(each.text),
                think_other=showable(each.think_other),
                limit_other=showable(each.limit_other),
            )
            for each in form.questions
        ),
        fields=tuple(replace(each, label=showable(each.label)) for each in form.fields),
    )


def _question(found: dict[str, str], form: QuestionForm) -> DraftQuestion:
    text = _text(found, f"text-{form.key}", form.text, LONGEST_QUESTION)
    think_s = _seconds(found, f"think-{form.key}", form.think, form.think_other, 0)
    limit_s = _seconds(found, f"limit-{form.key}", form.limit, form.limit_other, times.SHORTEST_LIMIT_S)
    retakes: int | None = None
    if form.retakes != times.UNLIMITED:
        if times.is_number(form.retakes) and int(form.retakes) <= times.MOST_RETAKES:
            retakes = int(form.retakes)
        else:
            found[f"retakes-{form.key}"] = _NOT_OFFERED
    return DraftQuestion(text, think_s, limit_s, retakes, form.required)


def _seconds(found: dict[str, str], control: str, chosen: str, other: str, least: int) -> int:
    seconds = times.seconds_of(other if chosen == times.OTHER else f"{chosen} s")
    if seconds is None:
        found[control] = "Write a time with its unit, like 90 s, 2 min or 1:30."
    elif seconds < least:
        found[control] = f"At least {least} s."
    elif seconds > times.LONGEST_S:
        found[control] = f"At most {times.LONGEST_S // 60} min."
    return seconds or 0


def _duration(found: dict[str, str], typed: str) -> int | None:
    text = typed.strip()
    if not text:
        return None
    if times.is_number(text) and 1 <= int(text) <= LONGEST_DURATION_MIN:
        return int(text)
    found["duration_min"] = f"Whole minutes from 1 to {LONGEST_DURATION_MIN}, or empty: then it is reckoned."
    return None


def _fields(found: dict[str, str], forms: Sequence[FieldForm]) -> tuple[DetailsField, ...]:
    made: list[DetailsField] = []
    taken: set[str] = set()
    for form in forms:
        label = _line(found, f"label-{form.key}", form.label, LONGEST_LABEL)
        kind = next((each for each in KINDS if each == form.kind), None)
        if kind is None:
            found[f"kind-{form.key}"] = _NOT_OFFERED
        name = _field_name(label, taken)
        taken.add(name)
        made.append(DetailsField(name=name, label=label, required=form.required, kind=kind or "text"))
    return tuple(made)


def _field_name(label: str, taken: set[str]) -> str:
    """What a candidate's own form calls the field: from its label, and its own."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().casefold()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40] or "field"
    slug = _KNOWN_NAMES.get(slug, slug)
    return next(name for name in (slug, *(f"{slug}_{n}" for n in range(2, 1000))) if name not in taken)


def _line(found: dict[str, str], control: str, typed: str, longest: int) -> str:
    """One line: any white space in it becomes a space."""
    value = " ".join(typed.split())
    if showable(value) != value:
        found[control] = _NOT_SHOWN
    elif len(value) > longest:
        found[control] = f"This is {len(value)} characters long; at most {longest} fit."
    return value


def _text(found: dict[str, str], control: str, typed: str, longest: int) -> str:
    """Lines are kept; white space around the whole is not."""
    value = typed.strip()
    if showable(value) != value:
        found[control] = _NOT_SHOWN
    elif len(value) > longest:
        found[control] = f"This is {len(value)} characters long; at most {longest} fit."
    return value


def showable(text: str) -> str:
    """Without control characters, and without those that turn the direction of what follows."""
    return "".join(
        sign
        for sign in text
        if sign in "\n\t"
        or (unicodedata.category(sign) not in {"Cc", "Cs", "Cn"} and not ("\u202a" <= sign <= "\u202e"))
    )
