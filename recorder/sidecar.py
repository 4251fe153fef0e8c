"""The JSON beside a recording: its `TakeResult` and all else that is known of it.

Its presence says that a take is settled: it is written after the media file
has its final name, and holds that file's size and hash, and its own place in the chain. It never changes after.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from recorder.chain import Chain, ChainError, Kind, hash_of
from recorder.facts import TakeFacts
from recorder.media_file import Reading
from recorder.messages import TakeId, TakeResult
from recorder.part import (
    UNREADABLE_SUFFIX,
    json_line,
    read_json,
    reserve_path,
    sidecar_path,
    sync_folder,
    write_whole,
)

log = logging.getLogger(__name__)

VERSION: Final = 1
_RESULT: Final = TypeAdapter(TakeResult)
_RESULT_FIELDS: Final = frozenset(TakeResult.__dataclass_fields__)


def write_sidecar(
    folder: Path,
    result: TakeResult,
    facts: TakeFacts,
    reading: Reading | None,
    chain: Chain | None = None,
    *,
    in_sync: bool,
) -> None:
    """The sidecar, its name and its link are durable when it returns. Takes over the take's reserve. Raises OSError.

    It is written whole under the reserve's name, then linked, then named: a crash after the link leaves what
    `complete` only has to name.
    """
    content = _content(folder, result, facts, reading, in_sync)
    media = _media(folder, result) if chain is not None else None
    sha256 = result.sha256 or (sha256_of(media) if media is not None else "")
    staged, take_id = reserve_path(folder, result.take_id), result.take_id
    with contextlib.ExitStack() as stack:
        try:
            tip = stack.enter_context(chain.held()) if chain is not None and chain.folder(folder) else None
        except ChainError as error:
            log.warning("take %s is in no chain: %s", take_id, error)
            tip = None
        content["chain"] = {"number": tip.number, "previous": tip.previous} if tip is not None else None
        text = json_line(content)
        reserved = staged.exists()
        write_whole(staged, text, into=staged)
        if not reserved and tip is not None:
            sync_folder(folder)  # a link to what a power cut takes back would be followed by another
        if chain is not None and tip is not None:
            tip.append(
                chain.link(
                    tip,
                    Kind.TAKE,
                    take_id,
                    folder,
                    file=media.name if media else "",
                    size_bytes=media.stat().st_size if media else 0,
                    sha256=sha256,
                    sidecar_sha256=hash_of(text),
                )
            )
        staged.rename(sidecar_path(folder, take_id))
    sync_folder(folder)


def complete(folder: Path, take_id: TakeId, chain: Chain) -> bool:
    """Names a sidecar that was linked when its process died. Raises OSError."""
    staged = reserve_path(folder, take_id)
    content = read_json(staged)
    place = content.get("chain") if content is not None and content.get("take_id") == take_id else None
    number = place.get("number") if isinstance(place, dict) else None
    if not isinstance(number, int) or not chain.has(number, sha256_of(staged)):
        return False
    staged.rename(sidecar_path(folder, take_id))
    sync_folder(folder)
    return True


def sha256_of(path: Path) -> str:
    """Reads all of it. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _media(folder: Path, result: TakeResult) -> Path | None:
    """The recording, or the bytes that could not be read as one."""
    path = folder / (result.file or f"{result.take_id}{UNREADABLE_SUFFIX}")
    return path if path.exists() else None


def _content(
    folder: Path, result: TakeResult, facts: TakeFacts, reading: Reading | None, in_sync: bool
) -> dict[str, Any]:
    written = facts.written
    return {
        "version": VERSION,
        **asdict(result),
        "codec": written.codec,
        "width": reading.width if reading else 0,
        "height": reading.height if reading else 0,
        "sizes": [{"at_ms": at_us // 1000, "width": w, "height": h} for at_us, w, h in written.sizes],
        "key_frames_ms": [at_us // 1000 for at_us in written.keys_us],
        "payload_bytes": written.payload_bytes,
        "frames_dropped": written.dropped,
        "segments": [asdict(segment) for segment in facts.segments],
        "gaps": [asdict(gap) for gap in facts.gaps],
        "packets": {"video": asdict(facts.video), "audio": asdict(facts.audio)},
        "sync": {
            "source": facts.sync_source,
            "offset_us": facts.sync_offset_us,
            "sound_moves": [asdict(move) for move in facts.sound_moves],
            "sound_moved": bool(facts.sound_moves) and in_sync,
            "timestamp_jumps": facts.timestamp_jumps,
        },
        "clock_ms": facts.clock_ms,
        "first_unix_ms": facts.started_unix_ms,
        "last_unix_ms": facts.ended_unix_ms,
        "detail": facts.detail,
        "beside": {name: sha256_of(folder / name) for name in (result.poster, result.waveform) if name},
    }


def read_result(folder: Path, take_id: TakeId) -> TakeResult | None:
    """What the sidecar says of the take; None when it is absent or malformed. Blocks briefly."""
    content = read_json(sidecar_path(folder, take_id))
    if content is None:
        return None
    try:
        result = _RESULT.validate_python({key: content[key] for key in _RESULT_FIELDS if key in content})
    except ValidationError:
        return None
    return result if result.take_id == take_id else None
