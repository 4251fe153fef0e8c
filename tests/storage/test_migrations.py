"""The way from any version to this one, and that it leads to what `storage.schema` says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from storage import events, invitation_list, invitations, looks, migrations, pipeline, templates
from storage.database import Database
from storage.errors import DatabaseTooNew, DatabaseUnusable
from storage.schema import metadata
from storage.states import InvitationStatus, Stage


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


def of_first_release(connection: sa.Connection) -> None:
    """A database as 0001 left it: one who completed, one who was invited twice, one who was never invited."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    written = {
        "organisations": [("o", "Meadow Studio", "", "", "Europe/Helsinki", 1)],
        "users": [("u", "o", "kim@example.com", "Kim", "admin", "hash", 1)],
        "jobs": [("j", "o", "Engineer", 1)],
        "templates": [("t", "o", "First talk", 1)],
        "template_versions": [("v", "t", 1, "en", "", "", "[]", False, 1, 2)],
        "template_jobs": [("t", "j")],
        "questions": [("q", "v", 1, "Why?", 0, 60, None, True)],
        "candidates": [
            ("c1", "o", "Zoë Åkerlund", "Zoe@example.com", "zoe@example.com", 10),
            ("c2", "o", "Bo Lind", "bo@example.com", "bo@example.com", 20),
            ("c3", "o", "Cy Ort", "cy@example.com", "cy@example.com", 30),
        ],
        "applications": [("a1", "c1", "j", "invited", 11), ("a2", "c2", "j", "invited", 21)],
        "invitations": [
            ("i1", "o", "a1", "v", 1, "x1", "completed", 12, 12, None, 13, 14, 14, "", "{}", False),
            ("i2", "o", "a2", "v", 1, "x2", "expired", 22, 22, 23, None, None, 23, "", "{}", False),
            ("i3", "o", "a2", "v", 1, "x3", "pending", 24, None, 900, None, None, None, "", '{"phone": "1"}', False),
        ],
        "events": [
            (1, "o", 12, "user:u", "invitation.sent", "invitation", "i1", "{}"),
            (2, "o", 14, "candidate:i1", "invitation.completed", "invitation", "i1", '{"submitted": 1}'),
        ],
    }
    for table, rows in written.items():
        for row in rows:
            marks = ", ".join("?" for _ in row)
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", row)


async def test_a_database_of_the_first_release_keeps_everything_and_is_whole_afterwards(empty: Database) -> None:
    async with empty.write() as conn:
        await conn.run_sync(of_first_release)
    assert not await empty.at_head()
    await empty.migrate()
    assert await empty.at_head()
    async with empty.read() as conn:
        found = {each: await invitations.get(conn, each) for each in ("i1", "i2", "i3")}
        columns = {each.stage: each.cards for each in await pipeline.board(conn, "o", "j", now_ms=100)}
        listed = await invitation_list.listing(conn, "o", now_ms=100)
        latest = await conn.execute(sa.text("SELECT id, latest_invitation_id FROM candidates ORDER BY id"))
        feed = await events.for_candidate(conn, "o", "c1")
        version = await templates.version(conn, "v")
        by_name = await conn.execute(sa.text("SELECT id FROM candidates WHERE search LIKE '%zoe akerlund%'"))
        broken = await conn.execute(sa.text("PRAGMA foreign_key_check"))
        assert broken.all() == []
        assert [tuple(row) for row in latest] == [("c1", "i1"), ("c2", "i3"), ("c3", None)]
        assert [row.id for row in by_name] == ["c1"]
    assert {each.status for each in found.values()} == {
        InvitationStatus.COMPLETED,
        InvitationStatus.EXPIRED,
        InvitationStatus.PENDING,
    }
    assert (found["i3"].details, found["i3"].invited_by, found["i1"].completed_at_ms) == ({"phone": "1"}, None, 14)
    assert [(card.candidate_id, card.stage_at_ms) for card in columns[Stage.REVIEW]] == [("c1", 11)]
    assert [(card.candidate_id, card.invitation_id) for card in columns[Stage.INTERVIEW]] == [("c2", "i3")]
    assert [(row.id, row.mail) for row in listed] == [("i3", None), ("i2", None), ("i1", None)]
    assert [event.kind for event in feed] == ["invitation.completed", "invitation.sent"]
    assert (version.number, version.published_at_ms) == (1, 2)
    # What is written from now on goes on from there.
    async with empty.write() as conn:
        assert await invitations.cancel(conn, "i3", reason="", now_ms=100)
        await events.append(
            conn,
            organisation_id="o",
            at_ms=100,
            actor="user:u",
            kind="invitation.cancelled",
            subject_kind="invitation",
            subject_id="i3",
        )


def of_second_release(connection: sa.Connection) -> None:
    """The same, brought to 0002, with a take that is kept."""
    of_first_release(connection)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "0002")
    assert "looked_at_ms" not in {column["name"] for column in sa.inspect(connection).get_columns("takes")}
    rows: dict[str, dict[str, object]] = {
        "answers": {
            "id": "w", "invitation_id": "i1", "question_id": "q", "state": "submitted", "revision": 1,
            "attempts_used": 1, "credits_candidate": 0, "credits_kept": 0, "waited": False, "free_countdowns": 0,
        },
        "takes": {
            "id": "k", "answer_id": "w", "state": "kept", "created_at_ms": 13, "end_reason": "stopped",
            "verdict": "good", "reasons": "[]", "file": "k.webm", "media_type": "video/webm", "size_bytes": 9,
            "duration_ms": 8, "sha256": "ab", "poster": "", "waveform": "", "recovered": False, "sidecar": "{}",
        },
    }  # fmt: skip
    for table, row in rows.items():
        marks = ", ".join("?" for _ in row)
        connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


async def test_a_take_of_the_release_before_is_still_there_and_is_to_be_looked_at(empty: Database) -> None:
    async with empty.write() as conn:
        await conn.run_sync(of_second_release)
    await empty.migrate()
    async with empty.write() as conn:
        found = await looks.next_unlooked(conn)
        assert found is not None
        assert (found[0].id, found[0].file, found[0].sha256, found[1]) == ("k", "k.webm", "ab", "i1")
        assert await looks.note_look(conn, "k", ["silent"], {}, 100)
        assert await looks.next_unlooked(conn) is None


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
