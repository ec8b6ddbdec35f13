"""What a check of a configuration looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from integrations import registry
from integrations.config import Snapshot
from integrations.crypto import Secret
from integrations.exceptions import ConfigurationError, DecryptionError
from integrations.models import Environment, SettingsModel


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line about one field. `reason` and `action` are for people and hold no secret."""

    level: Level
    field: str
    reason: str
    action: str = ""

    @property
    def line(self) -> str:
        """As a command prints it."""
        told = f"{self.level.value.upper():<8} {self.field}: {self.reason}"
        return f"{told} {self.action}".rstrip()


@dataclass(frozen=True, repr=False)
class Subject:
    """One configuration under examination; `row` is None where variables or defaults speak."""

    config: Snapshot
    row: SettingsModel | None = None

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.config.environment == Environment.PRODUCTION

    @property
    def short_code(self) -> str:
        """The account, as it stands in the settings."""
        return str(self.config.values.get("short_code") or "")

    @property
    def account_field(self) -> str:
        """The field that names one of several accounts; "" where there is one."""
        return str(registry.settings_model(self.config.slug).account_field)

    @property
    def account(self) -> str:
        """The account, whatever the integration calls it."""
        return str(self.value(self.account_field) or "") if self.account_field else ""

    def value(self, name: str) -> Any:
        """A field that is no secret."""
        return self.config.values.get(name)

    def secret(self, name: str) -> str:
        """A secret in clear, for looking at its shape; "" where it is empty or unreadable."""
        return self._opened[0].get(name, "")

    @property
    def unreadable(self) -> dict[str, str]:
        """Secrets that are set and can't be opened, by name, with the reason."""
        return self._opened[1]

    @property
    def has_secrets(self) -> bool:
        """Whether everything that calls need can be opened."""
        return not self.unreadable

    @cached_property
    def _opened(self) -> tuple[dict[str, str], dict[str, str]]:
        clear, sealed = {}, {}
        for name, token in self.config.tokens.items():
            try:
                clear[name] = Secret(token, where=self.config.where.format(name)).reveal()
            except (DecryptionError, ConfigurationError) as failure:
                sealed[name] = failure.message
        return clear, sealed


# A check yields what it found; nothing where it does not apply.
Check = Callable[[Subject], Iterable[Finding]]


def ok(name: str, reason: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, name, reason)


def warning(name: str, reason: str, action: str) -> Finding:
    """It may work; somebody should look."""
    return Finding(Level.WARNING, name, reason, action)


def error(name: str, reason: str, action: str) -> Finding:
    """It can't work, or works on something that was not meant."""
    return Finding(Level.ERROR, name, reason, action)
