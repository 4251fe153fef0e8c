"""The roles of a hiring team, as people read them. What each may open is in the route table."""

from __future__ import annotations

from collections.abc import Mapping

from storage.states import Role
from web.recruiter.settings.contexts import RoleChoice

LABELS: Mapping[Role, str] = {Role.ADMIN: "Admin", Role.RECRUITER: "Recruiter", Role.REVIEWER: "Reviewer"}

CHOICES = [
    RoleChoice(Role.ADMIN.value, LABELS[Role.ADMIN], "Everything, and these settings: organisation, team, privacy."),
    RoleChoice(Role.RECRUITER.value, LABELS[Role.RECRUITER], "Templates, jobs, candidates, invitations and reviews."),
    RoleChoice(
        Role.REVIEWER.value, LABELS[Role.REVIEWER], "Watches, scores and comments the interviews of chosen jobs alone."
    ),
]
