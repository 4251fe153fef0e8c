"""The command line, as an operator meets it: in this process where that is enough, as a real one where it is not."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.ports import free_port
from web.cli import main
from web.data_folder import only_server, open_folder

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0


def call(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    said: str

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.said)
        assert match, f"{pattern} is not in {self.said}"
        return match[1]


@contextmanager
def running(command: str, data: Path, *options: str) -> Iterator[Running]:
    """A server that has said it is running; told to stop at the end, and waited for."""
    arguments = [sys.executable, "-m", "web.cli", command, "--data-dir", str(data), "--port", "0", "--workers", "0"]
    arguments += ["--udp-port", str(free_port()), *options]
    out, log = data.with_suffix(".out"), data.with_suffix(".log")
    with out.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=stdout, stderr=stderr)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Media" not in out.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield Running(process, out.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["demo"], ["migrate"], ["recover"], ["doctor"], ["user"], ["user", "add"], ["user", "password"]],
)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_a_bad_file_lists_all_its_mistakes_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('listen_port = "x"\nworkers = -1\nhue = "green"\n[limits]\nform_bytes = 0\n')
    done = subprocess.run(
        [sys.executable, "-m", "web.cli", "serve", "--config", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "4 mistakes" in done.stderr
    for key in ("listen_port", "workers", "hue", "limits.form_bytes"):
        assert re.search(rf"^  {re.escape(key)}: \S", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_is_made_once_and_found_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("demo", data) as first:
        link = first.found(r"Candidate +(http://127\.0\.0\.1:\d+/i/[\w-]{43})\n")
        assert first.found(r"Login +(\S+)") == "recruiter@example.com"
        password = first.found(r"Password +(\S+)\n")
        assert first.found(r"Recruiter +(\S+)").endswith("/interviews")
        assert "127.0.0.1" in first.found(r"Media +UDP and TCP \d+, advertised at (.+)")
        assert status_of(link) == 200
    with running("demo", data) as second:
        assert second.found(r"(/i/[\w-]{43})") == re.search(r"(/i/[\w-]{43})", link)[1]  # type: ignore[index]
        assert password not in second.said
        assert "greenroom user password recruiter@example.com" in second.said
        assert status_of(second.found(r"Candidate +(\S+)")) == 200
    tables = sqlite3.connect(data / "greenroom.db")
    for table, count in (("organisations", 1), ("users", 1), ("jobs", 1), ("questions", 3), ("invitations", 1)):
        assert tables.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,)
    assert tables.execute("SELECT count(*) FROM questions WHERE think_s = 0").fetchone() == (1,)
    tables.close()


def test_serve_adds_nothing_and_says_how_to_make_the_first_admin(tmp_path: Path) -> None:
    with running("serve", tmp_path / "data") as server:
        assert "greenroom user add --role admin" in server.said
        assert "/i/" not in server.said
        port = server.found(r"Media +UDP and TCP (\d+)")
        asked = call("doctor", "--data-dir", str(tmp_path / "data"), "--workers", "0", "--udp-port", port)
        assert asked.exit_code == 0, asked.output
        assert re.search(r"ok +the server +runs", asked.output)
        for transport in ("UDP", "TCP"):
            assert re.search(rf"ok +127\.0\.0\.1:{port} by {transport}", asked.output)
        again = call("serve", "--data-dir", str(tmp_path / "data"), "--port", "0")
        assert again.exit_code == 1
        assert f"(process {server.process.pid}) is running on" in again.output
        added = call(
            *("user", "add", "--data-dir", str(tmp_path / "data"), "--email", "Ada@Example.com", "--name", "Ada"),
            *("--role", "admin", "--organisation", "Northwind", "--generate"),
        )
        assert added.exit_code == 0, added.output
    with running("serve", tmp_path / "data") as server:
        assert "user add" not in server.said


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("serve", "--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert result.exit_code == 1
    assert result.output.strip().endswith("choose another with --port.")
    assert f"Port {port} on 127.0.0.1 is in use" in result.output


def test_a_udp_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = str(taken.getsockname()[1])
        options = ("--port", "0", "--workers", "0", "--udp-port", port)
        result = call("serve", "--data-dir", str(tmp_path / "data"), *options)
    assert result.exit_code == 1
    assert port in result.output
    assert "Traceback" not in result.output


def test_a_tcp_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        for workers in ("0", "1"):
            options = ("--port", "0", "--workers", workers, "--udp-port", port)
            result = call("serve", "--data-dir", str(tmp_path / "data"), *options)
            assert result.exit_code == 1
            assert port in result.output and "TCP" in result.output
            assert "Traceback" not in result.output


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert result.exit_code == 1
    assert "data directory" in result.output


def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert call("migrate", "--data-dir", str(data)).exit_code == 0
    with sqlite3.connect(data / "greenroom.db") as tables:
        tables.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    result = call("serve", "--data-dir", str(data), "--port", "0")
    assert result.exit_code == 1
    assert "newer release" in result.output


def test_the_demo_does_not_touch_a_database_that_is_something_else(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    person = ("--email", "a@b.example", "--name", "A", "--organisation", "B", "--generate")
    assert call("user", "add", "--data-dir", data, *person).exit_code == 0
    result = call("demo", "--data-dir", data, "--port", "0")
    assert result.exit_code == 1
    assert "holds no demo" in result.output


def test_users_are_added_and_get_new_passwords(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = call(
        "user", "add", "--data-dir", data, typed="ada@example.com\nAda\nNorthwind\nlong enough pw\nlong enough pw\n"
    )
    assert first.exit_code == 0, first.output
    assert "ada@example.com may sign in as admin of Northwind" in first.output
    assert "long enough pw" not in first.output
    again = call("user", "add", "--data-dir", data, "--email", "ADA@example.com", "--name", "Ada", "--generate")
    assert again.exit_code == 1
    assert "has an account already" in again.output
    changed = call("user", "password", "ada@example.com", "--data-dir", data, "--generate")
    assert changed.exit_code == 0
    assert re.search(r"Password: (\w{5}-){3}\w{5}\n", changed.output)


def test_a_role_is_given_from_the_command_line_and_the_last_admin_is_kept(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    founder = ("--email", "ada@example.com", "--name", "Ada", "--organisation", "Northwind", "--generate")
    assert call("user", "add", "--data-dir", data, *founder).exit_code == 0
    later = call("user", "add", "--data-dir", data, "--email", "bo@example.com", "--name", "Bo", "--generate")
    assert "bo@example.com may sign in as recruiter of Northwind" in later.output
    refused = call("user", "role", "ada@example.com", "reviewer", "--data-dir", data)
    assert refused.exit_code == 1
    assert "is the only admin" in refused.output
    with sqlite3.connect(tmp_path / "data" / "greenroom.db") as tables:
        tables.execute("UPDATE users SET disabled_at_ms = 1 WHERE email = 'bo@example.com'")
    assert call("user", "role", "BO@example.com", "admin", "--data-dir", data).exit_code == 0
    assert call("user", "role", "ada@example.com", "reviewer", "--data-dir", data).exit_code == 0
    with sqlite3.connect(tmp_path / "data" / "greenroom.db") as tables:
        found = tables.execute("SELECT role, disabled_at_ms FROM users ORDER BY email").fetchall()
    assert found == [("reviewer", None), ("admin", None)]
    assert call("user", "role", "nobody@example.com", "admin", "--data-dir", data).exit_code == 1


def test_a_short_password_is_asked_for_again(tmp_path: Path) -> None:
    options = ("user", "add", "--data-dir", str(tmp_path / "data"), "--email", "a@b.example", "--name", "A")
    typed = "short\nshort\nlong enough pw\nlong enough pw\n"
    result = call(*options, "--organisation", "B", typed=typed)
    assert result.exit_code == 0
    assert "at least 10 characters" in result.output


def test_an_unknown_user_is_named_with_what_to_do(tmp_path: Path) -> None:
    result = call("user", "password", "nobody@example.com", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "Nobody has the address nobody@example.com" in result.output
    assert "user add" in result.output


@pytest.mark.parametrize(("option", "value"), [("--email", "nonsense"), ("--zone", "Mars/Olympus"), ("--role", "king")])
def test_a_wrong_option_exits_2(tmp_path: Path, option: str, value: str) -> None:
    given = {"--email": "a@b.example", "--name": "A", "--organisation": "B"} | {option: value}
    flat = [part for pair in given.items() for part in pair]
    result = call("user", "add", "--data-dir", str(tmp_path / "data"), *flat, "--generate")
    assert result.exit_code == 2
    assert option in result.output


def test_migrate_waits_for_no_running_server(tmp_path: Path) -> None:
    with only_server(open_folder(tmp_path / "data")):
        result = call("migrate", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "is running on" in result.output


def test_recover_says_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    result = call("recover", "--data-dir", str(tmp_path / "data"))
    assert (result.exit_code, result.output) == (0, "There was nothing to recover.\n")
