"""What a take goes through, and what a fault of its file ends it as."""

from __future__ import annotations

from enum import StrEnum

from recorder.messages import EndReason
from recorder.mux import MuxFault


class Phase(StrEnum):
    COUNTDOWN = "countdown"
    RECORDING = "recording"
    ENDING = "ending"
    DONE = "done"


END_OF_FAULT = {
    MuxFault.DISK_FULL: EndReason.DISK_FULL,
    MuxFault.TOO_LARGE: EndReason.TOO_LARGE,
    MuxFault.QUEUE_FULL: EndReason.FAULT,
    MuxFault.FAILED: EndReason.FAULT,
}
