"""Takes that an earlier version settled, before there was a chain: linked once, as what they are found to be.

Of each the sidecar is read, which has the hash that the recording had when it was made; no recording is read for it.
Blocks: for a thread.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from recorder.chain import Chain, Kind, hash_of
from recorder.messages import TakeId
from recorder.part import UNREADABLE_SUFFIX, read_json, sidecar_path
from recorder.sidecar import read_result, sha256_of

log = logging.getLogger(__name__)

_OTHERS: Final = (".journal.json", ".waveform.json", ".look.json")


def link_found(chain: Chain) -> int:
    """Links each settled take below the chain's root whose sidecar names no place in it; how many.

    Only as long as no link of another kind is there: afterwards such a take is a stranger. Safe to be killed and to
    be done again. Raises OSError, ChainError.
    """
    linked = chain.found()
    if linked is None:
        return 0
    takes = [(folder, take_id) for folder, take_id in _settled(chain.root) if take_id not in linked]
    for folder, take_id in takes:
        _link(chain, folder, take_id)
    if takes:
        log.info("%d takes from before the chain are in it now, as they were found", len(takes))
    return len(takes)


def _settled(root: Path) -> list[tuple[Path, TakeId]]:
    found = []
    for name, _, files in os.walk(root):
        folder = Path(name)
        for file in sorted(files):
            if not file.endswith(".json") or file.endswith(_OTHERS):
                continue
            take_id = TakeId(file.removesuffix(".json"))
            content = read_json(folder / file)
            if content is not None and "chain" not in content and read_result(folder, take_id) is not None:
                found.append((folder, take_id))
    return found


def _link(chain: Chain, folder: Path, take_id: TakeId) -> None:
    result = read_result(folder, take_id)
    if result is None:
        return
    media = folder / (result.file or f"{take_id}{UNREADABLE_SUFFIX}")
    there = media.exists()
    sha256 = result.sha256 or (sha256_of(media) if there else "")
    sidecar_sha256 = hash_of(sidecar_path(folder, take_id).read_bytes())
    with chain.held() as tip:
        tip.append(
            chain.link(
                tip,
                Kind.FOUND,
                take_id,
                folder,
                file=media.name if result.file or there else "",
                size_bytes=media.stat().st_size if there else result.size_bytes,
                sha256=sha256,
                sidecar_sha256=sidecar_sha256,
            )
        )
