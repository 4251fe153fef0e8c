"""One recording: armed, started at a key frame, stopped on time, kept through outages.

Owns the take's clock. Frames come in through `FrameListener`; files are `mux`'s and
`finish`'s. The pts written are microseconds of charged time: an outage is cut out of
both tracks alike, so that the file is as long as the clock says.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from recorder.charged_clock import ChargedClock
from recorder.depacketize import SILENCE_US, Frame
from recorder.finish import Gap, Segment, TakeFacts, TrackCounts
from recorder.messages import (
    Arm,
    EndReason,
    Event,
    NeverStarted,
    OutageBegan,
    OutageEnded,
    TakeEnding,
    TakeNotStarted,
    TakeProgress,
    TakeStarted,
)
from recorder.mux import Mux, MuxFault, MuxOrder, Writer, Written
from recorder.prelude import Prelude
from recorder.sound import TakeSound
from recorder.timeline import align
from recorder.track import Track

ASK_BEFORE_GO_US = 140_000
"""Inside `OLDEST_KEY_AT_GO_US`, so that the key frame that answers it serves, on any network."""
ASK_AGAIN_US = 350_000
"""Chromium ignores a request within 300 ms of the last."""
START_WITHIN_US = 10_000_000
KEY_EVERY_US = 4_000_000
LATE_PACKETS_US = 300_000
PROGRESS_EVERY_US = 1_000_000
FRAME_US = 33_333
SHORTEST_GAP_MS = 100
LONG_GAP_US = 1_000_000
MOST_SEGMENTS = 100
MOST_GAPS = 1000

Kind = Literal["video", "audio"]

_FAULTS = {
    MuxFault.DISK_FULL: EndReason.DISK_FULL,
    MuxFault.TOO_LARGE: EndReason.TOO_LARGE,
    MuxFault.QUEUE_FULL: EndReason.FAULT,
    MuxFault.FAILED: EndReason.FAULT,
}


class Phase(StrEnum):
    COUNTDOWN = "countdown"
    RECORDING = "recording"
    ENDING = "ending"
    DONE = "done"


class Source(Protocol):
    """The peer a take records from."""

    video: Track | None
    audio: Track | None
    last_media_us: int

    def request_key(self) -> None: ...


class Take:
    """Made when armed. `tick` is called a few times in 100 ms; `ended` once, when the `.part` may be finished."""

    def __init__(
        self,
        order: Arm,
        source: Source,
        writer: Writer,
        emit: Callable[[Event], None],
        ended: Callable[[Take], None],
        now_us: int,
        unix_ms: Callable[[], int],
    ) -> None:
        self.order = order
        self.phase = Phase.COUNTDOWN
        self.mux: Mux | None = None
        self.end_reason = EndReason.STOPPED
        self.frames = 0
        self._source, self._writer, self._emit, self._ended, self._unix_ms = source, writer, emit, ended, unix_ms
        self._go_us = now_us + order.countdown_ms * 1000
        self._asked_us = 0
        self._prelude = Prelude(self._go_us)
        self.started_unix_ms = 0
        self._flush_at_us = 0
        self._next_progress_us = 0
        self._last_pts_us = {"video": -1, "audio": -1}
        self._clock = ChargedClock(order.limit_ms)
        self._sound = TakeSound()
        self._restarted: set[str] = set()
        self._gaps: list[Gap] = []
        self._lost_at_gap = 0
        self._segments: list[Segment] = []
        self._counts_before = self._counts_after = self._counts()
        self._jumps_before = self._jumps()

    def _jumps(self) -> int:
        return sum(track.timeline.jumps for track in (self._source.video, self._source.audio) if track is not None)

    def _counts(self) -> dict[str, TrackCounts]:
        found = {"video": TrackCounts(), "audio": TrackCounts()}
        for track in (self._source.video, self._source.audio):
            if track is not None:
                counters = track.counters
                found[track.kind] = TrackCounts(counters.packets, track.lost, track.recovered)
        return found

    # The clock.

    def elapsed_us(self, now_us: int) -> int:
        """Charged time: none of it passes in an outage."""
        return self._clock.elapsed_us(now_us)

    def tick(self, now_us: int) -> None:
        match self.phase:
            case Phase.COUNTDOWN:
                self._tick_countdown(now_us)
            case Phase.RECORDING:
                self._tick_recording(now_us)
            case Phase.ENDING:
                if now_us >= self._flush_at_us:
                    self._close()
            case Phase.DONE:
                pass

    def _tick_countdown(self, now_us: int) -> None:
        if now_us >= self._go_us:
            if self._prelude.fits:
                self._start(now_us)
                return
            if now_us >= self._go_us + START_WITHIN_US:
                self._abandon(NeverStarted.NO_KEY_FRAME if self._source.video else NeverStarted.NO_SOUND)
                return
        if now_us >= self._go_us - ASK_BEFORE_GO_US and now_us - self._asked_us >= ASK_AGAIN_US:
            self._ask_for_key(now_us)

    def _tick_recording(self, now_us: int) -> None:
        self._watch_outage(now_us)
        if self.phase is not Phase.RECORDING:
            return
        mux = self.mux
        if mux is not None and mux.fault is not None:
            self.end(_FAULTS[mux.fault], now_us)
            return
        if self._clock.elapsed_us(now_us) >= self._clock.limit_us:
            self.end(EndReason.LIMIT, now_us)
            return
        if now_us >= self._next_progress_us:
            self._next_progress_us += PROGRESS_EVERY_US
            self._report(now_us)
        video = self._source.video
        if video is not None and now_us - max(self._asked_us, video.key_arrived_ms * 1000) >= KEY_EVERY_US:
            self._ask_for_key(now_us)

    def _ask_for_key(self, now_us: int) -> None:
        self._asked_us = now_us
        if self._source.video is not None:
            self._source.request_key()

    def _report(self, now_us: int) -> None:
        counts = self._counts()
        lost = sum(counts[kind].lost - self._counts_before[kind].lost for kind in counts)
        self._emit(
            TakeProgress(
                self.order.take_id,
                elapsed_ms=self.elapsed_us(now_us) // 1000,
                remaining_ms=self._clock.remaining_ms(now_us),
                safe_ms=self.mux.safe_us // 1000 if self.mux else 0,
                level=self._sound.take_loudest(),
                packets_lost=max(0, lost),
            )
        )

    # Outages.

    def _watch_outage(self, now_us: int) -> None:
        clock = self._clock
        if clock.begins_outage(now_us, self._source.last_media_us):
            ago_us = now_us - (clock.outage_began_us or now_us)
            self._emit(OutageBegan(self.order.take_id, self._unix_ms() - ago_us // 1000, clock.grace_ms()))
        if clock.outage_past_bounds(now_us):
            self.end(EndReason.OUTAGE, now_us)

    def _place(self, pts_us: int, frame_us: int, arrival_us: int) -> int:
        """Where the file holds what a track's timeline puts at `pts_us`: outages are cut out.

        The first frame after an outage, of either track, ends it.
        """
        clock = self._clock
        if clock.outage_began_us is not None:
            file_end_us = max(self._last_pts_us.values())
            cut_us = clock.end_outage(arrival_us, pts_us - clock.outage_us - file_end_us - frame_us)
            self._gap("video" if self._source.video else "audio", file_end_us, cut_us, False)
            self._emit(OutageEnded(self.order.take_id, cut_us // 1000, clock.remaining_ms(arrival_us)))
        return pts_us - clock.outage_us

    # Frames.

    def video_frame(self, frame: Frame, rtp: int, arrival_us: int) -> None:
        if self.phase is Phase.COUNTDOWN:
            self._prelude.picture(frame, rtp, arrival_us)
            if arrival_us >= self._go_us and self._prelude.fits:
                self._start(arrival_us)
        elif self.phase is not Phase.DONE and self.mux is not None:
            self._write_video(self.mux, frame, rtp, arrival_us)

    def audio_frame(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        if self.phase is Phase.COUNTDOWN:
            self._prelude.sound(frame, rtp, arrival_us, level)
            if self._source.video is None and arrival_us >= self._go_us:
                self._start(arrival_us)
        elif self.phase is not Phase.DONE and self.mux is not None:
            self._write_audio(self.mux, frame, rtp, arrival_us, level)

    def track_restarted(self, kind: str) -> None:
        self._restarted.add(kind)
        if kind == "video":
            self._prelude.forget_pictures()

    def _start(self, now_us: int) -> None:
        """Zero is past and a key frame (or, without a camera, sound) is here."""
        order = self.order
        video = self._source.video
        kept, sound = self._prelude.pictures, self._prelude.sounds
        self._prelude = Prelude(self._go_us)
        start_us = kept[0][2] if video is not None else sound[-1][2]
        self._clock.start(start_us)
        self.started_unix_ms = self._unix_ms() - (now_us - start_us) // 1000
        self._next_progress_us = start_us + PROGRESS_EVERY_US
        self._restarted.clear()
        self._counts_before, self._jumps_before = self._counts(), self._jumps()
        self._lost_at_gap = self._counts_before["video"].lost
        self.phase = Phase.RECORDING
        mux = self.mux = Mux(
            self._writer,
            MuxOrder(
                folder=Path(order.folder),
                take_id=order.take_id,
                codec=video.offer.codec if video is not None else "",
                audio=self._source.audio is not None,
                max_bytes=order.max_bytes,
                started_unix_ms=self.started_unix_ms,
                limit_ms=order.limit_ms,
            ),
        )
        self._note_segment(0)
        if video is not None:
            video.timeline.start(kept[0][1], kept[0][2])
            for frame, rtp, arrival_us in kept:
                self._write_video(mux, frame, rtp, arrival_us)
        else:
            sound = sound[-1:]
        for heard, rtp, arrival_us, level in sound:
            self._write_audio(mux, heard, rtp, arrival_us, level)
        self._emit(TakeStarted(order.take_id, self.started_unix_ms, order.limit_ms))

    def _note_segment(self, at_us: int) -> None:
        video, audio = self._source.video, self._source.audio
        if len(self._segments) < MOST_SEGMENTS:
            self._segments.append(Segment(at_us // 1000, video.ssrc if video else 0, audio.ssrc if audio else 0))

    def _write_video(self, mux: Mux, frame: Frame, rtp: int, arrival_us: int) -> None:
        track = self._source.video
        if track is None:
            return
        if "video" in self._restarted:
            self._restarted.discard("video")
            track.timeline.start(rtp, arrival_us, max(arrival_us - (self._clock.start_us or 0), track.timeline.last_us))
            self._note_segment(self.elapsed_us(arrival_us))
        media_us = track.timeline.pts_us(rtp, arrival_us)
        self._clock.settle_start(arrival_us - media_us)
        pts_us = self._place(media_us, FRAME_US, arrival_us)
        if pts_us >= self._clock.end_us:
            return
        self._watch_pause(track, pts_us)
        self._last_pts_us["video"] = pts_us
        self.frames += 1
        mux.video(frame.payload, pts_us, frame.key, frame.width, frame.height)

    def _watch_pause(self, video: Track, until_us: int) -> None:
        """Notes a gap since the last picture. A camera in the dark pauses too: a short one needs a loss."""
        last = self._last_pts_us["video"]
        if last >= 0 and until_us - last >= SHORTEST_GAP_MS * 1000:
            if until_us - last > LONG_GAP_US or video.lost > self._lost_at_gap:
                self._gap("video", last, until_us - last, False)
            self._lost_at_gap = video.lost

    def _write_audio(self, mux: Mux, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        track = self._source.audio
        if track is None:
            return
        sound = self._sound
        timeline = track.timeline
        if not sound.started or "audio" in self._restarted:
            self._restarted.discard("audio")
            at_us = arrival_us - (self._clock.start_us or 0)
            if self._source.video is not None:
                placed = align(self._source.video.timeline, timeline, rtp, arrival_us)
                at_us = placed.at_us
                if not sound.started:
                    sound.placed(placed.source, placed.at_us)
            timeline.start(rtp, arrival_us, at_us)
            sound.started = True
        pts_us = self._place(timeline.pts_us(rtp, arrival_us), SILENCE_US, arrival_us)
        if pts_us < 0 or pts_us >= self._clock.end_us:
            return
        if pts_us > sound.end_us + SILENCE_US:
            self._fill(mux, pts_us)
        sound.write(mux, frame.payload, pts_us, level)
        self._last_pts_us["audio"] = pts_us

    def _fill(self, mux: Mux, until_us: int) -> None:
        at_us = self._sound.end_us
        missing_us = self._sound.fill(mux, until_us)
        if missing_us >= SHORTEST_GAP_MS * 1000 and self._last_pts_us["audio"] >= 0:
            self._gap("audio", at_us, missing_us, True)

    def _gap(self, kind: Kind, at_us: int, length_us: int, filled: bool) -> None:
        if len(self._gaps) < MOST_GAPS:
            self._gaps.append(Gap(kind, at_us // 1000, length_us // 1000, filled))

    # The end.

    def end(self, reason: EndReason, now_us: int) -> None:
        """Stops the clock; late packets of the time before are still taken for 300 ms."""
        if self.phase is Phase.COUNTDOWN:
            self._abandon(NeverStarted.CANCELLED if reason is EndReason.STOPPED else NeverStarted.PEER_GONE)
            return
        if self.phase is not Phase.RECORDING:
            return
        self._clock.stop(now_us)
        self.phase = Phase.ENDING
        self.end_reason = reason
        self._flush_at_us = now_us + LATE_PACKETS_US
        self._emit(TakeEnding(self.order.take_id, reason, self._clock.end_us // 1000))

    def _abandon(self, reason: NeverStarted) -> None:
        self.phase = Phase.DONE
        self._prelude = Prelude(self._go_us)
        self._emit(TakeNotStarted(self.order.take_id, reason))
        self._ended(self)

    def _close(self) -> None:
        for track in (self._source.video, self._source.audio):
            if track is not None and track.listener is self:
                track.flush()
        video = self._source.video
        if self.mux is not None and video is not None:
            self._watch_pause(video, self._clock.end_us)
        if self.mux is not None and self._sound.started:
            self._fill(self.mux, self._clock.end_us)
        self._counts_after = self._counts()
        self.phase = Phase.DONE
        self._ended(self)

    def facts(self, written: Written, clock_ms: int, ended_unix_ms: int) -> TakeFacts:
        """What the network half knows, for `finish`, once the mux has said what was written."""
        after, before = self._counts_after, self._counts_before
        counts = {
            kind: TrackCounts(
                after[kind].received - before[kind].received,
                max(0, after[kind].lost - before[kind].lost),
                max(0, after[kind].recovered - before[kind].recovered),
            )
            for kind in after
        }
        return TakeFacts(
            written=written,
            end_reason=self.end_reason,
            started_unix_ms=self.started_unix_ms,
            elapsed_ms=self._clock.end_us // 1000,
            clock_ms=clock_ms,
            ended_unix_ms=ended_unix_ms,
            timestamp_jumps=self._jumps() - self._jumps_before,
            sync_source=self._sound.source,
            sync_offset_us=self._sound.offset_us,
            audio_expected=self._source.audio is not None,
            video=counts["video"],
            audio=counts["audio"],
            gaps=tuple(self._gaps),
            segments=tuple(self._segments),
            levels=tuple(self._sound.levels),
            detail={
                "outages": self._clock.outages,
                "outage_ms": self._clock.outage_us // 1000,
                "frames_over_rate": self.mux.crowded if self.mux else 0,
            },
        )
