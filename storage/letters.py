"""What a letter tells of an interview, read as it is at the moment of sending. The mails are in `storage.mails`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import NotFound
from storage.schema import questions, template_versions


@dataclass(frozen=True, slots=True)
class InterviewFacts:
    """Of the version an invitation was sent with. `duration_min` is the recruiter's estimate, or None.

    `longest_s` is all think and answer time together, without the countdowns.
    """

    language: str
    instructions: str
    audio_only_allowed: bool
    duration_min: int | None
    questions: int
    longest_s: int


async def interview(conn: AsyncConnection, version_id: str) -> InterviewFacts:
    """Raises NotFound."""
    asked = questions.c.version_id == template_versions.c.id
    longest = func.coalesce(func.sum(questions.c.think_s + questions.c.limit_s), 0)
    row = (
        await conn.execute(
            select(
                template_versions.c.language,
                template_versions.c.instructions,
                template_versions.c.audio_only_allowed,
                template_versions.c.duration_min,
                select(func.count()).where(asked).scalar_subquery(),
                select(longest).where(asked).scalar_subquery(),
            ).where(template_versions.c.id == version_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("template version", version_id)
    return InterviewFacts(*row)
