"""PINs, certificates, compliance and the other questions to GavaConnect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.kra.checks import find_lost_certificates, settle_certificate
from integrations.models import KRACertificateRequest, KRAComplianceCheck, KRASettings
from integrations.payments import work_list
from integrations.services import KRAService
from tests.hunt.plants import planted
from tests.kra.gava import COMPANY, INDIVIDUAL, OTHER, OWN, Portal, configure


def test_a_pin_is_active(service: KRAService) -> None:
    success, data = service.check_pin_online(f" {INDIVIDUAL.lower()} ")
    assert success
    assert (data["pin"], data["name"], data["kind"]) == (INDIVIDUAL, "JANE WANJIKU", "Individual")
    assert (data["status"], data["is_known"], data["is_active"]) == ("Active", True, True)


@pytest.mark.parametrize("status", ["Suspended", "Cancelled", "Stopped"])
def test_a_pin_that_is_not_active(service: KRAService, portal: Portal, status: str) -> None:
    portal.taxpayer(OTHER, status=status)
    success, data = service.check_pin_online(OTHER)
    assert (success, data["is_known"], data["is_active"]) == (True, True, False)
    assert status in data["message"]


def test_a_pin_that_kra_does_not_know_is_an_answer(service: KRAService) -> None:
    success, data = service.check_pin_online("A000000000Z")
    assert (success, data["is_known"], data["is_active"]) == (True, False, False)
    assert "no taxpayer" in data["message"]


@pytest.mark.parametrize("digits", ["\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"])
def test_digits_of_other_scripts_make_no_pin(
    service: KRAService, portal: Portal, digits: str
) -> None:
    """Else nobody would own it, and a return could be filed for another business."""
    success, message = service.check_compliance(f"A{digits}B")
    assert not success
    assert "letter, 9 digits" in message


def test_what_is_no_pin_is_not_asked(service: KRAService, portal: Portal) -> None:
    success, message = service.check_pin_online("12345")
    assert (success, message.code, message.field) == (False, "invalid_input", "kra_pin")
    assert portal.asked("pin_by_pin") == 0


def test_masked_names_are_handed_on(service: KRAService, portal: Portal) -> None:
    portal.switch(is_masked=True)
    data = service.check_pin_online(INDIVIDUAL)[1]
    assert (data["pin"], data["name"], data["is_active"]) == (INDIVIDUAL, "J***KU", True)


def test_a_pin_by_id(service: KRAService) -> None:
    assert service.find_pin("12345678")[1]["pin"] == INDIVIDUAL
    assert service.find_pin("CPR20151234", "COMP")[1]["pin"] == COMPANY
    success, message = service.find_pin("99999999")
    assert (success, message.code) == (False, "30001")
    assert service.find_pin("1", "XX")[1].field == "taxpayer_type"


def test_an_active_pin_alone_is_no_compliance(service: KRAService) -> None:
    success, data = service.check_compliance(INDIVIDUAL)
    assert (success, data["compliant"], data["missing"]) == (True, False, ["certificate_number"])
    row = KRAComplianceCheck.objects.get()
    assert (row.kra_pin, row.is_compliant, row.pin_status) == (INDIVIDUAL, False, "Active")
    assert "active PIN alone" in row.message


def test_an_active_pin_with_a_valid_certificate_is_compliant(
    service: KRAService, portal: Portal
) -> None:
    portal.certificate("KRAWON1", INDIVIDUAL)
    success, data = service.check_compliance(INDIVIDUAL, certificate_number="KRAWON1")
    assert (success, data["compliant"], data["missing"]) == (True, True, [])
    row = KRAComplianceCheck.objects.get()
    assert (row.is_compliant, row.certificate_number, row.certificate_status) == (
        True, "KRAWON1", "Valid",
    )  # fmt: skip
    assert row.certificate_expires_on and row.certificate_expires_on.year == 2099
    # The number is known from then on.
    assert service.check_compliance(INDIVIDUAL)[1]["compliant"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expires": "2026-01-06"}, "expired"),
        ({"status": "Revoked"}, "Revoked"),
        ({"expires": ""}, "no day"),
    ],
)
def test_a_certificate_that_does_not_count(
    service: KRAService, portal: Portal, change: dict[str, Any], told: str
) -> None:
    portal.certificate("KRAWON1", INDIVIDUAL, **change)
    data = service.check_compliance(INDIVIDUAL, certificate_number="KRAWON1")[1]
    assert (data["compliant"], data["missing"]) == (False, ["certificate"])
    assert told in data["message"]


def test_a_certificate_of_another_is_none(service: KRAService, portal: Portal) -> None:
    portal.certificate("KRAWON1", OTHER)
    data = service.check_compliance(INDIVIDUAL, certificate_number="KRAWON1")[1]
    assert (data["compliant"], data["missing"]) == (False, ["certificate"])


def test_a_suspended_pin_is_not_compliant_whatever_its_certificate(
    service: KRAService, portal: Portal
) -> None:
    portal.certificate("KRAWON1", INDIVIDUAL)
    portal.taxpayer(INDIVIDUAL, status="Suspended")
    data = service.check_compliance(INDIVIDUAL, certificate_number="KRAWON1")[1]
    assert (data["compliant"], data["missing"]) == (False, ["pin"])


def test_what_could_not_be_asked_is_no_verdict(service: KRAService, portal: Portal) -> None:
    portal.answers("pin_by_pin", shape="html", status=503, times=9)
    assert not service.check_compliance(INDIVIDUAL)[0]
    assert not KRAComplianceCheck.objects.exists()


def test_the_words_of_a_good_certificate_are_a_setting(service: KRAService, portal: Portal) -> None:
    portal.certificate("KRAWON1", INDIVIDUAL, status="Imetolewa")
    assert not service.check_certificate(INDIVIDUAL, "KRAWON1")[1]["valid"]
    configure(gavaconnect_facts="tcc_check.good = Imetolewa")
    assert service.check_certificate(INDIVIDUAL, "KRAWON1")[1]["valid"]


def test_applying_for_a_certificate(service: KRAService, portal: Portal) -> None:
    success, data = service.get_tax_certificate("tax_compliance", "2026", reason="Tender")
    assert success, data
    row = KRACertificateRequest.objects.get()
    assert (row.status, row.kra_pin, row.cert_type) == ("completed", OWN, "tax_compliance")
    assert row.certificate_number == data["certificate_number"] == portal.filings[0]["tcc"]
    assert row.acknowledgement == portal.filings[0]["ack"]
    assert portal.filings[0]["reason"] == "Tender"
    assert service.check_compliance(OWN)[1]["compliant"]


def test_an_application_that_is_only_acknowledged(service: KRAService, portal: Portal) -> None:
    portal.switch(is_number_delayed=True)
    success, data = service.get_tax_certificate("tax_compliance", "2026")
    assert (success, data["status"], data["certificate_number"]) == (True, "completed", "")
    assert data["acknowledgement"]


@pytest.mark.parametrize("kind", ["vat", "paye"])
def test_other_certificates_have_no_api(service: KRAService, portal: Portal, kind: str) -> None:
    success, message = service.get_tax_certificate(kind, "2026-03")
    assert (success, message.code) == (False, "unsupported")
    assert "no public API" in message
    row = KRACertificateRequest.objects.get()
    assert (row.status, row.period, row.message) == ("failed", "2026-03", str(message))
    assert portal.filings == []


def test_an_unknown_type_stores_nothing(service: KRAService) -> None:
    success, message = service.get_tax_certificate("import", "2026")
    assert (success, message.field) == (False, "tax_type")
    assert not KRACertificateRequest.objects.exists()


def test_a_refused_application_fails_and_may_be_made_again(
    service: KRAService, portal: Portal
) -> None:
    portal.answers("tcc_application", shape="nok", code="85001", text="No returns filed")
    success, message = service.get_tax_certificate("tax_compliance", "2026")
    assert (success, message.code) == (False, "85001")
    assert "No returns filed" in message
    assert service.get_tax_certificate("tax_compliance", "2026")[0]
    states = KRACertificateRequest.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["failed", "completed"]


def test_a_lost_answer_is_in_doubt_and_not_asked_for_again(
    service: KRAService, portal: Portal
) -> None:
    portal.fault("lose_answer", operation="tcc_application")
    success, message = service.get_tax_certificate("tax_compliance", "2026")
    assert (success, message.code) == (False, "outcome_unknown")
    row = KRACertificateRequest.objects.get()
    assert row.status == "unknown"
    success, message = service.get_tax_certificate("tax_compliance", "2026")
    assert (success, message.code) == (False, "request_open")
    assert len(portal.filings) == 1
    (source,) = [each for each in work_list.sources() if each.name == "kra-certificates"]
    assert [source.line(each).pk for each in source.rows()] == [row.pk]
    settle_certificate(row, issued=True, certificate_number=portal.filings[0]["tcc"])
    assert row.status == "completed"
    assert not source.rows().exists()
    assert service.check_compliance(OWN)[1]["compliant"]


def test_a_crash_leaves_a_request_in_doubt(service: KRAService, portal: Portal) -> None:
    row = KRACertificateRequest.objects.create(cert_type="tax_compliance", kra_pin=OWN)
    assert find_lost_certificates() == 0
    KRACertificateRequest.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert find_lost_certificates() == 1
    row.refresh_from_db()
    assert row.status == "unknown"


def test_an_open_transaction_is_refused(service: KRAService, portal: Portal) -> None:
    with transaction.atomic():
        success, message = service.get_tax_certificate("tax_compliance", "2026")
    assert (success, message.code) == (False, "open_transaction")
    assert not KRACertificateRequest.objects.exists()
    assert portal.filings == []


def test_further_questions(service: KRAService, portal: Portal) -> None:
    portal.record("invoice", "KRACU01/7", invoiceDate="2026-03-01", totalInvoiceAmount=1160.5)
    portal.record("itexemption", INDIVIDUAL, cert_no="X1")
    portal.record("vatexemption", "V1", cert_no="V1")
    portal.record("import", "C1", holder="X")
    portal.record("excise", INDIVIDUAL, licence="E1")
    portal.record("declaration", "D1", state="passed")
    portal.record("eslip", "S1", amount="5")
    listed = service.get_obligations(OWN)[1]["answer"]["ObligationsList"]
    assert listed[0]["obligationId"] == "5"
    invoice = service.check_invoice("KRACU01/7", "2026-03-01")[1]["answer"]["invoiceDetails"]
    assert invoice["totalInvoiceAmount"] == "1160.5"
    station = service.look_up("station", kra_pin=OWN)[1]["answer"]
    assert station["STATIONDATA"]["stationName"] == "Nairobi South"
    for name, values in {
        "income-tax-exemption": {"kra_pin": INDIVIDUAL},
        "vat-exemption": {"number": "V1"},
        "import-certificate": {"number": "C1"},
        "excise-licence": {"kra_pin": INDIVIDUAL},
        "customs-declaration": {"number": "D1"},
        "eslip": {"number": "S1"},
    }.items():
        success, data = service.look_up(name, **values)
        assert success, (name, data)


def test_questions_that_find_nothing_or_are_wrong(service: KRAService) -> None:
    assert service.look_up("vat-exemption", number="V9")[1].code == "83002"
    assert service.check_invoice("KRACU01/9", "2026-03-01")[1].code == "40001"
    assert service.check_invoice("KRACU01/9", "yesterday")[1].field == "date"
    assert service.look_up("station")[1].field == "kra_pin"
    assert service.look_up("station", number="1")[1].field == "number"
    assert service.look_up("import-certificate", number="1", kra_pin=OWN)[1].field == "number"
    assert service.look_up("weather")[1].field == "check"


def test_liabilities_are_plainly_unsupported(service: KRAService) -> None:
    success, message = service.look_up("liabilities", kra_pin=OWN)
    assert (success, message.code) == (False, "unsupported")
    assert "does not tell how" in message


def test_a_key_of_another_product_is_said_in_words(service: KRAService, portal: Portal) -> None:
    portal.enrol("pin_by_pin")
    assert service.check_pin_online(INDIVIDUAL)[0]
    success, message = service.find_pin("12345678")
    assert (success, message.code) == (False, "product_missing")
    assert "“PIN by ID”" in message
    assert "pin_by_id_client_id" in message
    portal.enrol("pin_by_id", key="typed consumer key", secret="typed consumer secret")
    configure(
        pin_by_id_client_id=planted("typed consumer key"),
        pin_by_id_client_secret=planted("typed consumer secret"),
    )
    assert service.find_pin("12345678")[1]["pin"] == INDIVIDUAL
    assert service.check_pin_online(INDIVIDUAL)[0]


def test_each_business_has_its_own(service: KRAService) -> None:
    success, message = KRAService("acme").check_pin_online(INDIVIDUAL)
    assert not success
    assert message.code in ("unknown_business", "not_configured")
    KRASettings.objects.all().delete()
    assert not service.check_pin_online(INDIVIDUAL)[0]
