"""The server as `greenroom serve` runs it, but by a clock that a test may put forward while it runs.

The milliseconds to add stand in a file; the wall clock alone moves, as it does when somebody sets it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import uvloop

from web import logs, serving, settings
from web.addresses import advertised
from web.data_folder import only_server, open_folder


class ShiftedClock:
    """`Clock`, with the wall clock put forward by what the file says."""

    def __init__(self, shift: Path) -> None:
        self._shift = shift

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + int(self._shift.read_text())

    def monotonic(self) -> float:
        return time.monotonic()


def main(config: Path, shift: Path) -> None:
    logs.to_stderr()
    chosen = settings.load(config)
    folder = open_folder(chosen.data_dir)

    async def run() -> None:
        async with serving.brought_up(folder):
            pass
        addresses = await advertised(chosen.advertised_ips, chosen.interfaces)
        await serving.run(chosen, folder, sock, addresses, lambda: print("is running", flush=True), ShiftedClock(shift))

    with only_server(folder), serving.listen(chosen.listen_host, chosen.listen_port) as sock:
        uvloop.run(run())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
