"""The way to GavaConnect: a token for each pair of credentials, and one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput, Unsupported
from integrations.outbound import Call, Client, Limits
from integrations.providers.kra.client.gavaconnect.answers import (
    GavaAnswer,
    classify,
    read_answer,
    rejects_token,
)
from integrations.providers.kra.client.gavaconnect.overrides import product_of
from integrations.providers.kra.client.gavaconnect.products import Product
from integrations.providers.kra.client.tokens import credential_of, fetch_token
from integrations.providers.kra.client.wire import wire_value

# Seconds: what is beyond it is found lost by the look after filings, which waits longer.
LONGEST_WAIT = 180.0
TOKEN_SECONDS = 30.0


class GavaClient:
    """GavaConnect with the credentials of one row. Cheap to make; connections are pooled."""

    def __init__(self, config: Snapshot) -> None:
        config.require_configured()
        self.config = config
        self.base_url = str(config.values["gavaconnect_url"]).rstrip("/")

    def ask(
        self,
        operation: str,
        values: Mapping[str, Any],
        *,
        deadline: float | None = None,
        reference: str = "",
    ) -> GavaAnswer:
        """Ask a product. `values` go by our names of them, or are the whole body of a PRN.

        Raises what `body_of` and `send` raise.
        """
        body = self.body_of(operation, values)
        return self.send(operation, body, deadline=deadline, reference=reference)

    def body_of(self, operation: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The exact body that `send` sends, to be stored before.

        Raises InvalidInput for a value too many or too few, Unsupported where nobody knows how
        to ask, ConfigurationError for settings that can't be read.
        """
        return build_body(product_of(self.config, operation), values)

    def send(
        self,
        operation: str,
        body: Mapping[str, Any],
        *,
        deadline: float | None = None,
        reference: str = "",
    ) -> GavaAnswer:
        """Send a body that was made by `body_of`.

        Raises ProviderError where KRA said no, OutcomeUnknown or TransportError (sent) where the
        answer of a write was lost, ConfigurationError for missing keys.
        """
        product = product_of(self.config, operation)
        door = self._door(product)
        wait = min(float(self.config.values["read_timeout"]), LONGEST_WAIT)
        call = Call(
            operation=operation,
            method="POST",
            url=self.base_url + product.path,
            json=body,
            idempotent=not product.is_write,
            limits=Limits(read=wait, total=wait + TOKEN_SECONDS),
            deadline=deadline,
            reference=reference,
        )
        response = door.send(
            call,
            authorize=self._authorize(door, product),
            rejects_token=rejects_token,
            classify=partial(classify, product=product),
        )
        return read_answer(response, product)

    def check(self, operation: str = "pin_by_pin") -> str:
        """Get a token with the credentials of a product: nothing else is asked.

        Raises ProviderError or TransportError with a text for the person who typed the keys.
        """
        product = product_of(self.config, operation)
        door = self._door(product)
        door.require_host(self.base_url)
        door.renew_token(self._authorize(door, product))
        return f"Connected to {self.base_url}: the credentials of “{product.title}” are accepted."

    def access_token(self, operation: str = "pin_by_pin") -> str:
        """The token of a product's credentials, fetched where none is known; a secret.

        Raises ConfigurationError, ProviderError and TransportError.
        """
        product = product_of(self.config, operation)
        door = self._door(product)
        door.require_host(self.base_url)
        return door.obtain_token(self._authorize(door, product))

    def _door(self, product: Product) -> Client:
        """For one pair, and one place where its tokens are had: they are shared by both."""
        own = [product.token_path] if product.token_path else []
        rate = float(max(1, self.config.values["requests_per_second"]))
        return Client(
            "kra",
            credential=credential_of(*pair_of(self.config, product), *own),
            hosts=self.config.hosts,
            business=self.config.business,
            environment=self.config.environment,
            rate=(rate, rate),
        )

    def _authorize(self, door: Client, product: Product) -> Callable[[float], tuple[str, float]]:
        pair = pair_of(self.config, product)
        return partial(_fetch, self.config, door, pair, product.token_path)


def _fetch(
    config: Snapshot, door: Client, pair: tuple[str, str], path: str, deadline: float
) -> tuple[str, float]:
    return fetch_token(config, door, *pair, deadline, path=path)


def pair_of(config: Snapshot, product: Product) -> tuple[str, str]:
    """(client id, secret): the product's own pair, else the general one (section 1).

    Raises ConfigurationError where a pair is incomplete, or there is none.
    """
    prefixes = [f"{product.credentials}_", ""] if product.credentials else [""]
    for prefix in prefixes:
        names = f"{prefix}client_id", f"{prefix}client_secret"
        key, secret = (config.text(name) for name in names)
        if key and secret:
            return key, secret
        if key or secret:
            missing = names[1] if key else names[0]
            raise ConfigurationError(f"GavaConnect: enter {missing} too.")
    raise ConfigurationError(
        f"GavaConnect: there is no key for “{product.title}”. Enter its client id and secret, or "
        "the general ones, in the KRA settings."
    )


def build_body(product: Product, values: Mapping[str, Any]) -> dict[str, Any]:
    """The body as the product wants it; raises as `GavaClient.body_of` does."""
    if product.is_open:
        return {key: _renamed(value, product.keys) for key, value in values.items()}
    if not product.keys:
        raise Unsupported(f"KRA does not tell how to ask for “{product.title}”.")
    for name in (*(set(values) - set(product.keys)), *(set(product.keys) - set(values))):
        what = "is not known" if name in values else "is needed"
        raise InvalidInput(name, f"{what} for “{product.title}”.")
    body = wire_value({product.keys[name]: value for name, value in values.items()})
    return {product.envelope: body} if product.envelope else body


def _renamed(value: Any, keys: Mapping[str, str]) -> Any:
    """A part of the caller's body, with keys that the settings spell otherwise (11.1)."""
    if isinstance(value, Mapping):
        return {keys.get(name, name): _renamed(item, keys) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, keys) for item in value]
    return wire_value(value)
