"""The connection test of KRA: what the row is for, asked in the cheapest way that proves it.

It never initialises a device (reference, section 12).
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, IntegrationError, TransportError
from integrations.models.kra_rules import PRODUCTS as PAIRS
from integrations.providers.kra.client import EtimsClient
from integrations.providers.kra.client.gavaconnect import PRODUCTS, GavaClient

_NOTHING = (
    "There is nothing to test yet: enter the device serial, or a client id and secret of "
    "GavaConnect."
)
# A product without a key of its own: it uses the general pair.
_GENERAL = "station"


def uses_etims(config: Snapshot) -> bool:
    """Whether the row has a control unit, or is to have one."""
    values = config.values
    known = values["device_serial"] or values["control_unit_id"]
    return bool(known or config.tokens["communication_key"])


def pairs_of(config: Snapshot) -> Iterator[tuple[str, str]]:
    """(title, operation) for each pair of GavaConnect keys that is set."""
    for pair in ("", *PAIRS):
        name = f"{pair}_client_id" if pair else "client_id"
        if config.tokens[name]:
            operation = {"withholding": "withholding_vat"}.get(pair, pair or _GENERAL)
            yield (PRODUCTS[operation].title if pair else "GavaConnect"), operation


def check_gavaconnect(config: Snapshot) -> str:
    """A token for each pair that is set; "" where none is.

    Raises what `GavaClient.check` raises, the text saying which pair it is.
    """
    found = list(pairs_of(config))
    client = GavaClient(config)
    for title, operation in found:
        try:
            client.check(operation)
        except IntegrationError as error:
            error.message = f"{title}: {error.message}"
            raise
    if not found:
        return ""
    keys = "the keys" if len(found) == 1 else f"the keys of all {len(found)} pairs"
    return f"GavaConnect at {client.base_url} takes {keys}."


def check_etims(config: Snapshot) -> str:
    """The code lists of today, by the row's transport; "" for a row without a control unit.

    Raises what `EtimsClient.check` raises.
    """
    if not uses_etims(config):
        return ""
    client = EtimsClient(config)
    try:
        return client.check()
    except TransportError as error:
        if client.transport == "vscu":
            error.message = f"{error.message} Is the VSCU program running at {client.base_url}?"
        raise


def check_connection(config: Snapshot) -> str:
    """What works, in a sentence or two.

    Raises the first error found, whose text has what was found of the other part.
    """
    told: list[str] = []
    failed: list[IntegrationError] = []
    for check in (check_etims, check_gavaconnect):
        try:
            told.append(check(config))
        except IntegrationError as error:
            failed.append(error)
    said = [text for text in told if text]
    if failed:
        first, *others = failed
        first.message = " ".join([first.message, *(each.message for each in others), *said])
        raise first
    if not said:
        raise ConfigurationError(_NOTHING)
    return " ".join(said)
