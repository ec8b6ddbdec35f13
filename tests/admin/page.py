"""An admin page as a browser has it: what its form would send, what a reader sees."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class FormReader(HTMLParser):
    """Collects what a browser would post: inputs, ticked boxes, chosen options, text areas."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.names: set[str] = set()
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        name = found.get("name", "")
        if name and tag in ("input", "select", "textarea"):
            self.names.add(name)
        if tag == "input" and name:
            self._read_input(name, found)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in found:
            self.values[self._select] = found.get("value", "")
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""

    def _read_input(self, name: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind in ("checkbox", "radio"):
            if "checked" in found:
                self.values[name] = found.get("value") or "on"
        elif kind != "submit":
            self.values[name] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            # A browser drops the line break right after the tag.
            self.values[self._area] += data.removeprefix("\r\n").removeprefix("\n")


def read_form(html: str) -> dict[str, str]:
    """What the page's form would post as it stands."""
    reader = FormReader()
    reader.feed(html[html.index('settings_form"') :])
    return reader.values


class SettingsPage:
    """The M-Pesa settings page of one row (or the add page), used as a person uses it."""

    def __init__(self, client: Client, row_id: int | None = None) -> None:
        self.client = client
        folder = "/admin/integrations/mpesasettings/"
        self.url = f"{folder}add/" if row_id is None else f"{folder}{row_id}/change/"
        self.test_url = f"{self.url}test/"

    def html(self) -> str:
        response = self.client.get(self.url)
        assert response.status_code == 200
        return response.content.decode()

    def save(self, **changes: Any) -> Any:
        """Type the changes and press Save."""
        return self.client.post(self.url, self._filled(changes))

    def test(self, *, script: bool = False, **changes: Any) -> Any:
        """Type the changes and press "Test connection", with or without the page's script."""
        headers = {"Accept": "application/json"} if script else {}
        return self.client.post(self.test_url, self._filled(changes), headers=headers)

    def _filled(self, changes: dict[str, Any]) -> dict[str, Any]:
        return {
            **read_form(self.html()),
            **{name.replace("__", "-"): v for name, v in changes.items()},
        }


def assert_holds_no_part(html: str, *texts: str) -> None:
    """No six characters in a row of any of these texts appear in the page."""
    for text in texts:
        pieces = {text[i : i + 6] for i in range(len(text) - 5)}
        shown = [piece for piece in pieces if piece in html]
        assert not shown, f"{len(shown)} pieces of a secret are in the page, such as {shown[0]!r}"
