"""A frozen view of one integration's configuration for one business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from integrations.crypto import EncryptedStr, Secret
from integrations.exceptions import ConfigurationError


@dataclass(frozen=True)
class Snapshot:
    """What one process knows of an integration's settings at one stamp.

    `source` is "row", "environment" or "default". `values` holds everything but the secrets;
    `tokens` their ciphertext. `hosts` are the "host:port" the secrets were entered for.
    `owner` is the business whose row it is: "" where the installation's is shared.
    `where` has a place for a field's name and says in errors where the secret is stored.
    Revealed secrets stay inside this object, in this process: they are not pickled with it.
    """

    slug: str
    label: str
    business: str
    source: str
    configured: bool
    active: bool
    environment: str
    hosts: frozenset[str]
    values: Mapping[str, Any]
    row_id: int | None = None
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    where: str = "{}"
    owner: str = ""

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    @cached_property
    def _revealed(self) -> dict[str, Any]:
        opened = {
            name: Secret(token, where=self.where.format(name)).reveal()
            for name, token in self.tokens.items()
        }
        return {**self.values, **opened, **self._meta}

    @cached_property
    def _raw(self) -> dict[str, Any]:
        sealed = {name: EncryptedStr(token) for name, token in self.tokens.items()}
        return {**self.values, **sealed, **self._meta}

    @property
    def _meta(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "configured": self.configured,
            "environment": self.environment,
            "business": self.business,
        }

    def as_dict(self, *, decrypt_secrets: bool = True) -> dict[str, Any]:
        """A fresh dict; secrets revealed, or as ciphertext of type EncryptedStr.

        Raises DecryptionError where a secret can't be read; never an empty one instead.
        """
        return (self._revealed if decrypt_secrets else self._raw).copy()

    def text(self, name: str) -> str:
        """A field as text, secrets revealed."""
        return str(self._revealed[name] or "")

    def require_configured(self) -> None:
        """Raise ConfigurationError unless everything required is set.

        Enough to ask about what was sent before the integration was switched off.
        """
        if not self.configured:
            raise ConfigurationError(f"{self.label} is not configured.")

    def require_usable(self) -> None:
        """Raise ConfigurationError unless everything required is set and switched on."""
        self.require_configured()
        if not self.active:
            raise ConfigurationError(f"{self.label} is switched off.", code="inactive")
