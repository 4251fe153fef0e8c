"""Takes that an earlier version settled, before there was a chain: linked once, as what they are found to be.

Of each the sidecar is read, which has the hash that the recording had when it was made; no recording is read for it.
Blocks: for a thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recorder.chain import Chain, Kind, Tip, hash_of
from recorder.messages import TakeId
from recorder.part import UNREADABLE_SUFFIX, read_json, sidecar_path
from recorder.sidecar import read_result, sha256_of

log = logging.getLogger(__name__)

_OTHERS: Final = (".journal.json", ".waveform.json", ".look.json")


@dataclass(frozen=True, slots=True)
class _Found:
    folder: Path
    take_id: TakeId
    file: str
    size_bytes: int
    sha256: str
    sidecar_sha256: str


def link_found(chain: Chain) -> int:
    """Links each settled take below the chain's root whose sidecar names no place in it; how many.

    Only as long as no link of another kind is there: afterwards such a take is a stranger, and so is one that cannot
    be read now. Safe to be killed and to be done again. Raises OSError, ChainError.
    """
    if chain.found() is None:
        return 0
    takes = list(_settled(chain.root))  # before the chain is held: takes that end meanwhile need not wait for it
    if not takes:
        return 0
    with chain.held() as tip:
        linked = chain.found()
        if linked is None:
            return 0
        count = 0
        try:
            for take in takes:
                if take.take_id not in linked:
                    _append(chain, tip, take)
                    linked.add(take.take_id)
                    count += 1
        finally:
            tip.sync()
    if count:
        log.info("%d takes from before the chain are in it now, as they were found", count)
    return count


def _settled(root: Path) -> Iterator[_Found]:
    for name, _, files in os.walk(root, onerror=lambda error: log.error("older takes may be left out: %s", error)):
        folder = Path(name)
        for file in sorted(files):
            if not file.endswith(".json") or file.endswith(_OTHERS):
                continue
            try:
                found = _found(folder, TakeId(file.removesuffix(".json")))
            except OSError as error:
                log.error("%s is left out of the chain: %s", folder / file, error)
                continue
            if found is not None:
                yield found


def _found(folder: Path, take_id: TakeId) -> _Found | None:
    """None for what is no sidecar, or has its place in a chain. Raises OSError."""
    content, result = read_json(sidecar_path(folder, take_id)), read_result(folder, take_id)
    if content is None or "chain" in content or result is None:
        return None
    media = folder / (result.file or f"{take_id}{UNREADABLE_SUFFIX}")
    there = media.exists()
    return _Found(
        folder,
        take_id,
        file=media.name if result.file or there else "",
        size_bytes=media.stat().st_size if there else result.size_bytes,
        sha256=result.sha256 or (sha256_of(media) if there else ""),
        sidecar_sha256=hash_of(sidecar_path(folder, take_id).read_bytes()),
    )


def _append(chain: Chain, tip: Tip, take: _Found) -> None:
    link = chain.link(
        tip,
        Kind.FOUND,
        take.take_id,
        take.folder,
        file=take.file,
        size_bytes=take.size_bytes,
        sha256=take.sha256,
        sidecar_sha256=take.sidecar_sha256,
    )
    tip.append(link, durable=False)
