"""The card of a candidate's scores: each completed interview, each question, who gave what, and the mean."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import comments, scores
from storage.scores import OVERALL, CompletedInterview, Score


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One question, or the interview as a whole. `values` are in the order of the raters; None: not scored."""

    label: str
    href: str
    mean: str
    share: int
    values: list[int | None]


@dataclass(frozen=True, slots=True)
class ScoredInterview:
    """One completed interview. Without `raters` nobody has scored it."""

    href: str
    job_title: str
    template_name: str
    completed_at_ms: int
    raters: list[str]
    rows: list[ScoreRow]
    comments: int


@dataclass(frozen=True, slots=True)
class ScoresCard:
    """The newest interview first."""

    interviews: list[ScoredInterview]


async def card(conn: AsyncConnection, organisation_id: str, candidate_id: str) -> ScoresCard:
    """Everybody's scores of this candidate; empty for another organisation's. Draw it with
    `recruiter/scores_card.html: scores`, and link `css/scores.css`."""
    completed = await scores.completed_of_candidate(conn, organisation_id, candidate_id)
    ids = [each.invitation_id for each in completed]
    given = await scores.of_invitations(conn, ids)
    written = await comments.counts(conn, ids)
    return ScoresCard(
        [
            _interview(each, [score for score in given if score.invitation_id == each.invitation_id], written)
            for each in completed
        ]
    )


def mean_of(values: list[int]) -> str:
    """One decimal, or nothing where there is no value."""
    return f"{sum(values) / len(values):.1f}" if values else ""


def _interview(of: CompletedInterview, given: list[Score], written: dict[str, int]) -> ScoredInterview:
    raters = {score.user_id: score.user_name for score in sorted(given, key=lambda each: each.user_name.casefold())}
    href = f"/interviews/{of.invitation_id}"
    numbers = [*range(1, of.questions + 1), OVERALL]
    return ScoredInterview(
        href=href,
        job_title=of.job_title,
        template_name=of.template_name,
        completed_at_ms=of.completed_at_ms,
        raters=list(raters.values()),
        rows=[_row(number, href, list(raters), given) for number in numbers] if raters else [],
        comments=written.get(of.invitation_id, 0),
    )


def _row(number: int, href: str, raters: list[str], given: list[Score]) -> ScoreRow:
    by_rater = {score.user_id: score.value for score in given if score.question == number}
    values = list(by_rater.values())
    return ScoreRow(
        label=f"Question {number}" if number != OVERALL else "Overall",
        href=f"{href}?answer={number}" if number != OVERALL else href,
        mean=mean_of(values),
        share=round(sum(values) / len(values) / scores.HIGHEST * 100) if values else 0,
        values=[by_rater.get(rater) for rater in raters],
    )
