"""VP8 frames from RTP payloads (RFC 7741).

Pure and on the hot path; hostile bytes break a frame, which is counted.
"""

from __future__ import annotations

from recorder.frames import FRAME_LIMIT_BYTES, PIXELS_LIMIT, Frame, Payload, new_tuple


class Vp8:
    """RFC 7741 §4. A lost packet between frames is no loss if the PictureID goes on without a hole."""

    __slots__ = (
        "_descriptor",
        "_gap",
        "_next",
        "_parts",
        "_picture",
        "_size",
        "_skip",
        "broken",
        "height",
        "needs_key",
        "width",
    )

    def __init__(self) -> None:
        self.needs_key = True
        self.broken = 0
        self.width = 0
        self.height = 0
        self._next = -1
        self._parts: list[bytes | bytearray | memoryview] | None = None
        self._size = 0
        self._picture = -1  # PictureID with its length: 7 bits in 0..127, 15 bits in 0x8000..0xFFFF; -1 for none
        self._gap = True
        self._descriptor = b""
        self._skip = 0

    def reset(self) -> None:
        if self._parts is not None:
            self._malformed()
        self._next = -1
        self._picture = -1
        self.needs_key = True

    def push(self, payload: Payload, sequence: int, marker: bool) -> Frame | None:
        parts = self._parts
        if parts is not None and sequence == self._next and payload[: self._skip] == self._descriptor:
            # The next packet of a frame repeats the first one's descriptor but for the S bit: no need to read it.
            part = payload[self._skip :]
            self._size += len(part)
            if part and self._size <= FRAME_LIMIT_BYTES:
                self._next = sequence + 1
                parts.append(part if type(part) is bytes else bytes(part))
                if not marker:
                    return None
                self._parts = None
                return self._complete(b"".join(parts))

        length = len(payload)
        if sequence != self._next:
            self._gap = True
            if self._parts is not None:
                self._malformed()
        self._next = sequence + 1
        if not length:
            return None
        first = payload[0]
        offset = 1
        picture = -1
        if first & 0x80:  # X: Chrome and Firefox send I with a 15-bit PictureID and nothing else
            if length < 3:
                return self._malformed()
            extensions = payload[1]
            offset = 2
            if extensions & 0x80:
                picture = payload[2]
                offset = 3
                if picture & 0x80:
                    if length < 4:
                        return self._malformed()
                    picture = picture << 8 | payload[3]
                    offset = 4
            if extensions & 0x70:  # L: TL0PICIDX; T or K: one octet for both
                offset += (extensions >> 6 & 1) + (1 if extensions & 0x30 else 0)
        if offset >= length:
            return self._malformed()

        if first & 0x1F == 0x10:  # S=1, PID=0: a frame begins
            if self._parts is not None:
                self._malformed()
            if self._gap:
                self._gap = False
                if not self._follows(picture):
                    self.needs_key = True
            self._picture = picture
            part = payload[offset:]
            size = length - offset
            if marker:
                return self._complete(bytes(part))
            self._skip = offset
            self._descriptor = bytes((first & 0xEF,)) + payload[1:offset]
            # A view may be of the caller's reused buffer: only bytes are kept.
            self._parts = [part if type(part) is bytes else bytes(part)]
            self._size = size
            return None

        parts = self._parts
        if parts is None:
            if not self.needs_key:
                self._malformed()
            return None
        self._size += length - offset
        if picture != self._picture or self._size > FRAME_LIMIT_BYTES:
            return self._malformed()
        part = payload[offset:]
        parts.append(part if type(part) is bytes else bytes(part))
        if marker:
            self._parts = None
            return self._complete(b"".join(parts))
        return None

    def _follows(self, picture: int) -> bool:
        before = self._picture
        if before < 0 or picture < 0:
            return False
        if before & 0x8000:
            return picture == (0x8000 | (before + 1) & 0x7FFF)
        return picture == (before + 1) & 0x7F

    def _complete(self, payload: bytes) -> Frame | None:
        if payload[0] & 1:  # P bit: not a key frame (RFC 6386 §9.1)
            return new_tuple(Frame, (payload, False, self.width, self.height, not self.needs_key))
        if len(payload) < 10 or payload[3:6] != b"\x9d\x01\x2a":
            return self._malformed()
        width = (payload[6] | payload[7] << 8) & 0x3FFF
        height = (payload[8] | payload[9] << 8) & 0x3FFF
        if not 0 < width * height <= PIXELS_LIMIT:
            return self._malformed()
        self.width = width
        self.height = height
        self.needs_key = False
        return Frame(payload, True, width, height, True)

    def _malformed(self) -> Frame | None:
        """The frame is given up; always None."""
        self._parts = None
        self.broken += 1
        self.needs_key = True
        return None
