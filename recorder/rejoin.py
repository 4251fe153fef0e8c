"""A new connection that a running take goes on with: heard for half a second, then joined at its first key frame.

A first key frame is the largest and so the latest, and the sender reports of a new connection come seconds later. A
recorder has no latency budget: what arrives in the half second shows how late each track's first frame was, so that
sound and picture lie right over the joint. Until then the outage lasts, and nothing that was kept is lost by a stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from recorder.depacketize import Frame
from recorder.thaw import HEAR_FOR_US, MOST_KEPT_BYTES, Kept, on_time
from recorder.track import Track

if TYPE_CHECKING:
    from recorder.peer import Peer
    from recorder.placing import Source
    from recorder.take import Take

MOST_KEPT_SOUND = 100
"""Two seconds: of before the key frame, too, since sound arrives sooner than the picture it belongs to."""


class Joint(NamedTuple):
    """The first frame of each track of a segment, with the arrival it would have had if it had not come late."""

    picture: tuple[int, int] | None
    sound: tuple[int, int] | None


class Rejoin:
    """A `FrameListener` of the new peer; `joined` is called once, with the take, the peer, and the source before."""

    def __init__(self, take: Take, peer: Peer, joined: Callable[[Take, Peer, Source], None]) -> None:
        self._take, self._peer, self._joined = take, peer, joined
        self._pictures: list[Kept] = []
        self._sounds: list[Kept] = []
        self._bytes = 0
        self._done = False

    def video_frame(self, frame: Frame, rtp: int, arrival_us: int) -> None:
        if self._bytes > MOST_KEPT_BYTES:
            self._forget_pictures()
        if not self._pictures and not frame.key:
            self._peer.request_key()
            return
        self._pictures.append(Kept(frame, rtp, arrival_us, -1))
        self._bytes += len(frame.payload)
        self._look(arrival_us)

    def audio_frame(self, frame: Frame, rtp: int, arrival_us: int, level: int) -> None:
        self._sounds.append(Kept(frame, rtp, arrival_us, level))
        if not self._first:
            del self._sounds[:-MOST_KEPT_SOUND]
        self._look(arrival_us)

    def track_restarted(self, kind: str) -> None:
        if kind == "video":
            self._forget_pictures()
        else:
            self._sounds.clear()

    def _forget_pictures(self) -> None:
        self._pictures.clear()
        self._bytes = 0

    @property
    def _first(self) -> Kept | None:
        """What the segment begins with: its key frame, or without a camera its first sound."""
        return next(iter(self._pictures if self._peer.video is not None else self._sounds), None)

    def _look(self, now_us: int) -> None:
        first = self._first
        if first is not None and now_us - first.arrival_us >= HEAR_FOR_US:
            self.settle()

    def settle(self) -> None:
        """Joins with what is here, if there is something to begin with, and unless the take waits for another peer."""
        take, peer = self._take, self._peer
        if self._done or self._first is None or take.peer_id != peer.peer_id:
            return
        self._done = True
        before = take.source
        if not take.go_on(peer, self._joint(peer.video, peer.audio)):
            return
        self._joined(take, peer, before)
        for each in self._pictures:
            take.video_frame(each.frame, each.rtp, each.arrival_us)
        for each in self._sounds:
            take.audio_frame(each.frame, each.rtp, each.arrival_us, each.level)
        self._pictures, self._sounds = [], []

    def _joint(self, video: Track | None, audio: Track | None) -> Joint:
        return Joint(
            on_time(self._pictures, video.offer.clock_rate) if video is not None else None,
            on_time(self._sounds, audio.offer.clock_rate) if audio is not None else None,
        )
