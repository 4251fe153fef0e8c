"""What sending still needs, each with the place where it is made good (O5)."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import sendings
from storage.logins import Login
from storage.sendings import Readiness
from storage.states import Role
from web.keys import SETTINGS
from web.recruiter.interview_contexts import Need


async def of_organisation(conn: AsyncConnection, request: web.Request, login: Login) -> list[Need]:
    """What is missing for sending anything to anybody."""
    ready = await sendings.readiness(conn, login.user.organisation_id)
    settings = request.app[SETTINGS]
    return missing(
        ready,
        mail_configured=bool(settings.mail.host),
        admin=login.user.role is Role.ADMIN,
        guessed_origin="" if settings.base_url else settings.origin,
    )


def missing(ready: Readiness, *, mail_configured: bool, admin: bool, guessed_origin: str = "") -> list[Need]:
    """As sentences, those that stop everything first. `guessed_origin`: what links begin with, if nobody set it."""
    found = []
    if not ready.open_jobs:
        found.append(Need("There is no open job. Candidates are invited for one.", "/jobs", "Create a job", True))
    if not ready.published_templates:
        found.append(Need("No interview template is published.", "/templates", "Create and publish a template", True))
    if ready.open_jobs and ready.published_templates and not ready.attached:
        found.append(Need("No published template is attached to an open job.", "/templates", "Attach a template", True))
    if not mail_configured:
        sentence = "No mail server is set up: mails are written to the outbox folder, and do not leave this server."
        found.append(Need(sentence, "/settings/mail" if admin else "", "Mail settings", False))
    elif guessed_origin:
        sentence = (
            f"Links in mails begin with {guessed_origin}, which candidates may not reach: "
            "base_url is not set in this server's configuration."
        )
        found.append(Need(sentence, "", "", False))
    return found


def job_without_template(job_id: str, title: str, *, closed: bool) -> Need:
    """Why nothing is offered for the job that was asked for."""
    if closed:
        return Need(f"{title} is closed, and nobody is invited for a closed job.", f"/jobs/{job_id}", "Open it", False)
    return Need(f"No published template is attached to {title}.", f"/jobs/{job_id}", "Attach one", False)
