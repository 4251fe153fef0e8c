"""The files of a take go, and the chain over all takes says that they went in order.

Blocks on the disk: for a thread. Safe to repeat.
"""

from __future__ import annotations

import logging

from recorder.chain import Chain, ChainError
from recorder.messages import TakeId
from storage.recordings import Recordings

log = logging.getLogger(__name__)


def discard(recordings: Recordings, invitation_id: str, take_id: TakeId) -> int:
    """Deletes every file of this take, once a link of the chain says so; how many. Raises UnsafeName, OSError."""
    if recordings.any_left(invitation_id, take_id):
        _note_gone(recordings, invitation_id, take_id)
    return recordings.discard(invitation_id, take_id)


def _note_gone(recordings: Recordings, invitation_id: str, take_id: TakeId) -> None:
    chain, folder = Chain(recordings.root), recordings.path(invitation_id, f"{take_id}.json").parent
    try:
        chain.note_gone(folder, take_id)
    except ChainError as error:
        log.warning("take %s: no link says that it is deleted: %s", take_id, error)
    except OSError:
        # A full disk, most likely: what makes room cannot wait for it. The sidecar stays until the link is there.
        file = (recordings.sidecar(invitation_id, take_id) or {}).get("file")
        if not isinstance(file, str) or not file:
            if folder.joinpath(f"{take_id}.json").exists():
                raise
            log.exception("take %s has no sidecar, and no link says that it is deleted", take_id)
            return
        recordings.path(invitation_id, file).unlink(missing_ok=True)
        chain.note_gone(folder, take_id)
