"""The search: planted secrets, learned secrets, and ciphertext where it has no business."""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.hunt.plants import kind_of, needles
from tests.hunt.spool import MARK

CIPHERTEXT = "ciphertext of a secret"
# Ciphertext belongs into the database and the cache.
_CIPHERTEXT = re.compile(rb"gAAAAA[\w\-]{20,}")
# What a page shows once, on purpose, to whoever made it; nothing else of it may be anywhere.
_SHOWN_ONCE = {
    ("admin/integrations/c2bregistration/register/<int:pk>/", "secret of a callback path"),
}
_MAY_HOLD_CIPHERTEXT = {"database", "database file", "cache", "exception"}
_CANDIDATE = re.compile(
    rb"(?<![A-Za-z0-9])(?:[0-9a-f]{32}|[A-Za-z0-9]{28})(?![A-Za-z0-9])"
)  # fmt: skip
_AROUND = 400


@dataclass(frozen=True)
class Finding:
    """A secret in a place where none may be. Never holds the secret."""

    channel: str
    where: str
    kind: str
    how: str
    test: str

    def __str__(self) -> str:
        place = f"{self.channel} ({self.where})" if self.where else self.channel
        return f"{place}: the {self.kind}, {self.how}; nearest test {self.test}"


@dataclass
class Result:
    """What was searched, and what was found."""

    findings: list[Finding] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    size: int = 0


def hunt(folder: Path) -> Result:
    """Search everything that was kept in `folder`."""
    result = Result()
    learned = _learned(folder)
    found: dict[Finding, None] = {}
    for path in sorted(folder.glob("*.spool")):
        if not path.stat().st_size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            result.size += len(data)
            result.records.update(_channels(data))
            found |= dict.fromkeys(_search(data, learned))
    result.findings = list(found)
    return result


def _learned(folder: Path) -> dict[bytes, str]:
    lines = [line for path in folder.glob("*.learned") for line in path.read_bytes().splitlines()]
    return {value: kind.decode() for kind, _, value in (line.partition(b"\t") for line in lines)}


def _channels(data: mmap.mmap) -> Iterator[str]:
    for match in re.finditer(rb'\x1e\{"channel": "([^"]+)"', data):
        yield match[1].decode()


def _search(data: mmap.mmap, learned: dict[bytes, str]) -> Iterator[Finding]:
    for at, kind, how in secrets_in(data, learned):
        start = data.rfind(MARK, 0, at + 1)
        head = json.loads(data[start + 1 : data.find(b"\n", start)])
        if (head["where"], kind) in _SHOWN_ONCE and head["channel"] == "admin page":
            continue
        if kind != CIPHERTEXT or head["channel"] not in _MAY_HOLD_CIPHERTEXT:
            yield Finding(head["channel"], head["where"], kind, how, head["test"])


def secrets_in(
    data: mmap.mmap | bytes, learned: Mapping[bytes, str] = MappingProxyType({})
) -> Iterator[tuple[int, str, str]]:
    """Position, kind and encoding of each secret, one per record and encoding."""
    for needle, how in needles().items():
        at = data.find(needle)
        while at >= 0:
            yield at, kind_of(data[max(0, at - _AROUND) : at + _AROUND]), how
            following = data.find(MARK, at)
            at = data.find(needle, following) if following >= 0 else -1
    for match in _CANDIDATE.finditer(data):
        if match[0] in learned:
            yield match.start(), learned[match[0]], "as it is"
    for match in _CIPHERTEXT.finditer(data):
        yield match.start(), CIPHERTEXT, "as it is"
