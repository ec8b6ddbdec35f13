"""The page of the settings that `integrations/conf.py` declares."""

from __future__ import annotations

from typing import Any

from integrations.conf import Setting, declared
from integrations.management.reference.markdown import code, page, table

INTRO = """\
What the hub itself reads, in this project and inside a host project: from Django's settings where
the project defines the name, else from the environment variable (also `NAME_FILE`), else the
default. The names that only this repository's project reads, and longer explanations, are in
[Settings](settings.md)."""


def hub_settings_page() -> str:
    """Name, kind, meaning and default of each."""
    rows = [
        [code(item.name), _kind(item), str(item.__doc__), _default(item)]
        for item in sorted(declared(), key=lambda item: item.name)
    ]
    return page("Settings of the hub", INTRO, table(["name", "kind", "meaning", "default"], rows))


def _kind(item: Setting[Any]) -> str:
    kinds = {bool: "switch", int: "whole number", float: "number", list: "list", dict: "JSON"}
    return kinds.get(type(item.default), "text")


def _default(item: Setting[Any]) -> str:
    if isinstance(item.default, bool):
        return "on" if item.default else "off"
    return code(item.default) if item.default not in ("", [], {}) else ""
