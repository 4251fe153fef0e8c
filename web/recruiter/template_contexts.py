"""The contexts of the template pages: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.template_drafts import VersionLine
from storage.template_list import AttachableJob, TemplateLine
from storage.templates import Template
from web.recruiter.contexts import FramedPage
from web.recruiter.template_form import DraftForm, FieldForm, QuestionForm

# Value and label, as a list of choices has them.
Choices = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesPage(FramedPage):
    """For recruiter/templates.html. `named` is what was typed as a new name; `same` a template that has it already.

    `archived` says which of the two lists it is; `undo` is a template that was archived just now.
    """

    lines: list[TemplateLine]
    archived: bool
    older: str | None
    newest: bool
    named: str
    mistake: str | None
    same: str | None
    undo: Template | None


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question of the editor, with what its lists offer."""

    form: QuestionForm
    think: Choices
    limit: Choices
    retakes: Choices


@dataclass(frozen=True, slots=True)
class Problem:
    """Why what was typed is not saved, and where the others' work can be looked at."""

    title: str
    sentence: str
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateAside(FramedPage):
    """What stands beside a template: jobs, versions. `done` is what was done just now, as the address says it."""

    template: Template
    published: VersionLine | None
    history: list[VersionLine]
    jobs: list[AttachableJob]
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorPage(TemplateAside):
    """For recruiter/template_editor.html. `version_id` is empty where saving begins a new draft.

    `mistakes` are sentences by the name of their control. With a `problem` nothing is saved by itself.
    `kept`: what the page shows is what the server holds.
    """

    version_id: str
    number: int
    revision: int
    form: DraftForm
    rows: list[QuestionRow]
    blank_row: QuestionRow
    blank_field: FieldForm
    kinds: Choices
    languages: Choices
    difficulties: Choices
    reckoned_min: int
    mistakes: dict[str, str]
    labels: dict[str, str]
    problem: Problem | None
    kept: bool
    most_questions: int
    most_fields: int


@dataclass(frozen=True, slots=True)
class PreviewQuestion:
    """A question's card as the candidate meets it."""

    number: int
    text: str
    rules: str
    required: bool
    timed: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """A version as the candidate sees it, and the facts that the team chooses by (R8)."""

    company: str
    template_name: str
    number: int
    draft: bool
    language: str
    difficulty: str
    focus_area: str
    duration_min: int
    longest_min: int
    introduction: list[str]
    instructions: list[str]
    fields: list[tuple[str, bool]]
    audio_only: bool
    questions: list[PreviewQuestion]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage(FramedPage):
    """For recruiter/template_preview.html."""

    template_id: str
    preview: Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePage(TemplateAside):
    """For recruiter/template.html: a published or archived template, which is read and not written.

    `published_by` is the name of who published what is shown, or empty.
    """

    preview: Preview
    published_by: str
