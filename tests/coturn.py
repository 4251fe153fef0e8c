"""Debian's coturn on this machine alone, for as long as a test wants it: a TURN server that shares a secret with us."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.ports import free_ports

SECRET = "north of the greenhouse"
START_TIMEOUT_S = 10.0


class Coturn:
    """Relays to 127.0.0.1 too, which no server that others can reach should. `said` is its log."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Coturn:
        program = shutil.which("turnserver")
        assert program, "coturn is not here: sh tests/install.sh coturn"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={self.port}",
                    f"--alt-listening-port={self.port + 1}", "--no-tls", "--no-dtls", "--fingerprint",
                    "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=greenroom.example",
                    # The second is refused without a password for the console, though there is no console.
                    "--no-cli", "--allow-loopback-peers", "--cli-password=no-console",
                    # As docs/networks.md has it: to the recorder, and nowhere else.
                    "--allowed-peer-ip=127.0.0.1", "--denied-peer-ip=0.0.0.0-255.255.255.255",
                    f"--userdb={self._folder / 'turn.db'}", f"--pidfile={self._folder / 'turn.pid'}",
                    "--log-file=stdout", "--simple-log", "--verbose",
                ],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while not self._answers():
                assert self._process.poll() is None and time.monotonic() < deadline, self.said
                time.sleep(0.02)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    @property
    def _log(self) -> Path:
        return self._folder / "coturn.log"

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def _answers(self) -> bool:
        """To a STUN request by TCP; its UDP listener is opened before."""
        with socket.socket() as sock:
            sock.settimeout(1)
            if sock.connect_ex(("127.0.0.1", self.port)):
                return False
            sock.sendall(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"greenroom---")
            try:
                return sock.recv(1) == b"\x01"
            except TimeoutError:
                return False
