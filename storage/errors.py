"""What this package raises on purpose. A caller decides by class, never by text."""

from __future__ import annotations


class StorageError(Exception):
    """Base of everything this package raises on purpose."""


class NotFound(StorageError):
    """Nothing has this id; or it belongs to another organisation, which looks the same from outside."""

    def __init__(self, what: str, key: str) -> None:
        super().__init__(f"no {what} {key}")
        self.what = what
        self.key = key


class EmailTaken(StorageError):
    """A user, or a candidate of this organisation, has this address already."""


class AlreadyInvited(StorageError):
    """This address has an open invite into the team already."""


class LastAdmin(StorageError):
    """A team always keeps somebody who may change it."""


class NoticeChanged(StorageError):
    """Somebody else published a newer version of this text meanwhile."""


class AlreadyApplied(StorageError):
    """This candidate has an application to this job already."""


class VersionFrozen(StorageError):
    """The version is published, and published versions never change."""


class DraftChanged(StorageError):
    """The draft was saved by somebody else since it was read; `revision` is the one it has now."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the draft is at revision {revision} by now")
        self.revision = revision


class OnlyVersion(StorageError):
    """A template's only version cannot be discarded: without it there is no template."""


class VersionNotPublished(StorageError):
    """Only published versions can be sent."""


class VersionEmpty(StorageError):
    """A version without questions cannot be published."""


class TooManyQuestions(StorageError):
    """The version has as many questions as one can have."""


class TemplateNotAttached(StorageError):
    """The template is not among those of the application's job."""


class TooManyCandidates(StorageError):
    """More than one sending may name."""


class NoticeNotAccepted(StorageError):
    """The interview cannot start before the privacy notice was accepted."""


class InterviewEnded(StorageError):
    """Nothing new starts in an interview that is not in progress."""


class NotCompleted(StorageError):
    """Only a completed interview is scored and commented on: before that, its answers are the candidate's own."""


class TooManyComments(StorageError):
    """The interview has as many comments as one can have."""


class ShapeBroken(StorageError):
    """A JSON column holds something that our own code never writes."""


class UnsafeName(StorageError):
    """Not a plain file name, or not one of our ids: it never becomes a path."""


class GivenUp(StorageError):
    """The caller wanted no answer any more."""


class Busy(StorageError):
    """No database connection came free in time; trying again in a moment may work."""


class DatabaseUnusable(StorageError):
    """The database file cannot be opened, or is something else."""


class DatabaseTooNew(StorageError):
    """The database was written by a newer version of this program."""
