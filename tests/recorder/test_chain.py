"""The chain over takes as those who write it and those who forge it see it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder import before_chain
from recorder.before_chain import link_found
from recorder.chain import BEFORE_THE_FIRST, Chain, Kind, Link, Tip, hash_of, line_of, read_link
from recorder.messages import TakeId, TakeResult
from recorder.recovery import recover
from recorder.verify import Report, Wrong, verify
from tests.recorder.test_verify import flip, record

ONE, TWO = TakeId("take-1"), TakeId("take-2")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "recordings").mkdir()
    record(data / "recordings", ONE)
    record(data / "recordings", TWO)
    return data


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "data")
    return tmp_path / "data" / "recordings"


def said(report: Report) -> list[tuple[Wrong, str]]:
    return [(finding.wrong, finding.what) for finding in report.findings]


def folder_of(root: Path, take_id: TakeId) -> Path:
    return root / take_id[-2:] / f"invitation{take_id}"


APPEND = """
import sys
from pathlib import Path
from recorder.chain import Chain
for number in range(int(sys.argv[3])):
    Chain(Path(sys.argv[1])).note_gone(Path(sys.argv[1]) / "aa", f"{sys.argv[2]}-{number}")
"""


def test_several_processes_and_threads_make_one_chain(tmp_path: Path) -> None:
    def run(name: str) -> None:
        subprocess.run([sys.executable, "-c", APPEND, str(tmp_path), name, "40"], check=True, timeout=60)

    def here() -> None:
        for number in range(40):
            Chain(tmp_path).note_gone(tmp_path / "aa", TakeId(f"here-{threading.get_ident()}-{number}"))

    jobs: list[Callable[[], None]] = [lambda: run("one"), lambda: run("two"), here, here]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verify(tmp_path)
    assert (report.findings, report.links) == ([], 160)


@pytest.mark.parametrize("number", [0, -1])
def test_a_link_put_in_front_of_the_first_is_none_even_against_a_noted_head(root: Path, number: int) -> None:
    head = verify(root).head
    shutil.rmtree(folder_of(root, TWO))
    forged = line_of(Link(number, BEFORE_THE_FIRST, Kind.GONE, TWO, f"-2/invitation{TWO}", 1))
    assert read_link(forged) is None
    path = root / "chain.jsonl"
    path.write_bytes(forged + b"\n" + path.read_bytes())
    report = verify(root, noted_head=head)
    assert (Wrong.ALTERED, "link 1") in said(report)
    assert report.gone == 0
    assert (Wrong.MISSING, f"-2/invitation{TWO}/{TWO}.webm") in said(report)


def test_nobody_makes_a_link_follow_one_with_a_number_that_is_none(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    chain.path.write_bytes(line_of(Link(-1, BEFORE_THE_FIRST, Kind.GONE, "x", "aa", 1)) + b"\n")
    chain.note_gone(tmp_path / "aa", ONE)
    last = read_link(chain.path.read_bytes().splitlines()[-1])
    assert last is not None
    assert last.number == 2


def test_a_number_far_ahead_is_one_finding(root: Path) -> None:
    forged = line_of(Link(4_000_000_000, BEFORE_THE_FIRST, Kind.GONE, "x", "aa", 1))
    with (root / "chain.jsonl").open("ab") as file:
        file.write(forged + b"\n")
    assert said(verify(root)) == [(Wrong.MISSING, "links 3 to 3999999999")]


def test_a_bundle_json_in_a_data_directory_takes_nothing_out(root: Path) -> None:
    shutil.rmtree(folder_of(root, TWO))
    (root / "bundle.json").write_text(f'{{"takes": ["{ONE}"]}}')
    report = verify(root.parent)
    assert (Wrong.MISSING, f"-2/invitation{TWO}/{TWO}.webm") in said(report)
    assert (Wrong.EXTRA, "bundle.json") in said(report)
    assert not report.bundle


def test_a_journal_hides_no_take_that_was_added(root: Path) -> None:
    for suffix in (".mp4", ".json", ".journal.json"):
        (folder_of(root, ONE) / f"evil{suffix}").write_bytes(b"{}")
    assert [what.rpartition("/")[2] for _, what in said(verify(root))] == ["evil.json", "evil.mp4"]


def test_what_the_file_system_keeps_and_what_cannot_be_read_stop_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `recordings` is a mount point, `lost+found` is root's."""
    for name in ("lost+found", "zz"):
        (root / name).mkdir()
        (root / name / "thing").write_bytes(b"")
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith(("lost+found", "zz")):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    report = verify(root)
    assert said(report) == [(Wrong.UNREADABLE, "zz")]
    assert report.takes == 2


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_checked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def bad(path: Path, flags: int, *args: int) -> int:
        if Path(path).name == f"{ONE}.webm":
            raise OSError(5, "Input/output error")
        return real(path, flags, *args)

    flip(folder_of(root, TWO) / f"{TWO}.webm")
    monkeypatch.setattr("os.open", bad)
    assert [wrong for wrong, _ in said(verify(root))] == [Wrong.UNREADABLE, Wrong.ALTERED]


@pytest.mark.parametrize("kind", [Kind.TAKE, Kind.LOOKED])
def test_a_link_that_comes_while_it_is_looked_takes_no_alteration_back(
    root: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder_of(root, ONE) / f"{ONE}.webm"
    flip(path)
    real = os.walk

    def walk(*args: Any, **kwargs: Any) -> object:
        chain, content = Chain(root), path.read_bytes()
        with chain.held() as tip:
            link = chain.link(tip, kind, ONE, path.parent, file=path.name, sha256=hash_of(content))
            tip.append(replace(link, size_bytes=len(content)))
        return real(*args, **kwargs)

    monkeypatch.setattr("recorder.verify.os.walk", walk)
    assert (Wrong.ALTERED, path.relative_to(root).as_posix()) in said(verify(root))


def test_names_that_are_no_text_are_told_by_their_codes(root: Path) -> None:
    os.close(os.open(os.fsencode(root) + b"/\xff.mp4", os.O_CREAT | os.O_WRONLY))
    (root / "\x1b[2Jevil\u202e").write_bytes(b"")
    assert said(verify(root)) == [(Wrong.EXTRA, "\\u001b[2Jevil\\u202e"), (Wrong.EXTRA, "\\udcff.mp4")]


def older(root: Path) -> None:
    """As if a version without a chain had made them."""
    (root / "chain.jsonl").unlink()
    for sidecar in root.glob("*/*/take-?.json"):
        content = json.loads(sidecar.read_text())
        del content["chain"], content["beside"]
        sidecar.write_text(json.dumps(content))


def test_takes_from_before_the_chain_are_linked_once_as_found(root: Path) -> None:
    older(root)
    recover(root)
    recover(root)
    report = verify(root)
    assert (report.findings, report.takes, report.found, report.links) == ([], 2, 2, 2)
    record(root, TakeId("take-3"))
    stranger = folder_of(root, ONE) / "take-9.json"
    content = json.loads((folder_of(root, ONE) / f"{ONE}.json").read_text())
    stranger.write_text(json.dumps({**content, "take_id": "take-9", "file": ""}))
    recover(root)
    assert said(verify(root)) == [(Wrong.EXTRA, stranger.relative_to(root).as_posix())]
    flip(folder_of(root, TWO) / f"{TWO}.webm")
    assert (Wrong.ALTERED, f"-2/invitation{TWO}/{TWO}.webm") in said(verify(root))


def test_a_kill_while_they_are_linked_is_made_good_by_the_next_start(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(root)
    real = Tip.append

    def once(tip: Tip, link: Link, *, durable: bool = True) -> None:
        if tip.number > 1:
            raise OSError(28, "No space left on device")
        real(tip, link, durable=durable)

    with monkeypatch.context() as full:
        full.setattr(Tip, "append", once)
        recover(root)
    assert verify(root).found == 1
    recover(root)
    report = verify(root)
    assert (report.findings, report.found) == ([], 2)


def test_a_power_cut_while_they_are_linked_is_made_good_by_the_next_start(root: Path) -> None:
    older(root)
    recover(root)
    path = root / "chain.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for cut in (1, len(lines[1]) // 2, len(lines[1]) - 1):
        path.write_bytes(lines[0] + lines[1][:cut])
        recover(root)
        report = verify(root)
        assert (report.findings, report.found, report.links) == ([], 2, 2)


def test_an_older_take_that_cannot_be_read_keeps_no_other_from_being_linked(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    older(root)
    real = before_chain.read_result

    def unreadable(folder: Path, take_id: TakeId) -> TakeResult | None:
        if take_id == ONE:
            raise OSError(5, "Input/output error")
        return real(folder, take_id)

    monkeypatch.setattr(before_chain, "read_result", unreadable)
    recover(root)
    assert verify(root).found == 1 and f"{ONE}.json is left out" in caplog.text


def test_a_stray_file_nested_without_end_does_not_keep_the_server_from_starting(root: Path) -> None:
    older(root)
    (folder_of(root, ONE) / "stray.json").write_text("[" * 200_000)
    recover(root)
    assert verify(root).found == 2


def test_takes_that_two_starts_find_at_once_are_linked_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(root)
    real = Chain.held

    def later(chain: Chain) -> contextlib.AbstractContextManager[Tip]:
        monkeypatch.setattr(Chain, "held", real)
        link_found(chain)  # another process, which looked when we did
        return real(chain)

    monkeypatch.setattr(Chain, "held", later)
    assert link_found(Chain(root)) == 0
    report = verify(root)
    assert (report.findings, report.found, report.links) == ([], 2, 2)


def test_nothing_is_found_after_the_first_link_of_another_kind(root: Path) -> None:
    chain = Chain(root)
    with chain.held() as tip:
        tip.append(chain.link(tip, Kind.FOUND, TakeId("take-9"), folder_of(root, ONE)))
    assert (Wrong.ALTERED, "link 3") in said(verify(root))
