"""The yardstick beside us: Janus (C, Debian's package) with its recordplay plugin, which writes RTP as it came.

What it writes does not play until `janus-pp-rec` has made a file of it; ours does. It gives
the feedback a browser needs, transport-cc included, as we do.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.link import Cable
from tests.bench.measure import call, until
from tests.ports import free_port

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Janus:
    pid: int
    url: str
    recordings: Path

    def written_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.recordings.glob("*.mjr"))


def installed() -> Path | None:
    """The folder of Janus' modules, None when there is no Janus."""
    plugin = next(Path("/usr/lib").glob("*/janus/plugins/libjanus_recordplay.so"), None)
    return plugin.parents[1] if plugin is not None and shutil.which("janus") else None


def version() -> str:
    """Of Debian's package, as Janus' own is in no other form than a log line."""
    command = ["dpkg-query", "-W", "-f", "${Version}", "janus"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def janus(folder: Path, modules: Path, cable: Cable) -> Iterator[Janus]:
    """Janus with this plugin and no other, reached over the cable. Raises TimeoutError when it does not start."""
    port = free_port()
    recordings = folder / "recordings"
    recordings.mkdir(parents=True)
    _configure(folder, modules, cable, port)
    with (folder / "janus.log").open("ab") as log:
        process = subprocess.Popen(
            ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg")], stdout=log, stderr=log
        )
    base = f"http://{cable.address}:{port}/janus"
    try:
        until(lambda: _answers(f"{base}/info"), START_TIMEOUT_S, f"Janus answers; see {folder / 'janus.log'}")
        yield Janus(process.pid, base, recordings)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        call("GET", url)
    except (urllib.error.URLError, OSError):
        return False
    return True


def _configure(folder: Path, modules: Path, cable: Cable, port: int) -> None:
    def others(kind: str, kept: str) -> str:
        return ",".join(sorted(path.name for path in (modules / kind).glob("*.so") if kept not in path.name))

    files = {
        "janus.jcfg": f"""
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{modules}/plugins"
  transports_folder = "{modules}/transports"
  events_folder = "{modules}/events"
  loggers_folder = "{modules}/loggers"
  debug_level = 3
}}
nat: {{ ice_enforce_list = "{cable.interface}", full_trickle = false }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{others("plugins", "recordplay")}" }}
transports: {{ disable = "{others("transports", "http")}" }}
events: {{ broadcast = false }}
""",
        "janus.plugin.recordplay.jcfg": f'general: {{ path = "{folder / "recordings"}" }}\n',
        "janus.transport.http.jcfg": f"""
general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "{cable.address}", https = false }}
admin: {{ admin_http = false }}
""",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
