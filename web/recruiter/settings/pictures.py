"""Whether an uploaded file is a logo: by its bytes, never by what it is called. Pure; decodes nothing.

Taken are PNG (W3C PNG §5), JPEG (ITU-T T.81 Annex B) and WebP (RFC 9649), still ones, whole to their last byte.
SVG never is: it is a program as much as a picture.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

MOST_BYTES = 256 * 1024
MOST_SIDE = 4096

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
_JPEG_SCAN = 0xDA

TOO_LARGE = f"This file is larger than {MOST_BYTES // 1024} KiB. Make the picture smaller, then choose it again."
_OTHER = "This is not a PNG, JPEG or WebP picture. Choose another file."
_SVG = "SVG files can carry programs, so they are not taken. Export the logo as PNG, JPEG or WebP."
_BROKEN = "This picture is damaged or not complete. Save it again, then choose the new file."
_MOVES = "This picture moves, and a logo stands still. Choose one without animation."
_TOO_WIDE = f"This picture is more than {MOST_SIDE} pixels wide or high. Make it smaller, then choose it again."


class PictureUnfit(ValueError):
    """The file cannot be the logo; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the file's own head says of it."""

    media_type: str
    width: int
    height: int


def picture(body: bytes) -> Picture:
    """What kind of picture `body` is. Raises PictureUnfit."""
    if len(body) > MOST_BYTES:
        raise PictureUnfit(TOO_LARGE)
    try:
        found = _read(body)
    except (IndexError, ValueError) as error:
        raise error if isinstance(error, PictureUnfit) else PictureUnfit(_BROKEN) from error
    if not (found.width and found.height):
        raise PictureUnfit(_BROKEN)
    if max(found.width, found.height) > MOST_SIDE:
        raise PictureUnfit(_TOO_WIDE)
    return found


def _read(body: bytes) -> Picture:
    if body.startswith(_PNG):
        return _png(body)
    if body.startswith(_JPEG):
        return _jpeg(body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _webp(body)
    raise PictureUnfit(_SVG if _looks_like_svg(body) else _OTHER)


def _looks_like_svg(body: bytes) -> bool:
    return b"<svg" in body[:4096].lower()


def _png(body: bytes) -> Picture:
    """Every chunk with its checksum, the header first, the end last and nothing after it."""
    at, width, height = len(_PNG), 0, 0
    while True:
        length = int.from_bytes(body[at : at + 4])
        kind, end = body[at + 4 : at + 8], at + 12 + length
        if end > len(body) or zlib.crc32(body[at + 4 : end - 4]) != int.from_bytes(body[end - 4 : end]):
            raise PictureUnfit(_BROKEN)
        if (at == len(_PNG)) != (kind == b"IHDR"):
            raise PictureUnfit(_BROKEN)
        if kind == b"IHDR":
            width, height = int.from_bytes(body[at + 8 : at + 12]), int.from_bytes(body[at + 12 : at + 16])
        elif kind == b"acTL":
            raise PictureUnfit(_MOVES)
        elif kind == b"IEND":
            if end != len(body):
                raise PictureUnfit(_BROKEN)
            return Picture("image/png", width, height)
        at = end


def _jpeg(body: bytes) -> Picture:
    """Its segments up to the scan, one of them the frame with the size; then the end of the image, last."""
    if not body.endswith(_JPEG_END):
        raise PictureUnfit(_BROKEN)
    at, width, height = 2, 0, 0
    while True:
        if body[at] != 0xFF:
            raise PictureUnfit(_BROKEN)
        marker = body[at + 1]
        if marker == 0xFF or marker in _JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(body[at + 2 : at + 4])
        if length < 2:
            raise PictureUnfit(_BROKEN)
        if marker in _JPEG_FRAMES:
            height, width = int.from_bytes(body[at + 5 : at + 7]), int.from_bytes(body[at + 7 : at + 9])
        if marker == _JPEG_SCAN:
            return Picture("image/jpeg", width, height)
        at += 2 + length


def _webp(body: bytes) -> Picture:
    if int.from_bytes(body[4:8], "little") + 8 != len(body):
        raise PictureUnfit(_BROKEN)
    kind, head = body[12:16], body[20:30]
    if len(head) < 10:
        raise PictureUnfit(_BROKEN)
    if kind == b"VP8X":
        if head[0] & 0x02:
            raise PictureUnfit(_MOVES)
        return Picture("image/webp", int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1)
    if kind == b"VP8L" and head[0] == 0x2F:
        sides = int.from_bytes(head[1:5], "little")
        return Picture("image/webp", (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        return Picture("image/webp", width & 0x3FFF, height & 0x3FFF)
    raise PictureUnfit(_BROKEN)
