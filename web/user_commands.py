"""`greenroom user …`: the people who may sign in. Works beside a running server."""

from __future__ import annotations

from zoneinfo import available_timezones

import click
import uvloop

from storage import organisations, users
from storage.errors import EmailTaken, LastAdmin
from storage.states import Role
from web import passwords, serving
from web.candidate.form import is_email
from web.data_folder import DataFolder, open_folder
from web.founding import found
from web.settings import Settings
from web.terminal import CannotDo, configured, now_ms, say

_ROLES = [role.value for role in Role]
_GENERATE = click.option("--generate", is_flag=True, help="Make up a password and print it, instead of asking for one.")


@click.group()
def user() -> None:
    """Add people who may sign in, or set their passwords."""


@user.command("add")
@click.option("--email", prompt="E-mail address", help="What they sign in with.")
@click.option("--name", prompt="Name", help="Their name, as colleagues see it.")
@click.option("--role", type=click.Choice(_ROLES), help="Admin for the first user, recruiter for others, if left out.")
@click.option("--organisation", help="The organisation's name. Needed with the first user, who founds it.")
@click.option("--zone", default="UTC", show_default=True, help="Its time zone, such as Europe/Helsinki.")
@_GENERATE
@configured
def add(
    settings: Settings, email: str, name: str, role: str | None, organisation: str | None, zone: str, generate: bool
) -> None:
    """Add someone who may sign in. With the first one the organisation is made too."""
    if not is_email(email.strip()):
        raise click.BadParameter(f"{email!r} is not an e-mail address", param_hint="--email")
    if not name.strip():
        raise click.BadParameter("a name is needed", param_hint="--name")
    if zone not in available_timezones():
        raise click.BadParameter(f"{zone!r} is no time zone; try Europe/Helsinki", param_hint="--zone")
    folder = open_folder(settings.data_dir)
    if organisation is None and uvloop.run(_organisation_name(folder)) is None:
        organisation = click.prompt("Name of your organisation")
    password = _chosen(generate)
    hashed = passwords.hashed(password)
    made, founded = uvloop.run(
        _add(folder, email, name.strip(), None if role is None else Role(role), organisation, zone, hashed)
    )
    say(f"{users.folded(email)} may sign in as {made.role} of {founded}, at {settings.origin}/sign-in.")
    if generate:
        say(f"Password: {password}")


@user.command("password")
@click.argument("email")
@_GENERATE
@configured
def password(settings: Settings, email: str, generate: bool) -> None:
    """Set a new password for EMAIL. They are signed out everywhere."""
    folder = open_folder(settings.data_dir)
    user_id = uvloop.run(_user_id(folder, email))
    chosen = _chosen(generate)
    uvloop.run(_set_password(folder, user_id, passwords.hashed(chosen)))
    say(f"{users.folded(email)} has a new password, and is signed out everywhere.")
    if generate:
        say(f"Password: {chosen}")


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(_ROLES))
@configured
def role(settings: Settings, email: str, role: str) -> None:
    """Give EMAIL another role: the way back for a team whose last admin is gone. It also enables the account."""
    uvloop.run(_set_role(open_folder(settings.data_dir), email, Role(role)))
    say(f"{users.folded(email)} is {role} now, and may sign in.")


def _chosen(generate: bool) -> str:
    if generate:
        return passwords.generated()
    while True:
        typed: str = click.prompt("New password", hide_input=True, confirmation_prompt=True)
        try:
            passwords.check_new(typed)
        except passwords.PasswordUnfit as error:
            click.echo(str(error), err=True)
        else:
            return typed


async def _organisation_name(folder: DataFolder) -> str | None:
    async with serving.opened(folder) as database, database.read() as conn:
        first = await organisations.first(conn)
    return first.name if first else None


async def _add(
    folder: DataFolder,
    email: str,
    name: str,
    role: Role | None,
    organisation: str | None,
    zone: str,
    password_hash: str,
) -> tuple[users.User, str]:
    """Adds them, and says to which organisation. Without a role, who founds it is its admin."""
    address, at_ms = users.folded(email), now_ms()
    try:
        async with serving.opened(folder) as database, database.write() as conn:
            into = await organisations.first(conn)
            chosen_role = role or (Role.ADMIN if into is None else Role.RECRUITER)
            if into is None:
                chosen = organisation or name
                into = await found(conn, name=chosen, contact_name=name, contact_email=address, zone=zone, now_ms=at_ms)
            elif organisation is not None and organisation != into.name:
                raise CannotDo(f"This server belongs to {into.name}. Leave --organisation out.")
            made = await users.create(
                conn,
                organisation_id=into.id,
                email=address,
                name=name,
                role=chosen_role,
                password_hash=password_hash,
                now_ms=at_ms,
            )
            return made, into.name
    except EmailTaken:
        raise CannotDo(
            f"{address} has an account already. `greenroom user password {address}` sets a new password."
        ) from None


async def _set_role(folder: DataFolder, email: str, role: Role) -> None:
    user_id = await _user_id(folder, email)
    try:
        async with serving.opened(folder) as database, database.write() as conn:
            user = await users.by_id(conn, user_id)
            if user is not None:
                await users.enable(conn, user.id, organisation_id=user.organisation_id)
                await users.set_role(conn, user.id, organisation_id=user.organisation_id, role=role)
    except LastAdmin:
        raise CannotDo(f"{users.folded(email)} is the only admin. Make somebody else an admin first.") from None


async def _user_id(folder: DataFolder, email: str) -> str:
    async with serving.opened(folder) as database, database.read() as conn:
        known = await users.by_email(conn, email)
    if known is None:
        raise CannotDo(f"Nobody has the address {email}. `greenroom user add --email {email}` adds them.")
    return known.id


async def _set_password(folder: DataFolder, user_id: str, password_hash: str) -> None:
    async with serving.opened(folder) as database, database.write() as conn:
        await users.set_password(conn, user_id, password_hash, now_ms())
