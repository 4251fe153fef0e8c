"""What a browser shows of a recording that it plays from its beginning to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Played:
    """What came of playing a file from its beginning to its end."""

    sizes: tuple[tuple[int, int], ...]
    """Width and height of the pictures shown, in order, one entry for each change."""
    colours: tuple[int, ...]
    """How many colours the last picture of each size had, of 4096; a picture of one colour is none."""
    frames: int
    """Pictures decoded."""
    ended: bool
    error: str
    """Empty, or the media error's code and words."""
    at_s: float
    """Where it stood at the end of this look."""
    duration_s: float

    @property
    def width(self) -> int:
        return self.sizes[-1][0] if self.sizes else 0

    @property
    def height(self) -> int:
        return self.sizes[-1][1] if self.sizes else 0


def played(found: dict[str, Any]) -> Played:
    """What PLAY_THROUGH returned."""
    sizes = tuple((width, height) for width, height in found.pop("sizes"))
    return Played(sizes=sizes, colours=tuple(found.pop("colours")), **found)


# A function of a <video> and of how to play it; its result is for `played`.
PLAY_THROUGH = """
async (video, { rate, withinMs }) => {
  video.muted = true;
  const sizes = [], colours = [];
  const canvas = document.createElement("canvas");
  canvas.width = 64; canvas.height = 36;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const look = (_, { width, height }) => {
    const last = sizes.at(-1);
    if (last?.[0] !== width || last?.[1] !== height) { sizes.push([width, height]); colours.push(0); }
    pen.drawImage(video, 0, 0, 64, 36);
    const pixels = pen.getImageData(0, 0, 64, 36).data;
    const seen = new Set();
    for (let i = 0; i < pixels.length; i += 4) {
      seen.add((pixels[i] >> 4) << 8 | (pixels[i + 1] >> 4) << 4 | pixels[i + 2] >> 4);
    }
    colours[colours.length - 1] = seen.size;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const over = new Promise((done) => {
    for (const name of ["ended", "error"]) video.addEventListener(name, done, { once: true });
    setTimeout(done, withinMs);
  });
  video.playbackRate = rate;
  if (!video.error) {
    video.play().catch(() => undefined);
    await over;
  }
  const error = video.error ? `${video.error.code} ${video.error.message}` : "";
  return { sizes, colours, frames: video.getVideoPlaybackQuality().totalVideoFrames, ended: video.ended, error,
    at_s: video.currentTime, duration_s: Number.isFinite(video.duration) ? video.duration : 0 };
}
"""
