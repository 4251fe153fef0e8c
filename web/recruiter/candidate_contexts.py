"""The contexts of the pages on candidates, jobs and the pipeline: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.candidates import Candidate, JobApplication
from storage.job_templates import JobTemplate
from storage.jobs import Job
from storage.users import User
from web.recruiter.activity import ActivityFeed
from web.recruiter.contexts import FramedPage
from web.recruiter.interview_contexts import InterviewLine, Told
from web.recruiter.scores_card import ScoresCard
from web.recruiter.typed_lines import TypedLine
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True)
class Choice:
    """A link of a row of links, or an option of a select."""

    value: str
    label: str
    chosen: bool = False
    href: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class JobMark:
    """A job on a candidate's row, with the stage they stand in there."""

    href: str
    title: str
    stage: str


@dataclass(frozen=True, slots=True)
class CandidateLine:
    """One row of the list. `happened` says what `at_ms` is of. `more_jobs` counts those that `jobs` leaves out."""

    id: str
    name: str
    email: str
    state: Pill
    happened: str
    at_ms: int
    jobs: list[JobMark]
    more_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesPage(FramedPage):
    """For recruiter/candidates.html. `found` is empty on later pages, `any_at_all` False without any candidate."""

    lines: list[CandidateLine]
    q: str
    state: str
    filters: list[Choice]
    found: str
    older: str | None
    newest: str | None
    everybody: str
    any_at_all: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an address is that somebody typed for another."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFormPage(FramedPage):
    """For recruiter/candidate_new.html and candidate_edit.html. `candidate` is None for a new one."""

    candidate: Candidate | None
    name: TypedLine
    email: TypedLine
    owner: Owner | None
    jobs: list[Choice]
    job_mistake: str


@dataclass(frozen=True, slots=True)
class StageForm:
    """One application on the profile, with the stages it can be moved to."""

    application: JobApplication
    stages: list[Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePage(FramedPage):
    """For recruiter/candidate.html; of feed, interviews and scores the one that `tab` shows is set."""

    candidate: Candidate
    state: Pill
    happened: str
    at_ms: int
    applications: list[StageForm]
    jobs: list[Choice]
    done: str
    told: Told | None
    tab: str
    feed: ActivityFeed | None
    interviews: list[InterviewLine] | None
    scores: ScoresCard | None


@dataclass(frozen=True, slots=True)
class JobLine:
    """One row of the list of jobs: a count for each stage, in their order."""

    id: str
    title: str
    total: int
    counts: list[tuple[str, int]]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage(FramedPage):
    """For recruiter/jobs.html."""

    lines: list[JobLine]
    stages: list[str]
    closed: bool
    older: str | None
    newest: str | None
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFormPage(FramedPage):
    """For recruiter/job_new.html."""

    title: TypedLine


@dataclass(frozen=True, slots=True)
class CardLine:
    """One card of the board. `responses` leads to the answers of a completed interview."""

    candidate_id: str
    name: str
    email: str
    state: Pill
    happened: str
    at_ms: int
    responses: str | None


@dataclass(frozen=True, slots=True)
class ColumnLines:
    """One stage of the board; `href` leads to all in it."""

    stage: str
    label: str
    href: str
    total: int
    cards: list[CardLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage(FramedPage):
    """For recruiter/job.html. With `only`, one stage is shown page by page; else the whole board."""

    job: Job
    columns: list[ColumnLines]
    only: str
    total: int
    stages: list[Choice]
    can_send: bool
    older: str | None
    newest: str | None
    done: str


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A reviewer of the team, and whether they work on the job."""

    user: User
    member: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettingsPage(FramedPage):
    """For recruiter/job_settings.html."""

    job: Job
    title: TypedLine
    templates: list[JobTemplate]
    reviewers: list[Reviewer]
    done: str


@dataclass(frozen=True, slots=True)
class FoundCandidate:
    """One hit of the search on the page that adds candidates to a job."""

    id: str
    name: str
    email: str
    state: Pill
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCandidatesPage(FramedPage):
    """For recruiter/job_candidates.html: add a new candidate, or some that are known."""

    job: Job
    name: TypedLine
    email: TypedLine
    owner: Owner | None
    q: str
    hits: list[FoundCandidate]
    more: int
    mistake: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePage(FramedPage):
    """For recruiter/move.html: where the chosen candidates go."""

    candidates: list[Candidate]
    jobs: list[Choice]
    stages: list[Choice]
    mistake: str
