"""Colleagues of the demo's organisation, and other browsers, for the tests of roles, settings and team."""

from __future__ import annotations

import re
import struct
import zlib

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from storage import team_invites, users
from storage.events import Event, for_subject
from storage.ids import new_id
from storage.schema import mails
from storage.states import MailKind, Role
from storage.team_invites import TeamInvite
from storage.users import User
from tests.web.world import PASSWORD, PASSWORD_HASH, Client, Site
from web import links
from web.keys import DATABASE


async def colleague(site: Site, role: Role, name: str = "Aino Virtanen") -> User:
    """One more of the demo's team; the password is PASSWORD."""
    async with site.app[DATABASE].write() as conn:
        return await users.create(
            conn,
            organisation_id=site.invitation.organisation_id,
            email=f"{new_id()}@meadow.example",
            name=name,
            role=role,
            password_hash=PASSWORD_HASH,
            now_ms=site.clock.now_ms,
        )


async def signed_in(site: Site, role: Role) -> User:
    """A new colleague of this role, signed in on the site's own browser."""
    user = await colleague(site, role)
    site.forget_cookies()
    assert (await site.sign_in(user.email)).status == 303
    return user


def another_browser(site: Site) -> Client:
    """Without cookies, at the same server. The caller closes nothing: it goes with the server."""
    return TestClient(site.client.server, cookie_jar=CookieJar(unsafe=True))


async def browser_of(site: Site, user: User) -> Client:
    """Another browser, in which this user is signed in."""
    browser = another_browser(site)
    form = {"email": user.email, "password": PASSWORD}
    assert (await browser.post("/sign-in", data=form, allow_redirects=False)).status == 303
    return browser


async def the_invite(site: Site, email: str) -> TeamInvite:
    """The invite to this address that nobody has used yet."""
    async with site.app[DATABASE].read() as conn:
        standing = await team_invites.standing(conn, site.invitation.organisation_id)
    [found] = [each for each in standing if each.email == email]
    return found


def join_path(site: Site, invite: TeamInvite) -> str:
    return f"/join/{links.team_token(site.folder.secret, invite.id, invite.generation)}"


async def letters(site: Site, kind: MailKind) -> list[str]:
    """The addresses that letters of this kind were posted to, in order."""
    async with site.app[DATABASE].read() as conn:
        rows = await conn.scalars(
            select(mails.c.to_address).where(mails.c.kind == kind).order_by(mails.c.created_at_ms)
        )
        return list(rows)


async def told(site: Site, subject_kind: str, subject_id: str) -> list[Event]:
    """The events about this subject, the newest first."""
    async with site.app[DATABASE].read() as conn:
        return await for_subject(conn, site.invitation.organisation_id, subject_kind, subject_id)


def png(width: int = 120, height: int = 40, extra: bytes = b"") -> bytes:
    """A whole PNG of one colour; `extra` are chunks before its picture."""
    rows = b"".join(b"\0" + b"\x1f\x7a\x5c\xff" * width for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def field_value(html: str, name: str) -> str:
    """What stands in the input of this name."""
    found = re.search(rf'<input[^>]*\bname="{name}"[^>]*\bvalue="([^"]*)"', html)
    assert found, f"no input {name}"
    return found[1]
