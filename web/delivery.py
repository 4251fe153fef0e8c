"""Recordings and their pictures over HTTP: ranges, types, and that nobody in between keeps a copy.

Who may have which is decided before anything comes here.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from storage.interviews import TakeRow
from storage.recordings import Recordings
from web.errors import not_found

_MEDIA_TYPES = frozenset({"video/mp4", "video/webm", "audio/mp4", "audio/webm"})
_PRIVATE = "private, no-store"


def recording(recordings: Recordings, invitation_id: str, take: TakeRow) -> web.FileResponse:
    """The take's file; answers Range requests (RFC 9110 §14). Ends with 404 where nothing was kept."""
    if not take.file:
        not_found()
    media_type = take.media_type.partition(";")[0].strip()
    content_type = media_type if media_type in _MEDIA_TYPES else "application/octet-stream"
    return _file(recordings.path(invitation_id, take.file), content_type)


def poster(recordings: Recordings, invitation_id: str, take: TakeRow) -> web.FileResponse:
    """The picture of the take's first key frame. Ends with 404 where there is none."""
    if not take.poster:
        not_found()
    return _file(recordings.path(invitation_id, take.poster), "image/jpeg")


def waveform(recordings: Recordings, invitation_id: str, take: TakeRow) -> web.FileResponse:
    """The take's sound levels as JSON. Ends with 404 where there are none."""
    if not take.waveform:
        not_found()
    return _file(recordings.path(invitation_id, take.waveform), "application/json")


def _file(path: Path, content_type: str) -> web.FileResponse:
    return web.FileResponse(path, headers={"Content-Type": content_type, "Cache-Control": _PRIVATE})
