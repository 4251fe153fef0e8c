"""Good, usable or failed: the verdict on a take from its packets and its file.

Pure. Looks at no picture and hears no sound; a later job does. The file's
duration is held against `clock_ms`: neither has outages in it, a gap says them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from recorder.facts import TakeFacts, TrackCounts
from recorder.media_file import Reading
from recorder.messages import Verdict

SHORTEST_MS: Final = 1_000
GAP_MS: Final = 1_000
LOSS_RATIO: Final = 0.01
SKEW_MS: Final = 500
SKEW_SHARE: Final = 0.002
"""A sender's clock may run so much slower or faster than ours: sound cards by 0.03 %, busy browsers lose sound."""


class Reason(StrEnum):
    """What speaks against a take; the first three make it failed, the last four only a look finds (`look`)."""

    NO_KEY_FRAME = "no_key_frame"
    UNREADABLE = "unreadable"
    SHORT = "short"
    GAP = "gap"
    LOSS = "loss"
    TIMESTAMPS = "timestamps"
    NO_SOUND = "no_sound"
    INCOMPLETE = "incomplete"
    NOT_SEEKABLE = "not_seekable"
    RECOVERED = "recovered"
    SILENT = "silent"
    CLIPPED = "clipped"
    BLACK = "black"
    IDENTICAL = "identical"


FATAL: Final = frozenset((Reason.NO_KEY_FRAME, Reason.UNREADABLE, Reason.SHORT))


def judge(
    facts: TakeFacts, reading: Reading | None, *, recovered: bool, seekable: bool, in_sync: bool
) -> tuple[Verdict, list[str]]:
    """The verdict and its reasons, gravest first. `reading` None means the file could not be read."""
    reasons = list(_reasons(facts, reading, recovered=recovered, seekable=seekable, in_sync=in_sync))
    if FATAL.intersection(reasons):
        return Verdict.FAILED, [str(reason) for reason in reasons]
    return (Verdict.USABLE if reasons else Verdict.GOOD), [str(reason) for reason in reasons]


def _reasons(
    facts: TakeFacts, reading: Reading | None, *, recovered: bool, seekable: bool, in_sync: bool
) -> list[Reason]:
    if reading is None:
        empty = not facts.written.video_frames and bool(facts.written.codec)
        return [Reason.NO_KEY_FRAME if empty else Reason.UNREADABLE]
    written = facts.written
    duration_ms = reading.duration_us // 1000
    counted = recovered or (
        reading.video_frames == written.video_frames and reading.audio_packets == written.audio_packets
    )
    most_ms = max(SKEW_MS, SKEW_SHARE * facts.clock_ms)
    skewed = bool(facts.clock_ms) and not recovered and abs(duration_ms - facts.clock_ms) > most_ms
    found = {
        Reason.NO_KEY_FRAME: bool(written.codec) and not (reading.video_frames and reading.first_is_key),
        Reason.SHORT: duration_ms < SHORTEST_MS,
        Reason.GAP: any(gap.length_ms > GAP_MS for gap in facts.gaps),
        Reason.LOSS: _lossy(facts.video) or _lossy(facts.audio),
        Reason.TIMESTAMPS: skewed or not in_sync or not reading.rising or bool(facts.timestamp_jumps),
        Reason.NO_SOUND: facts.audio_expected and not reading.audio_packets,
        Reason.INCOMPLETE: not counted or not reading.intact,
        Reason.NOT_SEEKABLE: not seekable,
        Reason.RECOVERED: recovered,
    }
    return [reason for reason, holds in found.items() if holds]


def _lossy(track: TrackCounts) -> bool:
    return track.lost > LOSS_RATIO * (track.received + track.lost)
