"""Write-only form input of a secret: blank keeps, a box clears, nothing is ever rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.crypto.masking import MASK


class _Keep:
    def __repr__(self) -> str:
        return "KEEP"

    def __bool__(self) -> bool:
        return False


KEEP: Final = _Keep()


class SecretInput(forms.PasswordInput):
    """A password box that is always empty, and a box to clear what is stored."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        # Browsers fill saved passwords into anything that looks like a login form.
        super().__init__({"autocomplete": "new-password", "spellcheck": "false", **(attrs or {})})

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The empty input and, where a secret is stored, the clear box."""
        box = super().render(name, None, attrs, renderer)
        if not value:
            return box
        return format_html(
            '{} <label class="secret-clear"><input type="checkbox" name="{}-clear" '
            'aria-label="Clear the stored {}"> Clear</label>',
            box,
            name,
            name.rpartition("-")[2].replace("_", " "),
        )

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """What was typed, "" for the ticked clear box, KEEP for a blank input."""
        typed = data.get(name) or ""
        # White space alone would be stripped to "", and that means clear.
        if typed.strip():
            return typed
        return "" if data.get(f"{name}-clear") else KEEP

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Whether neither the input nor the box was in the form."""
        return name not in data and f"{name}-clear" not in data


class SecretFormField(forms.CharField):
    """Cleans to the typed text, "" (clear) or KEEP; refuses the mask."""

    widget = SecretInput

    def to_python(self, value: Any) -> Any:
        """Typed text without the white space that pasting adds at the ends."""
        return value if value is KEEP else super().to_python(value)

    def validate(self, value: Any) -> None:
        """Refuse the mask; a required secret may be kept but not left out."""
        if isinstance(value, str) and MASK in value:
            raise forms.ValidationError(
                "This is the mask shown in place of a secret. Type the secret, or leave it blank.",
                code="mask_as_value",
            )

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is stored, never what was typed: it only decides whether the clear box shows."""
        return initial

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Only typing or clearing is a change."""
        return data is not KEEP and bool(data or initial)
