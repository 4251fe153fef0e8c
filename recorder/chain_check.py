"""What `verify` finds out of the chain alone: lines altered, missing, put in or moved. Nothing is written.

Lines and names may be hostile: every read is bounded, and no link to elsewhere is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from recorder.chain import BEFORE_THE_FIRST, FILE_NAME, LINE_LIMIT_BYTES, Link, hash_of, read_link
from recorder.messages import RecorderError

LINKS_LIMIT: Final = 3_000_000
CHAIN_LIMIT_BYTES: Final = 1 << 30
READ_BYTES: Final = 1024 * 1024


class NothingToVerify(RecorderError):
    """No chain is there, or it cannot be read; the text is a sentence."""


class Wrong(StrEnum):
    ALTERED = "altered"
    MISSING = "missing"
    EXTRA = "extra"
    REORDERED = "reordered"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is a file below the folder, or "link 12": see `shown`. `take_id` is "" where it concerns none."""

    wrong: Wrong
    what: str
    detail: str
    take_id: str = ""


@dataclass(slots=True)
class Report:
    """`takes` were checked, of which `found` are older than the chain; `gone` were deleted in order, `left_out` are
    none of this bundle's."""

    root: Path
    head: str = BEFORE_THE_FIRST
    links: int = 0
    bundle: bool = False
    takes: int = 0
    found: int = 0
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


def opened(path: Path) -> BinaryIO:
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


def chain_lines(path: Path) -> Iterator[bytes]:
    """Whole lines without their newlines; one that a crash cut is no link yet. None where no take was ever recorded."""
    with contextlib.suppress(FileNotFoundError), opened(path) as file:
        count = 0
        while line := file.readline(LINE_LIMIT_BYTES + 1):
            count += 1
            if count > LINKS_LIMIT or file.tell() > CHAIN_LIMIT_BYTES:
                raise NothingToVerify(f"{path} has more than {LINKS_LIMIT} lines, or {CHAIN_LIMIT_BYTES} bytes.")
            rest = line
            while rest and not rest.endswith(b"\n"):  # longer than any link
                rest = file.readline(READ_BYTES)
            if not rest:
                return
            yield line.removesuffix(b"\n")


def shown(name: str) -> str:
    """As it can be printed: what is no character for people, be it no character at all, by its code."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in name)


def check_chain(lines: list[bytes], report: Report, noted_head: str) -> list[Link]:
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
    expected = 1
    for number in sorted(number for number in hashes if number <= highest):
        if number > expected:
            what = f"link {expected}" if number == expected + 1 else f"links {expected} to {number - 1}"
            found.append(Finding(Wrong.MISSING, what, "the chain goes on without it"))
        expected = number + 1
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
