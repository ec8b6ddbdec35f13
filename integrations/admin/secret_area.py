"""A secret of several lines: a write-only text area, always empty."""

from __future__ import annotations

from typing import Any

from unfold.widgets import TEXTAREA_CLASSES

from integrations.crypto.forms import SecretInput


class SecretArea(SecretInput):
    """A box for keys and certificates; a line box would lose their line breaks."""

    template_name = "django/forms/widgets/textarea.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": "5", "class": " ".join(TEXTAREA_CLASSES), **(attrs or {})})
