"""The client of eTIMS over real HTTP against the emulator: every transport, every fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.config import clear_cache, get_snapshot
from integrations.exceptions import IntegrationError, OutcomeUnknown, TransportError
from integrations.models import KRASettings
from integrations.providers.kra.client import EtimsClient, EtimsRefused
from integrations.providers.kra.codes import Kind
from tests.kra.conftest import kra_values
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import ABSENT, line, sale

WAYS = ("oscu_direct", "oscu_gateway", "vscu")
BY_WAY = pytest.mark.parametrize("way", WAYS)
Make = Callable[..., EtimsClient]


def body(number: int, **changes: Any) -> dict[str, Any]:
    return sale(number, tin=ABSENT, bhfId=ABSENT, **changes)


@pytest.fixture
def make(transactional_db: None, sandbox: SandboxDriver, settings: Any) -> Make:
    """A client of a branch whose device is ready at the emulator."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]

    def client(way: str, **changes: Any) -> EtimsClient:
        device = sandbox.kra_device(transport=way)
        values = {"communication_key": device["communication_key"]}
        if way == "oscu_gateway":
            values |= sandbox.kra("apps")
        KRASettings.objects.all().delete()
        KRASettings.objects.create(**kra_values(sandbox, way, **values, **changes))
        clear_cache()
        return EtimsClient(get_snapshot("kra"))

    return client


def refused(call: Callable[[], Any]) -> EtimsRefused:
    with pytest.raises(EtimsRefused) as caught:
        call()
    return caught.value


@BY_WAY
def test_a_sale_is_signed_and_found(make: Make, sandbox: SandboxDriver, way: str) -> None:
    client = make(way)
    signed = client.send_sale(body(1))
    [sold] = sandbox.kra_unit()["sales"]
    assert signed.signature == sold["signature"]
    assert (signed.receipt_number, signed.total_receipt_number) == (1, 1)
    assert signed.signed_at is not None
    assert client.check()
    if way == "vscu":
        return
    found = client.find_invoice(1)
    assert found is not None
    assert found.receipt is not None
    assert found.receipt.signature == signed.signature
    assert client.find_invoice(2) is None


@BY_WAY
def test_counters_as_text_and_keys_with_spaces(
    make: Make, sandbox: SandboxDriver, way: str
) -> None:
    client = make(way)
    for number, fault in enumerate(("string_counters", "spaced_keys"), start=1):
        sandbox.kra_fault(fault)
        assert client.send_sale(body(number)).total_receipt_number == number


@BY_WAY
def test_a_number_that_kra_has_and_one_that_it_does_not_expect(
    make: Make, sandbox: SandboxDriver, way: str
) -> None:
    client = make(way)
    client.send_sale(body(1))
    twice = refused(lambda: client.send_sale(body(1))).meaning
    if way == "oscu_gateway":  # It compares numbers, and knows no duplicates.
        assert (twice.kind, twice.expected) == (Kind.SEQUENCE, 2)
    else:
        assert (twice.kind, twice.code) == (Kind.DUPLICATE, {"vscu": "899"}.get(way, "994"))
    gap = refused(lambda: client.send_sale(body(5))).meaning
    assert (gap.kind, gap.expected) == (Kind.SEQUENCE, 2)
    assert len(sandbox.kra_unit()["sales"]) == 1


@BY_WAY
def test_a_lost_answer_leaves_the_sale_at_kra(make: Make, sandbox: SandboxDriver, way: str) -> None:
    client = make(way)
    sandbox.kra_fault("lose_answer", operation="save_sale")
    with pytest.raises(TransportError) as caught:
        client.send_sale(body(1))
    assert caught.value.sent
    assert len(sandbox.kra_unit()["sales"]) == 1


@BY_WAY
@pytest.mark.parametrize("fault", ["error_before", "error_after", "html", "empty"])
def test_what_says_nothing_leaves_a_sale_in_doubt(
    make: Make, sandbox: SandboxDriver, way: str, fault: str
) -> None:
    client = make(way)
    sandbox.kra_fault(fault, operation="save_sale")
    with pytest.raises(OutcomeUnknown):
        client.send_sale(body(1))
    assert len(sandbox.kra_unit()["sales"]) == (fault == "error_after")


@pytest.mark.parametrize("status", [401, 500])
def test_an_expired_token_is_renewed(make: Make, sandbox: SandboxDriver, status: int) -> None:
    client = make("oscu_gateway")
    client.check()
    sandbox.kra_fault("expired_token", status=status)
    assert client.send_sale(body(1)).signature
    sandbox.kra("tokens", invalidate=True)
    assert client.send_sale(body(2)).signature


def test_wrong_keys_are_told(make: Make, sandbox: SandboxDriver) -> None:
    client = make("oscu_gateway")
    sandbox.kra_fault("empty_400")
    with pytest.raises(IntegrationError) as caught:
        client.send_sale(body(1))
    assert caught.value.code == "bad_credentials"
    assert sandbox.kra_unit()["sales"] == []


def test_a_rejection_inside_http_200(make: Make, sandbox: SandboxDriver) -> None:
    client = make("oscu_gateway")
    sandbox.kra_fault("wrapped_200", message="Stock IO is empty")
    assert "movement" in refused(lambda: client.send_sale(body(1))).message


@BY_WAY
def test_a_line_that_is_off_is_named(make: Make, way: str) -> None:
    client = make(way)
    wrong = line(1, taxblAmt=2000.05)
    error = refused(lambda: client.send_sale(body(1, itemList=[wrong])))
    assert error.meaning.kind is Kind.REFUSED
    assert "2000" in error.message


def test_the_second_call_of_the_vscu(make: Make, sandbox: SandboxDriver) -> None:
    client = make("vscu", is_invoice_saved_twice=True)
    assert client.send_sale(body(1)).warning == ""


@BY_WAY
def test_a_device_is_initialised_once(make: Make, sandbox: SandboxDriver, way: str) -> None:
    client = make(way)
    again = refused(client.initialise)
    assert (again.code, again.meaning.kind) == ("902", Kind.DEVICE)
    unknown = make(way, device_serial="NOBODY")
    assert refused(unknown.initialise).meaning.kind is Kind.DEVICE


def test_a_fresh_device_gets_its_key(make: Make, sandbox: SandboxDriver) -> None:
    make("oscu_direct")
    software = {"software": "oscu", "tin": "P051234567X", "branch": "01"}
    sandbox.kra("approve", serial="SECOND", **software)
    KRASettings.objects.all().delete()
    KRASettings.objects.create(**kra_values(sandbox, device_serial="SECOND", branch_code="01"))
    clear_cache()
    client = EtimsClient(get_snapshot("kra"))
    device = client.initialise()
    assert len(device.communication_key) == 32
    assert device.bhf_id == "01"
    assert device.control_unit_id.startswith("KRACU")
