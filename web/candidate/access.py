"""From the token in a link to the invitation it opens, and how far this device may go.

An unknown token is a plain 404, whatever follows it. Looking changes nothing:
mail scanners open links.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypedDict

from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import interviews, invitations, logos, templates
from storage.invitations import Invitation
from storage.schema import NoticeKind
from storage.states import InvitationStatus
from storage.templates import TemplateVersion
from web.candidate.steps import NUMBERS, Step, details_done, may_open, reached, status_now
from web.errors import not_found
from web.keys import DATABASE, FOLDER, NOW_MS
from web.links import is_device_mark, looks_like_token, token_sha256
from web.logo import logo_path

DEVICE_COOKIE = "greenroom_device"


class Common(TypedDict):
    """The fields of `CandidatePage`, but for `steps`, which has its default."""

    invitation: Invitation
    company: str
    contact_name: str
    contact_email: str
    base: str
    step: int
    logo: str | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a candidate: what the link opens, as it stands at this moment.

    `known_device`: the notice was accepted on the device that asks. `logo` is the path of the company's, if any.
    """

    token: str = field(repr=False)
    invitation: Invitation
    version: TemplateVersion
    status: InvitationStatus
    furthest: Step
    known_device: bool
    logo: str | None = None

    @property
    def base(self) -> str:
        """The path of the link, which every page of the candidate is below."""
        return f"/i/{self.token}"

    def path(self, step: Step) -> str:
        """Where this step is shown."""
        return self.base if step is Step.ENDED else f"{self.base}/{step}"

    def require(self, wanted: Step) -> None:
        """Sends the candidate to the step reached if the wanted one is not open. Raises HTTPSeeOther."""
        if not may_open(wanted, self.furthest):
            raise web.HTTPSeeOther(self.path(self.furthest))

    def common(self, step: Step) -> Common:
        """The fields of every candidate's page, for the context's constructor."""
        invitation = self.invitation
        return Common(
            invitation=invitation,
            company=invitation.organisation_name,
            contact_name=invitation.contact_name,
            contact_email=invitation.contact_email,
            base=self.base,
            step=NUMBERS[step],
            logo=self.logo,
        )


CandidateHandler = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]


def by_token(handler: CandidateHandler) -> Handler:
    """The handler for whoever has the link; anyone else gets a 404."""

    async def found(request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        if not looks_like_token(token):
            not_found()
        return await handler(request, await visit_of(request, token))

    return found


async def visit_of(request: web.Request, token: str) -> Visit:
    """What the link opens at this moment, read anew. Ends with 404 for an unknown token."""
    app, now_ms = request.app, request.app[NOW_MS]()
    async with app[DATABASE].read() as conn:
        invitation = await invitations.by_token_sha256(conn, token_sha256(token))
        if invitation is None:
            not_found()
        version = await templates.version(conn, invitation.version_id)
        consents = await invitations.consents(conn, invitation.id)
        logo = logo_path(await logos.sha256_of(conn, invitation.organisation_id))
        take_ends_at_ms = await _latest_take_end_ms(conn, invitation, now_ms)
    status = status_now(invitation, now_ms, take_ends_at_ms)
    mark = request.cookies.get(DEVICE_COOKIE, "")
    known_device = is_device_mark(app[FOLDER].secret, invitation.id, invitation.generation, mark)
    furthest = reached(
        status,
        accepted=known_device and any(consent.kind is NoticeKind.PRIVACY for consent in consents),
        details_done=details_done(version.details_fields, invitation.details),
    )
    return Visit(token, invitation, version, status, furthest, known_device, logo)


async def _latest_take_end_ms(conn: AsyncConnection, invitation: Invitation, now_ms: int) -> int | None:
    """For `expiry.closes_at_ms`: now, while a take runs. None where it cannot matter."""
    expires_at_ms = invitation.expires_at_ms
    if invitation.status is not InvitationStatus.IN_PROGRESS or expires_at_ms is None or now_ms < expires_at_ms:
        return None
    interview = await interviews.load(conn, invitation.id)
    return now_ms if any(answer.next_take_id for answer in interview.answers) else interview.take_ended_at_ms
