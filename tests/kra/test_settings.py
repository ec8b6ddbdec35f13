"""What KRA's settings refuse, in words beside the field; and where its secrets may go."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from integrations.crypto import Secret
from integrations.models import AuditEntry, KRASettings
from integrations.models.kra_choices import OWN_PATHS
from integrations.models.kra_rules import OPERATIONS, read_obligations, read_rates
from integrations.providers.kra import client as etims
from integrations.providers.kra.client.gavaconnect import PRODUCTS
from tests.hunt.plants import planted

PIN = "P051234567X"
KEY = {"communication_key": planted("communication key"), "control_unit_id": "KRACU0100000001"}
PAIR = {"client_id": planted("client id"), "client_secret": planted("client secret")}
pytestmark = pytest.mark.django_db


def row(**values: Any) -> KRASettings:
    return KRASettings(**{"kra_pin": PIN, "branch_code": "00", **values})


def stored(**values: Any) -> KRASettings:
    made = row(**values)
    made.full_clean()
    made.save()
    return KRASettings.objects.get(pk=made.pk)


def faults(settings_row: KRASettings) -> dict[str, str]:
    try:
        settings_row.full_clean()
    except ValidationError as error:
        return {name: " ".join(why) for name, why in error.message_dict.items()}
    return {}


def test_a_plain_row_is_right_and_its_pin_is_brought_to_form() -> None:
    made = row(kra_pin=" p051234567x ")
    assert faults(made) == {}
    assert made.kra_pin == PIN


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("kra_pin", "P05123456X", "a letter, 9 digits and a letter"),
        ("retail_customer_pin", "12", "a letter, 9 digits and a letter"),
        ("branch_code", "0", "two digits"),
        ("device_serial", "MOVA 1", "no spaces"),
        ("device_serial", "M" * 101, "100 characters"),
        ("starting_invoice_number", 0, "start at 1"),
        ("starting_purchase_number", 0, "start at 1"),
        ("requests_per_second", 0, "At least 1"),
        ("read_timeout", 0, "At least 1"),
        ("read_timeout", 301, "At most 300"),
        ("signature_wait_seconds", 121, "At most 120"),
        ("credit_note_limit", 0, "empty means no limit"),
        ("offline_alarm_hours", 25, "after the end"),
        ("tax_rates", "B:16", "B=16"),
        ("tax_rates", "B=16 B=8", "once"),
        ("tax_rates", "F=16", "from A to E"),
        ("tax_rates", "B=116", "at most 100"),
        ("credit_reasons", "1 2", "two digits each"),
        ("credit_reasons", "", "This field cannot be blank."),
        ("duplicate_codes", "994 x", "three digits each"),
        ("obligation_codes", "Income tax", "“5=VAT 6=PAYE”"),
        ("obligation_codes", "5=VAT 5=PAYE", "once"),
        ("paths", "sale = /x", "“sale” is no operation"),
        ("paths", "save_sale = x", "begins with a slash"),
        ("paths", "save_sale = /x/", "no slash at its end"),
        ("paths", "save_sale", "begins with a slash"),
        ("gavaconnect_facts", "eslip.token = oauth/v1", "begins with a slash"),
        ("paths", "save_sale = /x\nsave_sale = /y", "two lines"),
        ("invoice_path", "saveSales", "begins with a slash"),
        ("token_path", "/a b", "no spaces"),
        ("base_url", "https://kra.example.org/?x=1", "no question mark"),
        ("sandbox_url", "ftp://kra.example.org", "begins with https://"),
        ("unknown_items", "default", ""),
        ("transport", "oscu_gateway", ""),
        ("is_bearer_sent", True, ""),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(name: str, value: Any, told: str) -> None:
    found = faults(row(**{name: value}))
    other = {
        "unknown_items": "default_item_code",
        "transport": "apigee_app_id",
        "is_bearer_sent": "client_id",
    }
    assert told in found[other.get(name, name)]


def test_lists_that_are_right() -> None:
    made = row(
        tax_rates="B=16, e = 8.00%",
        paths="# KRA's letter of May\n\nsave_sale = /x\n pin_by_id=/checker/v2/pin\n",
        credit_reasons="01, 06",
    )
    assert faults(made) == {}
    assert {k: str(v) for k, v in read_rates(made.tax_rates).items()} == {"B": "16", "E": "8.00"}
    assert made.own_paths() == {"save_sale": "/x", "pin_by_id": "/checker/v2/pin"}


def test_the_obligations_are_read_with_spaces_in_their_names() -> None:
    preset = KRASettings._meta.get_field("obligation_codes").default
    assert read_obligations(preset) == {
        "1": "Income tax, individual", "2": "Income tax, non-resident",
        "3": "Income tax, partnership", "4": "Income tax, company", "5": "VAT", "6": "PAYE",
        "7": "Excise", "8": "Rental",
    }  # fmt: skip


def test_a_path_may_not_be_said_twice() -> None:
    found = faults(row(paths="save_sale = /x", invoice_path="/y"))
    assert "says something else" in found["invoice_path"]
    assert faults(row(paths="save_sale = /x", invoice_path="/x")) == {}


def test_half_a_pair_of_keys_is_refused() -> None:
    assert "client_secret" in faults(row(client_id=planted("client id")))
    assert "tcc_check_client_id" in faults(row(tcc_check_client_secret=planted("client secret")))


def test_the_gateway_needs_an_app() -> None:
    found = faults(row(transport="oscu_gateway", apigee_app_id="app"))
    assert "client_id" in found
    assert faults(row(transport="oscu_gateway", apigee_app_id="app", **PAIR)) == {}


def test_production_over_plain_http_is_refused_but_for_a_vscu() -> None:
    live = {"environment": "production", "base_url": "http://etims.example.org"}
    assert "https://" in faults(row(**live))["base_url"]
    assert faults(row(**live, transport="vscu")) == {}


def test_a_key_without_a_branch_is_refused() -> None:
    assert "branch_code" in faults(row(branch_code="", **KEY))


def test_two_businesses_cannot_have_one_control_unit() -> None:
    stored(business="shop")
    assert "one sequence of numbers" in faults(row(business="other"))["branch_code"]
    assert faults(row(business="other", branch_code="01")) == {}
    assert faults(row(business="other", environment="production")) == {}


def test_branches_are_accounts_of_a_business() -> None:
    stored(business="shop")
    second = faults(row(business="shop", branch_code="01"))
    assert "Add a further branch" in second["__all__"]
    stored(business="shop", branch_code="01", is_main=False)
    again = faults(row(business="shop", branch_code="01", is_main=False))
    assert "already has settings for this branch" in again["__all__"]


@pytest.mark.parametrize("transport", ["oscu_gateway", "vscu"])
def test_another_transport_of_kras_own_keeps_the_secrets(transport: str) -> None:
    kept = stored(**KEY, **PAIR)
    kept.transport, kept.apigee_app_id = transport, "app"
    assert faults(kept) == {}
    kept.save()
    kept = KRASettings.objects.get(pk=kept.pk)
    assert sorted(kept.secret_hosts) == kept.outbound_hosts()


@pytest.mark.parametrize(
    "change",
    [
        {"sandbox_url": "https://kra.example.org"},
        {"gavaconnect_sandbox_url": "https://kra.example.org"},
        {"environment": "production"},
    ],
)
def test_a_host_of_ones_own_asks_for_every_secret_again(change: dict[str, str]) -> None:
    kept = stored(**KEY, **PAIR)
    for name, value in change.items():
        setattr(kept, name, value)
    found = faults(kept)
    assert {"communication_key", "client_id", "client_secret"} <= found.keys()
    kept.communication_key = Secret()
    for name, value in PAIR.items():
        setattr(kept, name, value)
    assert faults(kept) == {}


@pytest.mark.parametrize("change", [{"branch_code": "01"}, {"kra_pin": "P051234568X"}])
def test_a_key_stays_with_its_pin_and_branch(change: dict[str, str]) -> None:
    kept = stored(**KEY)
    for name, value in change.items():
        setattr(kept, name, value)
    assert f"belongs to {PIN} branch 00" in faults(kept)["communication_key"]
    kept.communication_key = Secret()
    assert faults(kept) == {}


def test_the_operations_of_paths_are_those_of_the_clients() -> None:
    assert set(etims.OPERATIONS) | set(PRODUCTS) == OPERATIONS


def test_the_documented_paths_are_those_of_the_client() -> None:
    for transport, paths in OWN_PATHS.items():
        name = transport.removeprefix("oscu_")
        ours = [etims.OPERATIONS[each] for each in ("save_sale", "find_invoice", "code_list")]
        assert paths == tuple(getattr(each, name) for each in ours)


def move(*arguments: str) -> str:
    out = StringIO()
    call_command("kra", "move-host", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_moves_the_secrets_to_a_new_host() -> None:
    kept = stored(**KEY, **PAIR)
    told = move("--etims", "https://etims2.kra.go.ke/api", "--yes")
    assert "etims2.kra.go.ke:443" in told
    moved = KRASettings.objects.get(pk=kept.pk)
    assert moved.sandbox_url == "https://etims2.kra.go.ke/api"
    assert sorted(moved.secret_hosts) == moved.outbound_hosts()
    assert moved.communication_key.reveal() == KEY["communication_key"]
    assert faults(moved) == {}
    entry = AuditEntry.objects.get(action="settings.host_moved")
    assert "etims2.kra.go.ke:443" in entry.detail


def test_moving_a_host_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(**KEY)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        move("--etims", "https://etims2.kra.go.ke/api")
    assert KRASettings.objects.get().sandbox_url == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--yes"], "Say --etims or --gavaconnect"),
        (["--etims", "nonsense", "--yes"], "sandbox_url"),
        (["--etims", "https://a.example.org", "--business", "shop", "--yes"], "no KRA settings"),
        (["--etims", "https://a.example.org", "--branch", "07", "--yes"], "no KRA settings"),
    ],
)
def test_a_move_that_cannot_be(arguments: list[str], told: str) -> None:
    stored(**KEY)
    with pytest.raises(CommandError, match=told):
        move(*arguments)
    assert KRASettings.objects.get().sandbox_url == ""
