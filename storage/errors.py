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


class AlreadyApplied(StorageError):
    """This candidate has an application to this job already."""


class VersionFrozen(StorageError):
    """The version is published, and published versions never change."""


class VersionNotPublished(StorageError):
    """Only published versions can be sent."""


class VersionEmpty(StorageError):
    """A version without questions cannot be published."""


class TooManyQuestions(StorageError):
    """The version has as many questions as one can have."""


class TemplateNotAttached(StorageError):
    """The template is not among those of the application's job."""


class NoticeNotAccepted(StorageError):
    """The interview cannot start before the privacy notice was accepted."""


class InterviewEnded(StorageError):
    """Nothing new starts in an interview that is not in progress."""


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
