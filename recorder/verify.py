"""Whether a recordings folder, or an exported part of one, is what its chain says: offline, and nothing is written.

Needs the files alone: no database, no server, no settings. One that runs meanwhile is no disturbance: what it links or
deletes while we look is looked up at the end. Names come from files that may be hostile: none leads out of the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from recorder.chain import BEFORE_THE_FIRST, FILE_NAME, LINE_LIMIT_BYTES, Kind, Link, hash_of, read_link
from recorder.messages import RecorderError

BUNDLE_NAME: Final = "bundle.json"
SIDECAR_LIMIT_BYTES: Final = 16 * 1024 * 1024
LINKS_LIMIT: Final = 5_000_000
_READ_BYTES: Final = 1024 * 1024
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_UNFINISHED: Final = (".part", ".journal.json", ".reserve", ".tmp")


class NothingToVerify(RecorderError):
    """No chain is there, or it cannot be read; the text is a sentence."""


class Wrong(StrEnum):
    ALTERED = "altered"
    MISSING = "missing"
    EXTRA = "extra"
    REORDERED = "reordered"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is a file below the folder, or "link 12". `take_id` is "" where it concerns none."""

    wrong: Wrong
    what: str
    detail: str
    take_id: str = ""


@dataclass(slots=True)
class Report:
    """`takes` were checked; `gone` were deleted in order, `left_out` are none of this bundle's."""

    root: Path
    head: str = BEFORE_THE_FIRST
    links: int = 0
    takes: int = 0
    gone: int = 0
    left_out: int = 0
    unfinished: int = 0
    read_bytes: int = 0
    after_noted_head: int | None = None
    """Links since the head that was noted elsewhere; None when none was given, or it is not in the chain."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.findings


Progress = Callable[[int, int], None]
"""Told how many bytes of how many are read."""


def verify(path: Path, *, noted_head: str = "", progress: Progress = lambda done, of: None) -> Report:
    """Reads every recording. `path` is a data directory, its recordings, or a bundle.

    Raises NothingToVerify, and OSError where something cannot be read.
    """
    root = _root(path)
    lines = list(_lines(root / FILE_NAME))
    report = Report(root, links=len(lines))
    links = _check_chain(lines, report, noted_head)
    _Takes(root, report, _in_bundle(root)).check(links, progress)
    later = [link for line in list(_lines(root / FILE_NAME))[len(lines) :] if (link := read_link(line))]
    if later:
        ids = {link.take_id for link in later}
        report.findings = [each for each in report.findings if each.take_id not in ids]
    return report


def _root(path: Path) -> Path:
    if (path / "recordings").is_dir():
        return path / "recordings"
    if (path / FILE_NAME).is_file():
        return path
    raise NothingToVerify(f"{path} is no data directory and no bundle of recordings: there is no {FILE_NAME} in it.")


def _opened(path: Path) -> BinaryIO:
    """A regular file, and no link to one. Raises FileNotFoundError for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (NotADirectoryError, FileNotFoundError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        if path.is_symlink():
            raise FileNotFoundError(path) from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(path)
    return os.fdopen(fd, "rb")


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines without their newlines; one that a crash cut is no link yet. None where no take was ever recorded."""
    with contextlib.suppress(FileNotFoundError), _opened(path) as file:
        for count in range(LINKS_LIMIT + 1):
            line = file.readline(LINE_LIMIT_BYTES + 1)
            if count == LINKS_LIMIT:
                raise NothingToVerify(f"{path} has more than {LINKS_LIMIT} lines.")
            rest = line
            while rest and not rest.endswith(b"\n"):  # longer than any link
                rest = file.readline(_READ_BYTES)
            if not rest:
                return
            yield line.removesuffix(b"\n")


def _in_bundle(root: Path) -> frozenset[str] | None:
    """The takes that a bundle says it holds; None for a whole folder."""
    try:
        with _opened(root / BUNDLE_NAME) as file:
            takes = json.loads(file.read(SIDECAR_LIMIT_BYTES))["takes"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        takes = None
    if not isinstance(takes, list) or not all(isinstance(take, str) for take in takes):
        raise NothingToVerify(f"{root / BUNDLE_NAME} does not say which takes are in this bundle.")
    return frozenset(takes)


def _check_chain(lines: list[bytes], report: Report, noted_head: str) -> list[Link]:
    """The links that can be read, in their order; what is wrong with the chain itself goes into the report."""
    links: list[Link] = []
    hashes: dict[int, str] = {}
    found = report.findings
    for place, line in enumerate(lines, 1):
        link = read_link(line)
        if link is None:
            found.append(Finding(Wrong.ALTERED, f"link {place}", f"line {place} of {FILE_NAME} is not a link"))
            hashes.setdefault(place, hash_of(line))
            continue
        if link.number in hashes:
            found.append(
                Finding(Wrong.EXTRA, f"link {link.number}", f"there is another with this number, line {place}")
            )
            continue
        hashes[link.number] = hash_of(line)
        links.append(link)
    highest = 0
    for link in links:
        if link.number < highest:
            found.append(Finding(Wrong.REORDERED, f"link {link.number}", f"it comes after link {highest}"))
        highest = max(highest, link.number)
    found.extend(
        Finding(Wrong.MISSING, f"link {number}", "the chain goes on without it")
        for number in range(1, highest)
        if number not in hashes
    )
    for link in links:
        before = BEFORE_THE_FIRST if link.number == 1 else hashes.get(link.number - 1)
        if before is not None and link.previous != before:
            what = f"link {max(link.number - 1, 1)}"
            found.append(Finding(Wrong.ALTERED, what, f"link {link.number} was made to follow another"))
    report.head = hash_of(lines[-1]) if lines else BEFORE_THE_FIRST
    if noted_head:
        places = [place for place, line in enumerate(lines, 1) if hash_of(line) == noted_head]
        if noted_head == BEFORE_THE_FIRST:
            places = [0]
        if places:
            report.after_noted_head = len(lines) - places[0]
        else:
            found.append(
                Finding(Wrong.ALTERED, "the chain", "no link has the head that was noted: it was cut, or written anew")
            )
    return sorted(links, key=lambda link: link.number)


class _Takes:
    """The files of all takes against the last that the chain says of each."""

    def __init__(self, root: Path, report: Report, bundle: frozenset[str] | None) -> None:
        self._root, self._report, self._bundle = root, report, bundle
        self._takes: dict[str, Link] = {}
        self._looks: dict[str, Link] = {}
        self._gone: dict[str, Link] = {}
        self._known: set[str] = {FILE_NAME, BUNDLE_NAME}
        self._of = 0

    def _find(self, wrong: Wrong, what: str, detail: str, take_id: str) -> None:
        self._report.findings.append(Finding(wrong, what, detail, take_id))

    def check(self, links: list[Link], progress: Progress) -> None:
        for link in links:
            if not _is_plain(link):
                self._find(Wrong.ALTERED, f"link {link.number}", "its names are no file names", link.take_id)
            elif link.kind is Kind.GONE:
                self._gone[link.take_id] = link
            elif link.kind is Kind.LOOKED:
                self._looks[link.take_id] = link
            elif (before := self._takes.get(link.take_id)) is not None or link.take_id in self._gone:
                first = before or self._gone[link.take_id]
                detail = f"link {first.number} says what became of this take; link {link.number} says it anew"
                self._find(Wrong.ALTERED, f"link {link.number}", detail, link.take_id)
            else:
                self._takes[link.take_id] = link
        report = self._report
        report.gone = len(self._gone)
        wanted = [link for take_id, link in self._takes.items() if take_id not in self._gone and self._is_in(take_id)]
        report.left_out = sum(1 for take_id in self._takes if take_id not in self._gone and not self._is_in(take_id))
        report.takes = len(wanted)
        if self._bundle is not None:
            for take_id in sorted(self._bundle - self._takes.keys()):
                self._find(Wrong.EXTRA, BUNDLE_NAME, "it names a take that is in no link", take_id)
        self._of = sum(link.size_bytes for link in wanted)
        for link in wanted:
            self._check_take(link, progress)
        self._check_others()

    def _is_in(self, take_id: str) -> bool:
        return self._bundle is None or take_id in self._bundle

    def _check_take(self, link: Link, progress: Progress) -> None:
        take_id, folder = link.take_id, link.folder
        if link.file:
            self._check_file(_place(folder, link.file), link.sha256, take_id, progress)
        name = _place(folder, f"{take_id}.json")
        if self._check_file(name, link.sidecar_sha256, take_id):
            sidecar = _json(self._root / name)
            if sidecar.get("file") and (sidecar.get("sha256"), sidecar.get("file")) != (link.sha256, link.file):
                self._find(Wrong.ALTERED, f"link {link.number}", "it names another file than the sidecar", take_id)
            place = sidecar.get("chain")
            if place != {"number": link.number, "previous": link.previous}:
                self._find(Wrong.ALTERED, f"link {link.number}", "it is not where the sidecar says", take_id)
            beside = sidecar.get("beside")
            for other, sha256 in beside.items() if isinstance(beside, dict) else ():
                if isinstance(sha256, str) and _PLAIN.fullmatch(other):
                    self._check_file(_place(folder, other), sha256, take_id)
        else:  # nothing says how they were
            self._known |= {_place(folder, f"{take_id}{suffix}") for suffix in (".jpg", ".waveform.json")}
        look = self._looks.get(take_id)
        if look is not None:
            self._check_file(_place(look.folder, look.file), look.sha256, take_id)

    def _check_file(self, name: str, sha256: str, take_id: str, progress: Progress | None = None) -> bool:
        """Whether the file is there and as it was."""
        self._known.add(name)
        try:
            with _opened(self._root / name) as file:
                digest = hashlib.sha256()
                while piece := file.read(_READ_BYTES):
                    digest.update(piece)
                    self._report.read_bytes += len(piece)
                    if progress is not None:
                        progress(min(self._report.read_bytes, self._of), self._of)
        except FileNotFoundError:
            self._find(Wrong.MISSING, name, "it is not there", take_id)
            return False
        if digest.hexdigest() != sha256:
            self._find(Wrong.ALTERED, name, "its content is not what was recorded", take_id)
            return False
        return True

    def _check_others(self) -> None:
        """What is there besides: takes under way, files of takes that should be gone, and strangers."""
        unfinished: Counter[str] = Counter()
        for name in _files(self._root):
            take_id = PurePosixPath(name).name.partition(".")[0]
            if name in self._known:
                continue
            if name.endswith(_UNFINISHED) or self._under_way(name, take_id):
                unfinished[take_id] += 1
            elif take_id in self._gone:
                self._find(Wrong.EXTRA, name, f"deleted by link {self._gone[take_id].number}, and still there", take_id)
            else:
                self._find(Wrong.EXTRA, name, "no link knows it", take_id)
        self._report.unfinished = len(unfinished)

    def _under_way(self, name: str, take_id: str) -> bool:
        """A take that is being finished has its journal until it is linked."""
        return take_id not in self._takes and (self._root / name).with_name(f"{take_id}.journal.json").exists()


def _is_plain(link: Link) -> bool:
    names = [*(link.folder.split("/") if link.folder != "." else ()), link.take_id, *([link.file] if link.file else [])]
    return all(_PLAIN.fullmatch(name) for name in names) and (not link.file or link.file.startswith(f"{link.take_id}."))


def _place(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError, FileNotFoundError), _opened(path) as file:
        found = json.loads(file.read(SIDECAR_LIMIT_BYTES))
        return found if isinstance(found, dict) else {}
    return {}


def _files(root: Path) -> Iterator[str]:
    """Every file below the folder, links to others included; no link is followed."""
    for folder, folders, files in os.walk(root, onerror=_cannot):
        folders.sort()
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *linked]):
            yield (Path(folder) / name).relative_to(root).as_posix()


def _cannot(error: OSError) -> None:
    raise error
