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
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from recorder.chain import FILE_NAME, Kind, Link, read_link
from recorder.chain_check import (
    READ_BYTES,
    Finding,
    NothingToVerify,
    Report,
    Wrong,
    chain_lines,
    check_chain,
    opened,
    shown,
)

__all__ = ["BUNDLE_NAME", "Finding", "NothingToVerify", "Progress", "Report", "Wrong", "verify"]

BUNDLE_NAME: Final = "bundle.json"
SIDECAR_LIMIT_BYTES: Final = 16 * 1024 * 1024
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_UNFINISHED: Final = (".part", ".journal.json", ".reserve", ".tmp")
_OF_THE_FILE_SYSTEM: Final = "lost+found"

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are read."""


def verify(path: Path, *, noted_head: str = "", progress: Progress = lambda done, of: None) -> Report:
    """Reads every recording. `path` is a data directory, its recordings, or a bundle.

    Of a data directory all is wanted: a `bundle.json` in it takes nothing out. Raises NothingToVerify, and OSError
    where the chain cannot be read.
    """
    root = _root(path)
    bundle = _in_bundle(root) if root == path else None
    lines = list(chain_lines(root / FILE_NAME))
    report = Report(root, links=len(lines), bundle=bundle is not None)
    links = check_chain(lines, report, noted_head)
    _Takes(root, report, bundle).check(links, progress)
    for line in list(chain_lines(root / FILE_NAME))[len(lines) :]:
        if (link := read_link(line)) is not None:
            report.findings = [each for each in report.findings if not _explains(link, each)]
    return report


def _explains(later: Link, finding: Finding) -> bool:
    """Whether what was found is no more than what this link says, which came while we looked."""
    if finding.take_id != later.take_id:
        return False
    if later.kind is Kind.GONE or finding.wrong is Wrong.EXTRA:
        return True
    if later.kind is Kind.LOOKED:
        return finding.what == _place(later.folder, f"{later.take_id}.look.json")
    return finding.wrong is Wrong.MISSING and finding.what == _place(later.folder, later.file)


def _root(path: Path) -> Path:
    if (path / "recordings").is_dir():
        return path / "recordings"
    if (path / FILE_NAME).is_file():
        return path
    raise NothingToVerify(f"{path} is no data directory and no bundle of recordings: there is no {FILE_NAME} in it.")


def _in_bundle(root: Path) -> frozenset[str] | None:
    """The takes that a bundle says it holds; None for a whole folder."""
    try:
        with opened(root / BUNDLE_NAME) as file:
            takes = json.loads(file.read(SIDECAR_LIMIT_BYTES))["takes"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        takes = None
    if not isinstance(takes, list) or not all(isinstance(take, str) for take in takes):
        raise NothingToVerify(f"{root / BUNDLE_NAME} does not say which takes are in this bundle.")
    return frozenset(takes)


class _Takes:
    """The files of all takes against the last that the chain says of each."""

    def __init__(self, root: Path, report: Report, bundle: frozenset[str] | None) -> None:
        self._root, self._report, self._bundle = root, report, bundle
        self._takes: dict[str, Link] = {}
        self._looks: dict[str, Link] = {}
        self._gone: dict[str, Link] = {}
        self._known: set[str] = {FILE_NAME} if bundle is None else {FILE_NAME, BUNDLE_NAME}
        self._of = 0

    def _find(self, wrong: Wrong, what: str, detail: str, take_id: str) -> None:
        self._report.findings.append(Finding(wrong, shown(what), detail, take_id))

    def check(self, links: list[Link], progress: Progress) -> None:
        found_until = next((link.number for link in links if link.kind is not Kind.FOUND), 0)
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
                if link.kind is Kind.FOUND and 0 < found_until < link.number:
                    detail = f"a take from before the chain, but link {found_until} is before it"
                    self._find(Wrong.ALTERED, f"link {link.number}", detail, link.take_id)
        report = self._report
        report.gone = len(self._gone)
        wanted = [link for take_id, link in self._takes.items() if take_id not in self._gone and self._is_in(take_id)]
        report.left_out = sum(1 for take_id in self._takes if take_id not in self._gone and not self._is_in(take_id))
        report.takes = len(wanted)
        report.found = sum(1 for link in wanted if link.kind is Kind.FOUND)
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
            here = {"number": link.number, "previous": link.previous}
            if sidecar.get("chain") != (None if link.kind is Kind.FOUND else here):
                self._find(Wrong.ALTERED, f"link {link.number}", "it is not where the sidecar says", take_id)
            beside = sidecar.get("beside")
            if link.kind is Kind.FOUND:  # its sidecar says only which they are
                others = (sidecar.get("poster"), sidecar.get("waveform"))
                self._known |= {_place(folder, other) for other in others if isinstance(other, str)}
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
        digest = hashlib.sha256()
        try:
            with opened(self._root / name) as file:
                while piece := file.read(READ_BYTES):
                    digest.update(piece)
                    self._report.read_bytes += len(piece)
                    if progress is not None:
                        progress(min(self._report.read_bytes, self._of), self._of)
        except FileNotFoundError:
            self._find(Wrong.MISSING, name, "it is not there", take_id)
            return False
        except OSError as error:
            self._find(Wrong.UNREADABLE, name, error.strerror or type(error).__name__, take_id)
            return False
        if digest.hexdigest() != sha256:
            self._find(Wrong.ALTERED, name, "its content is not what was recorded", take_id)
            return False
        return True

    def _check_others(self) -> None:
        """What is there besides: takes under way, files of takes that should be gone, and strangers."""
        unfinished: Counter[str] = Counter()
        for name in self._files():
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
        """A take that is being finished has its journal until it is linked, and its sidecar after."""
        beside = (self._root / name).with_name
        return (
            take_id not in self._takes
            and beside(f"{take_id}.journal.json").exists()
            and not beside(f"{take_id}.json").exists()
        )

    def _files(self) -> Iterator[str]:
        """Every file below the root, links to others included; no link is followed."""
        for folder, folders, files in os.walk(self._root, onerror=self._cannot_look):
            here = Path(folder)
            if here == self._root and _OF_THE_FILE_SYSTEM in folders:
                folders.remove(_OF_THE_FILE_SYSTEM)
            folders.sort()
            linked = [name for name in folders if (here / name).is_symlink()]
            for name in sorted([*files, *linked]):
                yield (here / name).relative_to(self._root).as_posix()

    def _cannot_look(self, error: OSError) -> None:
        where = Path(error.filename or self._root)
        name = where.relative_to(self._root).as_posix() if where.is_relative_to(self._root) else str(where)
        self._find(Wrong.UNREADABLE, name, error.strerror or type(error).__name__, "")


def _is_plain(link: Link) -> bool:
    names = [*(link.folder.split("/") if link.folder != "." else ()), link.take_id, *([link.file] if link.file else [])]
    return all(_PLAIN.fullmatch(name) for name in names) and (not link.file or link.file.startswith(f"{link.take_id}."))


def _place(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError, FileNotFoundError), opened(path) as file:
        found = json.loads(file.read(SIDECAR_LIMIT_BYTES))
        return found if isinstance(found, dict) else {}
    return {}
