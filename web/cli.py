"""The `greenroom` command: what an operator types, and what they read.

Exit codes: 0 done, 1 it could not be done (a sentence says why), 2 the call or the configuration is wrong.
"""

from __future__ import annotations

import socket

import click
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recorder.recovery import recover as recover_recordings
from storage import users
from storage.database import Database
from web import demo as demo_data
from web import logs, passwords, serving
from web.addresses import advertised
from web.data_folder import DataFolder, DataFolderError, only_server, open_folder
from web.settings import Settings
from web.terminal import CannotDo, configured, listening, now_ms, say
from web.top_command import top
from web.user_commands import user
from web.verify_command import verify_command
from web.version import release


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(release(), prog_name="greenroom")
def main() -> None:
    """Greenroom: self-hosted one-way video interviews."""


main.add_command(user)
main.add_command(verify_command)
main.add_command(top)


@main.command()
@listening
@configured
def serve(settings: Settings) -> None:
    """Run the server. Brings the database up to date first; adds no demo data."""
    _serve(settings, with_demo=False)


@main.command()
@listening
@configured
def demo(settings: Settings) -> None:
    """Run the server on demo data, which is made if the database is empty.

    Prints the recruiter's address and login, and the candidate's link.
    """
    _serve(settings, with_demo=True)


@main.command()
@configured
def migrate(settings: Settings) -> None:
    """Bring the database up to this release. `serve` does it by itself; this does it ahead."""
    folder = open_folder(settings.data_dir)

    async def work() -> None:
        async with serving.brought_up(folder):
            pass

    with only_server(folder):
        uvloop.run(work())
    say(f"The database {folder.database} is up to date.")


@main.command()
@configured
def recover(settings: Settings) -> None:
    """Make playable files of recordings that a crash cut off. Those being recorded now are left alone.

    `serve` does it by itself at its start, and then tells the interviews.
    """
    results = recover_recordings(open_folder(settings.data_dir).recordings)
    if not results:
        say("There was nothing to recover.")
        return
    table = Table("Take", "Verdict", "Length", "File", "Reasons", title=f"{len(results)} recovered")
    for result in results:
        length = f"{result.duration_ms / 1000:.1f} s"
        table.add_row(result.take_id, result.verdict, length, result.file or "none", ", ".join(result.reasons))
    Console().print(table)


@main.command()
@listening
@configured
def doctor(settings: Settings) -> None:
    """Try the ports, the addresses that candidates are told, and the TURN servers. Beside a running server, or before.

    Exits with 1 if something does not work.
    """
    # Not above: it has a recorder in it, which takes as long to import as all else together.
    from web.doctor import Finding, Mark, examine

    async def work() -> list[Finding]:
        addresses = await advertised(settings.advertised_ips, settings.interfaces)
        say(f"Candidates are told {', '.join(addresses)}.")
        return await examine(settings, open_folder(settings.data_dir), addresses, now_ms())

    found = uvloop.run(work())
    table = Table("", "", "", box=None, show_header=False)
    for each in found:
        table.add_row(*map(Text, (each.mark, each.what, each.why)))
    Console(highlight=False).print(table)
    if any(each.mark is Mark.BAD for each in found):
        raise CannotDo("Something does not work; see above.")
    say("From outside, the firewall decides: it must let in UDP and TCP on these ports.")


def _serve(settings: Settings, *, with_demo: bool) -> None:
    logs.to_stderr()
    folder = open_folder(settings.data_dir)
    with only_server(folder), serving.listen(settings.listen_host, settings.listen_port) as sock:
        if settings.listen_port == 0:
            settings = settings.model_copy(update={"listen_port": sock.getsockname()[1]})
        uvloop.run(_run(settings, folder, sock, with_demo=with_demo))


async def _run(settings: Settings, folder: DataFolder, sock: socket.socket, *, with_demo: bool) -> None:
    addresses = await advertised(settings.advertised_ips, settings.interfaces)
    async with serving.brought_up(folder) as database:
        people = await _demo_people(settings, folder, database) if with_demo else await _first_admin(database)

    def announce() -> None:
        last = settings.udp_port + max(settings.workers, 1) - 1
        ports = str(settings.udp_port) if last == settings.udp_port else f"{settings.udp_port} to {last}"
        say(
            Text(f"Greenroom {release()} is running. Stop it with Ctrl+C.", style="bold"),
            "",
            f"  Recruiter   {settings.origin}/interviews",
            *people,
            "",
            f"  Data        {folder.root}",
            f"  Mail        {settings.mail.host or f'no server set: written to {folder.outbox}'}",
            f"  Media       UDP and TCP {ports}, advertised at {', '.join(addresses)}",
            "",
        )

    await serving.run(settings, folder, sock, addresses, announce)


async def _demo_people(settings: Settings, folder: DataFolder, database: Database) -> list[str]:
    password = passwords.generated()
    try:
        found = await demo_data.prepare(
            database, folder.secret, password=password, password_hash=passwords.hashed(password), now_ms=now_ms()
        )
    except demo_data.NoDemo:
        raise DataFolderError(
            f"The data directory {folder.root} is in use, and holds no demo. Start it with `greenroom serve`, "
            "or give the demo a directory of its own: `greenroom demo --data-dir demo-data`."
        ) from None
    shown = found.password or f"was shown at the first start; `greenroom user password {found.email}` sets a new one"
    return [
        f"  Login       {found.email}",
        f"  Password    {shown}",
        "",
        f"  Candidate   {settings.origin}{found.link_path}",
    ]


async def _first_admin(database: Database) -> list[str]:
    async with database.read() as conn:
        if await users.count(conn):
            return []
    return ["", "  Nobody can sign in yet. Make the first admin with `greenroom user add --role admin`."]


if __name__ == "__main__":
    main()
