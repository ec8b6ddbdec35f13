"""The documented config of KRA, which settings a call means, and its control unit."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.kra.config import branch_of, has_device, require_device, tax_config
from integrations.models import DeviceState, Integrations, KRABranch, KRASettings
from integrations.services import IntegrationConfigService, KRAService
from tests.hunt.plants import planted

PIN = "P051234567X"
pytestmark = pytest.mark.django_db


def make(**values: Any) -> KRASettings:
    return KRASettings.objects.create(**{"kra_pin": PIN, "branch_code": "00", **values})


def test_the_defaults_are_the_documented_keys_of_the_sandbox() -> None:
    found = IntegrationConfigService.DEFAULT_KRA_CONFIG
    assert found["mode"] == "sandbox"
    assert found["base_url"] == "https://etims-api-sbx.kra.go.ke/etims-api"
    assert found["gavaconnect_url"] == "https://sbx.kra.go.ke"
    assert found["invoice_path"] == "/saveTrnsSalesOsdc"
    assert found["client_secret"] == found["communication_key"] == ""


@pytest.mark.parametrize(
    ("transport", "sale", "status", "codes"),
    [
        ("oscu_direct", "/saveTrnsSalesOsdc", "/selectInvoiceDetails", "/selectCodeList"),
        ("oscu_gateway", "/sendSalesTransaction", "/selectInvoiceDetail", "/selectCodeList"),
        ("vscu", "/trnsSales/saveSales", "", "/code/selectCodes"),
    ],
)
def test_empty_paths_are_those_of_the_transport(
    transport: str, sale: str, status: str, codes: str
) -> None:
    make(transport=transport)
    found = IntegrationConfigService.get_kra_config()
    assert (found["invoice_path"], found["invoice_status_path"]) == (sale, status)
    assert found["sync_path"] == codes


def test_a_path_of_the_settings_goes_first() -> None:
    make(paths="code_list = /codes", invoice_path="/sales")
    found = IntegrationConfigService.get_kra_config()
    assert found["invoice_path"] == "/sales"
    assert found["sync_path"] == "/codes"


def test_mode_is_the_environment() -> None:
    make(environment="production")
    found = IntegrationConfigService.get_kra_config()
    assert found["mode"] == found["environment"] == "production"
    assert found["base_url"] == "https://etims-api.kra.go.ke/etims-api"


def test_mode_is_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRA_MODE", "production")
    monkeypatch.setenv("KRA_KRA_PIN", PIN)
    found = IntegrationConfigService.get_kra_config()
    assert (found["mode"], found["source"], found["kra_pin"]) == ("production", "environment", PIN)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KRA_MODE", "live", "KRA_MODE: "),
        ("KRA_ENVIRONMENT", "sandbox", "KRA_MODE and KRA_ENVIRONMENT contradict each other."),
    ],
)
def test_a_mode_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv("KRA_MODE", "production")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=told):
        IntegrationConfigService.get_kra_config()


def test_a_branch_is_named_by_its_code() -> None:
    make(shared=True)
    make(business="shop", branch_code="01")
    make(business="shop", branch_code="02", is_main=False)
    assert tax_config("shop").values["branch_code"] == "01"
    assert KRAService("shop", "02").config().values["branch_code"] == "02"
    assert KRAService("shop", 2).config().values["branch_code"] == "02"  # type: ignore[arg-type]
    assert tax_config("other").owner == ""
    with pytest.raises(ConfigurationError) as refused:
        tax_config("shop", "07")
    assert refused.value.code == "unknown_account"
    with pytest.raises(InvalidInput):
        KRAService("shop", True)  # type: ignore[arg-type]


def test_an_unknown_business_and_a_switched_off_row_are_refused() -> None:
    row = make()
    with pytest.raises(ConfigurationError) as refused:
        tax_config("shop")
    assert refused.value.code == "unknown_business"
    Integrations.objects.filter(pk=row.integration_id).update(is_active=False)
    row.save()
    with pytest.raises(ConfigurationError) as off:
        tax_config()
    assert off.value.code == "inactive"


def test_the_control_unit_begins_at_the_starting_numbers() -> None:
    make(starting_invoice_number=120, starting_stock_number=7)
    branch = branch_of(tax_config())
    assert branch.key == f"sandbox:{PIN}:00"
    assert (branch.last_invoice_number, branch.last_stock_number) == (119, 6)
    assert branch.last_purchase_number == 0
    assert branch_of(tax_config()) == branch


def test_a_branch_without_a_code_is_refused() -> None:
    make(branch_code="")
    with pytest.raises(ConfigurationError) as refused:
        branch_of(tax_config())
    assert refused.value.code == "no_branch"
    assert not KRABranch.objects.exists()


def test_a_pasted_key_makes_the_control_unit_ready() -> None:
    row = make()
    assert branch_of(tax_config()).device_state == DeviceState.NONE
    with pytest.raises(ConfigurationError) as refused:
        require_device(tax_config())
    assert refused.value.code == "device_not_ready"
    row.communication_key = planted("communication key")
    row.control_unit_id, row.mrc_no = "KRACU0100000001", "MRC1"
    row.save()
    require_device(tax_config())
    branch = branch_of(tax_config())
    branch.refresh_from_db()
    assert branch.device_state == DeviceState.READY
    assert (branch.control_unit_id, branch.mrc_no) == ("KRACU0100000001", "MRC1")


def test_a_vscu_keeps_the_key_itself() -> None:
    make(transport="vscu", control_unit_id="KRACU0100000001")
    assert has_device(tax_config())
