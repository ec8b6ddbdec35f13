"""Forms of models with secrets: write-only, and wrong keys answered on the field."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.widgets import INPUT_CLASSES

from integrations.crypto import Secret, fingerprint
from integrations.crypto.fields import EncryptedTextField
from integrations.exceptions import ConfigurationError, DecryptionError, IntegrationError

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm

KEY_MISMATCH = "Set, but the encryption key does not match: it can't be read."


# Of names such as "b2c version", which Django takes for words.
_ACRONYM = re.compile(r"\b(?:url|b2c|c2b|kra)\b", re.IGNORECASE)


def spelled(label: str) -> str:
    """A field's name with its acronyms in capitals."""
    return _ACRONYM.sub(lambda found: found[0].upper(), label)


class SecretForm(_ModelForm):
    """A ModelForm that seals typed secrets while cleaning, so no plaintext goes further.

    A secret that can't be sealed (no key, a malformed key) is an error of its field.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = spelled(str(field.label or ""))
            if name in self.secret_names():
                field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
                told = describe_secret(getattr(self.instance, name), self.saved_at(name))
                field.help_text = format_html('<span class="secret-state">{}</span> {}',
                                              told, field.help_text)  # fmt: skip
            if field.help_text:
                # The theme writes the text but not the id by which inputs refer to it.
                place = self[name].id_for_label
                field.help_text = format_html('<span id="{}_helptext">{}</span>',
                                              place, field.help_text)  # fmt: skip

    @classmethod
    def secret_names(cls) -> set[str]:
        """The encrypted fields of the model."""
        fields = cls._meta.model._meta.concrete_fields
        return {field.name for field in fields if isinstance(field, EncryptedTextField)}

    def saved_at(self, name: str) -> datetime | None:
        """When this secret was typed, where the row knows."""
        moment = getattr(self.instance, "secrets_saved", {}).get(name)
        return datetime.fromisoformat(moment) if moment else None

    def clean(self) -> dict[str, Any] | None:
        """Put sealed values in place of typed ones."""
        cleaned = super().clean()
        for name in self.secret_names() & set(self.cleaned_data):
            value = self.cleaned_data[name]
            if not isinstance(value, str):
                continue
            model_field: Any = self._meta.model._meta.get_field(name)
            try:
                self.cleaned_data[name] = model_field.seal(value)
            except IntegrationError as error:
                self.add_error(name, error.message)
        return cleaned


def describe_secret(secret: Secret, saved_at: datetime | None = None) -> SafeString | str:
    """ "Set, fingerprint 4f2a, saved 3 days ago": never any part of the value or its token."""
    if not secret:
        return "Not set."
    try:
        told = f"Set, fingerprint {fingerprint(secret.reveal())}"
    except DecryptionError:
        return KEY_MISMATCH
    except ConfigurationError as error:
        return KEY_MISMATCH if error.code == "key_mismatch" else f"Set, unreadable: {error.message}"
    if saved_at is None:
        return f"{told}."
    return f"{told}, saved {tell_age(saved_at)}."


def tell_age(moment: datetime) -> str:
    """ "3 days ago", or "just now" within the minute."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"
