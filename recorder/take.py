"""One recording: armed, started at a key frame, stopped on time, kept through outages and changes of connection.

Owns the take's clock. Frames come in through `FrameListener`; where the file holds them is
`placing`'s, files are `mux`'s and `finish`'s. The pts written are microseconds of charged
time, so that the file is as long as the clock says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recorder.charged_clock import OUTAGE_AFTER_US, ChargedClock
from recorder.depacketize import Frame
from recorder.finish import TakeFacts
from recorder.lipsync import LipSync
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
from recorder.mux import Mux, MuxOrder, Writer, Written
from recorder.notes import TakeNotes
from recorder.phases import END_OF_FAULT, Phase
from recorder.placing import Placing, Source
from recorder.prelude import Prelude
from recorder.rejoin import Joint
from recorder.sound import TakeSound

ASK_BEFORE_GO_US = 140_000
"""Inside `OLDEST_KEY_AT_GO_US`, so that the key frame that answers it serves, on any network."""
ASK_AGAIN_US = 350_000
"""Chromium ignores a request within 300 ms of the last."""
START_WITHIN_US, KEY_EVERY_US = 10_000_000, 4_000_000
LATE_PACKETS_US, PROGRESS_EVERY_US = 300_000, 1_000_000


class Take:
    """Made when armed. `tick` is called often, and when its moment is due; `ended` once, when `.part` may be finished.

    `peer_id` names the peer that feeds it, or that is to go on with it; `source` feeds it now.
    """

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
        self.peer_id = order.peer_id
        self.source = source
        self.phase = Phase.COUNTDOWN
        self.mux: Mux | None = None
        self.end_reason = EndReason.STOPPED
        self._writer, self._emit, self._ended, self._unix_ms = writer, emit, ended, unix_ms
        self._go_us = now_us + order.countdown_ms * 1000
        self._asked_us = self._next_progress_us = 0
        self._prelude = Prelude(self._go_us)
        self.started_unix_ms = 0
        self._flush_at_us, self._told_end = 0, False
        self._clock = ChargedClock(order.limit_ms)
        self._placing: Placing | None = None
        self._records: Placing | None = None  # the same, until its end
        self._notes = TakeNotes(source)

    @property
    def codec(self) -> str:
        """Of the picture, once it records; "" for sound alone."""
        return self.mux.order.codec if self.mux is not None else ""

    @property
    def frames(self) -> int:
        """Pictures in the file."""
        return self._placing.frames if self._placing is not None else 0

    # The clock.

    def elapsed_us(self, now_us: int) -> int:
        """Charged time: none of it passes in an outage."""
        return self._clock.elapsed_us(now_us)

    def remaining_us(self, now_us: int) -> int | None:
        """Until the limit, if no outage comes between; None in one: the clock stands still until nobody knows when."""
        return None if self._clock.outage_began_us is not None else self._clock.limit_us - self.elapsed_us(now_us)

    def tick(self, now_us: int) -> None:
        match self.phase:
            case Phase.COUNTDOWN:
                self._tick_countdown(now_us)
            case Phase.RECORDING:
                self._tick_recording(now_us)
            case Phase.ENDING:
                if now_us >= self._flush_at_us and not (self._placing and self._placing.listens(now_us)):
                    self._close(now_us)

    def _tick_countdown(self, now_us: int) -> None:
        if now_us >= self._go_us:
            if self._prelude.fits:
                self._start(now_us)
                return
            if now_us >= self._go_us + START_WITHIN_US:
                self._abandon(NeverStarted.NO_KEY_FRAME if self.source.video else NeverStarted.NO_SOUND)
                return
        if now_us >= self._go_us - ASK_BEFORE_GO_US and now_us - self._asked_us >= ASK_AGAIN_US:
            self._ask_for_key(now_us)

    def _tick_recording(self, now_us: int) -> None:
        self._watch_outage(now_us)
        if self.phase is not Phase.RECORDING:
            return
        if (mux := self.mux) is not None and mux.fault is not None:
            self.end(END_OF_FAULT[mux.fault], now_us)
            return
        if self._clock.elapsed_us(now_us) >= self._clock.limit_us:
            self.end(EndReason.LIMIT, now_us)
            return
        if now_us >= self._next_progress_us:
            self._next_progress_us += PROGRESS_EVERY_US
            self._report(now_us)
        video = self.source.video
        if video is not None and now_us - max(self._asked_us, video.key_arrived_ms * 1000) >= KEY_EVERY_US:
            self._ask_for_key(now_us)

    def _ask_for_key(self, now_us: int) -> None:
        self._asked_us = now_us
        if self.source.video is not None:
            self.source.request_key()

    def _report(self, now_us: int) -> None:
        lost = sum(counts.lost for counts in self._notes.counts(self.source).values())
        self._emit(
            TakeProgress(
                self.order.take_id,
                elapsed_ms=self.elapsed_us(now_us) // 1000,
                remaining_ms=self._clock.remaining_ms(now_us),
                safe_ms=self.mux.safe_us // 1000 if self.mux else 0,
                level=self._placing.sound.take_loudest() if self._placing else 0,
                packets_lost=lost,
                stalled=self._clock.outage_began_us is not None,
            )
        )

    # Outages.

    def say_again(self, now_us: int) -> None:
        """For a server that adopts the worker: that it records, and how the last outage stands."""
        if self.started_unix_ms:
            self._emit(TakeStarted(self.order.take_id, self.started_unix_ms, self.order.limit_ms))
        if self._told_end:
            self._say_ending()
            return
        self._say_outage(now_us)
        if self._clock.outages and self._clock.outage_began_us is None and not self._clock.stopped:
            self._outage_ended(self._clock.last_outage_us, now_us)

    def _say_outage(self, now_us: int) -> None:
        began_us = self._clock.outage_began_us
        if began_us is not None:
            ago_ms = (now_us - began_us) // 1000
            self._emit(OutageBegan(self.order.take_id, self._unix_ms() - ago_ms, self._clock.grace_ms()))

    def _watch_outage(self, now_us: int) -> None:
        clock = self._clock
        if self._placing is not None and now_us - self.source.last_media_us > OUTAGE_AFTER_US:
            self._placing.silent(now_us)
        if clock.begins_outage(now_us, self.source.last_media_us):
            self._say_outage(now_us)
        if clock.outage_past_bounds(now_us):
            self.end(EndReason.OUTAGE, now_us)

    def _outage_ended(self, cut_us: int, arrival_us: int) -> None:
        self._emit(OutageEnded(self.order.take_id, cut_us // 1000, self._clock.remaining_ms(arrival_us)))

    # Frames.

    def video_frame(self, frame: Frame, rtp: int, arrival_us: int) -> None:
        if self._records is not None:
            self._records.video(frame, rtp, arrival_us)
        elif self.phase is Phase.COUNTDOWN:
            self._prelude.picture(frame, rtp, arrival_us)
            if arrival_us >= self._go_us and self._prelude.fits:
                self._start(arrival_us)

    def audio_frame(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        if self._records is not None:
            self._records.audio(frame, rtp, arrival_us, level)
        elif self.phase is Phase.COUNTDOWN:
            self._prelude.sound(frame, rtp, arrival_us, level)
            if self.source.video is None and arrival_us >= self._go_us:
                self._start(arrival_us)

    def track_restarted(self, kind: str) -> None:
        if self._placing is not None:
            self._placing.restarted(kind)
        if kind == "video":
            self._prelude.forget_pictures()

    def _start(self, now_us: int) -> None:
        """Zero is past and a key frame (or, without a camera, sound) is here."""
        order, video = self.order, self.source.video
        kept, sound = self._prelude.pictures, self._prelude.sounds
        self._prelude = Prelude(self._go_us)
        start_us = kept[0][2] if video is not None else sound[-1][2]
        self._clock.start(start_us)
        self.started_unix_ms = self._unix_ms() - (now_us - start_us) // 1000
        self._next_progress_us = start_us + PROGRESS_EVERY_US
        self._notes.begin(self.source)
        self.phase = Phase.RECORDING
        mux = self.mux = Mux(
            self._writer,
            MuxOrder(
                folder=Path(order.folder),
                take_id=order.take_id,
                codec=video.offer.codec if video is not None else "",
                audio=self.source.audio is not None,
                max_bytes=order.max_bytes,
                started_unix_ms=self.started_unix_ms,
                limit_ms=order.limit_ms,
            ),
        )
        placing = self._placing = self._records = Placing(
            self.source, self._clock, self._notes, mux, self._outage_ended
        )
        self._notes.segment(0, self.source)
        if video is not None:
            video.timeline.start(kept[0][1], kept[0][2])
            for frame, rtp, arrival_us in kept:
                placing.video(frame, rtp, arrival_us)
        else:
            sound = sound[-1:]
        for heard, rtp, arrival_us, level in sound:
            placing.audio(heard, rtp, arrival_us, level)
        self._emit(TakeStarted(order.take_id, self.started_unix_ms, order.limit_ms))

    def go_on(self, source: Source, joint: Joint) -> bool:
        """Records from another connection from now on, as a new segment of the same file; False if it is over.

        What the joint begins with follows by `video_frame` and `audio_frame`, the key frame first.
        """
        if self.phase is not Phase.RECORDING or self._placing is None:
            return False
        for track in (self.source.video, self.source.audio):
            if track is not None and track.listener is self:
                track.flush()
        self._notes.leave(self.source)
        self.source = source
        self._notes.begin(source)
        self._placing.go_on(source, joint)
        return True

    # The end.

    def end(self, reason: EndReason, now_us: int) -> None:
        """Stops the clock; takes late packets for 300 ms more, and hears out what an outage held back."""
        if self.phase is Phase.COUNTDOWN:
            self._abandon(NeverStarted.CANCELLED if reason is EndReason.STOPPED else NeverStarted.PEER_GONE)
            return
        if self.phase is not Phase.RECORDING:
            return
        if self._clock.begins_outage(now_us, self.source.last_media_us):
            self._say_outage(now_us)  # a connection that was joined for this end may have been silent for long
        self._clock.stop(now_us)
        self.phase = Phase.ENDING
        self.end_reason = reason
        self._flush_at_us = now_us + LATE_PACKETS_US
        self._told_end = self._clock.outage_began_us is None
        if self._told_end:
            self._say_ending()

    def _say_ending(self) -> None:
        self._emit(TakeEnding(self.order.take_id, self.end_reason, self._clock.end_us // 1000))

    def give_up(self) -> None:
        """Its own clock raises: it ends where it is."""
        self.end_reason, self.phase, self._records = EndReason.FAULT, Phase.DONE, None

    def _abandon(self, reason: NeverStarted) -> None:
        self.phase = Phase.DONE
        self._prelude = Prelude(self._go_us)
        self._emit(TakeNotStarted(self.order.take_id, reason))
        self._ended(self)

    def _close(self, now_us: int) -> None:
        for track in (self.source.video, self.source.audio):
            if track is not None and track.listener is self:
                track.flush()
        if self._placing is not None:
            self._placing.end(now_us)
        if not self._told_end:
            self._say_ending()
        self._notes.leave(self.source)
        self.phase = Phase.DONE
        self._records = None
        self._ended(self)

    def figures(self, now_us: int) -> dict[str, int | str]:
        """For who looks on: how far it is, what is safe on disk, what is missing, where its sound began."""
        lips = self._placing.lips if self._placing is not None else LipSync()
        return {
            "take_id": self.order.take_id,
            "phase": str(self.phase),
            "elapsed_ms": self.elapsed_us(now_us) // 1000,
            "safe_ms": self.mux.safe_us // 1000 if self.mux is not None else 0,
            "gaps": len(self._notes.gaps),
            "sync_source": str(lips.source),
            "sync_offset_us": lips.offset_us,
        }

    def facts(self, written: Written, clock_ms: int, ended_unix_ms: int) -> TakeFacts:
        """What the network half knows, for `finish`, once the mux has said what was written."""
        notes = self._notes
        counts = notes.counts(self.source)
        sound = self._placing.sound if self._placing is not None else TakeSound()
        lips = self._placing.lips if self._placing is not None else LipSync()
        return TakeFacts(
            written=written,
            end_reason=self.end_reason,
            started_unix_ms=self.started_unix_ms,
            elapsed_ms=self._clock.end_us // 1000,
            clock_ms=clock_ms,
            ended_unix_ms=ended_unix_ms,
            timestamp_jumps=notes.jumps,
            sync_source=lips.source,
            sync_offset_us=lips.offset_us,
            sound_moves=lips.found(),
            audio_expected=self.source.audio is not None,
            video=counts["video"],
            audio=counts["audio"],
            gaps=tuple(notes.gaps),
            segments=tuple(notes.segments),
            levels=tuple(sound.levels),
            detail={
                "drift_ppm": lips.drift_ppm,
                "outages": self._clock.outages,
                "outage_ms": self._clock.outage_us // 1000,
                "frames_over_rate": self.mux.crowded if self.mux else 0,
            },
        )
