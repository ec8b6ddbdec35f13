"""Filings: checked here first, stored before they are sent, sent once, settled by people."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations.kra.filings import find_lost_filings
from integrations.kra.filings import sending as filing
from integrations.models import AuditEntry, KRAFiling, KRASettings, acting
from integrations.payments import work_list
from integrations.services import KRAService
from tests.hunt.plants import planted
from tests.kra.gava import COMPANY, INDIVIDUAL, OTHER, OWN, Portal, configure

LINE = {
    "withholdee_pin": COMPANY,
    "invoice_number": "INV-77",
    "invoice_date": "2026-03-02",
    "payment_date": "2026-03-20",
    "gross_amount": "10000.50",
    "tax_rate": "2",
}
INCOME = {"nature_of_transaction": "Professional fees", "residential_status": "Resident"}
RENT = {
    "landlord_pin": INDIVIDUAL,
    "payment_date": "2026-03-20",
    "gross_amount": "50000",
    "tax_rate": "7.5",
    "type_of_property": "Residential",
    "lr_number": "LR 209/1",
}


def wht(service: KRAService, tax: str = "vat", **changes: Any) -> Any:
    given: dict[str, Any] = {
        "unique_number": "WHT-0001",
        "period_from": "2026-03-01",
        "period_to": "2026-03-31",
        "lines": [LINE],
        **changes,
    }
    return service.file_withholding(tax, **given)


def nil(service: KRAService, **changes: Any) -> Any:
    return service.file_nil_return(**{"obligation": "5", "month": 3, "year": 2026, **changes})


def test_a_nil_return(service: KRAService, portal: Portal) -> None:
    success, data = nil(service)
    assert success, data
    (told,) = portal.filings
    assert (told["pin"], told["obligation"], told["period"]) == (OWN, "5", "2026-03")
    row = KRAFiling.objects.get()
    assert (row.state, row.acknowledgement, row.result_code) == ("accepted", told["ack"], "82000")
    assert data["acknowledgement"] == told["ack"]
    assert row.body == {
        "TAXPAYERDETAILS": {
            "TaxpayerPIN": OWN, "ObligationCode": "5", "Month": "03", "Year": "2026"
        }
    }  # fmt: skip


def test_the_same_again_is_answered_by_the_first(service: KRAService, portal: Portal) -> None:
    first, again = nil(service)[1], nil(service, obligation="VAT", month="03")[1]
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["filing_id"] == first["filing_id"]
    assert (len(portal.filings), portal.asked("nil_return")) == (1, 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"month": 13}, "month"),
        ({"month": 0}, "month"),
        ({"month": 12, "year": 2999}, "month"),
        ({"month": "March"}, "month"),
        ({"year": 26}, "year"),
        ({"year": True}, "year"),
        ({"obligation": "99"}, "obligation"),
        ({"obligation": ""}, "obligation"),
        ({"kra_pin": "P05"}, "kra_pin"),
    ],
)
def test_a_wrong_return_is_not_sent(
    service: KRAService, portal: Portal, change: dict[str, Any], field: str
) -> None:
    success, message = nil(service, **change)
    assert (success, message.field) == (False, field)
    assert not KRAFiling.objects.exists()
    assert portal.asked("nil_return") == 0


@pytest.mark.parametrize("code", ["82001", "82002", "82004"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_documented_refusals_leave_the_key_free(
    service: KRAService, portal: Portal, code: str, status: int
) -> None:
    portal.answers("nil_return", code=code, status=status, text="No")
    success, message = nil(service)
    assert (success, message.code, message.data["state"]) == (False, code, "refused")
    assert "Nothing was filed" in message
    assert nil(service)[0]
    states = KRAFiling.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["refused", "accepted"]


@pytest.mark.parametrize(
    "answer",
    [
        {"shape": "html", "status": 500},
        {"shape": "html", "status": 200},
        {"shape": "empty", "status": 200},
        {"shape": "code", "code": "82009", "status": 200},
        {"shape": "error", "code": "99999", "status": 503},
        {"shape": "html", "status": 408},
    ],
)
def test_what_proves_nothing_is_in_doubt(
    service: KRAService, portal: Portal, answer: dict[str, Any]
) -> None:
    portal.answers("nil_return", times=5, **answer)
    success, message = nil(service)
    assert (success, message.code, message.data["state"]) == (False, "outcome_unknown", "unknown")
    row = KRAFiling.objects.get()
    assert (row.state, bool(row.attention)) == ("unknown", True)
    # The same again sends nothing.
    assert nil(service)[1].data["repeated"]
    assert portal.asked("nil_return") == 1


def test_a_lost_answer_is_settled_by_a_person(service: KRAService, portal: Portal) -> None:
    portal.fault("lose_answer", operation="withholding_vat")
    success, message = wht(service)
    assert (success, message.data["state"]) == (False, "unknown")
    assert len(portal.filings) == 1
    (source,) = [each for each in work_list.sources() if each.name == "kra-filings"]
    (line,) = [source.line(row) for row in source.rows()]
    assert (line.amount, line.currency) == (Decimal("200.01"), "KES")
    filing_id = message.data["filing_id"]
    assert service.settle_filing(filing_id, accepted=True)[1].field == "acknowledgement"
    told = {"accepted": False, "payment_number": "1"}
    assert service.settle_filing(filing_id, **told)[1].field == "payment_number"
    prn = portal.filings[0]["prn"]
    success, data = service.settle_filing(filing_id, accepted=True, payment_number=prn)
    assert (success, data["state"], data["prn"]) == (True, "accepted", prn)
    assert not source.rows().exists()
    assert AuditEntry.objects.filter(action="kra.filing_settled").count() == 1
    assert service.settle_filing(filing_id, accepted=True)[1].code == "not_in_doubt"
    assert wht(service)[1]["prn"] == prn
    assert portal.asked("withholding_vat") == 1


def test_not_carried_out_it_may_be_filed_again(service: KRAService, portal: Portal) -> None:
    portal.fault("drop", operation="nil_return")
    success, message = nil(service)
    assert (success, message.data["state"]) == (False, "unknown")
    assert service.settle_filing(message.data["filing_id"], accepted=False)[1]["state"] == "refused"
    assert nil(service)[0]
    assert len(portal.filings) == 1


def test_what_never_left_is_refused_and_free(service: KRAService, portal: Portal) -> None:
    secrets = {name: planted(name.replace("_", " ")) for name in ("client_id", "client_secret")}
    configure(gavaconnect_sandbox_url="http://127.0.0.1:9", **secrets)
    success, message = nil(service)
    assert (success, message.data["state"]) == (False, "refused")
    configure(gavaconnect_sandbox_url=portal.sandbox.kra_url, **secrets)
    assert nil(service)[0]
    assert len(portal.filings) == 1


def test_an_expired_token_is_renewed_and_the_return_filed_once(
    service: KRAService, portal: Portal
) -> None:
    assert service.check_pin_online(OWN)[0]
    portal.sandbox.kra("tokens", invalidate=True)
    assert nil(service)[0]
    assert len(portal.filings) == 1


def test_withheld_vat(service: KRAService, portal: Portal) -> None:
    second = {**LINE, "gross_amount": 333, "tax_rate": Decimal("2.5"), "invoice_number": "INV-78"}
    success, data = wht(service, lines=[LINE, second])
    assert success, data
    (told,) = portal.filings
    assert (told["unique"], told["lines"], data["prn"]) == ("WHT-0001", 2, told["prn"])
    # 200.01 and 8.325, which is rounded up.
    assert data["amount"] == "208.34"
    header = KRAFiling.objects.get().body["transactionHeader"]
    assert header == {
        "withholderPin": OWN,
        "transactionUniqueNo": "WHT-0001",
        "noOfTransactions": 2,
        "taxObligation": "WHTVAT",
        "taxPeriodFrom": "2026-03-01T00:00:00",
        "taxPeriodTo": "2026-03-31T23:59:59",
        "totalGrossAmount": 10333.5,
        "totalTaxAmount": 208.34,
    }


def test_withheld_income_tax_and_rent(service: KRAService, portal: Portal) -> None:
    assert wht(service, "income", lines=[{**LINE, **INCOME}], unique_number="A")[0]
    success, data = wht(service, "rental", lines=[RENT], unique_number="B")
    assert (success, data["amount"]) == (True, "3750.00")
    assert [each["operation"] for each in portal.filings] == [
        "withholding_income", "withholding_rental",
    ]  # fmt: skip
    (detail,) = KRAFiling.objects.get(key="B").body["transactionDetails"]
    assert (detail["landlordPin"], detail["lrNumber"]) == (INDIVIDUAL, "LR 209/1")
    assert "invoiceNo" not in detail


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"withholdee_pin": "X"}, "lines[2].withholdee_pin"),
        ({"payment_date": "2026-04-01"}, "lines[2].payment_date"),
        ({"invoice_date": "2026-03-21"}, "lines[2].invoice_date"),
        ({"invoice_date": None}, "lines[2].invoice_date"),
        ({"gross_amount": "-1"}, "lines[2].gross_amount"),
        ({"gross_amount": "1.005"}, "lines[2].gross_amount"),
        ({"gross_amount": 1.5}, "lines[2].gross_amount"),
        ({"gross_amount": "0.01"}, "lines[2].gross_amount"),
        ({"tax_rate": "101"}, "lines[2].tax_rate"),
        ({"tax_amount": "200.02"}, "lines[2].tax_amount"),
        ({"invoice_number": ""}, "lines[2].invoice_number"),
        ({"amount": "1"}, "lines[2].amount"),
    ],
)
def test_a_wrong_line_is_named(
    service: KRAService, portal: Portal, change: dict[str, Any], field: str
) -> None:
    success, message = wht(service, lines=[LINE, {**LINE, **change}])
    assert (success, message.field) == (False, field)
    assert portal.asked("withholding_vat") == 0
    assert not KRAFiling.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": ["x"]}, "lines[1]"),
        ({"lines": [LINE] * 1001}, "lines"),
        ({"period_to": "2026-02-01"}, "period_to"),
        ({"period_from": "soon"}, "period_from"),
        ({"unique_number": " "}, "unique_number"),
        ({"unique_number": "W\x00"}, "unique_number"),
        ({"withholder_pin": "1"}, "withholder_pin"),
    ],
)
def test_a_wrong_header_is_named(service: KRAService, change: dict[str, Any], field: str) -> None:
    success, message = wht(service, **change)
    assert (success, message.field) == (False, field)
    given = {"unique_number": "W", "period_from": "2026-03-01", "period_to": "2026-03-31"}
    told = {**given, "lines": [LINE], "tax_amount": "200.02"}
    assert service.file("withholding_vat", told)[1].field == "tax_amount"
    assert service.file("weather", {})[1].field == "kind"


def test_one_number_for_two_contents_is_refused(service: KRAService, portal: Portal) -> None:
    assert wht(service)[0]
    success, message = wht(service, lines=[{**LINE, "gross_amount": "20"}])
    assert (success, message.code, message.field) == (
        False, "idempotency_mismatch", "unique_number",
    )  # fmt: skip
    assert len(portal.filings) == 1


def test_kra_refuses_the_data(service: KRAService, portal: Portal) -> None:
    success, message = wht(service, withholder_pin="P999999999Z")
    assert (success, message.code) == (False, "70001")
    assert "No PRN was made" in message


def test_keys_of_the_body_are_settings(service: KRAService, portal: Portal) -> None:
    configure(gavaconnect_facts="withholding_vat.withholderPin = withholderPIN")
    success, message = wht(service)
    # The emulator follows the portal's text, and misses the key.
    assert (success, message.code) == (False, "70001")
    assert "withholderPIN" in KRAFiling.objects.get().body["transactionHeader"]


def test_turnover_tax(service: KRAService, portal: Portal) -> None:
    success, data = service.file_turnover_tax("150000", 3, 2026)
    assert success, data
    assert (data["prn"], data["amount"]) == (portal.filings[0]["prn"], "4500.00")


def test_a_prn_over_another_amount_wants_a_person(service: KRAService, portal: Portal) -> None:
    portal.switch(prn_extra=1)
    success, data = wht(service)
    assert success, data
    row = KRAFiling.objects.get()
    asked_for = row.amount - 1  # type: ignore[operator]
    assert row.attention == f"KRA's PRN is over {row.amount}, ours was {asked_for}."
    assert (row.state, row.payment_number) == ("accepted", portal.filings[0]["prn"])


def test_an_open_transaction_is_refused(service: KRAService, portal: Portal) -> None:
    with transaction.atomic():
        success, message = nil(service)
    assert (success, message.code) == (False, "open_transaction")
    assert portal.filings == []


def test_two_at_once_file_once(service: KRAService, portal: Portal) -> None:
    portal.fault("delay", operation="nil_return", seconds=0.3)
    gate = threading.Barrier(2)

    def run(_number: int) -> Any:
        gate.wait()
        try:
            return nil(KRAService())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(run, range(2)))
    assert len(portal.filings) == 1
    assert KRAFiling.objects.count() == 1
    assert any(success for success, _ in answers)
    assert nil(service)[1]["repeated"]
    assert portal.asked("nil_return") == 1


def test_a_crash_while_sending_is_found(
    service: KRAService, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object, **_more: object) -> None:
        raise SystemExit

    monkeypatch.setattr(filing, "finish", die)
    with pytest.raises(SystemExit):
        nil(service)
    row = KRAFiling.objects.get()
    assert row.state == "sending"
    assert find_lost_filings() == 0
    success, message = nil(service)
    assert (success, message.data["state"]) == (False, "sending")
    KRAFiling.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert find_lost_filings() == 1
    row.refresh_from_db()
    assert (row.state, bool(row.attention)) == ("unknown", True)
    assert len(portal.filings) == 1


def test_an_answer_after_the_look_counts_and_a_persons_word_stays(service: KRAService) -> None:
    row = KRAFiling.objects.create(
        environment="sandbox", kind="nil_return", kra_pin=OWN, key="5:2026-01", body={},
        digest="0" * 64, state="unknown", attention="look",
    )  # fmt: skip
    filing.finish(row, filing.S.ACCEPTED, acknowledgement="A1")
    assert (row.state, row.attention) == ("accepted", "")
    filing.finish(row, filing.S.REFUSED)
    assert row.state == "accepted"


def test_who_filed_is_recorded(service: KRAService, django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("amina")
    with acting(user):
        nil(service, requested_by=user)
    assert KRAFiling.objects.get().requested_by == user
    assert AuditEntry.objects.get(action="kra.filed").actor == user


def test_another_business_sees_and_repeats_nothing(service: KRAService) -> None:
    filing_id = nil(service)[1]["filing_id"]
    assert service.get_filing(filing_id)[0]
    assert KRAService("acme").get_filing(filing_id)[1].field == "filing_id"
    assert service.get_filing("x")[1].field == "filing_id"
    KRAFiling.objects.update(business="acme")
    success, message = nil(service)
    assert (success, message.field) == (False, "kra_pin")
    assert OTHER not in message


def test_no_business_files_in_the_name_of_another_one(service: KRAService, portal: Portal) -> None:
    row = KRASettings.objects.get()
    KRASettings.objects.create(
        business="b", kra_pin=OTHER, branch_code="00", client_id=row.client_id,
        client_secret=row.client_secret, sandbox_url=row.sandbox_url,
        gavaconnect_sandbox_url=row.gavaconnect_sandbox_url,
    )  # fmt: skip
    for answer, field in (
        (nil(service, kra_pin=OTHER), "kra_pin"),
        (nil(KRAService("b"), kra_pin=OWN), "kra_pin"),
        (wht(service, withholder_pin=OTHER), "withholder_pin"),
        (service.get_tax_certificate("tax_compliance", kra_pin=OTHER), "kra_pin"),
    ):
        success, error = answer
        assert not success
        assert (error.code, error.field) == ("not_yours", field)
    assert portal.filings == [] and not KRAFiling.objects.exists()
    # An agent's client, whose PIN no settings have.
    assert nil(service, kra_pin=COMPANY)[0]
