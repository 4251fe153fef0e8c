"""Templates, their versions and questions. A published version never changes: every edit here checks that first.

How a whole draft is saved is in `storage.template_drafts`; the list of templates is in `storage.template_list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound, TooManyQuestions, VersionEmpty, VersionFrozen
from storage.ids import new_id
from storage.schema import jobs, questions, template_jobs, template_versions, templates
from storage.shapes import DetailsField, as_details_fields
from storage.states import Difficulty
from storage.template_offers import Offer, estimated_minutes, offered

__all__ = (
    "QUESTIONS_LIMIT",
    "QUESTION_COLUMNS",
    "Offer",
    "Question",
    "Template",
    "TemplateVersion",
    "add_question",
    "archive",
    "attach",
    "create",
    "get",
    "offered",
    "own_version",
    "publish",
    "question_from_row",
    "reckoned_minutes",
    "restore",
    "version",
)

QUESTIONS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Template:
    """What lasts over all versions. Archived: offered no more, while its invitations go on."""

    id: str
    organisation_id: str
    name: str
    created_at_ms: int
    archived_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """`think_s` is 0 in an open question; `retakes` is None when unlimited. Positions count from 1."""

    id: str
    position: int
    text: str
    think_s: int
    limit_s: int
    retakes: int | None
    required: bool


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """Frozen once `published_at_ms` is set. `questions` are in their order; `revision` counts the saves of a draft.

    `duration_min` is the recruiter's own estimate; None leaves it to `reckoned_minutes`.
    """

    id: str
    template_id: str
    template_name: str
    organisation_id: str
    number: int
    published_at_ms: int | None
    language: str
    introduction: str
    instructions: str
    details_fields: list[DetailsField]
    audio_only_allowed: bool
    questions: list[Question]
    difficulty: Difficulty | None = None
    focus_area: str = ""
    duration_min: int | None = None
    revision: int = 0


QUESTION_COLUMNS = (
    questions.c.id.label("question_id"),
    questions.c.position,
    questions.c.text,
    questions.c.think_s,
    questions.c.limit_s,
    questions.c.retakes,
    questions.c.required,
)


async def create(
    conn: AsyncConnection,
    *,
    organisation_id: str,
    name: str,
    now_ms: int,
    language: str = "en",
    introduction: str = "",
    instructions: str = "",
    details_fields: Sequence[DetailsField] = (),
    audio_only_allowed: bool = False,
) -> TemplateVersion:
    """A new template; what comes back is its version 1, a draft without questions. Raises ShapeBroken."""
    template_id, version_id = new_id(now_ms), new_id(now_ms)
    fields = as_details_fields(list(details_fields), "details_fields")
    await conn.execute(
        insert(templates).values(id=template_id, organisation_id=organisation_id, name=name, created_at_ms=now_ms)
    )
    await conn.execute(
        insert(template_versions).values(
            id=version_id,
            template_id=template_id,
            number=1,
            language=language,
            introduction=introduction,
            instructions=instructions,
            details_fields=fields,
            audio_only_allowed=audio_only_allowed,
            created_at_ms=now_ms,
            published_at_ms=None,
        )
    )
    return await version(conn, version_id)


async def add_question(
    conn: AsyncConnection,
    version_id: str,
    *,
    text: str,
    think_s: int,
    limit_s: int,
    retakes: int | None,
    required: bool = True,
    now_ms: int,
) -> Question:
    """Adds it at the end. Raises NotFound, VersionFrozen, TooManyQuestions (over QUESTIONS_LIMIT)."""
    await _hold_draft(conn, version_id)
    last = await conn.scalar(select(func.max(questions.c.position)).where(questions.c.version_id == version_id))
    position = (last or 0) + 1
    if position > QUESTIONS_LIMIT:
        raise TooManyQuestions(f"a template has at most {QUESTIONS_LIMIT} questions")
    made = Question(new_id(now_ms), position, text, think_s, limit_s, retakes, required)
    await conn.execute(
        insert(questions).values(
            id=made.id,
            version_id=version_id,
            position=made.position,
            text=made.text,
            think_s=made.think_s,
            limit_s=made.limit_s,
            retakes=made.retakes,
            required=made.required,
        )
    )
    return made


async def publish(conn: AsyncConnection, version_id: str, now_ms: int) -> None:
    """Freezes the version for good. Raises NotFound, VersionFrozen (published before), VersionEmpty."""
    await _hold_draft(conn, version_id)
    if not await conn.scalar(select(questions.c.id).where(questions.c.version_id == version_id).limit(1)):
        raise VersionEmpty("a template needs a question before it can be published")
    changed = await conn.execute(
        update(template_versions)
        .where(template_versions.c.id == version_id, template_versions.c.published_at_ms.is_(None))
        .values(published_at_ms=now_ms)
    )
    if changed.rowcount != 1:
        raise VersionFrozen("this version is published already")


def reckoned_minutes(questions: Sequence[Question]) -> int:
    """The longest that answering all of them once can take, countdowns included."""
    return estimated_minutes(sum(each.think_s + each.limit_s for each in questions), len(questions))


async def get(conn: AsyncConnection, template_id: str, *, organisation_id: str) -> Template:
    """Raises NotFound, also across organisations."""
    row = (
        await conn.execute(
            select(
                templates.c.id,
                templates.c.organisation_id,
                templates.c.name,
                templates.c.created_at_ms,
                templates.c.archived_at_ms,
            ).where(templates.c.id == template_id, templates.c.organisation_id == organisation_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("template", template_id)
    return Template(*row)


async def archive(conn: AsyncConnection, template_id: str, *, organisation_id: str, now_ms: int) -> bool:
    """Offers it no more; False if that was so already, or there is none. Invitations keep their version."""
    changed = await conn.execute(
        update(templates)
        .where(
            templates.c.id == template_id,
            templates.c.organisation_id == organisation_id,
            templates.c.archived_at_ms.is_(None),
        )
        .values(archived_at_ms=now_ms)
    )
    return changed.rowcount == 1


async def restore(conn: AsyncConnection, template_id: str, *, organisation_id: str) -> bool:
    """Undoes `archive`, its jobs still attached; False if it was not archived, or there is none."""
    changed = await conn.execute(
        update(templates)
        .where(
            templates.c.id == template_id,
            templates.c.organisation_id == organisation_id,
            templates.c.archived_at_ms.is_not(None),
        )
        .values(archived_at_ms=None)
    )
    return changed.rowcount == 1


async def attach(conn: AsyncConnection, template_id: str, job_id: str) -> None:
    """Offers the template for the job; no harm if it is offered already. Raises NotFound, also across organisations."""
    same = await conn.scalar(
        select(templates.c.id)
        .join(jobs, jobs.c.organisation_id == templates.c.organisation_id)
        .where(templates.c.id == template_id, jobs.c.id == job_id)
    )
    if same is None:
        raise NotFound("template and job together", f"{template_id}, {job_id}")
    try:
        async with conn.begin_nested():
            await conn.execute(insert(template_jobs).values(template_id=template_id, job_id=job_id))
    except IntegrityError:
        pass  # Both exist, as was just seen: so the pair does.


async def version(conn: AsyncConnection, version_id: str) -> TemplateVersion:
    """The version with its questions. Raises NotFound, ShapeBroken."""
    row = (
        await conn.execute(
            select(
                template_versions.c.id,
                template_versions.c.template_id,
                templates.c.name,
                templates.c.organisation_id,
                template_versions.c.number,
                template_versions.c.published_at_ms,
                template_versions.c.language,
                template_versions.c.introduction,
                template_versions.c.instructions,
                template_versions.c.details_fields,
                template_versions.c.audio_only_allowed,
                template_versions.c.difficulty,
                template_versions.c.focus_area,
                template_versions.c.duration_min,
                template_versions.c.revision,
            )
            .join_from(template_versions, templates, template_versions.c.template_id == templates.c.id)
            .where(template_versions.c.id == version_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("template version", version_id)
    asked = await conn.execute(
        select(*QUESTION_COLUMNS)
        .where(questions.c.version_id == version_id)
        .order_by(questions.c.position)
        .limit(QUESTIONS_LIMIT)
    )
    return TemplateVersion(
        id=row.id,
        template_id=row.template_id,
        template_name=row.name,
        organisation_id=row.organisation_id,
        number=row.number,
        published_at_ms=row.published_at_ms,
        language=row.language,
        introduction=row.introduction,
        instructions=row.instructions,
        details_fields=as_details_fields(row.details_fields, "template_versions.details_fields"),
        audio_only_allowed=row.audio_only_allowed,
        questions=[question_from_row(each) for each in asked],
        difficulty=Difficulty(row.difficulty) if row.difficulty else None,
        focus_area=row.focus_area,
        duration_min=row.duration_min,
        revision=row.revision,
    )


async def own_version(conn: AsyncConnection, version_id: str, *, organisation_id: str) -> TemplateVersion:
    """`version`, of this organisation's templates only. Raises NotFound."""
    found = await version(conn, version_id)
    if found.organisation_id != organisation_id:
        raise NotFound("template version", version_id)
    return found


def question_from_row(row: Row[*tuple[Any, ...]]) -> Question:
    """A question from a row that has QUESTION_COLUMNS."""
    return Question(
        id=row.question_id,
        position=row.position,
        text=row.text,
        think_s=row.think_s,
        limit_s=row.limit_s,
        retakes=row.retakes,
        required=row.required,
    )


async def _hold_draft(conn: AsyncConnection, version_id: str) -> None:
    """Locks the version until the transaction ends (on SQLite the writer is alone anyhow). Raises VersionFrozen."""
    row = (
        await conn.execute(
            select(template_versions.c.published_at_ms).where(template_versions.c.id == version_id).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFound("template version", version_id)
    if row.published_at_ms is not None:
        raise VersionFrozen("this version is published, and published versions never change")
