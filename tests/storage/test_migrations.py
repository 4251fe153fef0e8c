"""The way from any version to this one, and that it leads to what `storage.schema` says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from storage import migrations
from storage.database import Database
from storage.errors import DatabaseTooNew, DatabaseUnusable
from storage.schema import metadata


@pytest.fixture
async def empty(tmp_path: Path):  # type: ignore[no-untyped-def]
    database = Database(tmp_path / "greenroom.db")
    await database.open()
    yield database
    await database.close()


def described(connection: sa.Connection) -> dict[str, object]:
    """What a database has, as far as it can be read back; alembic's own comparison leaves out the CHECKs."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "checks": sorted((c["name"] or "", c["sqltext"]) for c in inspector.get_check_constraints(table)),
            "uniques": sorted((c["name"] or "", c["column_names"]) for c in inspector.get_unique_constraints(table)),
            "indices": sorted((i["name"] or "", i["column_names"]) for i in inspector.get_indexes(table)),
            # Without names: SQLite does not read back that of a key which was added together with its column.
            "keys": sorted(
                (k["constrained_columns"], k["referred_table"], k["referred_columns"])
                for k in inspector.get_foreign_keys(table)
            ),
        }
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


async def test_an_empty_file_becomes_a_database_at_head(empty: Database) -> None:
    assert not await empty.at_head()
    await empty.migrate()
    assert await empty.at_head()


async def test_migrating_twice_changes_nothing(empty: Database) -> None:
    await empty.migrate()
    await empty.migrate()
    assert await empty.at_head()


async def test_two_that_migrate_at_once_both_succeed(empty: Database) -> None:
    other = Database(empty.path)
    await other.open()
    await asyncio.gather(empty.migrate(), other.migrate())
    assert await empty.at_head()
    await other.close()


async def test_the_migrated_schema_is_the_one_in_the_code(database: Database) -> None:
    def difference(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.read() as conn:
        assert await conn.run_sync(difference) == []


async def test_the_migrated_schema_has_every_check_and_key_of_the_code(database: Database) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        expected = described(connection)
    engine.dispose()
    async with database.read() as conn:
        assert await conn.run_sync(described) == expected
    assert set(expected) == set(metadata.tables)


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(empty: Database) -> None:
    await empty.migrate()
    async with empty.write() as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
    assert not await empty.at_head()
    with pytest.raises(DatabaseTooNew, match=r"version 9001.* restore the backup"):
        await empty.migrate()
    async with empty.read() as conn:
        assert await conn.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9001"


async def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    async with empty.write() as conn:
        await conn.execute(sa.text("CREATE TABLE takes (id INTEGER)"))
    with pytest.raises(sa.exc.OperationalError, match="takes already exists"):
        await empty.migrate()
    async with empty.read() as conn:
        tables = await conn.run_sync(lambda connection: sa.inspect(connection).get_table_names())
    assert tables == ["takes"]


async def test_an_upgrade_that_would_leave_rows_that_point_at_nothing_is_undone(empty: Database) -> None:
    await empty.migrate()
    async with empty.write() as conn:
        await conn.execute(sa.text("CREATE TABLE stray (job TEXT REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED)"))
    raw = sa.create_engine(f"sqlite:///{empty.path}")
    with raw.begin() as connection:
        connection.execute(sa.text("INSERT INTO stray VALUES ('none')"))
    raw.dispose()
    with pytest.raises(DatabaseUnusable, match="stray"):
        await empty.migrate()


def test_versions_are_numbered_without_a_gap_or_a_fork() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    revisions = [each.revision for each in script.walk_revisions()]
    assert list(reversed(revisions)) == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    assert script.get_heads() == revisions[:1]


def test_migrations_run_from_any_directory_and_print_nothing(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from storage.database import Database\n"
        "async def main():\n"
        "    database = Database(pathlib.Path(sys.argv[1]))\n"
        "    await database.open(); await database.migrate(); assert await database.at_head(); await database.close()\n"
        "asyncio.run(main())\n"
    )
    root = Path(migrations.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data" / "greenroom.db")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_table_can_be_written_for_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
    names = [each.name for table in metadata.tables.values() for each in (*table.constraints, *table.indexes)]
    assert all(isinstance(name, str) and len(name) <= 63 for name in names)
