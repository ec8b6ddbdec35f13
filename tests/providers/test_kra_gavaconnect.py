"""The client of GavaConnect against messages written from the reference (section 11)."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
    Unsupported,
)
from integrations.models import ProviderCall
from integrations.outbound import flush
from integrations.providers.kra.client.gavaconnect import PRODUCTS, GavaClient, told_date
from tests.hunt.plants import planted
from tests.providers.kra_office import Office, load_wire, reply_of

pytestmark = pytest.mark.django_db
OWN = "P051234567X"
# What each product is asked, by our names of the values.
ASKED: dict[str, dict[str, Any]] = {
    "pin_by_pin": {"pin": "A744610021G"},
    "pin_by_id": {"taxpayer_type": "KE", "taxpayer_id": "12345678"},
    "tcc_check": {"pin": "A744610021G", "number": "KRAWON1"},
    "tcc_application": {"pin": OWN, "reason": "Tender"},
    "nil_return": {"pin": OWN, "obligation": "5", "month": "03", "year": "2026"},
    "obligations": {"pin": OWN},
    "station": {"pin": OWN},
    "invoice_checker": {"number": "KRACU0100000001/7", "date": "2026-03-01"},
    "income_tax_exemption": {"pin": OWN},
    "vat_exemption": {"number": "V1"},
    "withholding_vat": load_wire("gava_withholding_vat_request")["body"],
}
ANSWERED = (
    "pin_by_pin", "pin_by_id", "tcc_check", "tcc_application", "nil_return", "obligations",
    "station", "withholding_vat",
)  # fmt: skip
WRITES = tuple(name for name, product in PRODUCTS.items() if product.is_write)


@pytest.fixture
def office(settings: Any) -> Iterator[Office]:
    told = Office()
    settings.OUTBOUND_ALLOWED_HOSTS = [told.server.place]
    yield told
    told.server.stop()


def ask(config: Snapshot, operation: str = "pin_by_pin") -> Any:
    return GavaClient(config).ask(operation, ASKED[operation])


@pytest.mark.parametrize("operation", ASKED)
def test_a_request_is_the_documented_message(office: Office, operation: str) -> None:
    office.answers_json({"ErrorCode": "1", "ErrorMessage": "no"}, 400)
    with pytest.raises(ProviderError):
        ask(office.settings(), operation)
    wire = load_wire(f"gava_{operation}_request")
    assert (office.asked[0].method, office.asked[0].path) == (wire["method"], wire["path"])
    assert office.body() == _plain(wire["body"])
    assert str(office.header("Authorization")).startswith("Bearer ")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("operation", ANSWERED)
def test_success_is_read_whatever_its_envelope_and_spaces(office: Office, operation: str) -> None:
    office.answers_with(f"gava_{operation}")
    answer = ask(office.settings(), operation)
    assert answer.code == sorted(PRODUCTS[operation].codes)[0]
    assert " " not in answer.code
    assert "RESPONSE" not in answer.data


def test_dates_are_read(office: Office) -> None:
    office.answers_with("gava_tcc_check")
    found = ask(office.settings(), "tcc_check").data["TCCData"]
    assert str(told_date(found, "tcc_expiry_date")) == "2099-01-04"
    assert told_date({"a": "soon"}, "a") is None


@pytest.mark.parametrize(
    ("operation", "wire", "code", "words"),
    [
        ("pin_by_pin", "gava_pin_by_pin_nok", "19005", "no taxpayer"),
        ("withholding_vat", "gava_withholding_refused", "70001", "No PRN was made"),
        ("withholding_vat", "gava_error_camel", "70001", "No PRN was made"),
        ("pin_by_id", "gava_wrong_product", "product_missing", "pin_by_id_client_id"),
        ("station", "gava_wrong_product", "product_missing", "“KRA station”"),
        ("nil_return", "gava_wrong_product", "product_missing", "nil_return_client_id"),
    ],
)
def test_errors_in_all_shapes(
    office: Office, operation: str, wire: str, code: str, words: str
) -> None:
    office.answers_with(wire)
    with pytest.raises(ProviderError) as caught:
        ask(office.settings(), operation)
    assert (caught.value.code, caught.value.permanent) == (code, True)
    assert words in caught.value.message
    assert len(office.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"ResponseCode": "23001", "Status": "OK", "PINDATA": {}},
        {"ResponseCode": "23000", "Status": "NOK"},
        {"ResponseCode": "23000", "Status": "OK", "ErrorMessage": "but no"},
        {"Status": "OK"},
        {},
    ],
)
def test_http_200_alone_proves_nothing(office: Office, body: dict[str, Any]) -> None:
    office.answers_json(body)
    with pytest.raises(ProviderError):
        ask(office.settings())


@pytest.mark.parametrize("operation", ["tcc_application", "nil_return", "withholding_vat"])
@pytest.mark.parametrize("wire", ["html_500", "html_200", "empty_200", "gave_up_408", "drop"])
def test_a_write_without_an_answer_is_in_doubt_and_sent_once(
    office: Office, operation: str, wire: str
) -> None:
    office.answers_with(wire)
    with pytest.raises((OutcomeUnknown, TransportError)) as caught:
        ask(office.settings(), operation)
    assert getattr(caught.value, "sent", True)
    assert len(office.asked) == 1


def test_a_read_is_repeated(office: Office) -> None:
    office.answers_with("drop", "gava_pin_by_pin")
    assert ask(office.settings()).code == "23000"
    assert len(office.asked) == 2


@pytest.mark.parametrize(
    "wire", ["gateway_expired_token_401", "gateway_expired_token_500", "gateway_invalid_token"]
)
@pytest.mark.parametrize("operation", ["pin_by_pin", "nil_return"])
def test_a_refused_token_is_renewed_once(office: Office, wire: str, operation: str) -> None:
    office.answers_with(wire, f"gava_{operation}")
    assert ask(office.settings(), operation).code
    assert (len(office.asked), len(office.tokens_asked)) == (2, 2)
    office.answers_with(wire)
    with pytest.raises(ProviderError):
        ask(office.settings(), operation)
    assert len(office.asked) == 4


def test_each_pair_has_its_own_token(office: Office) -> None:
    office.answers_with("gava_pin_by_pin", "gava_pin_by_id", "gava_pin_by_pin")
    config = office.settings(
        pin_by_id_client_id=planted("typed consumer key"),
        pin_by_id_client_secret=planted("typed consumer secret"),
    )
    ask(config)
    ask(config, "pin_by_id")
    ask(config)
    pairs = [
        base64.b64decode(each.headers["Authorization"].split()[1]).decode()
        for each in office.tokens_asked
    ]
    assert pairs == [
        f"{planted('client id')}:{planted('client secret')}",
        f"{planted('typed consumer key')}:{planted('typed consumer secret')}",
    ]


def test_keys_that_are_missing_are_named(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="“PIN by PIN”"):
        ask(office.settings(client_id="", client_secret=""))
    half = office.settings(pin_by_pin_client_id=planted("typed consumer key"))
    with pytest.raises(ConfigurationError, match="pin_by_pin_client_secret"):
        ask(half)
    assert office.server.requests == []


def test_paths_and_facts_are_settings(office: Office) -> None:
    config = office.settings(
        paths="station = /own/station\nsave_sale = /x",
        gavaconnect_facts="# seen in production\nstation.pin = KRAPIN\nstation.code = 84010 84011",
        compliance_path="/own/pin",
    )
    office.answers_json({"ResponseCode": "84011"})
    assert ask(config, "station").code == "84011"
    assert (office.asked[-1].path, office.body()) == ("/own/station", {"KRAPIN": OWN})
    office.answers_with("gava_pin_by_pin")
    ask(config)
    assert office.asked[-1].path == "/own/pin"


def test_a_product_may_have_its_tokens_elsewhere(office: Office) -> None:
    """With the same pair: a token of one place is none of the other's."""
    config = office.settings(gavaconnect_facts="station.token = /own/token/generate")
    office.answers_with("gava_station")
    ask(config, "station")
    ask(config, "station")
    office.answers_with("gava_pin_by_pin")
    ask(config)
    places = [each.path.partition("?")[0] for each in office.tokens_asked]
    assert places == ["/own/token/generate", "/v1/token/generate"]
    assert "/own/" not in office.asked[-1].path
    assert all(each.path.endswith("?grant_type=client_credentials") for each in office.tokens_asked)


@pytest.mark.parametrize(
    "text", ["station = 84000", "other.code = 1", "station.code =", "station.token ="]
)
def test_facts_that_can_not_be_read(office: Office, text: str) -> None:
    with pytest.raises(ConfigurationError, match="gavaconnect_facts"):
        ask(office.settings(gavaconnect_facts=text))


def test_what_nobody_knows_how_to_ask_and_wrong_values(office: Office) -> None:
    client = GavaClient(office.settings())
    with pytest.raises(Unsupported, match="Liabilities"):
        client.ask("liabilities", {"pin": OWN})
    with pytest.raises(InvalidInput, match="number"):
        client.ask("tcc_check", {"pin": OWN})
    with pytest.raises(InvalidInput, match="year"):
        client.ask("obligations", {"pin": OWN, "year": 1})
    # Once somebody learns it, a setting says it.
    config = office.settings(gavaconnect_facts="liabilities.pin = taxPayerPin")
    office.answers_json({"ResponseCode": "1", "Status": "OK"})
    GavaClient(config).ask("liabilities", {"pin": OWN})
    assert office.body() == {"taxPayerPin": OWN}


def test_every_write_is_marked(office: Office) -> None:
    assert set(WRITES) == {
        "tcc_application", "nil_return", "turnover_tax", "withholding_vat", "withholding_income",
        "withholding_rental", "pin_registration",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_calls_are_recorded(office: Office) -> None:
    config = office.settings()
    for wire in ("gava_nil_return", "gava_withholding_refused", "html_500"):
        office.answers_with(wire)
        with contextlib.suppress(ProviderError, OutcomeUnknown):
            ask(config, "nil_return")
    flush()
    calls = ProviderCall.objects.filter(operation="nil_return").order_by("pk")
    assert [each.outcome for each in calls] == ["ok", "refused", "unknown"]


def test_the_connection_test_of_a_product(office: Office) -> None:
    assert "“TCC check”" in GavaClient(office.settings()).check("tcc_check")
    office.token = reply_of("token_refused_empty")
    other = {"tcc_check_client_id": planted("typed consumer key"),
             "tcc_check_client_secret": planted("typed consumer secret")}  # fmt: skip
    with pytest.raises(ProviderError) as caught:
        GavaClient(office.settings(**other)).check("tcc_check")
    assert caught.value.code == "bad_credentials"
