"""The chain over takes, and every way to touch a recordings folder behind its back."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.chain import BEFORE_THE_FIRST, Chain, Kind, hash_of, line_of, read_link
from recorder.finish import finish
from recorder.messages import TakeId
from recorder.mux import Mux, Writer
from recorder.verify import Finding, NothingToVerify, Wrong, verify
from tests.recorder.test_finish import facts_of
from tests.recorder.test_mux import feed, order_for

TAKES = [TakeId(f"take-{number}") for number in range(5)]


def record(root: Path, take_id: TakeId, codec: str = "vp8") -> Path:
    folder = root / take_id[-2:] / f"invitation{take_id}"
    writer = Writer(0.02, 10)
    writer.start()
    mux = Mux(writer, replace(order_for(folder, codec), take_id=take_id))
    feed(mux, codec, 60)
    closed = mux.close().result(30)
    assert writer.close()
    result = finish(folder, take_id, facts_of(closed), closed.lock, chain=Chain(root))
    assert result.sha256
    return folder / result.file


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with five takes, of which the second is deleted in order."""
    data = tmp_path_factory.mktemp("data")
    root = data / "recordings"
    root.mkdir()
    for number, take_id in enumerate(TAKES):
        media = record(root, take_id, ("vp8", "h264")[number % 2])
        if number == 1:
            Chain(root).note_gone(media.parent, take_id)
            for path in media.parent.glob(f"{take_id}.*"):
                path.unlink()
    look = b'{"version":1}\n'
    Chain(root).note_look(media.parent, TAKES[4], f"{TAKES[4]}.look.json", look)
    (media.parent / f"{TAKES[4]}.look.json").write_bytes(look)
    return data


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "data")
    return tmp_path / "data"


def lines_of(data: Path) -> list[bytes]:
    return (data / "recordings" / "chain.jsonl").read_bytes().splitlines()


def write_lines(data: Path, lines: list[bytes]) -> None:
    (data / "recordings" / "chain.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def media(data: Path, number: int) -> Path:
    (found,) = (data / "recordings").glob(f"*/*/take-{number}.[mw][pe]*[4m]")
    return found


def found(data: Path, head: str = "") -> list[tuple[Wrong, str]]:
    return [(finding.wrong, finding.what) for finding in verify(data, noted_head=head).findings]


def at(data: Path, path: Path) -> str:
    return path.relative_to(data / "recordings").as_posix()


def test_what_was_recorded_and_deleted_in_order_is_whole(data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    seen: list[tuple[int, int]] = []
    report = verify(data, progress=lambda done, of: seen.append((done, of)))
    assert (report.findings, report.whole) == ([], True)
    assert (report.links, report.takes, report.gone, report.left_out, report.unfinished) == (7, 4, 1, 0, 0)
    assert report.head == hash_of(lines_of(data)[-1])
    assert seen[-1][0] == seen[-1][1] > 0
    assert verify(data / "recordings").whole
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_each_sidecar_holds_its_files_hash_and_the_link_before(data: Path) -> None:
    links = [link for line in lines_of(data) if (link := read_link(line))]
    assert [link.number for link in links] == list(range(1, 8))
    assert [link.kind for link in links].count(Kind.TAKE) == 5
    previous = BEFORE_THE_FIRST
    for link, line in zip(links, lines_of(data), strict=True):
        assert link.previous == previous
        previous = hash_of(line)
        if link.kind is Kind.TAKE and link.take_id != TAKES[1]:
            sidecar = json.loads((data / "recordings" / link.folder / f"{link.take_id}.json").read_text())
            assert (sidecar["sha256"], sidecar["size_bytes"]) == (link.sha256, link.size_bytes)
            assert sidecar["chain"] == {"number": link.number, "previous": link.previous}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_one_bit_of_a_recording_is_named(data: Path) -> None:
    flip(media(data, 2))
    assert found(data) == [(Wrong.ALTERED, at(data, media(data, 2)))]


@pytest.mark.parametrize("suffix", [".json", ".jpg", ".waveform.json", ".look.json"])
def test_what_lies_beside_a_recording_is_named_too(data: Path, suffix: str) -> None:
    path = media(data, 4).with_name(f"take-4{suffix}")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2", 1) if suffix != ".jpg" else content[:-1])
    assert found(data) == [(Wrong.ALTERED, at(data, path))]
    path.unlink()
    assert found(data) == [(Wrong.MISSING, at(data, path))]


def test_a_sidecar_made_to_fit_an_altered_recording_is_named(data: Path) -> None:
    flip(media(data, 0))
    sidecar = media(data, 0).with_suffix(".json")
    content = json.loads(sidecar.read_text())
    content["sha256"] = hash_of(media(data, 0).read_bytes())
    sidecar.write_text(json.dumps(content, separators=(",", ":")) + "\n")
    assert found(data) == [(Wrong.ALTERED, at(data, media(data, 0))), (Wrong.ALTERED, at(data, sidecar))]


def test_a_recording_that_is_gone_without_a_link_is_missing(data: Path) -> None:
    path = media(data, 3)
    gone = at(data, path)
    path.unlink()
    assert found(data) == [(Wrong.MISSING, gone)]
    shutil.rmtree(path.parent)
    assert {wrong for wrong, _ in found(data)} == {Wrong.MISSING}


def test_strangers_and_links_to_elsewhere_are_extra(data: Path) -> None:
    stranger = media(data, 0).with_name("take-9.mp4")
    shutil.copy(media(data, 0), stranger)
    assert found(data) == [(Wrong.EXTRA, at(data, stranger))]
    stranger.unlink()
    original, aside = media(data, 0), data / "aside"
    original.rename(aside)
    original.symlink_to(aside)
    assert found(data) == [(Wrong.MISSING, at(data, original))]


def test_two_recordings_that_changed_places_are_altered(data: Path) -> None:
    one, other, aside = media(data, 0), media(data, 2), data / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert found(data) == [(Wrong.ALTERED, at(data, one)), (Wrong.ALTERED, at(data, other))]


def test_what_was_deleted_and_is_there_again_is_extra(data: Path) -> None:
    link = next(link for line in lines_of(data) if (link := read_link(line)) and link.kind is Kind.GONE)
    back = data / "recordings" / link.folder / "take-1.mp4"
    back.write_bytes(b"back")
    assert found(data) == [(Wrong.EXTRA, at(data, back))]


def test_an_altered_link_is_named_even_if_its_recording_was_altered_with_it(data: Path) -> None:
    flip(media(data, 0))
    lines = lines_of(data)
    first = read_link(lines[0])
    assert first
    write_lines(data, [line_of(replace(first, sha256=hash_of(media(data, 0).read_bytes()))), *lines[1:]])
    assert (Wrong.ALTERED, "link 1") in found(data)


def test_a_link_taken_out_is_missing_and_one_put_in_twice_is_extra(data: Path) -> None:
    lines = lines_of(data)
    write_lines(data, [*lines[:3], *lines[4:]])
    assert (Wrong.MISSING, "link 4") in found(data)
    write_lines(data, [*lines, lines[3]])
    assert found(data) == [(Wrong.EXTRA, "link 4")]


def test_links_in_another_order_are_reordered(data: Path) -> None:
    lines = lines_of(data)
    write_lines(data, [*lines[:3], lines[4], lines[3], *lines[5:]])
    assert found(data) == [(Wrong.REORDERED, "link 4")]


def test_a_take_linked_anew_is_named(data: Path) -> None:
    """Somebody who can append says that an altered recording is the true one."""
    flip(media(data, 0))
    link = read_link(lines_of(data)[0])
    assert link
    sha256 = hash_of(media(data, 0).read_bytes())
    chain = Chain(data / "recordings")
    with chain.held() as tip:
        tip.append(replace(link, number=tip.number, previous=tip.previous, sha256=sha256))
    assert (Wrong.ALTERED, "link 8") in found(data)


def test_a_chain_written_anew_is_found_by_a_head_noted_before_and_by_nothing_else(data: Path) -> None:
    noted = verify(data).head
    links = [link for line in lines_of(data) if (link := read_link(line))]
    flip(media(data, 4))
    (data / "recordings" / "chain.jsonl").unlink()
    chain = Chain(data / "recordings")
    for link in links:
        changed = link
        path = data / "recordings" / link.folder / f"{link.take_id}.json"
        with chain.held() as tip:
            if link.kind is Kind.TAKE and path.exists():
                content = json.loads(path.read_text())
                sha256 = hash_of((path.parent / link.file).read_bytes())
                content |= {"sha256": sha256, "chain": {"number": tip.number, "previous": tip.previous}}
                path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
                changed = replace(link, sha256=sha256, sidecar_sha256=hash_of(path.read_bytes()))
            tip.append(replace(changed, number=tip.number, previous=tip.previous))
    assert found(data) == []
    assert found(data, head=noted) == [(Wrong.ALTERED, "the chain")]


def test_an_end_that_was_cut_off_is_found_by_a_head_noted_before(data: Path) -> None:
    lines = lines_of(data)
    assert verify(data, noted_head=hash_of(lines[2])).after_noted_head == 4
    assert verify(data, noted_head=hash_of(lines[-1])).after_noted_head == 0
    head = verify(data).head
    shutil.rmtree(media(data, 4).parent)
    write_lines(data, lines[:-2])
    assert found(data) == []
    assert found(data, head=head) == [(Wrong.ALTERED, "the chain")]


def test_a_line_that_a_crash_cut_is_no_finding_and_is_gone_with_the_next_link(data: Path) -> None:
    path = data / "recordings" / "chain.jsonl"
    path.write_bytes(path.read_bytes() + b'{"number":8,"previ')
    assert found(data) == []
    record(data / "recordings", TakeId("take-5"))
    assert found(data) == []
    assert verify(data).links == 8


def test_a_take_under_way_is_no_finding(data: Path) -> None:
    folder = media(data, 0).parent
    for name in ("take-7.part", "take-7.journal.json", "take-7.reserve", "take-7.jpg"):
        (folder / name).write_bytes(b"{}")
    report = verify(data)
    assert (report.findings, report.unfinished) == ([], 1)
    (folder / "take-7.journal.json").unlink()
    assert [finding.what for finding in verify(data).findings] == [at(data, folder / "take-7.jpg")]


def test_a_bundle_is_asked_only_for_what_it_says_it_holds(data: Path) -> None:
    root = data / "recordings"
    (root / "bundle.json").write_text(json.dumps({"takes": [TAKES[0], TAKES[2]]}))
    for number in (3, 4):
        shutil.rmtree(media(data, number).parent)
    report = verify(root)
    assert (report.findings, report.takes, report.left_out) == ([], 2, 2)
    assert report.bundle and not verify(root.parent).bundle
    flip(media(data, 2))
    assert found(root) == [(Wrong.ALTERED, at(data, media(data, 2)))]
    (root / "bundle.json").write_text(json.dumps({"takes": ["stranger"]}))
    assert (Wrong.EXTRA, "bundle.json") in found(root)


@pytest.mark.parametrize("folder", ["../..", "/etc", "a/../../..", ""])
def test_names_in_a_chain_lead_nowhere_else(data: Path, folder: str) -> None:
    lines = lines_of(data)
    link = read_link(lines[0])
    assert link
    write_lines(data, [line_of(replace(link, folder=folder, file="../secret")), *lines[1:]])
    assert (Wrong.ALTERED, "link 1") in found(data)


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"\xff" * 9000, b'{"number":' + b"9" * 4000 + b"\n"])
def test_a_chain_of_other_bytes_is_named_and_takes_go_on(data: Path, content: bytes) -> None:
    (data / "recordings" / "chain.jsonl").write_bytes(content)
    assert found(data)
    record(data / "recordings", TakeId("take-6"))
    assert not any(what.endswith(("take-6.webm", "take-6.json")) for _, what in found(data))


def test_a_chain_that_was_taken_away_leaves_strangers(data: Path) -> None:
    (data / "recordings" / "chain.jsonl").unlink()
    assert {wrong for wrong, _ in found(data)} == {Wrong.EXTRA}


def test_a_data_directory_without_recordings_is_whole(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    assert verify(tmp_path).whole
    assert not verify(tmp_path, noted_head="a" * 64).whole


def test_a_folder_without_a_chain_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(NothingToVerify):
        verify(tmp_path)


def test_a_finding_about_what_changed_meanwhile_is_taken_back(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A take is deleted in order after the chain was read, and another is recorded."""
    root = data / "recordings"
    path = media(data, 3)
    real = os.walk

    def walk(*args: object, **kwargs: object) -> object:
        Chain(root).note_gone(path.parent, TAKES[3])
        record(root, TakeId("take-8"))
        return real(*args, **kwargs)  # type: ignore[call-overload]

    shutil.rmtree(path.parent)
    monkeypatch.setattr("recorder.verify.os.walk", walk)
    assert verify(data).findings == []


def test_a_finding_says_whose_it_is(data: Path) -> None:
    flip(media(data, 2))
    assert verify(data).findings == [
        Finding(Wrong.ALTERED, at(data, media(data, 2)), "its content is not what was recorded", "take-2")
    ]
