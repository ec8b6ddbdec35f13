"""Where settings replace what the reference tells of a product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError
from integrations.models.kra_rules import read_lines
from integrations.providers.kra.client.gavaconnect.products import PRODUCTS, Product

_CODES, _GOOD, _TOKEN = "code", "good", "token"


def product_of(config: Snapshot, operation: str) -> Product:
    """The product as these settings have it.

    Raises ConfigurationError for lines of the settings that can't be read, KeyError for an
    operation that GavaConnect does not have.
    """
    product = PRODUCTS[operation]
    own_path = config.values.get(product.path_setting) if product.path_setting else ""
    path = _lines(config, "paths").get(operation) or own_path or product.path
    keys, codes, good = dict(product.keys), product.codes, product.good
    token_path = product.token_path
    for name, value in _facts(config, operation):
        if name == _CODES:
            codes = frozenset(value.split())
        elif name == _GOOD:
            good = frozenset(value.lower().split())
        elif name == _TOKEN:
            token_path = _path(value, product)
        else:
            keys[name] = value
    return replace(
        product, path=_path(path, product), keys=keys, codes=codes, good=good, token_path=token_path
    )


def _path(value: object, product: Product) -> str:
    if not str(value).startswith("/"):
        raise ConfigurationError(f"The path of “{product.title}” must begin with a slash.")
    return str(value)


def _facts(config: Snapshot, operation: str) -> Iterator[tuple[str, str]]:
    for name, value in _lines(config, "gavaconnect_facts").items():
        about, _dot, what = name.partition(".")
        if about not in PRODUCTS or not what:
            raise ConfigurationError(
                f"gavaconnect_facts: “{name[:40]}” names no product and value, such as "
                "“station.code = 84000”."
            )
        if about == operation:
            yield what, value


def _lines(config: Snapshot, setting: str) -> Mapping[str, str]:
    """“name = value” lines of a setting; raises ConfigurationError for one without a value."""
    found = dict(read_lines(str(config.values.get(setting) or "")))
    for name, value in found.items():
        if not value:
            raise ConfigurationError(f"{setting}: “{name[:60]}” has no value after it.")
    return found
