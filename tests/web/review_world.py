"""What the tests of the review page stand on: a completed interview, and colleagues who look at it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

from storage import events, job_members, users
from storage.invitations import Invitation
from storage.schema import applications, invitations
from storage.states import Role
from storage.users import User
from tests.web.world import PASSWORD_HASH, Site
from web.keys import DATABASE

PART = {"HX-Request": "true"}


async def colleague(site: Site, name: str, role: Role = Role.RECRUITER, *, assigned: Invitation | None = None) -> User:
    """Somebody of the same organisation; `assigned` to the job of an invitation. Their password is PASSWORD."""
    async with site.app[DATABASE].write() as conn:
        made = await users.create(
            conn,
            organisation_id=site.invitation.organisation_id,
            email=f"{name.casefold().replace(' ', '.')}@example.com",
            name=name,
            role=role,
            password_hash=PASSWORD_HASH,
            now_ms=site.clock.now_ms,
        )
        if assigned is not None:
            job_id = await conn.scalar(
                select(applications.c.job_id)
                .join(invitations, invitations.c.application_id == applications.c.id)
                .where(invitations.c.id == assigned.id)
            )
            assert job_id is not None
            await job_members.set_members(conn, job_id, [made.id])
    return made


async def page(site: Site, **query: str) -> str:
    """The review page of the site's interview."""
    response = await site.get(f"/interviews/{site.invitation.id}", params=query)
    assert response.status == 200
    return await response.text()


async def comment_form(site: Site, question: int = 1, **typed: str) -> dict[str, str]:
    """The form for the next comment on this question, as the page has it now, filled in."""
    form = (await page(site)).split(f'id="say-{question}"')[1].split("</form>")[0]
    hidden = re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form)
    return {**dict(hidden), "text": "Calm.", "moment": "", **typed}


async def happened(site: Site, kind: str) -> list[dict[str, Any]]:
    """The details of the events of this kind about the site's interview, the oldest first."""
    async with site.app[DATABASE].read() as conn:
        found = await events.for_subject(conn, site.invitation.organisation_id, "invitation", site.invitation.id)
    return [event.detail for event in reversed(found) if event.kind == kind]
