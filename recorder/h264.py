"""H.264 access units from RTP payloads (RFC 6184), as Annex B.

Pure and on the hot path; hostile bytes break a picture, which is counted.
Interleaved mode (STAP-B, MTAP, FU-B) is not negotiated and counts as broken.
"""

from __future__ import annotations

from typing import Final

from recorder.frames import FRAME_LIMIT_BYTES, Frame, Payload, new_tuple
from recorder.h264_sets import START_CODE, ParameterSets

_NAL_IDR: Final = 5
_NAL_SPS: Final = 7
_NAL_PPS: Final = 8
_NAL_STAP_A: Final = 24
_NAL_FU_A: Final = 28
NEW_SETS_LIMIT: Final = 16
NEW_SETS_PACKETS: Final = 100
"""In so many packets at most so many parameter sets that were not seen before are read: it costs 100 times a packet."""
# Delimiters, ends of sequence and stream, filler: nothing in a file needs them.
_NAL_NEEDLESS: Final = frozenset((9, 10, 11, 12))


class H264:
    """RFC 6184 packetization modes 0 and 1: single NAL units, STAP-A and FU-A, to Annex B.

    SPS and PPS are held wherever they came from and put before the next IDR
    picture, and before any picture they newly arrived with.
    """

    __slots__ = (
        "_bare",
        "_continuous",
        "_fragment",
        "_idr",
        "_in_band",
        "_new_sets",
        "_next",
        "_open",
        "_packets",
        "_parts",
        "_sets",
        "_sets_new",
        "_size",
        "_slices",
        "broken",
        "height",
        "needs_key",
        "width",
    )

    def __init__(self, sprop: str = "") -> None:
        """`sprop` is the fmtp's sprop-parameter-sets (RFC 6184 §8.1); what is not a parameter set in it is ignored."""
        self.needs_key = True
        self.broken = 0
        self.width = 0
        self.height = 0
        self._sets = ParameterSets(sprop)
        self._new_sets = 0
        self._packets = 0  # since `_new_sets` was 0, but those in the middle of a fragmented unit
        self._in_band = False
        self._bare = False
        self._next = -1
        self._sets_new = True
        self._continuous = False
        self._open = False
        self._fragment = 0  # the type octet of the NAL unit whose fragments are coming
        self._begin()

    def reset(self) -> None:
        if self._open:
            self.broken += 1
        self._next = -1
        self._lose()
        self._begin()

    def push(self, payload: Payload, sequence: int, marker: bool) -> Frame | None:
        length = len(payload)
        fragment = self._fragment
        if (
            fragment
            and sequence == self._next
            and length > 2
            and payload[1] == fragment & 0x1F
            and payload[0] & 0x1F == _NAL_FU_A
            and self._size <= FRAME_LIMIT_BYTES
            and not marker
        ):
            # In the middle of a fragmented unit, as most packets of a key frame are.
            self._next = sequence + 1
            part = payload[2:]
            self._size += length
            self._parts.append(part if type(part) is bytes else bytes(part))
            return None
        if sequence != self._next:
            if self._open:
                self.broken += 1
            self._lose()
            self._begin()
        self._next = sequence + 1
        self._packets += 1
        if not length:
            return None
        self._open = True
        kind = payload[0] & 0x1F
        if kind == _NAL_FU_A:
            sound = length > 2 and self._fragment_unit(payload, payload[1])
        elif self._fragment:
            sound = False
        elif kind == _NAL_STAP_A:
            sound = self._aggregate(payload)
        elif 1 <= kind < _NAL_STAP_A:
            sound = self._unit(payload)
        else:
            sound = False
        if not sound or self._size > FRAME_LIMIT_BYTES:
            # The rest of this picture is dropped too: the next one starts after its marker.
            self.broken += 1
            self._lose()
            self._begin()
            self._open = not marker
            self._slices = -1
        if not marker:
            return None
        return self._complete()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._idr = False
        self._slices = 0  # -1: this picture is broken
        self._fragment = 0
        self._open = False

    def _lose(self) -> None:
        self.needs_key = True
        self._continuous = False
        self._sets_new = False

    def _fragment_unit(self, payload: Payload, header: int) -> bool:
        if header & 0x80:  # S
            if self._fragment or header & 0x40:
                return False
            octet = payload[0] & 0xE0 | header & 0x1F
            if octet & 0x80 or not self._slice_begins(octet & 0x1F, payload[2]):
                return False
            self._fragment = octet
            self._parts.append(START_CODE + bytes((octet,)) + payload[2:])
        else:
            if not self._fragment or self._fragment & 0x1F != header & 0x1F:
                # The tail of a picture whose head was lost was counted with the gap.
                return self._slices == -1
            part = payload[2:]
            self._parts.append(part if type(part) is bytes else bytes(part))
            if header & 0x40:  # E
                self._fragment = 0
        self._size += len(payload) + 4
        return True

    def _aggregate(self, payload: Payload) -> bool:
        at, length = 1, len(payload)
        while at < length:
            if at + 2 > length:
                return False
            size = payload[at] << 8 | payload[at + 1]
            at += 2
            if not size or at + size > length or not self._unit(payload[at : at + size]):
                return False
            at += size
        return True

    def _unit(self, nal: Payload) -> bool:
        if nal[0] & 0x80:  # forbidden_zero_bit
            return False
        kind = nal[0] & 0x1F
        if kind in (_NAL_SPS, _NAL_PPS):
            if not self._keep_set(bytes(nal)):
                return False
            self._in_band = True
            self._sets_new = True
            self._bare = False
            return True
        if kind in _NAL_NEEDLESS:
            return True
        if not self._slice_begins(kind, nal[1] if len(nal) > 1 else 0):
            return False
        self._parts.append(START_CODE + nal)
        self._size += len(nal) + 4
        return True

    def _keep_set(self, nal: bytes) -> bool:
        sets = self._sets
        if not sets.knows(nal):
            if self._packets > NEW_SETS_PACKETS:
                self._packets = self._new_sets = 0
            if self._new_sets >= NEW_SETS_LIMIT:
                return False
            self._new_sets += 1
        return sets.keep(nal)

    def _slice_begins(self, kind: int, second: int) -> bool:
        """False when this NAL unit shows that the picture's beginning was lost."""
        if not 1 <= kind < _NAL_STAP_A or kind in (_NAL_SPS, _NAL_PPS):
            return False  # nested aggregates; a parameter set so long that it was fragmented
        if kind > _NAL_IDR:
            return True
        if self._slices == -1:
            return True
        if not self._slices and not self._continuous and not second & 0x80:
            return False  # first_mb_in_slice is not 0: slices before it are missing
        self._slices += 1
        if kind == _NAL_IDR:
            self._idr = True
        return True

    def _complete(self) -> Frame | None:
        slices, idr, parts = self._slices, self._idr, self._parts
        fragment = self._fragment
        sets_arrived = self._sets_new
        # After a loss the sets may be stale, if the sender is one that repeats them with each IDR.
        known = self._sets.complete and (self._continuous or sets_arrived or not self._in_band or self._bare)
        self._begin()
        if slices == -1:
            return None
        if fragment:
            self.broken += 1
            self._lose()
            return None
        if not slices:
            return None  # parameter sets or SEI alone: held, or of no use alone
        self._continuous = True
        if idr:
            if not known:
                self.needs_key = True
                self._continuous = False
                self._bare = True  # the next one without sets shows a sender that never repeats them
                return Frame(b"".join(parts), True, self.width, self.height, False)
            self.needs_key = False
            self.width, self.height = self._sets.size
            self._sets_new = False
            return Frame(self._sets.annex_b + b"".join(parts), True, self.width, self.height, True)
        whole = not self.needs_key
        if sets_arrived and whole:
            self._sets_new = False
            return Frame(self._sets.annex_b + b"".join(parts), False, self.width, self.height, True)
        return new_tuple(Frame, (b"".join(parts), False, self.width, self.height, whole))
