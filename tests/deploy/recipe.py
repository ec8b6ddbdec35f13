"""The Dockerfile and compose.yaml as data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Stage:
    """One FROM of the Dockerfile and the instructions behind it."""

    image: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [rest for word, rest in self.steps if word == name]

    def one(self, name: str) -> str:
        [found] = self.all(name)
        return found


def stages() -> list[Stage]:
    found: list[Stage] = []
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage(rest))
        elif found:
            found[-1].steps.append((word, rest))
    return found


def build() -> Stage:
    return stages()[0]


def final() -> Stage:
    return stages()[-1]


def command() -> list[str]:
    return list(json.loads(final().one("CMD")))


def health_command() -> list[str]:
    return list(json.loads(re.split(r"\bCMD\b", final().one("HEALTHCHECK"))[1]))


def copied() -> list[str]:
    """Names and patterns that the build stage takes from the checkout."""
    return [name for line in build().all("COPY") for name in line.split()[:-1]]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found
