"""The context of the viewer's own account; where they are signed in is `contexts.LoginsPage`."""

from __future__ import annotations

from dataclasses import dataclass

from web.recruiter.contexts import FramedPage
from web.recruiter.settings.checks import Typed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(FramedPage):
    """For recruiter/account.html."""

    name: Typed
    mail_on_completion: bool
    role: str
    old_mistake: str | None
    new_mistake: str | None
    least: int
    done: str | None
