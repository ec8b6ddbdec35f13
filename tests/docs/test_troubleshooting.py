"""The troubleshooting page has a heading for every error code, and none for another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from integrations.api.errors import FAULTS_OF_VALUES
from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    OutcomeUnknown,
    ProviderError,
    TransportError,
    help_url,
)
from integrations.management.reference.codes import find_codes
from integrations.management.reference.errors import answered_codes
from integrations.payments.mpesa_payment import MpesaPaymentService

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/reference/troubleshooting.md"
CODES = answered_codes(ROOT / "integrations", ROOT / "notifications")


def sections() -> dict[str, str]:
    parts = re.split(r"^### `([^`]+)`\n", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_walk_finds_codes_however_they_are_given() -> None:
    by_keyword, by_condition, by_position = "published_key", "tls", "breaker_open"
    by_class, by_variable = "outcome_unknown", "connection_lost"
    assert {by_keyword, by_condition, by_position, by_class, by_variable} <= set(CODES)


def test_the_walk_reads_every_way_to_give_a_code(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "def refusal(code): ...\n"
        "class E: default_code = 'of_class'\n"
        "raise E('x', code='by_keyword')\n"
        "raise E('x', code='left' if x else 'right')\n"
        "raise E('x', code=given or 'otherwise')\n"
        "refusal('by_position')\n"
        "body['code'] = 'by_key'\n"
        "return {'code': 'in_dict'}\n"
        "raise ValidationError('x', code='of_a_form')\n"
        "raise E('x', code='404.001.03')\n"
    )
    (tmp_path / "api").mkdir()
    (tmp_path / "api/two.py").write_text("raise ValidationError('x', code='of_the_api')\n")
    assert set(find_codes(tmp_path)) == {
        "of_the_api",
        "of_class", "by_keyword", "left", "right", "otherwise", "by_position", "by_key", "in_dict",
    }  # fmt: skip


def test_every_code_has_its_heading_and_no_other() -> None:
    assert sorted(sections()) == sorted(CODES)


@pytest.mark.parametrize("code", sections())
def test_every_section_names_the_cause_and_what_to_do(code: str) -> None:
    text = sections()[code].strip()
    cause, found, todo = text.partition("\n\n**Do:** ")
    assert found, text
    assert len(cause) > 15
    assert len(todo.split("\n\n")[0]) > 5


def test_an_error_leads_to_its_section(settings: Any) -> None:
    file = "docs/reference/troubleshooting.md"
    assert ConfigurationError("x").help_url == f"{file}#not_configured"
    assert TransportError("x", sent=False, code="dns").help_url == f"{file}#dns"
    settings.INTEGRATIONS_DOCS_URL = "https://docs.example.ke/hub/"
    site = "https://docs.example.ke/hub/reference/troubleshooting/"
    assert IntegrationError("x").help_url == f"{site}#integration_error"


def test_a_providers_own_code_leads_to_what_it_means_for_us() -> None:
    file = "docs/reference/troubleshooting.md"
    assert ProviderError("x", code="500.001.1001", permanent=True).help_url.endswith(
        "#provider_error"
    )
    assert OutcomeUnknown("x", code="SFC_IC0003").help_url == f"{file}#outcome_unknown"
    assert help_url("1032") == f"{file}#provider_error"


def test_the_frameworks_codes_have_sections_and_its_usual_faults_share_one() -> None:
    assert {"throttled", "not_authenticated", "parse_error", "unknown_field"} <= set(CODES)
    assert not FAULTS_OF_VALUES & set(CODES)
    assert "invalid" in FAULTS_OF_VALUES


def test_an_unreadable_address_of_the_docs_hides_no_error(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del settings.INTEGRATIONS_DOCS_URL
    monkeypatch.setenv("INTEGRATIONS_DOCS_URL_FILE", str(tmp_path / "missing"))
    assert ConfigurationError("x").help_url == "docs/reference/troubleshooting.md#not_configured"


@pytest.mark.django_db(transaction=True)
def test_the_payment_service_says_where_to_read_on() -> None:
    _, _, data = MpesaPaymentService.initiate_stk_push("0712345678", 1.5, "INV001")
    assert data is not None
    assert data["help"].partition("#")[2] == data["code"] == "float_amount"
