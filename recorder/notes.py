"""What a take notes beside its media, for the sidecar and the verdict: segments, gaps, packets of each track."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Protocol

from recorder.facts import Gap, Segment, TrackCounts
from recorder.track import Track

MOST_SEGMENTS = 100
MOST_GAPS = 1000

Kind = Literal["video", "audio"]


class Tracks(Protocol):
    """The peer whose tracks are counted."""

    video: Track | None
    audio: Track | None


class TakeNotes:
    """`begin` with the first segment, `leave` at the end of each, be it the last."""

    def __init__(self, source: Tracks) -> None:
        self.gaps: list[Gap] = []
        self.segments: list[Segment] = []
        self.jumps = 0
        self._kept = {"video": TrackCounts(), "audio": TrackCounts()}
        self._before = _counts(source)
        self._jumps_before = _jumps(source)

    def begin(self, source: Tracks) -> None:
        """What this source counted until now is none of the take's."""
        self._before, self._jumps_before = _counts(source), _jumps(source)

    def leave(self, source: Tracks) -> None:
        self._kept = self.counts(source)
        self.jumps += _jumps(source) - self._jumps_before
        self.begin(source)

    def counts(self, source: Tracks) -> dict[str, TrackCounts]:
        """Of the take so far; `source` is what it records from now."""
        now = _counts(source)
        found = {}
        for kind, kept in self._kept.items():
            before = self._before[kind]
            found[kind] = TrackCounts(
                kept.received + now[kind].received - before.received,
                kept.lost + max(0, now[kind].lost - before.lost),
                kept.recovered + max(0, now[kind].recovered - before.recovered),
            )
        return found

    def segment(self, at_us: int, source: Tracks) -> None:
        video, audio = source.video, source.audio
        if len(self.segments) < MOST_SEGMENTS:
            self.segments.append(Segment(at_us // 1000, video.ssrc if video else 0, audio.ssrc if audio else 0))

    def gap(self, kind: Kind, at_us: int, length_us: int, filled: bool) -> None:
        if len(self.gaps) < MOST_GAPS:
            self.gaps.append(Gap(kind, at_us // 1000, length_us // 1000, filled))

    def no_gap(self, kind: Kind, at_us: int) -> None:
        """The one that was noted there is none."""
        self.gaps = [gap for gap in self.gaps if (gap.track, gap.at_ms) != (kind, at_us // 1000)]

    def for_journal(self) -> dict[str, Any]:
        """What the file itself cannot tell a recovery."""
        return {"segments": [asdict(each) for each in self.segments], "gaps": [asdict(each) for each in self.gaps]}


def _jumps(source: Tracks) -> int:
    return sum(track.timeline.jumps for track in (source.video, source.audio) if track is not None)


def _counts(source: Tracks) -> dict[str, TrackCounts]:
    found = {"video": TrackCounts(), "audio": TrackCounts()}
    for track in (source.video, source.audio):
        if track is not None:
            found[track.kind] = TrackCounts(track.counters.packets, track.lost, track.recovered)
    return found
