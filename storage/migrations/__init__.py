"""The schema's versions, forward only, and how far a database is. Undoing an upgrade is restoring a backup.

Needs no alembic.ini: `env.py` and `versions/` lie beside this file, wherever the package is installed.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from storage.errors import DatabaseTooNew, DatabaseUnusable

_HERE = Path(__file__).resolve().parent


def at_head(connection: Connection) -> bool:
    """Whether the database has exactly the newest version that this code knows."""
    return _versions(connection) == set(ScriptDirectory.from_config(_config()).get_heads())


def upgrade(connection: Connection) -> None:
    """Runs what is missing, inside the caller's transaction. Raises DatabaseTooNew and changes nothing.

    The caller has foreign keys switched off; they are checked here, at the end.
    """
    config = _config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = _versions(connection) - known
    if unknown:
        raise DatabaseTooNew(
            f"the database is at version {', '.join(sorted(unknown))}, which this version of Greenroom does not know; "
            "install the version that wrote it, or restore the backup made before that upgrade"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(1)
        if broken:
            raise DatabaseUnusable(f"the upgrade would leave a row of {broken[0][0]} that points at nothing")


def _versions(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _config() -> Config:
    config = Config()
    # The configuration is an INI file underneath, in which a percent sign is an interpolation.
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    return config
