"""A template's page, drawn from what is kept or from what was typed: the editor of a draft, else what is published."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, organisations, template_drafts, template_list, templates, users
from storage.logins import Login
from storage.template_drafts import VersionLine
from storage.templates import Template
from web.dates import when
from web.recruiter import template_times as times
from web.recruiter.template_check import MOST_FIELDS, MOST_QUESTIONS
from web.recruiter.template_contexts import Choices, EditorPage, Problem, QuestionRow, TemplatePage
from web.recruiter.template_form import KINDS, DraftForm, FieldForm, QuestionForm, of_version
from web.recruiter.template_preview import preview_of
from web.rendering import page

# A key that no form can hold: the script puts its own in its place.
BLANK_KEY = "KEY"


class Conflict(StrEnum):
    """What a colleague, or another tab, did to the draft that was being edited."""

    CHANGED = "changed"
    PUBLISHED = "published"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a press held and had mistakes, or could not be saved. `version_id`, `revision`: what it was made from."""

    form: DraftForm
    mistakes: dict[str, str]
    version_id: str
    revision: int
    conflict: Conflict | None
    kept: bool = False


async def drawn(
    conn: AsyncConnection,
    request: web.Request,
    login: Login,
    template: Template,
    *,
    typed: Typed | None = None,
    done: str = "",
) -> web.Response:
    """The whole page, with the status that fits: 409 for a conflict, 422 for mistakes."""
    organisation = await organisations.get(conn, template.organisation_id)
    lines = await template_drafts.versions(conn, template.id)
    newest = lines[0]
    history = [line for line in lines if line.published_at_ms is not None]
    published = history[0] if history else None
    version = await templates.version(conn, newest.id)
    aside: dict[str, Any] = {
        "viewer": login.user,
        "here": "templates",
        "zone": organisation.zone,
        "template": template,
        "published": published,
        "history": history,
        "jobs": await template_list.jobs_for(conn, template.id, template.organisation_id),
        "done": done,
    }
    drafted = newest.published_at_ms is None
    if typed is None and (not drafted or template.archived_at_ms is not None):
        by = await _published_by(conn, template, published) if published is not None else ""
        context = TemplatePage(**aside, preview=preview_of(version, organisation), published_by=by)
        return page(request, "recruiter/template.html", context)
    problem = None
    if typed is not None and typed.conflict is not None:
        by = await _published_by(conn, template, published) if published is not None else ""
        problem = _problem(typed.conflict, template, published, by, organisation.zone)
    stays = typed is not None and typed.conflict is None
    form = of_version(version) if typed is None else typed.form
    context_of_editor = EditorPage(
        **aside,
        # After a conflict, a save begins from what there is now: that is what the page then tells before the press.
        version_id=typed.version_id if typed is not None and stays else (newest.id if drafted else ""),
        number=newest.number if drafted else newest.number + 1,
        revision=typed.revision if typed is not None and stays else newest.revision,
        form=form,
        rows=[_row(each) for each in form.questions],
        blank_row=_row(QuestionForm(BLANK_KEY)),
        blank_field=FieldForm(BLANK_KEY),
        kinds=list(KINDS.items()),
        languages=_languages(form.language),
        difficulties=[("", "Not said"), *times.DIFFICULTIES.items()],
        reckoned_min=templates.reckoned_minutes(version.questions),
        mistakes=typed.mistakes if typed is not None else {},
        labels=_labels(form),
        problem=problem,
        kept=typed is None or typed.kept,
        most_questions=MOST_QUESTIONS,
        most_fields=MOST_FIELDS,
    )
    status = 200 if typed is None else 422 if typed.conflict is None else 409
    return page(request, "recruiter/template_editor.html", context_of_editor, status=status)


async def _published_by(conn: AsyncConnection, template: Template, published: VersionLine) -> str:
    """The name of who published it; empty where that is not known."""
    for event in await events.for_subject(conn, template.organisation_id, "template", template.id, limit=20):
        if event.kind == "template.published" and event.detail.get("number") == published.number:
            user = await users.by_id(conn, event.actor.removeprefix("user:"))
            return user.name if user is not None and user.organisation_id == template.organisation_id else ""
    return ""


def _problem(conflict: Conflict, template: Template, published: VersionLine | None, by: str, zone: str) -> Problem:
    theirs = f"/templates/{template.id}/preview"
    match conflict:
        case Conflict.PUBLISHED if published is not None and published.published_at_ms is not None:
            return Problem(
                f"Version {published.number} was published while you were editing",
                f"{by or 'A colleague'} published it, {when(published.published_at_ms, zone)}. What you typed is below "
                "and is not saved. Saving it now begins a new draft with it; what is published stays.",
                f"/templates/versions/{published.id}/preview",
            )
        case Conflict.DISCARDED:
            return Problem(
                "This draft was discarded while you were editing",
                "What you typed is below and is not saved. Saving it now begins a new draft with it.",
                theirs,
            )
        case _:
            return Problem(
                "This draft was saved elsewhere after you opened it",
                "A colleague saved it, or you did in another tab. What you typed is below and is not saved. "
                "Saving it now replaces theirs.",
                theirs,
            )


def _row(form: QuestionForm) -> QuestionRow:
    return QuestionRow(
        form,
        times.think_choices(form.think),
        times.limit_choices(form.limit),
        times.retake_choices(form.retakes),
    )


def _languages(present: str) -> Choices:
    also = {present: present} if present and present not in times.LANGUAGES else {}
    return list({**times.LANGUAGES, **also}.items())


def _labels(form: DraftForm) -> dict[str, str]:
    """What a mistake's control is called in the summary of mistakes."""
    named = {
        "name": "Name",
        "language": "Language",
        "introduction": "Introduction",
        "instructions": "Instructions",
        "difficulty": "Difficulty",
        "focus_area": "Focus area",
        "duration_min": "Estimated duration",
        "questions": "Questions",
        "fields": "Details",
    }
    for number, question in enumerate(form.questions, start=1):
        for part, words in (
            ("text", ""),
            ("think", ", think time"),
            ("limit", ", answer time"),
            ("retakes", ", retakes"),
        ):
            named[f"{part}-{question.key}"] = f"Question {number}{words}"
    for number, field in enumerate(form.fields, start=1):
        named[f"label-{field.key}"] = named[f"kind-{field.key}"] = f"Detail {number}"
    return named
