"""What the commands share: how they print, which options they take, and how they say that something cannot be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.text import Text

from recorder.pool import PoolError
from storage.errors import DatabaseTooNew, StorageError
from web.addresses import CannotAdvertise
from web.data_folder import DataFolderError
from web.serving import CannotListen
from web.settings import SettingsWrong, load
from web.version import release

Command = Callable[..., None]


def say(*lines: str | Text) -> None:
    """Prints lines as they are: never wrapped, so that a link can be copied; no markup."""
    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line, markup=False)


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class CannotDo(click.ClickException):
    """Exit code 1, and a sentence on standard error."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Unlike click's own: the sentence is all there is to say."""
        click.echo(self.message, file=file, err=file is None)


def explained(command: Command) -> Command:
    """Turns what is known to go wrong into a sentence and an exit code: 2 for the configuration, else 1."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except SettingsWrong as error:
            _list_mistakes(error)
            raise SystemExit(2) from error
        except DatabaseTooNew as error:
            raise CannotDo(
                f"The database was written by a newer release than this one ({release()}). "
                "Install that release again, or restore the backup that was made before it."
            ) from error
        except (DataFolderError, CannotListen, CannotAdvertise, PoolError, StorageError) as error:
            raise CannotDo(str(error)) from error

    return run


def _list_mistakes(error: SettingsWrong) -> None:
    count = len(error.mistakes)
    click.echo(f"{error.path or 'The call'}: {count} mistake{'' if count == 1 else 's'}", err=True)
    for mistake in error.mistakes:
        click.echo(f"  {mistake.key}: {mistake.reason}" if mistake.key else f"  {mistake.reason}", err=True)


def configured(command: Command) -> Command:
    """Adds --config and --data-dir, and hands the settings on as `settings`."""

    @click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file with the settings. Default: ./config.toml if there is one.",
    )
    @click.option("--data-dir", type=click.Path(path_type=Path), help="Overrides data_dir.")
    @wraps(command)
    @explained
    def run(config: Path | None, data_dir: Path | None, **options: Any) -> None:
        overrides: dict[str, Any] = {"data_dir": data_dir}
        for name in ("listen_host", "listen_port", "udp_port", "workers"):
            overrides[name] = options.pop(name, None)
        settings = load(config, {name: given for name, given in overrides.items() if given is not None})
        command(settings=settings, **options)

    return run


def listening(command: Command) -> Command:
    """Adds the options of commands that serve."""
    for option in (
        click.option("--workers", type=int, help="Overrides workers; 0 records inside the web process."),
        click.option("--udp-port", type=int, help="Overrides udp_port."),
        click.option("--port", "listen_port", type=int, help="Overrides listen_port; 0 takes any that is free."),
        click.option("--host", "listen_host", help="Overrides listen_host."),
    ):
        command = option(command)
    return command
