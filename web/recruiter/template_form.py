"""The editor's form: a draft as typed, and what its buttons change. Pure; mistakes are `web.recruiter.template_check`.

Questions and fields have a key each, which names their controls: their order is the order of the keys in the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from storage.shapes import DetailsField, FieldKind
from storage.templates import TemplateVersion
from web.recruiter import template_times as times

KINDS: dict[FieldKind, str] = {"text": "Text", "email": "E-mail", "tel": "Telephone"}
DEFAULT_FIELDS: tuple[DetailsField, ...] = (
    {"name": "name", "label": "Full name", "required": True, "kind": "text"},
    {"name": "email", "label": "E-mail address", "required": True, "kind": "email"},
    {"name": "phone", "label": "Telephone", "required": False, "kind": "tel"},
)

_KEY = re.compile(r"[a-z0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """As typed. `think` and `limit` are seconds, or "other" and then what was typed beside it."""

    key: str
    text: str = ""
    think: str = "30"
    think_other: str = ""
    limit: str = "120"
    limit_other: str = ""
    retakes: str = "1"
    required: bool = True


@dataclass(frozen=True, slots=True)
class FieldForm:
    """One field of the details that candidates fill in, as typed."""

    key: str
    label: str = ""
    kind: str = "text"
    required: bool = False


@dataclass(frozen=True, slots=True)
class DraftForm:
    """The whole draft as typed."""

    name: str
    language: str
    introduction: str
    instructions: str
    difficulty: str
    focus_area: str
    duration_min: str
    audio_only: bool
    questions: tuple[QuestionForm, ...]
    fields: tuple[FieldForm, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """The form after a button that adds, removes or moves; `anchor` is the id of what to look at next."""

    form: DraftForm
    anchor: str


def of_version(version: TemplateVersion) -> DraftForm:
    """The form of what is kept."""
    return DraftForm(
        name=version.template_name,
        language=version.language,
        introduction=version.introduction,
        instructions=version.instructions,
        difficulty=version.difficulty or "",
        focus_area=version.focus_area,
        duration_min="" if version.duration_min is None else str(version.duration_min),
        audio_only=version.audio_only_allowed,
        questions=tuple(
            QuestionForm(
                key=str(each.position),
                text=each.text,
                think=str(each.think_s),
                limit=str(each.limit_s),
                retakes=times.UNLIMITED if each.retakes is None else str(each.retakes),
                required=each.required,
            )
            for each in version.questions
        ),
        fields=tuple(
            FieldForm(key=str(number), label=field["label"], kind=field["kind"], required=field["required"])
            for number, field in enumerate(version.details_fields, start=1)
        ),
    )


def parsed(pairs: Iterable[tuple[str, str]]) -> DraftForm:
    """The form from what a browser sent; what is missing is empty, what is unknown is left out."""
    by_name: dict[str, str] = {}
    keys: dict[str, dict[str, None]] = {"question": {}, "field": {}}
    for name, value in pairs:
        if name not in keys:
            by_name[name] = value
        elif _KEY.fullmatch(value):
            keys[name][value] = None

    def typed(name: str) -> str:
        return by_name.get(name, "").replace("\r\n", "\n").replace("\r", "\n")

    return DraftForm(
        name=typed("name"),
        language=typed("language"),
        introduction=typed("introduction"),
        instructions=typed("instructions"),
        difficulty=typed("difficulty"),
        focus_area=typed("focus_area"),
        duration_min=typed("duration_min"),
        audio_only=bool(typed("audio_only")),
        questions=tuple(
            QuestionForm(
                key=key,
                text=typed(f"text-{key}"),
                think=typed(f"think-{key}"),
                think_other=typed(f"think-other-{key}"),
                limit=typed(f"limit-{key}"),
                limit_other=typed(f"limit-other-{key}"),
                retakes=typed(f"retakes-{key}"),
                required=bool(typed(f"required-{key}")),
            )
            for key in keys["question"]
        ),
        fields=tuple(
            FieldForm(
                key=key,
                label=typed(f"label-{key}"),
                kind=typed(f"kind-{key}"),
                required=bool(typed(f"must-{key}")),
            )
            for key in keys["field"]
        ),
    )


def changed(form: DraftForm, action: str) -> Changed | None:
    """The form after a button; None for a button that changes nothing of it."""
    verb, _, key = action.partition(":")
    match verb:
        case "add-question":
            last = form.questions[-1] if form.questions else QuestionForm("")
            # A new question has the times of the one before it: most templates ask all alike.
            added = replace(last, key=_free(form.questions), text="", think_other="", limit_other="")
            if times.OTHER in {last.think, last.limit}:
                added = QuestionForm(added.key)
            return Changed(replace(form, questions=(*form.questions, added)), f"text-{added.key}")
        case "add-field":
            field = FieldForm(_free(form.fields))
            return Changed(replace(form, fields=(*form.fields, field)), f"label-{field.key}")
        case "remove-question":
            left = tuple(each for each in form.questions if each.key != key)
            return Changed(replace(form, questions=left), "questions")
        case "remove-field":
            kept = tuple(each for each in form.fields if each.key != key)
            return Changed(replace(form, fields=kept), "fields")
        case "up" | "down":
            step = -1 if verb == "up" else 1
            return Changed(replace(form, questions=_moved(form.questions, key, step)), f"question-{key}")
    return None


def position_of(form: DraftForm, anchor: str) -> str:
    """The anchor as it is called once the draft was saved and read again: keys are then numbers from 1."""
    kind, _, key = anchor.partition("-")
    rows: Sequence[QuestionForm | FieldForm] = form.fields if kind == "label" else form.questions
    number = next((number for number, row in enumerate(rows, start=1) if row.key == key), None)
    return anchor if number is None else f"{kind}-{number}"


def _moved(rows: tuple[QuestionForm, ...], key: str, step: int) -> tuple[QuestionForm, ...]:
    order = list(rows)
    at = next((index for index, each in enumerate(order) if each.key == key), None)
    if at is not None and 0 <= at + step < len(order):
        order[at], order[at + step] = order[at + step], order[at]
    return tuple(order)


def _free(rows: Sequence[QuestionForm | FieldForm]) -> str:
    taken = {each.key for each in rows}
    return next(str(number) for number in range(1, len(rows) + 2) if str(number) not in taken)
