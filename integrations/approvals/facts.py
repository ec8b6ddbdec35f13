"""The facts that an approver sees, and the digest by which they are found changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from integrations.approvals.kinds import Kind

Facts = list[list[str]]
GONE = "it does not exist any more"


def facts_of(kind: Kind, subject: Any) -> Facts:
    """The subject in [name, text] pairs, in the kind's order."""
    return [[str(name), str(text)] for name, text in kind.describe(subject).items()]


def digest_of(facts: Iterable[Sequence[str]]) -> str:
    """What stands for the facts: equal for equal ones only."""
    text = json.dumps([list(pair) for pair in facts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def changed_names(before: Iterable[Sequence[str]], now: Iterable[Sequence[str]]) -> list[str]:
    """The names of the facts that differ, those that came and went included."""
    old = {name: text for name, text in before}  # noqa: C416 (pairs of any sequence)
    new = {name: text for name, text in now}  # noqa: C416
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]
