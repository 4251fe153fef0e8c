"""The contexts of the recruiters' templates: each class is all that its template may name."""

from __future__ import annotations

from dataclasses import dataclass

from storage.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedPage:
    """What every page with the left rail knows; `here` is the rail's entry it belongs to."""

    viewer: User
    here: str
    zone: str


@dataclass(frozen=True, slots=True)
class LoginLine:
    """One login of the viewer; `device` is read from the browser's own claim."""

    id: str
    device: str
    address: str
    created_at_ms: int
    seen_at_ms: int
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginsPage(FramedPage):
    """For recruiter/logins.html."""

    logins: list[LoginLine]
    ended: bool
