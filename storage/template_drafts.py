"""A template's draft: made from what is published, saved whole, discarded. At most one a template, and the newest.

Every save names the revision it was made from, so that nobody's work is written over without their knowing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import templates as subject
from storage.errors import DraftChanged, NotFound, OnlyVersion, TooManyQuestions, VersionFrozen
from storage.ids import new_id
from storage.schema import questions, template_versions, templates
from storage.shapes import DetailsField, as_details_fields
from storage.states import Difficulty
from storage.templates import QUESTIONS_LIMIT, TemplateVersion

VERSIONS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class DraftQuestion:
    """As `storage.templates.Question`, before it has a place and an id."""

    text: str
    think_s: int
    limit_s: int
    retakes: int | None
    required: bool


@dataclass(frozen=True, slots=True)
class DraftContent:
    """All that a draft holds, and the template's name."""

    name: str
    language: str
    introduction: str
    instructions: str
    details_fields: tuple[DetailsField, ...]
    audio_only_allowed: bool
    difficulty: Difficulty | None
    focus_area: str
    duration_min: int | None
    questions: tuple[DraftQuestion, ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version of a template's history; the draft has no `published_at_ms`."""

    id: str
    number: int
    published_at_ms: int | None
    revision: int


def content_of(version: TemplateVersion) -> DraftContent:
    """What a version holds, to compare it or to begin a draft with it."""
    return DraftContent(
        name=version.template_name,
        language=version.language,
        introduction=version.introduction,
        instructions=version.instructions,
        details_fields=tuple(version.details_fields),
        audio_only_allowed=version.audio_only_allowed,
        difficulty=version.difficulty,
        focus_area=version.focus_area,
        duration_min=version.duration_min,
        questions=tuple(
            DraftQuestion(each.text, each.think_s, each.limit_s, each.retakes, each.required)
            for each in version.questions
        ),
    )


async def versions(conn: AsyncConnection, template_id: str) -> list[VersionLine]:
    """The newest first, at most VERSIONS_LIMIT; a draft is always the first."""
    columns = template_versions.c
    found = await conn.execute(
        select(columns.id, columns.number, columns.published_at_ms, columns.revision)
        .where(columns.template_id == template_id)
        .order_by(columns.number.desc())
        .limit(VERSIONS_LIMIT)
    )
    return [VersionLine(*row) for row in found]


async def start(conn: AsyncConnection, template_id: str, *, organisation_id: str, now_ms: int) -> TemplateVersion:
    """The template's draft: the one there is, else a new copy of its newest published version. Raises NotFound."""
    # Holds the template, so that two who start at once find one draft.
    held = await conn.scalar(
        select(templates.c.id)
        .where(templates.c.id == template_id, templates.c.organisation_id == organisation_id)
        .with_for_update()
    )
    found = await versions(conn, template_id) if held is not None else []
    if not found:
        raise NotFound("template", template_id)
    newest = await subject.version(conn, found[0].id)
    if newest.published_at_ms is None:
        return newest
    version_id = new_id(now_ms)
    await conn.execute(
        insert(template_versions).values(
            id=version_id,
            template_id=template_id,
            number=newest.number + 1,
            created_at_ms=now_ms,
            published_at_ms=None,
            revision=0,
            **_columns(content_of(newest)),
        )
    )
    await _write_questions(conn, version_id, content_of(newest).questions, now_ms)
    return await subject.version(conn, version_id)


async def save(
    conn: AsyncConnection,
    version_id: str,
    *,
    template_id: str,
    from_revision: int,
    content: DraftContent,
    now_ms: int,
) -> int:
    """Writes the whole draft; what comes back is its revision now. Content that is there already changes nothing.

    Raises NotFound (discarded meanwhile), VersionFrozen, DraftChanged, TooManyQuestions, ShapeBroken.
    """
    if len(content.questions) > QUESTIONS_LIMIT:
        raise TooManyQuestions(f"a template has at most {QUESTIONS_LIMIT} questions")
    as_details_fields(list(content.details_fields), "details_fields")
    await _hold(conn, version_id, template_id)
    there = await subject.version(conn, version_id)
    if content_of(there) == content:
        return there.revision
    changed = await conn.execute(
        update(template_versions)
        .where(
            template_versions.c.id == version_id,
            template_versions.c.revision == from_revision,
            template_versions.c.published_at_ms.is_(None),
        )
        .values(revision=from_revision + 1, **_columns(content))
    )
    if changed.rowcount != 1:
        raise DraftChanged(there.revision)
    await conn.execute(update(templates).where(templates.c.id == template_id).values(name=content.name))
    await conn.execute(delete(questions).where(questions.c.version_id == version_id))
    await _write_questions(conn, version_id, content.questions, now_ms)
    return from_revision + 1


async def discard(conn: AsyncConnection, version_id: str, *, template_id: str, from_revision: int) -> None:
    """Removes the draft for good. Raises NotFound, VersionFrozen, DraftChanged, OnlyVersion (never published)."""
    revision = await _hold(conn, version_id, template_id)
    if len(await versions(conn, template_id)) == 1:
        raise OnlyVersion("this template was never published")
    if revision != from_revision:
        raise DraftChanged(revision)
    await conn.execute(delete(questions).where(questions.c.version_id == version_id))
    await conn.execute(delete(template_versions).where(template_versions.c.id == version_id))


async def _hold(conn: AsyncConnection, version_id: str, template_id: str) -> int:
    """The draft's revision, locked until the transaction ends. Raises NotFound, VersionFrozen."""
    columns = template_versions.c
    row = (
        await conn.execute(
            select(columns.published_at_ms, columns.revision)
            .where(columns.id == version_id, columns.template_id == template_id)
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFound("draft", version_id)
    if row.published_at_ms is not None:
        raise VersionFrozen("this version is published, and published versions never change")
    return int(row.revision)


def _columns(content: DraftContent) -> dict[str, object]:
    return {
        "language": content.language,
        "introduction": content.introduction,
        "instructions": content.instructions,
        "details_fields": list(content.details_fields),
        "audio_only_allowed": content.audio_only_allowed,
        "difficulty": content.difficulty or "",
        "focus_area": content.focus_area,
        "duration_min": content.duration_min,
    }


async def _write_questions(
    conn: AsyncConnection, version_id: str, asked: tuple[DraftQuestion, ...], now_ms: int
) -> None:
    rows = [
        {
            "id": new_id(now_ms),
            "version_id": version_id,
            "position": position,
            "text": each.text,
            "think_s": each.think_s,
            "limit_s": each.limit_s,
            "retakes": each.retakes,
            "required": each.required,
        }
        for position, each in enumerate(asked, start=1)
    ]
    if rows:
        await conn.execute(insert(questions), rows)
