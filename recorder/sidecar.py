"""The JSON beside a recording: its `TakeResult` and all else that is known of it.

Its presence says that a take is settled: it is written after the media file
has its final name, and holds that file's size and hash.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from recorder.facts import TakeFacts
from recorder.media_file import Reading
from recorder.messages import TakeId, TakeResult
from recorder.part import read_json, reserve_path, sidecar_path, sync_folder, write_json

VERSION: Final = 1
_RESULT: Final = TypeAdapter(TakeResult)
_RESULT_FIELDS: Final = frozenset(TakeResult.__dataclass_fields__)


def write_sidecar(folder: Path, result: TakeResult, facts: TakeFacts, reading: Reading | None) -> None:
    """The sidecar and its name are durable when it returns. Takes over the take's reserve. Raises OSError."""
    written = facts.written
    content: dict[str, Any] = {
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
            "timestamp_jumps": facts.timestamp_jumps,
        },
        "clock_ms": facts.clock_ms,
        "first_unix_ms": facts.started_unix_ms,
        "last_unix_ms": facts.ended_unix_ms,
        "detail": facts.detail,
    }
    write_json(sidecar_path(folder, result.take_id), content, into=reserve_path(folder, result.take_id))
    sync_folder(folder)


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
