"""Every result code and gateway text of KRA: answered over real HTTP, told in words.

The rows are those of the eTIMS reference, section 8 (and the texts of 5.2, 5.3, 6.5 to 7.1),
copied here by hand. What a person reads names the cause and the next step in our words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.exceptions import IntegrationError, OutcomeUnknown, TransportError
from integrations.providers.kra.client import EtimsClient, EtimsRefused
from integrations.providers.kra.codes import RESULTS, Kind, explain
from tests.providers.kra_office import TRANSPORTS, Office

pytestmark = pytest.mark.django_db
ABSURD = "Raw text of the provider, for machines"
# Section 8: what each code says about a write. "" is no answer to build on: in doubt.
R, D, N, B, U = Kind.REFUSED, Kind.DEVICE, Kind.DUPLICATE, Kind.BUSY, Kind.UNKNOWN
WRITES = {
    "891": R, "892": R, "893": R, "894": U, "895": D, "896": U, "899": U, "900": D, "901": D,
    "902": D, "903": D, "905": D, "910": R, "911": R, "912": D, "913": R, "921": N, "922": R,
    "990": B, "991": U, "992": U, "993": U, "994": N, "995": R, "999": U, "E04": D, "E11": D,
    "E31": R,
}  # fmt: skip
# Its last column: who may ask again by itself.
ASKED_AGAIN = {"894", "896", "990", "991", "992", "993", "999"}
# The texts "worth recognising", as the gateway writes them.
TEXTS = {
    "Invalid invcNo sequence, expected: 6 but found: 9": Kind.SEQUENCE,
    "Invalid itemCd Sequence. Expected sequence ending with: 0000013": Kind.SEQUENCE,
    "Invalid sarNo sequence, expected: 3 but found: 8": Kind.SEQUENCE,
    "Invalid taxblAmt on item: 1. Expected: 2000.00, But Found: 2320.00": R,
    "Rule taxRtB failed": R,
    "Tax rate mismatch. Expected: 0.00": R,
    "The items [KE2NTNO0000012] do not exist in your stock": R,
    "Stock IO is empty": R,
    "orgInvcNo does not exist": R,
    "Missing RfdDt Date": R,
    "Invalid RfdRsnCd": R,
    "Incorrect QtyUnitCd Prefix": R,
    "Missing Tin": D,
    "tin cannot be Null": D,
    "Query did not return a unique result: 2 results were returned": D,
}
# Refusals of a document that speak, in passing, of what holds a branch or slows it down.
IN_PASSING = (
    "Quotation QT-17 is not an invoice",
    "The import quota of item 1 is used up",
    "Invalid client name on quotation",
    "Product mismatch on item 1",
    "Item 2 has already installed parts",
    "Discount on item 1 was unauthorised",
    "Spike arresters need an item class",
)
TRANSPORT_CODES = [(way, code) for way in TRANSPORTS for code in WRITES]


@pytest.fixture
def office(settings: Any) -> Iterator[Office]:
    told = Office()
    settings.OUTBOUND_ALLOWED_HOSTS = [told.server.place]
    yield told
    told.server.stop()


def show(text: str, code: str) -> None:
    """It names a cause and a next step, and is no machine's text."""
    sentences = [part for part in text.split(". ") if len(part) > 5]
    assert len(sentences) >= 2, text
    assert text.endswith(".")
    assert code not in text.split()
    assert len(text) <= 300


def told_by(client: EtimsClient, operation: str) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        client.call(operation, {})
    return caught.value


def test_no_row_of_the_reference_is_missing() -> None:
    assert set(RESULTS) == {"000", "001", *WRITES}


@pytest.mark.parametrize(("transport", "code"), TRANSPORT_CODES)
def test_a_write(office: Office, transport: str, code: str) -> None:
    office.answers_json({"resultCd": code, "resultMsg": ABSURD, "data": None})
    error = told_by(EtimsClient(office.settings(transport)), "save_sale")
    expected = N if (transport, code) == ("vscu", "899") else WRITES[code]
    if expected is U:
        assert isinstance(error, OutcomeUnknown)
    else:
        assert isinstance(error, EtimsRefused)
        assert error.meaning.kind is expected
        assert error.permanent is (expected is not B)
        assert error.text == ABSURD
    assert error.code == code
    show(error.message, code)
    assert (ABSURD in error.message) is (code in ("910", "913"))
    assert len(office.asked) == 1


@pytest.mark.parametrize("code", WRITES)
def test_a_read(office: Office, code: str) -> None:
    assert explain("oscu_direct", code).retry_read is (code in ASKED_AGAIN)
    if code in ASKED_AGAIN:
        return
    office.answers_json({"resultCd": code, "resultMsg": ABSURD, "data": None})
    error = told_by(EtimsClient(office.settings()), "notices")
    assert isinstance(error, TransportError if WRITES[code] is U else EtimsRefused)
    show(error.message, code)
    assert len(office.asked) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_of_the_gateway(office: Office, text: str) -> None:
    header = {"responseCode": 400, "debugMessage": text, "customerMessage": "Bad request"}
    office.answers_json({"responseHeader": header, "responseBody": None}, status=400)
    error = told_by(EtimsClient(office.settings("oscu_gateway")), "save_sale")
    assert isinstance(error, EtimsRefused)
    assert error.meaning.kind is TEXTS[text]
    show(error.message, "400")
    assert error.text == text
    if error.meaning.kind is R:  # its words name the line and the amounts
        assert text in error.message


@pytest.mark.parametrize("text", IN_PASSING)
def test_a_refusal_that_speaks_of_a_limit_in_passing(office: Office, text: str) -> None:
    header = {"responseCode": 400, "debugMessage": text}
    body = {"responseHeader": header, "responseBody": None, "message": text}
    office.answers_json(body, status=400)
    error = told_by(EtimsClient(office.settings("oscu_gateway")), "save_sale")
    assert isinstance(error, EtimsRefused)
    assert error.meaning.kind is R
    assert error.permanent
    assert text in error.message


@pytest.mark.parametrize(
    "text",
    [
        "Spike arrest violation. Allowed rate : 10ps policies.ratelimit.SpikeArrestViolation",
        "Rate limit quota violation. Quota limit  exceeded. Identifier : _default",
        "policies.ratelimit.QuotaViolation",
    ],
)
def test_the_limits_of_the_gateway(office: Office, text: str) -> None:
    fault = {"faultstring": text, "detail": {}}
    office.answers_json({"fault": fault}, status=400)
    error = told_by(EtimsClient(office.settings("oscu_gateway")), "save_sale")
    assert isinstance(error, EtimsRefused)
    assert error.meaning.kind is B


def test_a_text_nobody_documented_is_quoted(office: Office) -> None:
    header = {"responseCode": 400, "debugMessage": "The moon is full"}
    office.answers_json({"responseHeader": header, "responseBody": None}, status=400)
    error = told_by(EtimsClient(office.settings("oscu_gateway")), "save_item")
    assert isinstance(error, EtimsRefused)
    assert "The moon is full" in error.message


def test_899_of_the_vscu_says_that_it_proves_nothing() -> None:
    assert not explain("vscu", "899").is_certain
    assert explain("vscu", "994").is_certain
