"""Every code block of the documentation is well formed, and its commands and links exist."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]*)#([^)\s]+)\)")


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    """(page, text) of every block of this kind, without the indent of its list."""
    for page in PAGES:
        for indent, found, text in BLOCK.findall(page.read_text()):
            if found == kind:
                yield page.name, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def names(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    plain = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {slugify(re.sub(r"[`*]|&[lg]t;", "", heading), "-") for heading in headings}


@pytest.mark.parametrize(("page", "text"), list(blocks("python")))
def test_python_can_be_parsed(page: str, text: str) -> None:
    # A signature shown alone is a call with parameters: only its shape is meant.
    ast.parse(re.sub(r"\*,\s", "", text))


@pytest.mark.parametrize(("page", "text"), list(blocks("json")))
def test_json_can_be_read(page: str, text: str) -> None:
    json.loads(text)


def test_management_commands_exist() -> None:
    printed = {
        (page, command)
        for page, text in blocks("console")
        for command in re.findall(r"manage\.py (\w+)", text)
    }
    assert len(printed) > 5
    known = set(get_commands())
    assert [each for each in printed if each[1] not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_pages_lead_to_headings(page: Path) -> None:
    targets = [
        (page.parent / (file or page.name), anchor)
        for file, anchor in LINK.findall(page.read_text())
    ]
    local = [(file, anchor) for file, anchor in targets if file.suffix == ".md" and file.exists()]
    assert [(file.name, anchor) for file, anchor in local if anchor not in names(file)] == []


def test_the_search_for_headings_can_fail() -> None:
    page = ROOT / "docs/reference/troubleshooting.md"
    assert "bad_key" in names(page)
    assert "bad-key" not in names(page)
