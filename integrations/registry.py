"""What exists: integrations and what they declare. Knows no models, no rows, no network.

Higher layers register here at import or in `apps.ready`; lower layers only read.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from integrations.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration, as its settings model declares it.

    `slug` names the getter (`get_<slug>_config`), the connection test, the health key and the
    environment variables (`<SLUG>_<FIELD>`); `name` is the `Integrations.name` row; `constant`
    names `DEFAULT_<constant>_CONFIG`. `required` are the fields without which it is not
    configured. `strict` refuses a business that has no settings (payments, tax, banks).
    `portal_url` is the provider's page where the credentials are found, `portal_help` says where
    on it; `docs_url` is the provider's documentation. Settings pages show them.
    """

    slug: str
    name: str
    label: str
    category: str
    required: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    constant: str = ""
    strict: bool = True
    portal_url: str = ""
    portal_help: str = ""
    docs_url: str = ""

    @property
    def default_constant(self) -> str:
        """The name of the documented defaults, such as DEFAULT_MPESA_CONFIG."""
        return f"DEFAULT_{self.constant or self.slug.upper()}_CONFIG"


# A connection test takes the integration's config snapshot and returns a short true sentence,
# or raises an IntegrationError that says what is wrong.
ConnectionTest = Callable[[Any], str]
# Takes settings rows and returns sentences by their primary keys; asks no provider.
RowWarnings = Callable[[Sequence[Any]], Mapping[Any, list[str]]]

# Documented health keys, so that a caller finds them before their integration is built.
DOCUMENTED_SLUGS = ("mpesa", "kra", "sms", "email", "card_payment")

_integrations: dict[str, Integration] = {}
_models: dict[str, type[Any]] = {}
_tests: dict[str, ConnectionTest] = {}
_warnings: dict[str, RowWarnings] = {}


def register_integration(integration: Integration, model: type[Any]) -> None:
    """Declare an integration by its settings model; twice under one slug is an error."""
    present = _models.get(integration.slug)
    if present is not None and present.__qualname__ != model.__qualname__:
        raise ConfigurationError(f"Integration {integration.slug!r} is declared twice.")
    _integrations[integration.slug] = integration
    _models[integration.slug] = model


def register_connection_test(slug: str, test: ConnectionTest) -> None:
    """Give an integration its cheapest authenticated call; it moves no money."""
    _tests[slug] = test


def register_row_warnings(slug: str, tell: RowWarnings) -> None:
    """Give an integration what it knows to need somebody, whether or not it is connected."""
    _warnings[slug] = tell


def row_warnings(slug: str) -> RowWarnings | None:
    """The warnings of this slug, if it has any."""
    return _warnings.get(slug)


def integrations() -> Iterable[Integration]:
    """Everything declared, in order of declaration."""
    return tuple(_integrations.values())


def find_integration(slug: str) -> Integration | None:
    """The declaration under this slug, if any."""
    return _integrations.get(slug)


def get_integration(slug: str) -> Integration:
    """The declaration under this slug; raises ConfigurationError for an unknown one."""
    try:
        return _integrations[slug]
    except KeyError:
        raise ConfigurationError(f"There is no integration {slug!r}.", code="unknown") from None


def settings_model(slug: str) -> type[Any]:
    """The settings model that declared this slug; raises ConfigurationError."""
    get_integration(slug)
    return _models[slug]


def connection_test(slug: str) -> ConnectionTest | None:
    """The connection test of this slug, if it has one."""
    return _tests.get(slug)


def discover_providers() -> None:
    """Import each folder of `integrations.providers`; its `__init__` registers what it has."""
    package = importlib.import_module("integrations.providers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def integration_names() -> list[tuple[str, str]]:
    """Choices of `Integrations.name`; a callable, so a new integration needs no migration."""
    return [(item.name, item.label) for item in _integrations.values()]


def integration_types() -> list[tuple[str, str]]:
    """Choices of `Integrations.integration_type`."""
    kinds = dict.fromkeys(["PAYMENT", *(item.category for item in _integrations.values())])
    return [(kind, kind.replace("_", " ").capitalize()) for kind in kinds]
