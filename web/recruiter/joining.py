"""Joining the team by the link of an invite: a name, a password, and one is signed in (O2).

Looking changes nothing: mail scanners open links. The press uses the invite up, and it is used up once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, job_members, logos, organisations, team_invites, users
from storage.errors import EmailTaken, NotFound
from storage.organisations import Organisation
from storage.states import Role
from storage.team_invites import InviteState, TeamInvite
from web import passwords
from web.errors import not_found
from web.forms import typed
from web.keys import DATABASE, NOW_MS, PASSWORDS
from web.links import looks_like_token, token_sha256
from web.logo import logo_path
from web.recruiter.settings import checks
from web.recruiter.settings.checks import Typed
from web.recruiter.settings.roles import LABELS
from web.rendering import page
from web.sign_in import let_in, login_of

_BUSY = "The server is busy just now. Wait a few seconds, then press the button again."


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPage:
    """For recruiter/join.html. `signed_in_as` is whom this browser is signed in as now, if anybody."""

    path: str
    company: str
    logo: str | None
    inviter: str
    email: str
    role: str
    name: Typed
    password_mistake: str | None
    least: int
    error: str | None
    signed_in_as: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinEndedPage:
    """For recruiter/join_ended.html; `state` is "accepted", "revoked", "expired", or "taken"."""

    company: str
    logo: str | None
    inviter: str
    state: str


@dataclass(frozen=True, slots=True)
class Found:
    """An invite with what its page says of it."""

    invite: TeamInvite
    organisation: Organisation
    logo: str | None
    inviter: str
    state: InviteState = field(compare=False)


class Ended(Exception):
    """The invite was used, revoked or ran out between the page and the press."""


async def form(request: web.Request) -> web.StreamResponse:
    """GET /join/{token}."""
    found = await _found(request)
    if found.state is not InviteState.OPEN:
        return _ended(request, found, found.state)
    return await _page(request, found)


async def submit(request: web.Request) -> web.StreamResponse:
    """POST /join/{token}: the account, and signed in with it."""
    found = await _found(request)
    if found.state is not InviteState.OPEN:
        return _ended(request, found, found.state)
    given = await typed(request)
    name = checks.line(given.get("name", ""), "Type your name, as colleagues know you.")
    password = given.get("password", "")
    try:
        passwords.check_new(password)
        unfit = None
    except passwords.PasswordUnfit as error:
        unfit = str(error)
    if name.mistake or unfit:
        return await _page(request, found, name=name, password_mistake=unfit, status=422)
    try:
        hashed = await request.app[PASSWORDS].hash_new(password)
    except passwords.PasswordsBusy:
        return await _page(request, found, name=name, error=_BUSY, status=503)
    try:
        async with request.app[DATABASE].write() as conn:
            user_id = await _join(conn, found.invite, name.value, hashed, request.app[NOW_MS]())
    except EmailTaken:
        return _ended(request, found, "taken")
    except Ended:
        return _ended(request, found, (await _found(request)).state)
    wanted = "/interviews" if found.invite.role is Role.REVIEWER else "/candidates"
    return await let_in(request, user_id, wanted)


async def _join(conn: AsyncConnection, invite: TeamInvite, name: str, password_hash: str, now_ms: int) -> str:
    """The new user's id. Raises Ended, and EmailTaken: then the invite stays as it was."""
    if not await team_invites.accept(conn, invite.id, now_ms):
        raise Ended
    user = await users.create(
        conn,
        organisation_id=invite.organisation_id,
        email=invite.email,
        name=name,
        role=invite.role,
        password_hash=password_hash,
        now_ms=now_ms,
    )
    if invite.role is Role.REVIEWER:
        await job_members.set_jobs(conn, user.id, invite.job_ids)
    await events.append(
        conn,
        organisation_id=invite.organisation_id,
        at_ms=now_ms,
        actor=f"user:{user.id}",
        kind="user.joined",
        subject_kind="user",
        subject_id=user.id,
        detail={"role": invite.role, "invite": invite.id},
    )
    return user.id


async def _found(request: web.Request) -> Found:
    """What the link opens at this moment, read anew. Ends with 404 for an unknown token."""
    token = request.match_info["token"]
    if not looks_like_token(token):
        not_found()
    async with request.app[DATABASE].read() as conn:
        invite = await team_invites.by_token_sha256(conn, token_sha256(token))
        if invite is None:
            not_found()
        organisation = await organisations.get(conn, invite.organisation_id)
        logo = logo_path(await logos.sha256_of(conn, invite.organisation_id))
        inviter = await users.by_id(conn, invite.invited_by)
    if inviter is None:
        raise NotFound("user", invite.invited_by)
    return Found(invite, organisation, logo, inviter.name, invite.state(request.app[NOW_MS]()))


async def _page(
    request: web.Request,
    found: Found,
    *,
    name: Typed | None = None,
    password_mistake: str | None = None,
    error: str | None = None,
    status: int = 200,
) -> web.Response:
    login = await login_of(request)
    context = JoinPage(
        path=request.path,
        company=found.organisation.name,
        logo=found.logo,
        inviter=found.inviter,
        email=found.invite.email,
        role=LABELS[found.invite.role],
        name=name or Typed(""),
        password_mistake=password_mistake,
        least=passwords.LEAST_CHARACTERS,
        error=error,
        signed_in_as=login.user.email if login else None,
    )
    return page(request, "recruiter/join.html", context, status=status)


def _ended(request: web.Request, found: Found, state: str) -> web.Response:
    context = JoinEndedPage(company=found.organisation.name, logo=found.logo, inviter=found.inviter, state=str(state))
    return page(request, "recruiter/join_ended.html", context, status=410)
