"""Recordings on disk: private folders, plain names, whole files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import recordings as recordings_module
from storage.errors import GivenUp, UnsafeName
from storage.ids import new_id
from storage.recordings import Recordings
from storage.states import TakeState
from storage.takes import TakeRow

INVITATION = "000000000001" + "0a1b2c3d4e5f60718293"
TAKE = new_id(2)
CONTENT = b"moving pictures " * 1000


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "recordings")


def written(recordings: Recordings, content: bytes = CONTENT) -> TakeRow:
    name = f"{TAKE}.webm"
    (recordings.folder(INVITATION) / name).write_bytes(content)
    return TakeRow(
        id=TAKE,
        answer_id="answer",
        state=TakeState.KEPT,
        created_at_ms=1,
        file=name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def test_a_folder_is_made_private_on_every_level(recordings: Recordings) -> None:
    folder = recordings.folder(INVITATION)
    assert folder == recordings.root / INVITATION[-2:] / INVITATION
    assert recordings.folder(INVITATION) == folder
    for directory in (recordings.root, folder.parent, folder):
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name",
    ["", "..", "../take.webm", "a/b.webm", "/etc/passwd", "take", ".webm", "a..webm", "a\0.webm", "a.webm\n", "ä.webm"],
)
def test_a_name_that_is_not_plain_never_becomes_a_path(recordings: Recordings, name: str) -> None:
    with pytest.raises(UnsafeName):
        recordings.path(INVITATION, name)


@pytest.mark.parametrize("identity", ["", "..", "a/b", "../" + INVITATION, "*", "a.b", "x" * 65])
def test_an_id_that_is_none_never_becomes_a_path(recordings: Recordings, identity: str) -> None:
    for call in (
        lambda: recordings.folder(identity),
        lambda: recordings.path(identity, "take.webm"),
        lambda: recordings.discard(identity, TAKE),
        lambda: recordings.discard(INVITATION, identity),
        lambda: recordings.sidecar(INVITATION, identity),
    ):
        with pytest.raises(UnsafeName):
            call()
    assert not recordings.root.exists()


@given(name=st.text(max_size=40) | st.from_regex(r"[a-z./\\]{1,20}", fullmatch=True))
def test_whatever_the_name_the_path_lies_in_the_invitations_folder(name: str) -> None:
    recordings = Recordings(Path("/recordings"))
    try:
        path = recordings.path(INVITATION, name)
    except UnsafeName:
        return
    assert path.parent == Path("/recordings") / INVITATION[-2:] / INVITATION
    assert path.resolve() == path


def test_a_whole_file_is_verified(recordings: Recordings) -> None:
    assert recordings.verify(INVITATION, written(recordings))


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x", b""])
def test_a_file_that_is_shorter_longer_or_different_is_not_verified(recordings: Recordings, content: bytes) -> None:
    take = written(recordings)
    recordings.path(INVITATION, take.file).write_bytes(content)
    assert not recordings.verify(INVITATION, take)


def test_a_take_without_a_file_is_not_verified(recordings: Recordings) -> None:
    take = written(recordings)
    recordings.path(INVITATION, take.file).unlink()
    assert not recordings.verify(INVITATION, take)
    assert not recordings.verify(INVITATION, TakeRow(TAKE, "answer", TakeState.FAILED, 1))


def test_a_link_a_directory_or_a_pipe_in_place_of_the_file_is_not_verified(
    recordings: Recordings, tmp_path: Path
) -> None:
    take = written(recordings)
    path = recordings.path(INVITATION, take.file)
    path.rename(tmp_path / "elsewhere.webm")
    path.symlink_to(tmp_path / "elsewhere.webm")
    assert not recordings.verify(INVITATION, take)
    path.unlink()
    path.mkdir()
    assert not recordings.verify(INVITATION, take)
    path.rmdir()
    os.mkfifo(path)
    assert not recordings.verify(INVITATION, take)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_disk_that_cannot_be_read_says_nothing_about_the_file(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    take = written(recordings)

    def failing(*_: object) -> int:
        raise OSError(code, "not now")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        with pytest.raises(OSError, match="not now"):
            recordings.verify(INVITATION, take)
    assert recordings.verify(INVITATION, take)


def test_a_file_where_a_folder_should_be_is_not_verified(recordings: Recordings) -> None:
    take = written(recordings)
    folder = recordings.folder(INVITATION)
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    assert not recordings.verify(INVITATION, take)


def test_a_check_that_is_given_up_ends_before_the_file_does(recordings: Recordings) -> None:
    take = written(recordings)
    with pytest.raises(GivenUp):
        recordings.verify(INVITATION, take, lambda: True)
    assert recordings.verify(INVITATION, take, lambda: False)


def test_reading_files_leaves_no_descriptor_open(recordings: Recordings) -> None:
    take = written(recordings)
    recordings.path(INVITATION, f"{TAKE}.json").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert recordings.verify(INVITATION, take)
        assert recordings.sidecar(INVITATION, TAKE) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_discarding_takes_every_file_of_the_take_and_no_other(recordings: Recordings) -> None:
    folder = recordings.folder(INVITATION)
    mine = [f"{TAKE}.webm", f"{TAKE}.json", f"{TAKE}.jpg", f"{TAKE}.waveform.json", f"{TAKE}.part"]
    others = [f"{TAKE}0.webm", f"{TAKE[:-1]}.webm", f"x{TAKE}.webm"]
    for name in mine + others:
        (folder / name).write_bytes(b"x")
    assert recordings.discard(INVITATION, TAKE) == len(mine)
    assert sorted(os.listdir(folder)) == sorted(others)
    assert recordings.discard(INVITATION, TAKE) == 0
    assert recordings.discard(new_id(3), TAKE) == 0


def test_a_sidecar_is_read_if_it_is_whole(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recordings.folder(INVITATION) / f"{TAKE}.json"
    assert recordings.sidecar(INVITATION, TAKE) is None
    path.write_text(json.dumps({"verdict": "good"}))
    assert recordings.sidecar(INVITATION, TAKE) == {"verdict": "good"}
    for broken in (b'{"verdict": ', b"[]", b"", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(broken)
        assert recordings.sidecar(INVITATION, TAKE) is None
    monkeypatch.setattr(recordings_module, "SIDECAR_LIMIT_BYTES", 10)
    path.write_text(json.dumps({"verdict": "good"}))
    assert recordings.sidecar(INVITATION, TAKE) is None


def test_free_space_is_that_of_the_recordings_disk(recordings: Recordings) -> None:
    status = os.statvfs(recordings.root.parent)
    free = recordings.free_bytes()
    assert abs(free - status.f_bavail * status.f_frsize) < 1_000_000_000
