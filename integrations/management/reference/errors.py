"""The page of every error: classes from their docstrings, codes from the source."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from rest_framework import exceptions as framework

from integrations import exceptions
from integrations.api.errors import FAULTS_OF_VALUES, STATUSES
from integrations.management.reference.codes import FoundCode, find_codes
from integrations.management.reference.markdown import code, first_paragraph, page, table

PACKAGE = Path(exceptions.__file__).parent
INTRO = """\
Everything that this product raises on purpose is an `IntegrationError` of
`integrations.exceptions`. Its `message` is safe to show, its `code` is for programs, and its
`help_url` leads to [Troubleshooting](troubleshooting.md). The API's answer is described in [HTTP
API](http-api.md#errors)."""


def errors_page(troubleshooting: str) -> str:
    """Classes and codes; `troubleshooting` is the text of the page that explains the codes."""
    causes = _causes(troubleshooting)
    kinds = [
        [code(kind.__name__), first_paragraph(kind.__doc__), code(kind.default_code), str(status)]
        for kind, status in _classes()
    ]
    codes = [
        [
            f"[`{found.code}`](troubleshooting.md#{found.code})",
            causes.get(found.code, ""),
            _given(found),
        ]
        for found in answered_codes(PACKAGE).values()
    ]
    return page(
        "Errors",
        INTRO,
        "## Classes",
        table(["class", "meaning", "code unless another is given", "HTTP status"], kinds),
        "## Codes",
        table(["code", "cause", "comes as"], codes),
    )


def answered_codes(*packages: Path) -> dict[str, FoundCode]:
    """The codes of the source and those that the API's framework answers with, by name."""
    found = find_codes(*packages)
    for _name, kind in inspect.getmembers(framework, inspect.isclass):
        if issubclass(kind, framework.APIException) and kind is not framework.APIException:
            found.setdefault(kind.default_code, FoundCode(kind.default_code))
    return {code: found[code] for code in sorted(found) if code not in FAULTS_OF_VALUES}


def _classes() -> Iterator[tuple[type[exceptions.IntegrationError], int]]:
    for _name, kind in inspect.getmembers(exceptions, inspect.isclass):
        if issubclass(kind, exceptions.IntegrationError):
            yield kind, next(STATUSES[each] for each in kind.__mro__ if each in STATUSES)


def _causes(troubleshooting: str) -> dict[str, str]:
    """The sentences between a code's heading and what to do."""
    sections = re.findall(r"^### `(\w+)`\n\n(.+?)\n\n", troubleshooting, re.MULTILINE | re.DOTALL)
    return dict(sections)


def _given(found: FoundCode) -> str:
    """The error classes that carry the code; helpers' names say nothing to a reader."""
    names = {kind.__name__ for kind, _status in _classes()} & found.given_to
    return ", ".join(code(name) for name in sorted(names)) or "the code of an answer or a row"
