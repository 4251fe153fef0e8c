"""Sound that is moved when its take is finished: what was noted of it moves too, and a move that failed is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder import finish as finish_module
from recorder.facts import Gap, TakeFacts
from recorder.finish import finish
from recorder.lipsync import SoundMove
from recorder.messages import TakeResult, Verdict
from recorder.moved_sound import MovedPlaces
from recorder.part import journal_path, read_json, write_json
from recorder.recovery import recover
from tests.recorder.test_finish import facts_of, part_with
from tests.recorder.test_mux import CODECS, TAKE

MOVES = (SoundMove(0, -240_000), SoundMove(3_000_000, 120_000))
GAPS = (Gap("audio", 2_000, 500, True), Gap("video", 2_000, 500), Gap("audio", 3_000, 360, True))
LEVELS = (*[0] * 10, 80, *[0] * 29, 90, *[0] * 9)


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def moved(folder: Path, codec: str) -> TakeResult:
    closed = part_with(folder, codec)
    facts: TakeFacts = replace(facts_of(closed), sound_moves=MOVES, gaps=GAPS, levels=LEVELS)
    return finish(folder, TAKE, facts, closed.lock)


def sidecar(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{TAKE}.json").read_text())
    return found


def test_a_place_between_two_moves_is_of_the_one_before() -> None:
    places = MovedPlaces(MOVES)
    found = [places.place_us(at_us) for at_us in (0, 100_000, 1_000_000, 3_000_000, 3_000_001)]
    assert found == [0, 0, 760_000, 2_760_000, 3_120_001]
    assert MovedPlaces(()).place_us(1_000_000) == 1_000_000


def test_levels_move_with_the_sound_and_stay_as_many() -> None:
    assert MovedPlaces((SoundMove(0, 1_000_000),)).levels((1, 2, 3), 100_000) == (0, 0, 0)
    assert MovedPlaces((SoundMove(0, 100_000),)).levels((1, 2, 3), 100_000) == (0, 1, 2)
    assert MovedPlaces((SoundMove(0, -100_000),)).levels((1, 2, 3), 100_000) == (2, 3, 0)
    assert MovedPlaces((SoundMove(0, -900_000),)).levels((1, 5, 3), 100_000) == (5, 0, 0)


@pytest.mark.parametrize("codec", CODECS)
def test_gaps_and_waveform_are_where_the_file_holds_the_sound(tmp_path: Path, codec: str) -> None:
    result = moved(tmp_path, codec)
    found = sidecar(tmp_path)
    assert [(gap["track"], gap["at_ms"], gap["length_ms"]) for gap in found["gaps"]] == [
        ("audio", 1_760, 500),
        ("video", 2_000, 500),
        ("audio", 2_760, 360),
    ]
    levels = json.loads((tmp_path / result.waveform).read_text())["levels"]
    assert {index: level for index, level in enumerate(levels) if level} == {8: 80, 41: 90}
    assert found["sync"]["sound_moved"] is True


@pytest.mark.parametrize("codec", CODECS)
def test_without_room_to_move_it_sound_is_said_to_be_apart(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish_module, "copy_seekable", no_room)
    result = moved(tmp_path, codec)
    assert (result.verdict, result.reasons) == (Verdict.USABLE, ["timestamps"])
    found = sidecar(tmp_path)
    assert found["sync"]["sound_moved"] is False
    assert [gap["at_ms"] for gap in found["gaps"]] == [2_000, 2_000, 3_000]
    assert json.loads((tmp_path / result.waveform).read_text())["levels"] == list(LEVELS)


@pytest.mark.parametrize("room", [True, False])
@pytest.mark.parametrize("codec", CODECS)
def test_a_recovery_knows_whether_sound_was_moved(
    tmp_path: Path, codec: str, room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(finish_module, "write_sidecar", no_room)
        if not room:
            full.setattr(finish_module, "copy_seekable", no_room)
        moved(tmp_path, codec)
    assert not (tmp_path / f"{TAKE}.json").exists()
    (result,) = recover(tmp_path)
    assert result.reasons == (["recovered"] if room else ["timestamps", "recovered"])
    found = sidecar(tmp_path)
    assert found["sync"]["sound_moved"] is room
    assert found["gaps"][0]["at_ms"] == (1_760 if room else 2_000)


def test_a_move_that_a_crash_took_back_is_not_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr(finish_module, "write_sidecar", no_room)
        full.setattr(finish_module, "copy_seekable", no_room)
        moved(tmp_path, "vp8")
    journal = read_json(journal_path(tmp_path, TAKE))
    write_json(journal_path(tmp_path, TAKE), {**(journal or {}), finish_module.SOUND_MOVED: 1_000})
    (result,) = recover(tmp_path)
    assert result.reasons == ["timestamps", "recovered"]
    assert sidecar(tmp_path)["sync"]["sound_moved"] is False
