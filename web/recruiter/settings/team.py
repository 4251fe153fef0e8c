"""Settings → Team: who is in it, and inviting more by mail (O2). One colleague's page is `person`."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import job_members, organisations, team_invites, team_mails, users
from storage.errors import AlreadyInvited, EmailTaken, NotFound
from storage.ids import new_id
from storage.job_members import JobChoice
from storage.logins import Login
from storage.states import Role
from storage.team_invites import InviteState, TeamInvite
from storage.team_mails import TeamMail
from storage.users import User
from web import links
from web.errors import not_found
from web.forms import typed_pairs
from web.keys import DATABASE, FOLDER, NOW_MS, POST, SETTINGS
from web.recruiter.noting import note
from web.recruiter.settings import checks, letters
from web.recruiter.settings.checks import Typed
from web.recruiter.settings.contexts import InviteLine, InviteLinkPage, PersonLine, TeamPage
from web.recruiter.settings.roles import CHOICES, LABELS
from web.rendering import page

PATH = "/settings/team"
NOT_AGAIN_WITHIN_MS = 60 * 1000
LETTERS_SINCE_MS = 30 * 24 * 3600 * 1000
_DONE = {
    "invited": "Invited. The link in the letter works for seven days.",
    "again": "Sent again, with the same link. It works for seven days from now.",
    "too-soon": "It was sent less than a minute ago, so nothing was sent again.",
    "revoked": "Revoked. The link in that letter opens nothing any more.",
    "gone": "This invite was used or revoked meanwhile.",
}


async def listing(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/team."""
    return await _page(request, login)


async def invite(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team: one colleague by mail. Whoever is in the team already is named, with a link."""
    pairs = await typed_pairs(request)
    given = dict(pairs)
    ticked = {value for name, value in pairs if name == "job"}
    email, role = checks.address(given.get("email", "")), checks.role(given.get("role", ""))
    if email.mistake or role is None:
        return await _page(request, login, email=email, role=given.get("role", ""), ticked=ticked)
    now_ms = request.app[NOW_MS]()
    try:
        async with request.app[DATABASE].write() as conn:
            await _invite(request, conn, login, email.value, role, ticked, now_ms)
    except EmailTaken:
        mistake, about = await _who_has(request, login, email.value)
        return await _page(request, login, email=Typed(email.value, mistake), role=role, ticked=ticked, about=about)
    except AlreadyInvited:
        mistake = "This address has an open invite already: it is listed above, where it can be sent again."
        return await _page(request, login, email=Typed(email.value, mistake), role=role, ticked=ticked)
    except NotFound:
        raise web.HTTPBadRequest from None  # a job that no form of ours offered
    raise web.HTTPSeeOther(f"{PATH}?done=invited")


async def send_again(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team/invites/{invite_id}/resend: the same link, for seven days more."""
    now_ms, organisation_id = request.app[NOW_MS](), login.user.organisation_id
    async with request.app[DATABASE].write() as conn:
        found = await _own_invite(request, conn, login)
        stands = found.accepted_at_ms is None and found.revoked_at_ms is None
        again = await team_invites.prolong(
            conn, found.id, organisation_id=organisation_id, now_ms=now_ms, not_within_ms=NOT_AGAIN_WITHIN_MS
        )
        if again:
            await request.app[POST].team_invite(
                conn, invite_id=found.id, organisation_id=organisation_id, to_address=found.email, now_ms=now_ms
            )
            await _note(conn, login, now_ms, "user.invited", found, again=True)
    done = "again" if again else "too-soon" if stands else "gone"
    raise web.HTTPSeeOther(f"{PATH}?done={done}")


async def revoke(request: web.Request, login: Login) -> web.StreamResponse:
    """POST /settings/team/invites/{invite_id}/revoke."""
    now_ms, organisation_id = request.app[NOW_MS](), login.user.organisation_id
    async with request.app[DATABASE].write() as conn:
        found = await _own_invite(request, conn, login)
        revoked = await team_invites.revoke(conn, found.id, organisation_id=organisation_id, now_ms=now_ms)
        if revoked:
            await _note(conn, login, now_ms, "user.uninvited", found)
    raise web.HTTPSeeOther(f"{PATH}?done={'revoked' if revoked else 'gone'}")


async def invite_link(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /settings/team/invites/{invite_id}/link: to hand over by another way than mail, while it is open."""
    async with request.app[DATABASE].read() as conn:
        found = await _own_invite(request, conn, login)
        organisation = await organisations.get(conn, login.user.organisation_id)
    if found.state(request.app[NOW_MS]()) is not InviteState.OPEN:
        not_found()
    token = links.team_token(request.app[FOLDER].secret, found.id, found.generation)
    context = InviteLinkPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        email=found.email,
        role=LABELS[found.role],
        url=f"{request.app[SETTINGS].origin}/join/{token}",
        expires_at_ms=found.expires_at_ms,
    )
    return page(request, "recruiter/settings/invite_link.html", context)


def person_line(user: User, viewer: User, *, jobs: list[str], seen_at_ms: int | None) -> PersonLine:
    """A colleague as both pages show them."""
    return PersonLine(
        id=user.id,
        name=user.name,
        email=user.email,
        role=LABELS[user.role],
        you=user.id == viewer.id,
        disabled=user.disabled_at_ms is not None,
        jobs=jobs,
        seen_at_ms=seen_at_ms,
    )


async def _invite(
    request: web.Request,
    conn: AsyncConnection,
    login: Login,
    email: str,
    role: Role,
    ticked: set[str],
    now_ms: int,
) -> None:
    """Raises what `team_invites.create` does."""
    invite_id, organisation_id = new_id(now_ms), login.user.organisation_id
    token = links.team_token(request.app[FOLDER].secret, invite_id, 1)
    made = await team_invites.create(
        conn,
        invite_id=invite_id,
        organisation_id=organisation_id,
        email=email,
        role=role,
        job_ids=ticked if role is Role.REVIEWER else (),
        token_sha256=links.token_sha256(token),
        invited_by=login.user.id,
        now_ms=now_ms,
    )
    await request.app[POST].team_invite(
        conn, invite_id=made.id, organisation_id=organisation_id, to_address=made.email, now_ms=now_ms
    )
    await _note(conn, login, now_ms, "user.invited", made)


async def _who_has(request: web.Request, login: Login, email: str) -> tuple[str, str | None]:
    """Whose address it is, in a sentence, and the path of their page if they are of this team."""
    async with request.app[DATABASE].read() as conn:
        user = await users.by_email(conn, email)
    if user is None or user.organisation_id != login.user.organisation_id:
        return "This address has an account on this server already, so it cannot be invited.", None
    if user.disabled_at_ms is not None:
        return f"This is {user.name}, whose account is disabled. Enable it instead.", f"{PATH}/{user.id}"
    return f"This is {user.name}, who is in the team already.", f"{PATH}/{user.id}"


async def _own_invite(request: web.Request, conn: AsyncConnection, login: Login) -> TeamInvite:
    invite_id = request.match_info["invite_id"]
    found = await team_invites.by_id(conn, invite_id, organisation_id=login.user.organisation_id)
    return found if found is not None else not_found()


async def _note(
    conn: AsyncConnection, login: Login, now_ms: int, kind: str, found: TeamInvite, *, again: bool = False
) -> None:
    await note(
        conn, login, kind, "team_invite", found.id, now_ms, {"email": found.email, "role": found.role, "again": again}
    )


async def _page(
    request: web.Request,
    login: Login,
    *,
    email: Typed | None = None,
    role: str = Role.RECRUITER,
    ticked: set[str] | None = None,
    about: str | None = None,
) -> web.StreamResponse:
    now_ms = request.app[NOW_MS]()
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, login.user.organisation_id)
        jobs = await job_members.job_choices(conn, organisation.id)
        people = await _people(conn, login, jobs)
        standing = await team_invites.standing(conn, organisation.id)
        sent = await team_mails.of_invites(
            conn, organisation.id, [each.id for each in standing], since_ms=now_ms - LETTERS_SINCE_MS
        )
    context = TeamPage(
        viewer=login.user,
        here="settings",
        zone=organisation.zone,
        people=people,
        invites=[_invite_line(each, sent.get(each.id), now_ms) for each in standing],
        roles=CHOICES,
        jobs=[job for job in jobs if not job.closed],
        email=email or Typed(""),
        role=role,
        ticked=ticked or set(),
        about=about,
        mail_is_sent=bool(request.app[SETTINGS].mail.host),
        done=_DONE.get(request.query.get("done", "")) if request.method in {"GET", "HEAD"} else None,
    )
    return page(request, "recruiter/settings/team.html", context, status=200 if email is None else 422)


async def _people(conn: AsyncConnection, login: Login, jobs: Sequence[JobChoice]) -> list[PersonLine]:
    organisation_id = login.user.organisation_id
    titles = {job.id: job.title for job in jobs}
    by_user = await job_members.by_user(conn, organisation_id)
    seen = await users.last_seen(conn, organisation_id)
    return [
        person_line(
            user,
            login.user,
            jobs=sorted(titles[each] for each in by_user.get(user.id, ()) if each in titles)
            if user.role is Role.REVIEWER
            else [],
            seen_at_ms=seen.get(user.id),
        )
        for user in await users.team(conn, organisation_id)
    ]


def _invite_line(found: TeamInvite, letter: TeamMail | None, now_ms: int) -> InviteLine:
    return InviteLine(
        id=found.id,
        email=found.email,
        role=LABELS[found.role],
        expires_at_ms=found.expires_at_ms,
        expired=found.state(now_ms) is InviteState.EXPIRED,
        mail=letters.state(letter) if letter else None,
    )
