"""Files of a take go in order: the chain says so first, and stays whole."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from recorder.chain import Chain
from recorder.finish import finish
from recorder.messages import TakeId
from recorder.recovery import recover
from recorder.verify import verify
from signaling.discarding import discard
from storage.recordings import Recordings
from tests.recorder.test_finish import facts_of, part_with
from tests.recorder.test_mux import TAKE


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    recordings = Recordings(tmp_path / "recordings")
    folder = recordings.folder("invitation")
    closed = part_with(folder, "vp8")
    finish(folder, TAKE, facts_of(closed), closed.lock, chain=Chain(recordings.root))
    return recordings


def test_a_discarded_take_leaves_a_link_and_no_file(recordings: Recordings) -> None:
    assert discard(recordings, "invitation", TAKE) == 4
    report = verify(recordings.root)
    assert (report.findings, report.gone, report.takes, report.links) == ([], 1, 0, 2)
    assert discard(recordings, "invitation", TAKE) == 0
    assert discard(recordings, "invitation", TakeId("never")) == 0
    assert verify(recordings.root).links == 2


def test_a_crash_between_the_link_and_the_deletion_is_made_good_by_the_next(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> int:
        raise OSError("the disk went away")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="went away"):
        broken.setattr(Recordings, "discard", dies)
        discard(recordings, "invitation", TAKE)
    assert {finding.wrong for finding in verify(recordings.root).findings} == {"extra"}
    assert discard(recordings, "invitation", TAKE) == 4
    assert verify(recordings.root).whole


@pytest.mark.parametrize("step", range(5))
def test_a_kill_at_any_step_of_a_discard_leaves_nothing_that_is_made_a_take_again(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The next start recovers what is left, then the deletion goes on."""
    real, left = Path.unlink, step

    def dies(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        real(path, missing_ok)

    with monkeypatch.context() as killed, contextlib.suppress(KeyboardInterrupt):
        killed.setattr(Path, "unlink", dies)
        discard(recordings, "invitation", TAKE)
    assert recover(recordings.root) == []
    discard(recordings, "invitation", TAKE)
    report = verify(recordings.root)
    assert (report.findings, report.gone, report.takes) == ([], 1, 0)


def test_a_take_whose_sidecar_is_lost_is_deleted_in_order_and_not_linked_anew(recordings: Recordings) -> None:
    folder = recordings.folder("invitation")
    Chain(recordings.root).note_gone(folder, TAKE)
    (folder / f"{TAKE}.json").unlink()
    assert len(recover(recordings.root)) == 1
    assert [finding.wrong for finding in verify(recordings.root).findings] == ["extra"] * 4
    (folder / f"{TAKE}.json").unlink()
    assert discard(recordings, "invitation", TAKE) == 3
    report = verify(recordings.root)
    assert (report.findings, report.gone, report.links) == ([], 1, 3)


def test_a_full_disk_keeps_no_recording_from_being_deleted(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, media = Chain.note_gone, next(recordings.root.glob("*/*/*.webm"))

    def full(chain: Chain, folder: Path, take_id: TakeId) -> None:
        if media.exists():
            raise OSError(28, "No space left on device")
        real(chain, folder, take_id)

    monkeypatch.setattr(Chain, "note_gone", full)
    assert discard(recordings, "invitation", TAKE) == 3
    assert verify(recordings.root).whole
