"""`greenroom doctor`: what it says of ports, addresses and TURN servers, beside a running server and before one."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
from aioice import stun
from click.testing import CliRunner, Result

from recorder import probe
from recorder.ice import answer_check, new_credentials
from recorder.probe import Probe, answers
from tests.coturn import SECRET, Coturn
from tests.ports import free_port
from web.cli import main
from web.data_folder import open_folder

OUTSIDE = "203.0.113.7"  # nobody's (RFC 5737)


def doctor(data: Path, port: int, *lines: str, addresses: str = '["127.0.0.1"]') -> Result:
    config = data.with_suffix(".toml")
    head = [f'data_dir = "{data}"', f"udp_port = {port}", "workers = 0", f"advertised_ips = {addresses}"]
    config.write_text("\n".join([*head, *lines, ""]))
    return CliRunner().invoke(main, ["doctor", "--config", str(config)])


def said(result: Result, what: str) -> str:
    """The first word of the line about `what`."""
    found = [line.split()[0] for line in result.output.splitlines() if what in line and line.startswith(" ")]
    assert len(found) == 1, result.output
    return found[0]


def test_before_the_server_runs_its_ports_and_candidates_are_tried(tmp_path: Path) -> None:
    port = free_port()
    result = doctor(tmp_path / "data", port, addresses='["127.0.0.1", "localhost"]')
    assert result.exit_code == 0, result.output
    assert said(result, f"port {port}") == "ok"
    assert said(result, f"127.0.0.1:{port} by UDP") == said(result, f"127.0.0.1:{port} by TCP") == "ok"
    assert "only browsers on this machine" in result.output
    assert "firewall" in result.output


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_another_program_has_is_named_and_ends_with_1(tmp_path: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        result = doctor(tmp_path / "data", port)
    assert result.exit_code == 1
    assert said(result, f"port {port}") == "failed"


def test_an_address_that_does_not_lead_here_is_told_from_one_that_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: object) -> bool:
        return False

    monkeypatch.setattr(probe, "answers", nobody)
    port = free_port()
    result = doctor(tmp_path / "data", port, addresses=f'["{OUTSIDE}"]')
    assert result.exit_code == 0
    assert said(result, f"{OUTSIDE}:{port} by TCP") == "unsure"
    result = doctor(tmp_path / "data", port)
    assert result.exit_code == 1
    assert said(result, f"127.0.0.1:{port} by UDP") == "failed"


def test_a_turn_server_that_knows_us_and_one_that_does_not(tmp_path: Path) -> None:
    port = free_port()
    with Coturn(tmp_path / "coturn") as coturn:
        for secret, code, word in ((SECRET, 0, "ok"), ("another", 1, "failed")):
            server = f'{{ urls = ["turn:127.0.0.1:{coturn.port}?transport=tcp"], secret = "{secret}" }}'
            result = doctor(tmp_path / "data", port, f"ice_servers = [{server}]")
            assert (result.exit_code, said(result, "turn:127.0.0.1")) == (code, word), result.output
            assert SECRET not in result.output
    gone = doctor(tmp_path / "data", port, f"ice_servers = [{server}]")
    assert said(gone, "turn:127.0.0.1") == "failed"


async def test_a_worker_that_was_asked_too_much_is_asked_again_by_tcp_too() -> None:
    theirs = new_credentials(0)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := int.from_bytes(await reader.read(2), "big"):
            heard.append(await reader.readexactly(size))
            if len(heard) == 2:
                reply = answer_check(heard[-1], theirs, probe.THEIR_UFRAG, ("127.0.0.1", 4000)).reply
                writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        asked = Probe(server.sockets[0].getsockname()[1], theirs.ufrag, theirs.password)
        assert await answers("127.0.0.1", asked, "tcp", 2.0)
    assert len(heard) == 2 and heard[0] == heard[1]


async def test_a_reply_that_is_no_stun_message_is_none() -> None:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    cut_short = bytes(request)[:2] + (4).to_bytes(2, "big") + bytes(request)[4:] + b"\x80\x28\x00\x00"
    for broken in (b"", b"\x00", cut_short):
        assert not probe._is_reply(broken, request, Probe(1, "ufrag", "password"))


async def test_only_the_worker_of_a_probe_answers_it(tmp_path: Path) -> None:
    theirs = new_credentials(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind(("127.0.0.1", 0))
        echo.setblocking(False)
        known = Probe(echo.getsockname()[1], theirs.ufrag, theirs.password)

        async def parrot() -> None:
            while True:
                message, sender = await asyncio.get_running_loop().sock_recvfrom(echo, 1500)
                echo.sendto(message, sender)

        parroting = asyncio.ensure_future(parrot())
        began = time.monotonic()
        assert not await answers("127.0.0.1", known, "udp", 0.4)
        assert not await answers("127.0.0.1", known, "tcp", 0.4)
        assert time.monotonic() - began < 2
        parroting.cancel()
    folder = open_folder(tmp_path / "data")
    assert probe.found(folder.run, 0) is None
    probe.leave(folder.run, 0, known)
    assert probe.found(folder.run, 0) == known
    assert (folder.run / "worker-0.probe").stat().st_mode & 0o777 == 0o600
    (folder.run / "worker-0.probe").write_text('{"port": 1}')
    assert probe.found(folder.run, 0) is None
