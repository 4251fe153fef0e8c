"""The contexts of the settings' templates: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.job_members import JobChoice
from storage.organisations import Notice
from web.mail.standing import Standing
from web.recruiter.contexts import FramedPage
from web.recruiter.settings.checks import Typed
from web.recruiter.wording import Pill


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationPage(FramedPage):
    """For settings/organisation.html. `logo` is the picture's path; `done` is what the press before did, if any."""

    name: Typed
    contact_name: Typed
    contact_email: Typed
    chosen_zone: Typed
    zones: dict[str, tuple[str, ...]]
    logo: str | None
    logo_mistake: str | None
    most_kib: int
    done: str | None


@dataclass(frozen=True, slots=True)
class LanguageTab:
    """One language; `written` says whether there is a privacy text in it."""

    code: str
    name: str
    written: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class NoticeField:
    """One of the two texts, as typed so far. `version` is the newest that its writer saw, 0 for none.

    `theirs` is a newer one that somebody else published meanwhile.
    """

    kind: str
    label: str
    hint: str
    rows: int
    text: Typed
    version: int
    theirs: Notice | None


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version in the history."""

    id: str
    label: str
    version: int
    at_ms: int
    current: bool


@dataclass(frozen=True, slots=True)
class NoticePreview:
    """Both texts as candidates read them."""

    privacy: list[str]
    cookie: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyPage(FramedPage):
    """For settings/privacy.html. `language` is the chosen tab."""

    tabs: list[LanguageTab]
    language: LanguageTab
    fields: list[NoticeField]
    history: list[VersionLine]
    preview: NoticePreview | None
    done: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeVersionPage(FramedPage):
    """For settings/notice.html: one version, as it was published."""

    label: str
    language: LanguageTab
    version: int
    at_ms: int
    current: bool
    paragraphs: list[str]


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """One role, with what it is for."""

    value: str
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One colleague. `seen_at_ms` is None for who never signed in; `jobs` are a reviewer's, by title."""

    id: str
    name: str
    email: str
    role: str
    you: bool
    disabled: bool
    jobs: list[str]
    seen_at_ms: int | None


@dataclass(frozen=True, slots=True)
class InviteLine:
    """One invite that nobody has used; `mail` is what became of the letter, if that is known."""

    id: str
    email: str
    role: str
    expires_at_ms: int
    expired: bool
    mail: Pill | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamPage(FramedPage):
    """For settings/team.html. `about` is the path of whom the mistake is about, if they are of the team."""

    people: list[PersonLine]
    invites: list[InviteLine]
    roles: list[RoleChoice]
    jobs: list[JobChoice]
    email: Typed
    role: str
    ticked: set[str]
    about: str | None
    mail_is_sent: bool
    done: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteLinkPage(FramedPage):
    """For settings/invite_link.html."""

    email: str
    role: str
    url: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPage(FramedPage):
    """For settings/person.html."""

    person: PersonLine
    roles: list[RoleChoice]
    role: str
    role_mistake: str | None
    jobs: list[JobChoice]
    ticked: set[str]
    disable_mistake: str | None
    done: str | None


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial mail, and what became of it."""

    state: Pill
    reply: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage(FramedPage):
    """For settings/mail.html. `trials` are the viewer's own, the newest first."""

    standing: Standing
    trials: list[TrialLine]
    done: bool
