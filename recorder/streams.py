"""Which of a peer's tracks an SSRC is: by its payload type when it is heard first, and by nothing that was offered.

A browser that changes a track's SSRC (another camera, say) begins that track anew; late packets of before are dropped.
"""

from __future__ import annotations

from recorder.rtp import NO_SHAPE, Head, shape_of
from recorder.sdp import TrackOffer
from recorder.track import Track

MOST_STREAMS = 32
"""Each SSRC costs memory in libsrtp, and time with every packet; a browser uses four, six after a change of camera."""


class Stream:
    """Packets of one payload type: of `track`, or its retransmissions (RFC 4588) if `again`.

    `shape` is how its packets look, once one was seen.
    """

    __slots__ = ("again", "kind", "shape", "track")

    def __init__(self, kind: int, track: Track, again: bool) -> None:
        self.kind, self.track, self.again = kind, track, again
        self.shape = NO_SHAPE

    def learn(self, head: Head, transport_id: int, level_id: int) -> None:
        """The packets to come are likely laid out as this one is."""
        self.shape = shape_of(head, transport_id, level_id) or NO_SHAPE


class Streams:
    """`by_ssrc` is for the hot path to look into; what is not in it is asked of `begin`."""

    def __init__(self) -> None:
        self.by_ssrc: dict[int, Stream] = {}
        self._types: dict[int, Stream] = {}
        self._heard_of: set[int] = set()
        self._retired: set[int] = set()

    def expect(self, item: TrackOffer, track: Track) -> None:
        self._types[item.payload_type] = Stream(item.payload_type, track, False)
        if item.rtx_type:
            self._types[item.rtx_type] = Stream(item.rtx_type, track, True)

    def too_many_with(self, ssrc: int) -> bool:
        """Whether no browser needs as many, now that this one is authenticated: libsrtp keeps each, media or not."""
        self._heard_of.add(ssrc)
        return len(self._heard_of) > MOST_STREAMS

    def negotiated(self, kind: int) -> bool:
        return kind in self._types

    def begin(self, kind: int, ssrc: int) -> Stream | None:
        """An SSRC that is not in `by_ssrc`; None if it is of before a change, or of no track of ours."""
        found = self._types.get(kind)
        if found is None or ssrc in self._retired:
            return None
        if not found.again:
            found.track.restart(ssrc)
        for old in [key for key, value in self.by_ssrc.items() if value is found]:
            del self.by_ssrc[old]
            self._retired.add(old)
        self.by_ssrc[ssrc] = found
        return found
