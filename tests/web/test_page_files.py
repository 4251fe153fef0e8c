"""The files behind the pages: vendored ones unchanged, nothing inline, no colour outside the tokens."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
STATIC = WEB / "static"
VENDOR = STATIC / "vendor"
LETTERS = sorted((WEB / "templates" / "mail").glob("*.html"))
TEMPLATES = sorted(set((WEB / "templates").rglob("*.html")) - set(LETTERS))
OWN_SHEETS = sorted(path for path in (STATIC / "css").glob("*.css") if path.name != "tokens.css")
FIRST_VISIT_BYTES = 150_000


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    lines = [line.split(maxsplit=1) for line in (VENDOR / "CHECKSUMS").read_text().splitlines()]
    pinned = {name: digest for digest, name in lines}
    ours = {"CHECKSUMS", "README.md"}
    found = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    assert set(pinned) == set(found) - ours
    for name, digest in pinned.items():
        assert hashlib.sha256(found[name].read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(WEB / "templates").as_posix())
def test_a_template_has_no_inline_script_or_style_and_no_foreign_origin(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("letter", LETTERS, ids=lambda path: path.name)
def test_a_letter_has_no_script_and_no_foreign_origin(letter: Path) -> None:
    """Its styles are inline: mail programs read no style sheets."""
    text = letter.read_text()
    assert not re.search(r"<script|\son[a-z]+=|javascript:", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("sheet", OWN_SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_takes_its_colours_from_the_tokens(sheet: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
    assert not re.findall(r":[^;{}]*(?:#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\()", text)


def test_every_colour_name_of_light_that_dark_changes_exists_in_light() -> None:
    light, dark = (STATIC / "css" / "tokens.css").read_text().split("@media (prefers-color-scheme: dark)")[:2]
    names = re.compile(r"(--[a-z-]+):")
    changed = set(names.findall(dark.split("@media")[0]))
    assert changed and changed <= set(names.findall(light))


def test_all_the_candidates_styles_and_scripts_fit_the_first_visit() -> None:
    files = [*(STATIC / "js" / "candidate").glob("*.js"), *OWN_SHEETS, STATIC / "css" / "tokens.css"]
    files.append(VENDOR / "pico" / "pico.min.css")
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < FIRST_VISIT_BYTES * 2 // 3
