"""Recipes of the how-to pages, run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User

from integrations.config import get_snapshot
from integrations.crypto import keyring
from integrations.events import catalogue, publish
from integrations.management.commands.rotate_encryption_key import Command
from integrations.models import DomainEvent, MpesaSettings
from integrations.signals import integration_event
from tests.conftest import run_work
from tests.crypto.app.models import HostSettings

DOCS = Path(__file__).parent.parent.parent / "docs"


def recipe(page: str, beginning: str) -> str:
    """The Python block of a page that begins so."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


def test_the_printed_rotation_commands_are_understood() -> None:
    text = (DOCS / "how-to/replace-the-encryption-key.md").read_text()
    printed = re.findall(r"python manage\.py rotate_encryption_key([^`\n]*)", text)
    assert len(printed) >= 5
    parser = Command().create_parser("manage.py", "rotate_encryption_key")
    for options in printed:
        parser.parse_args(options.split())


@pytest.mark.django_db(transaction=True)
def test_the_printed_business_gets_settings_of_its_own() -> None:
    code = recipe("how-to/add-a-business.md", "from integrations.models import MpesaSettings")
    exec(code, dict.fromkeys(("consumer_key", "consumer_secret", "passkey"), "a secret"))
    snapshot = get_snapshot("mpesa", "branch-7")
    assert (snapshot.configured, snapshot.source) == (True, "row")


def test_the_printed_program_makes_a_token_and_starts_a_payment(
    mpesa: MpesaSettings, public_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "how-to/call-the-api.md"
    user = User.objects.create_user("web-shop")
    rights = Permission.objects.filter(codename__in=("view_payment", "push_payment"))
    user.user_permissions.set(rights)
    names: dict[str, Any] = {"user": user, "base": public_url}
    exec(recipe(page, "from datetime import timedelta"), names)
    names["token"] = capsys.readouterr().out.strip()
    exec(recipe(page, "import requests"), names)
    assert names["answer"].status_code == 201
    exec(recipe(page, "address ="), names)
    assert names["state"] in ("pending", "succeeded")


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


@pytest.mark.django_db(transaction=True)
def test_the_printed_events_are_published_and_catalogued() -> None:
    page = "how-to/listen-to-events.md"
    exec(recipe(page, "from integrations.events import publish"), {})
    names: dict[str, Any] = {"publish": publish}
    for _ in range(2):
        exec(recipe(page, "from uuid import NAMESPACE_URL"), names)
    exec(recipe(page, "from integrations.events import NewEvent"), {})
    told = DomainEvent.objects.order_by("pk").values_list("payload", "business")
    numbers = ["INV001", "INV001", "INV001", "INV002"]
    assert list(told) == [({"number": number}, "branch-7") for number in numbers]
    try:
        exec(recipe(page, "from integrations.events.catalogue"), {})
        assert catalogue.version_of("invoice.sent") == 1
        assert catalogue.find_event_type("invoice.sent") is not None
    finally:
        catalogue._types.pop("invoice.sent", None)


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
