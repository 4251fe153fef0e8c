"""The second part of the verdict, on recordings that are what they are called."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.chain import Chain
from recorder.finish import finish
from recorder.look import Look, from_json, look_at, write_look
from recorder.media_file import Unreadable
from recorder.mux import Mux
from recorder.verify import verify
from tests.recorder.encoded_media import SOUND_US
from tests.recorder.test_finish import facts_of, part_with
from tests.recorder.test_mux import TAKE

SECONDS = 12


def tone(volume: float) -> Callable[[int], int]:
    return lambda at: max(-32768, min(32767, round(volume * 32767 * math.sin(at / 17))))


def limited(at: int) -> int:
    """As a voice behind a limiter: at full level now and then, its tops whole."""
    return round(32767 * math.sin(at / 17) * abs(math.sin(at / 900)))


def heard(wave: Callable[[int], int]) -> list[bytes]:
    """A second of sound in Opus."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate, encoder.time_base = 32_000, Fraction(1, 48_000)
    packets = []
    for index in range(51):
        frame = av.AudioFrame("s16", "mono", 960)
        frame.planes[0].update(array("h", [wave(index * 960 + at) for at in range(960)]).tobytes())
        frame.sample_rate, frame.pts = 48_000, index * 960
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets][:50]


def seen(luma: Callable[[int, int], int]) -> list[bytes]:
    """A key frame for each second; `luma` of second and column."""
    frames = []
    for second in range(SECONDS):
        encoder: Any = av.CodecContext.create("libvpx", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 160, 90, "yuv420p", Fraction(1, 30)
        encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        frame = av.VideoFrame(160, 90, "yuv420p")
        grey, *colours = frame.planes
        grey.update(bytes(luma(second, x) for x in range(grey.line_size)) * grey.height)
        for plane in colours:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts = 0
        frames.append(bytes([*encoder.encode(frame), *encoder.encode(None)][0]))
    return frames


def moving(second: int, x: int) -> int:
    return 60 + (x + 20 * second) % 160


def still(_: int, x: int) -> int:
    return 60 + x


def recorded(folder: Path, sound: list[bytes], pictures: list[bytes]) -> Path:
    def feeding(mux: Mux) -> None:
        for second in range(SECONDS):
            mux.video(pictures[second], second * 1_000_000, True, 160, 90)
            for index in range(50):
                mux.audio(sound[index], second * 1_000_000 + index * SOUND_US)

    closed = part_with(folder, "vp8", feeding)
    result = finish(folder, TAKE, facts_of(closed), closed.lock, chain=Chain(folder))
    return folder / result.file


@pytest.mark.parametrize(
    ("wave", "luma", "reasons"),
    [
        (tone(0.3), moving, []),
        (tone(0.0), moving, ["silent"]),
        (tone(0.001), moving, ["silent"]),
        (tone(9.0), moving, ["clipped"]),
        (limited, moving, []),
        (tone(0.3), lambda second, x: 16, ["black"]),
        (tone(0.3), still, ["identical"]),
        (tone(0.0), still, ["silent", "identical"]),
    ],
)
def test_a_look_finds_what_is_wrong_and_nothing_else(
    tmp_path: Path, wave: Callable[[int], int], luma: Callable[[int, int], int], reasons: list[str]
) -> None:
    path = recorded(tmp_path, heard(wave), seen(luma))
    assert look_at(path).reasons == reasons


def test_a_look_decodes_no_more_than_a_key_frame_a_second_and_is_a_process_that_steps_back(tmp_path: Path) -> None:
    path = recorded(tmp_path, heard(tone(0.3)), seen(moving))
    program = (
        "import os, sys; from recorder import look; code = look.main(sys.argv[1:]); print(os.nice(0)); print(code)"
    )
    said = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, timeout=60)
    text, nice, code = said.stdout.splitlines()
    look = from_json(text)
    assert look is not None
    assert (look.pictures, look.reasons, look.problem) == (SECONDS, [], "")
    assert (int(nice), int(code)) == (10, 0)
    assert SECONDS * 1000 - 500 <= look.heard_ms <= SECONDS * 1000


def test_a_file_that_is_none_has_no_look(tmp_path: Path) -> None:
    path = tmp_path / "take-1.webm"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + b"rubbish" * 100)
    with pytest.raises(Unreadable):
        look_at(path)
    assert from_json(b"{") is None
    assert from_json(b'{"reasons": 7}') is None


def test_a_look_that_a_full_disk_does_not_take_is_not_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recorder.look.write_whole", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            write_look(tmp_path, TAKE, Look(["silent"]), Chain(tmp_path))
    assert not (tmp_path / "chain.jsonl").exists()


def test_a_look_lies_beside_the_sidecar_which_does_not_change_and_has_a_link(tmp_path: Path) -> None:
    recorded(tmp_path, heard(tone(0.3)), seen(still))
    sidecar = (tmp_path / "take-1.json").read_bytes()
    for look in (Look(["silent"]), Look(["identical"])):  # repeated, as after a crash
        write_look(tmp_path, TAKE, look, Chain(tmp_path))
        assert verify(tmp_path).findings == []
    assert (tmp_path / "take-1.json").read_bytes() == sidecar
    assert json.loads((tmp_path / "take-1.look.json").read_text())["reasons"] == ["identical"]


def test_a_take_that_is_deleted_while_it_is_looked_at_leaves_no_look(tmp_path: Path) -> None:
    recorded(tmp_path, heard(tone(0.3)), seen(still))
    chain = Chain(tmp_path)
    chain.note_gone(tmp_path, TAKE)
    write_look(tmp_path, TAKE, Look(["silent"]), chain)
    assert not (tmp_path / "take-1.look.json").exists()
