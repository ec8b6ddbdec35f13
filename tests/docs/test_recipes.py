"""Recipes of the how-to pages, run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from integrations.config import get_snapshot
from integrations.crypto import keyring
from integrations.events import publish
from integrations.exceptions import DecryptionError
from integrations.models import (
    AppSettings,
    DomainEvent,
    InboundCallback,
    MpesaSettings,
)
from integrations.signals import integration_event
from tests.conftest import run_work
from tests.crypto.app.models import HostSettings

DOCS = Path(__file__).parent.parent.parent / "docs"


def recipe(page: str, beginning: str) -> str:
    """The Python block of a page that begins so."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


def use_keys(settings: Any, *keys: str) -> None:
    settings.CYPHER_KEY = ",".join(keys)
    keyring.forget()


@pytest.mark.django_db(transaction=True)
def test_the_printed_rotation_leaves_nothing_under_the_old_key(settings: Any) -> None:
    old, new, database_key = (Fernet.generate_key().decode() for _ in range(3))
    use_keys(settings, old)
    row = MpesaSettings.objects.create(passkey="the passkey", consumer_key="the key")
    InboundCallback.objects.create(route="stk", body='{"raw": 1}')
    use_keys(settings, new, old)
    page = "how-to/replace-the-encryption-key.md"
    exec(recipe(page, "from integrations import registry"), {})
    use_keys(settings, new)
    row.refresh_from_db()
    assert (row.passkey.reveal(), row.consumer_key.reveal()) == ("the passkey", "the key")
    assert row.secret_hosts == row.outbound_hosts()
    assert InboundCallback.objects.get().raw_body() == b'{"raw": 1}'

    use_keys(settings, old)
    with pytest.raises(DecryptionError):
        row.passkey.reveal()
    AppSettings.objects.create(cypher_key=database_key)
    use_keys(settings, new, old)
    exec(recipe(page, "from integrations.models import AppSettings"), {})
    use_keys(settings, new)
    assert AppSettings.objects.get().cypher_key.reveal() == database_key


@pytest.mark.django_db(transaction=True)
def test_the_printed_rotation_confirms_no_host_that_nobody_confirmed(settings: Any) -> None:
    row = MpesaSettings.objects.create(passkey="the passkey")
    MpesaSettings.objects.filter(pk=row.pk).update(sandbox_url="https://elsewhere.example")
    page = "how-to/replace-the-encryption-key.md"
    exec(recipe(page, "from integrations import registry"), {})
    row.refresh_from_db()
    assert row.secret_hosts != row.outbound_hosts()


@pytest.mark.django_db(transaction=True)
def test_the_printed_business_gets_settings_of_its_own() -> None:
    code = recipe("how-to/add-a-business.md", "from integrations.models import MpesaSettings")
    exec(code, dict.fromkeys(("consumer_key", "consumer_secret", "passkey"), "a secret"))
    snapshot = get_snapshot("mpesa", "branch-7")
    assert (snapshot.configured, snapshot.source) == (True, "row")


@pytest.mark.django_db(transaction=True)
def test_the_printed_receiver_hears_a_success() -> None:
    invoices = FakeInvoices()
    names = {"Invoice": type("Invoice", (), {"objects": invoices})}
    exec(recipe("how-to/listen-to-events.md", "from django.dispatch"), names)
    try:
        publish("payment.succeeded", {"account_reference": "INV001", "receipt": "UAE4X7K2QP"})
        run_work("events")
    finally:
        integration_event.disconnect(names["settle_invoice"])
    assert DomainEvent.objects.get().work_state == "done"
    assert invoices.paid == [({"number": "INV001"}, {"paid": True, "receipt": "UAE4X7K2QP"})]


class FakeInvoices:
    """A host ERP's manager, which this project does not have."""

    def __init__(self) -> None:
        self.paid: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def filter(self, **wanted: Any) -> FakeInvoices:
        self._wanted = wanted
        return self

    def update(self, **values: Any) -> None:
        self.paid.append((self._wanted, values))


@pytest.mark.django_db(transaction=True)
def test_the_printed_bulk_change_of_a_host_key_is_used_at_once(settings: Any) -> None:
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    settings.INTEGRATIONS_STAMP_SECONDS = 3600
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    HostSettings.objects.create(cypher_key=old)
    keyring.forget()
    assert Fernet(old).decrypt(keyring.encrypt("hush").encode())
    names = {"AppSettings": HostSettings, "new_key": new}
    exec(recipe("how-to/host-key-model.md", "from django.db import transaction"), names)
    assert Fernet(new).decrypt(keyring.encrypt("hush").encode())
