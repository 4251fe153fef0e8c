"""A still from a recording: its first key frame, as a JPEG no wider than 640 pixels.

The only place of the package that decodes on purpose, one frame per take, and
none larger than `PIXELS_LIMIT`, whatever header says so. Blocks.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.video.frame import VideoFrame

from recorder.frames import PIXELS_LIMIT
from recorder.media_file import opened

WIDTH_LIMIT: Final = 640


class NoPoster(Exception):
    """The first key frame cannot be shown; the recording is none the worse for us."""


def first_still(path: Path) -> bytes:
    """The JPEG. Raises NoPoster and nothing else."""
    try:
        return _jpeg(_first_key_frame(path))
    except NoPoster:
        raise
    except Exception as error:  # decoders meet hostile bytes here; a poster is never worth a take
        raise NoPoster(str(error)) from error


def _first_key_frame(path: Path) -> VideoFrame:
    with opened(path) as container:
        if not container.streams.video:
            raise NoPoster("no video")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > PIXELS_LIMIT:
            raise NoPoster(f"{context.width}x{context.height}")
        context.thread_count = 1
        # The size in the container and the one in the stream are two claims; this holds the decoder to the second.
        context.options = {"max_pixels": str(PIXELS_LIMIT)}
        for packet in container.demux(stream):
            if not packet.is_keyframe:
                break
            # Flushed at once: a decoder may hold a frame back to see the next.
            for frame in (*context.decode(packet), *context.decode(None)):
                return frame
            break
    raise NoPoster("no key frame")


def _jpeg(frame: VideoFrame) -> bytes:
    width = min(WIDTH_LIMIT, frame.width) // 2 * 2
    height = max(2, frame.height * width // frame.width // 2 * 2)
    if not width or height > 4 * WIDTH_LIMIT:
        raise NoPoster(f"{frame.width}x{frame.height}")
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 30)
    encoder.options = {"q:v": "5", "qmin": "5", "qmax": "5"}
    small.pts = 0
    packets = (*encoder.encode(small), *encoder.encode(None))
    if not packets:
        raise NoPoster("the encoder gave nothing")
    return bytes(packets[0])
