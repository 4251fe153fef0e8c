"""Where a take's file holds each frame: on charged time, sound beside picture, outages cut out of both alike.

A take has one `Placing` from its first frame on. It may change its source: the next segment of the same file then
begins where the last one ended, with the alignment of its own tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from recorder.charged_clock import ChargedClock
from recorder.depacketize import SILENCE_US, Frame
from recorder.lipsync import Alignment, LipSync, SyncSource, align
from recorder.lost_sound import LostSound
from recorder.mux import Mux
from recorder.notes import TakeNotes, Tracks
from recorder.rejoin import Joint
from recorder.sound import TakeSound
from recorder.thaw import HEAR_AT_MOST_US, HEAR_FOR_US, Thaw, hole_within, on_time, on_time_us, stood_still, unhurried
from recorder.timeline import STEP_US, Timeline
from recorder.track import Track

FRAME_US = 33_333
SHORTEST_GAP_US = 100_000
LONG_GAP_US = 1_000_000
STEPS_NOTED_EVERY_US = 5_000_000


class Source(Tracks, Protocol):
    """The peer a take records from."""

    last_media_us: int

    def request_key(self) -> None: ...


class Placing:
    """`outage_ended` is told how much was cut out, and the arrival of the frame that ended it, both in µs."""

    def __init__(
        self, source: Source, clock: ChargedClock, notes: TakeNotes, mux: Mux, outage_ended: Callable[[int, int], None]
    ) -> None:
        self.sound = TakeSound()
        self.lips = LipSync()
        self.frames = 0
        self._source, self._clock, self._notes, self._mux = source, clock, notes, mux
        self._outage_ended = outage_ended
        self._last_pts_us = {"video": -1, "audio": -1}
        self._restarted: set[str] = set()
        self._lost_at_gap = 0
        self._video_thaw, self._audio_thaw = Thaw(), Thaw()
        self._lost_sound = LostSound()
        self._step_noted_us, self._step_unnoted = 0, False
        self._untold_end_us: int | None = None
        self._resumes_us = 0  # of the sender's time since the start: what is of before does not end the outage

    @property
    def end_us(self) -> int:
        """Where the file ends when the clock does. The file has the sound's clock, and pictures follow it: a slow one,
        or one that lost sound on the way, is behind ours, and what comes in that much later is of after the end."""
        return self._clock.end_us + self._behind_us

    @property
    def _behind_us(self) -> int:
        video = self._source.video
        return min(0, video.timeline.slew_us) if video is not None else 0

    @property
    def sound_end_us(self) -> int:
        """Where it ends for sound that `finish` will move to before where it is written."""
        later_us = self.lips.later_us
        return self.end_us if later_us >= 0 else self.end_us - later_us

    def restarted(self, kind: str) -> None:
        """The timestamps of this track begin anew with its next frame."""
        _, thaw = self._frozen(kind)
        self.thaw(kind, thaw.kept[-1].arrival_us if thaw.kept else None)
        self._restarted.add(kind)

    def go_on(self, source: Source, joint: Joint) -> None:
        """The next frames are of another connection; those of the joint come first, its key frame before its sound."""
        first = joint.picture or joint.sound
        for kind in ("video", "audio"):
            self.thaw(kind, first[1] if first is not None else None)
        self._look_for_loss(at_end=True)
        self._source = source
        self._video_thaw.outages = self._audio_thaw.outages = self._clock.outages  # the joint has listened already
        self._restarted = {"video", "audio"}
        self.sound.overlaps = True
        video, audio = source.video, source.audio
        if video is not None and joint.picture is not None:
            rtp, arrival_us = joint.picture
            least_us = self._last_pts_us["video"] + self._clock.outage_us + STEP_US
            self._restarted.discard("video")
            video.timeline.start(rtp, arrival_us, max(self._since_start(arrival_us), least_us))
        if audio is not None and joint.sound is not None:
            rtp, arrival_us = joint.sound
            self._restarted.discard("audio")
            self._begin_sound(audio.timeline, rtp, arrival_us)
        if first is not None:
            self._notes.segment(self._clock.elapsed_us(first[1]), source)
            self._note()

    def _since_start(self, arrival_us: int) -> int:
        return arrival_us - (self._clock.start_us or 0)

    def _place(self, media_us: int, frame_us: int, arrival_us: int) -> int:
        """Where the file holds what a track's timeline puts at `media_us`.

        The first frame after an outage, of either track, ends it; one that was held for a lost packet is of before.
        """
        clock, began_us = self._clock, self._clock.outage_began_us
        if began_us is not None and arrival_us > began_us:
            sent_us = media_us - self._behind_us
            if sent_us < self._resumes_us and not clock.is_after_stop(sent_us):
                clock.heard_out(sent_us + frame_us - clock.outage_us, arrival_us)
            elif not clock.is_after_stop(sent_us):
                self._end_outage(media_us - frame_us, arrival_us)
        return clock.charged_us(media_us)

    def _end_outage(self, resumes_us: int, arrival_us: int) -> None:
        """The media go on after a frame at `resumes_us` of the timelines; what is missing of them is cut out."""
        clock, file_end_us = self._clock, max(self._last_pts_us.values())
        self._resumes_us = 0
        cut_us = clock.end_outage(arrival_us, file_end_us, resumes_us - clock.outage_us - file_end_us)
        if cut_us >= SHORTEST_GAP_US:  # else all of it was only late
            self._notes.gap("video" if self._source.video else "audio", file_end_us, cut_us, False)
            self._note()
        if cut_us:
            self.sound.overlaps = True  # what comes late of the sound was cut out with the rest
        if clock.stopped:
            self._untold_end_us = arrival_us
        else:
            self._outage_ended(cut_us, arrival_us)

    def _find_hole(self, anew_us: int | None, goes_on: bool) -> None:
        """Where a network held back the oldest and lost the rest, only what came after the hole ends the outage.
        If it `goes_on`, the time up to `anew_us` may be none: a hole that was heard comes first."""
        clock = self._clock
        heard = [
            at_us
            for track, thaw in (self._frozen("video"), self._frozen("audio"))
            if track is not None
            for at_us in map(self._since_start, thaw.captured_us(track.timeline))
            if not clock.is_after_stop(at_us)
        ]
        end_us = max(self._last_pts_us.values()) + clock.outage_us
        anew = [] if anew_us is None else [self._since_start(anew_us)]
        hole_us = hole_within(end_us, heard) if goes_on else 0
        self._resumes_us = hole_us or hole_within(end_us, heard + anew) or self._resumes_us

    def video(self, frame: Frame, rtp: int, arrival_us: int) -> None:
        """A whole picture, as it arrives."""
        track, thaw = self._source.video, self._video_thaw
        if track is None:
            return
        if (thaw.kept or thaw.outages != self._clock.outages) and self._waits("video", frame, rtp, arrival_us, -1):
            return
        if arrival_us >= self.lips.next_look_us:
            self.look_at_sync(arrival_us)
        self._write_picture(track, frame, rtp, arrival_us)

    def audio(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        """A packet of sound, as it arrives."""
        track, thaw = self._source.audio, self._audio_thaw
        if track is None:
            return
        if (thaw.kept or thaw.outages != self._clock.outages) and self._waits("audio", frame, rtp, arrival_us, level):
            return
        self._write_sound(track, frame, rtp, arrival_us, level)

    def _frozen(self, kind: str) -> tuple[Track | None, Thaw]:
        source = self._source
        return (source.video, self._video_thaw) if kind == "video" else (source.audio, self._audio_thaw)

    def _waits(self, kind: str, frame: Frame, rtp: int, arrival_us: int, level: int) -> bool:
        """Whether this frame, of after an outage, is kept until the sender's clock is known."""
        track, thaw = self._frozen(kind)
        thaw.outages = self._clock.outages
        if track is None or kind in self._restarted or not thaw.keeps(track.timeline, frame, rtp, arrival_us, level):
            return False
        if thaw.ready and thaw.catches_up:  # that is as much as can be kept
            self._hear_out(kind, arrival_us, goes_on=True)
        elif thaw.ready:
            self.thaw(kind)
        return True

    def _hear_out(self, kind: str, now_us: int, *, goes_on: bool = False) -> None:
        """Places what is kept, though it is not known how it goes on."""
        _, thaw = self._frozen(kind)
        if thaw.kept:
            self.thaw(kind, now_us, goes_on=goes_on)
            thaw.outages = -1  # what comes next is listened to again

    def listens(self, now_us: int) -> bool:
        """Whether a track's late frames still wait for the sender's clock to be known."""
        in_time = self._clock.since_stop_us(now_us) <= HEAR_AT_MOST_US + HEAR_FOR_US
        return in_time and (self._video_thaw.listens(now_us) or self._audio_thaw.listens(now_us))

    def silent(self, now_us: int) -> None:
        """Nothing came for so long that what waits learns no more."""
        for kind in ("video", "audio"):
            self._hear_out(kind, now_us)

    def thaw(self, kind: str, anew_us: int | None = None, *, goes_on: bool = False) -> None:
        """Places what waits for the sender's clock to be known; as it is if it `goes_on`, or anew, at `anew_us`."""
        track, thaw = self._frozen(kind)
        if thaw.kept and self._clock.outage_began_us is not None:
            self._find_hole(anew_us, goes_on)
        catches_up, kept = thaw.catches_up, thaw.taken()
        if not kept or track is None:
            return
        first = on_time(kept, track.timeline.clock_rate)
        if first is not None and anew_us is None and not catches_up and stood_still(track.timeline, kept):
            if kind == "audio":
                kept = unhurried(kept, first, track.timeline.clock_rate)
                at_us = on_time_us(kept[0].rtp, first, track.timeline.clock_rate)
                self._begin_sound(track.timeline, kept[0].rtp, at_us)
            else:
                rtp, arrival_us = first
                at_us = max(self._since_start(arrival_us), track.timeline.last_us + STEP_US)
                track.timeline.start(rtp, arrival_us, at_us)
        track.timeline.held_back = True
        try:
            for each in kept:
                if kind == "video":
                    self._write_picture(track, each.frame, each.rtp, each.arrival_us)
                else:
                    self._write_sound(track, each.frame, each.rtp, each.arrival_us, each.level)
        finally:
            track.timeline.held_back = False
        self._lost_sound.pass_over()

    def _write_picture(self, track: Track, frame: Frame, rtp: int, arrival_us: int) -> None:
        clock = self._clock
        if "video" in self._restarted:
            self._restarted.discard("video")
            track.timeline.start(rtp, arrival_us, max(self._beside_sound(rtp, arrival_us), track.timeline.last_us))
            self._notes.segment(clock.elapsed_us(arrival_us), self._source)
        media_us = track.timeline.pts_us(rtp, arrival_us)
        if not clock.is_after_stop(media_us - track.timeline.slew_us):  # nor is sound heard any more
            self._lost_sound.seen(media_us - track.timeline.slew_us - arrival_us, arrival_us)
        clock.settle_start(arrival_us - media_us)
        pts_us = self._place(media_us, FRAME_US, arrival_us)
        if pts_us >= self.end_us:
            return
        if pts_us - self._last_pts_us["video"] >= SHORTEST_GAP_US:
            self.watch_pause(pts_us)
        self._last_pts_us["video"] = pts_us
        self.frames += 1
        self._mux.video(frame.payload, pts_us, frame.key, frame.width, frame.height)

    def watch_pause(self, until_us: int) -> None:
        """Notes a gap since the last picture. A camera in the dark pauses too: a short one needs a loss."""
        last = self._last_pts_us["video"]
        if last >= 0 and until_us - last >= SHORTEST_GAP_US:
            lost = self._notes.counts(self._source)["video"].lost
            if until_us - last > LONG_GAP_US or lost > self._lost_at_gap:
                self._notes.gap("video", last, until_us - last, False)
            self._lost_at_gap = lost

    def _write_sound(self, track: Track, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        sound, timeline = self.sound, track.timeline
        if not sound.started or "audio" in self._restarted:
            self._restarted.discard("audio")
            self._begin_sound(timeline, rtp, arrival_us)
            sound.started = True
        media_us = timeline.pts_us(rtp, arrival_us)
        true_us = media_us + self.lips.later_us
        pts_us = self._place(true_us, SILENCE_US, arrival_us) - self.lips.later_us
        if self._clock.is_cut_out(true_us) or pts_us < 0 or pts_us >= self.sound_end_us or sound.is_covered(pts_us):
            return
        if pts_us >= sound.end_us + SILENCE_US:
            self.fill(pts_us)
        sound.write(self._mux, frame.payload, pts_us, level)
        if self.lips.from_us is None:
            self.lips.from_us = pts_us
        self._last_pts_us["audio"] = pts_us
        self._lost_sound.heard(pts_us, media_us + self.lips.stepped_us - arrival_us, arrival_us)

    def _begin_sound(self, timeline: Timeline, rtp: int, arrival_us: int) -> None:
        """Lays the sound that begins with this packet beside the picture, if there is one."""
        placed = Alignment(self._since_start(arrival_us), SyncSource.ARRIVAL)
        if self._source.video is not None:
            placed = align(self._source.video.timeline, timeline, rtp, arrival_us)
        timeline.start(rtp, arrival_us, placed.at_us)
        self.lips.begin(placed)
        self._lost_sound = LostSound()

    def _beside_sound(self, rtp: int, arrival_us: int) -> int:
        """Where a picture belongs that begins its track anew: by the sound that goes on, which may have drifted."""
        video, audio = self._source.video, self._source.audio
        if video is None or audio is None or not audio.timeline.started or "audio" in self._restarted:
            return self._since_start(arrival_us)
        return align(audio.timeline, video.timeline, rtp, arrival_us).at_us + self.lips.later_us

    def look_at_sync(self, now_us: int, *, at_end: bool = False) -> None:
        """Holds the clocks of sound and picture against each other; called with pictures that do not wait, and last."""
        video, audio, lips = self._source.video, self._source.audio, self.lips
        if video is None or audio is None:
            return
        self._look_for_loss(at_end=at_end)
        steps_are_due = self._step_unnoted and (at_end or now_us - self._step_noted_us >= STEPS_NOTED_EVERY_US)
        if lips.look(video.timeline, audio.timeline, now_us) or steps_are_due:
            self._step_noted_us, self._step_unnoted = now_us, False
            self._note()
        if lips.adrift:
            self._restarted.add("audio")
            self.sound.overlaps = True

    def _look_for_loss(self, *, at_end: bool) -> None:
        """The sender lost sound: silence takes its place, by `finish` where it was lost, and here for what follows."""
        step, audio = self._lost_sound.look(at_end=at_end), self._source.audio
        if step is not None and audio is not None:
            skipped_us = self.lips.step(step)
            if skipped_us is None:
                self._lost_sound = LostSound()
                return
            audio.timeline.step(step.later_us, step.arrival_us, skipped_us)
            if step.later_us >= SHORTEST_GAP_US:
                self._notes.gap("audio", step.from_us, step.later_us, True)
            elif step.later_us < 0:
                self._notes.no_gap("audio", step.from_us)
            self.sound.fill(self._mux, min(self.sound.end_us + skipped_us, self.sound_end_us))
            self._step_unnoted = True

    def end(self, now_us: int) -> None:
        """Nothing more comes: what waits is placed, what is missing up to the end noted, sound filled with silence."""
        self.thaw("video")
        self.thaw("audio")
        self.look_at_sync(now_us, at_end=True)
        written_us = max(self._last_pts_us["video"] + FRAME_US, self._last_pts_us["audio"] + SILENCE_US)
        self._clock.settle_end(written_us - self._behind_us if self._mux.fault is None else 0)
        if self._untold_end_us is not None:
            self._outage_ended(self._clock.last_outage_us, self._untold_end_us)
        if self._source.video is not None:
            self.watch_pause(self.end_us)
        if self.sound.started:
            self.fill(self.sound_end_us)

    def _note(self) -> None:
        self._mux.note(self._notes.for_journal() | self.lips.for_journal())

    def fill(self, until_us: int) -> None:
        """Silence up to `until_us`, where sound is missing."""
        at_us = self.sound.end_us
        missing_us = self.sound.fill(self._mux, until_us)
        if missing_us >= SHORTEST_GAP_US and self._last_pts_us["audio"] >= 0:
            self._notes.gap("audio", at_us, missing_us, True)
