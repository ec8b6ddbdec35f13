"""Checks, certificates and filings at KRA over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.models import KRACertificateRequest, KRAComplianceCheck, KRAFiling
from integrations.services import KRAService
from tests.api.conftest import logged_in, user_with, with_token
from tests.kra.gava import COMPANY, INDIVIDUAL, OWN, Portal

API = "/api/v1/integrations"
KRA = f"{API}/kra"
NIL = {"kind": "nil_return", "obligation": "VAT", "month": 3, "year": 2026}
LINE = {
    "withholdee_pin": COMPANY, "invoice_number": "INV-1", "invoice_date": "2026-03-02",
    "payment_date": "2026-03-20", "gross_amount": 10000.50, "tax_rate": "2",
}  # fmt: skip
PRN = {
    "kind": "withholding_vat", "unique_number": "W-1", "period_from": "2026-03-01",
    "period_to": "2026-03-31", "lines": [LINE],
}  # fmt: skip
RIGHTS = (
    "check_kracompliancecheck", "view_kracompliancecheck", "view_kracertificaterequest",
    "request_kracertificaterequest", "settle_kracertificaterequest", "view_krafiling",
    "file_krafiling", "settle_krafiling", "sync_kracursor",
)  # fmt: skip


@pytest.fixture
def api(service: KRAService, admin_user: Any) -> APIClient:
    client = APIClient()
    client.force_login(admin_user)
    client.default_format = "json"  # type: ignore[attr-defined]
    return client


def test_a_pin_is_checked_and_found(api: APIClient) -> None:
    told = api.post(f"{KRA}/pin-check/", {"kra_pin": INDIVIDUAL}).json()
    assert (told["name"], told["is_active"]) == ("JANE WANJIKU", True)
    wanted = {"taxpayer_id": "12345678", "taxpayer_type": "KE"}
    assert api.post(f"{KRA}/pin-check/", wanted).json()["pin"] == INDIVIDUAL
    for body in ({}, {"kra_pin": INDIVIDUAL, "taxpayer_id": "1"}, {"kra_pin": "x"}, {"pin": "x"}):
        answer = api.post(f"{KRA}/pin-check/", body)
        assert (answer.status_code, answer.json()["success"]) == (400, False), body


def test_compliance_is_checked_and_listed(api: APIClient, portal: Portal) -> None:
    portal.certificate("T1", INDIVIDUAL)
    first = api.post(f"{KRA}/checks/", {"kra_pin": INDIVIDUAL})
    assert (first.status_code, first.json()["compliant"]) == (201, False)
    assert first.json()["missing"] == ["certificate_number"]
    body = {"kra_pin": INDIVIDUAL, "certificate_number": "T1"}
    assert api.post(f"{KRA}/checks/", body).json()["compliant"]
    listed = api.get(f"{KRA}/checks/?compliant=true").json()["results"]
    assert [each["kra_pin"] for each in listed] == [INDIVIDUAL]
    assert api.get(f"{KRA}/checks/?kra_pin={OWN}").json()["results"] == []
    assert api.get(f"{KRA}/checks/?pin={OWN}").status_code == 400
    standing = api.post(f"{KRA}/checks/certificate/", body).json()
    assert (standing["valid"], standing["expires_on"]) == (True, "2099-01-04")


def test_further_questions(api: APIClient) -> None:
    told = api.post(f"{KRA}/checks/station/", {"kra_pin": OWN}).json()
    assert told["answer"]["STATIONDATA"]["stationName"] == "Nairobi South"
    assert api.post(f"{KRA}/checks/weather/", {}).status_code == 400
    refused = api.post(f"{KRA}/checks/liabilities/", {"kra_pin": OWN})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported")
    missing = api.post(f"{KRA}/checks/vat-exemption/", {"number": "V9"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (502, "83002")


def test_a_certificate_is_requested_once_for_a_key(api: APIClient, portal: Portal) -> None:
    body = {"tax_type": "tax_compliance", "period": "2026", "reason": "Tender"}
    made = api.post(f"{KRA}/certificates/", body, headers={"Idempotency-Key": "k1"})
    assert (made.status_code, made.json()["status"]) == (201, "completed")
    again = api.post(f"{KRA}/certificates/", body, headers={"Idempotency-Key": "k1"})
    assert again.json()["request_id"] == made.json()["request_id"]
    assert len(portal.filings) == 1
    other = api.post(
        f"{KRA}/certificates/", body | {"period": "2027"}, headers={"Idempotency-Key": "k1"}
    )
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")
    listed = api.get(f"{KRA}/certificates/?status=completed").json()["results"]
    assert [each["certificate_number"] for each in listed] == [portal.filings[0]["tcc"]]


def test_a_request_in_doubt_is_settled(api: APIClient, portal: Portal) -> None:
    portal.fault("lose_answer", operation="tcc_application")
    body = {"tax_type": "tax_compliance", "period": "2026"}
    lost = api.post(f"{KRA}/certificates/", body)
    assert (lost.status_code, lost.json()["error"]["code"]) == (502, "outcome_unknown")
    again = api.post(f"{KRA}/certificates/", body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "request_open")
    row = KRACertificateRequest.objects.get()
    url = f"{KRA}/certificates/{row.pk}/settle/"
    settled = api.post(url, {"issued": True, "certificate_number": "T9"})
    assert settled.json()["certificate_number"] == "T9"
    assert api.post(url, {"issued": False}).status_code == 409
    assert api.post(f"{KRA}/certificates/x/settle/", {"issued": False}).status_code == 404


def test_filing(api: APIClient, portal: Portal) -> None:
    filed = api.post(f"{KRA}/filings/", NIL)
    assert (filed.status_code, filed.json()["success"]) == (201, True), filed.content
    again = api.post(f"{KRA}/filings/", NIL)
    assert (again.status_code, again.json()["filing_id"]) == (200, filed.json()["filing_id"])
    prn = api.post(f"{KRA}/filings/", PRN)
    assert (prn.status_code, prn.json()["amount"]) == (201, "200.01"), prn.content
    listed = api.get(f"{KRA}/filings/?kind=nil_return").json()["results"]
    assert [each["filing_id"] for each in listed] == [filed.json()["filing_id"]]
    read = api.get(f"{KRA}/filings/{prn.json()['filing_id']}/").json()
    assert read["prn"] == portal.filings[1]["prn"]
    assert len(portal.filings) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        (NIL | {"kind": "other"}, "kind"),
        (NIL | {"month": 13}, "month"),
        (NIL | {"obligation": "Lunch"}, "obligation"),
        (NIL | {"turnover": 5}, "turnover"),
        (PRN | {"lines": [LINE | {"payment_date": "2026-05-01"}]}, "lines[1].payment_date"),
        (PRN | {"lines": [LINE | {"tax_amount": "200.02"}]}, "lines[1].tax_amount"),
        (PRN | {"lines": [LINE | {"town": "Thika"}]}, "lines[1].town"),
        (PRN | {"gross_amount": "1"}, "gross_amount"),
    ],
)
def test_a_wrong_filing_names_the_field(
    api: APIClient, portal: Portal, body: dict[str, Any], field: str
) -> None:
    answer = api.post(f"{KRA}/filings/", body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert not KRAFiling.objects.exists()


def test_refused_and_lost_filings(api: APIClient, portal: Portal) -> None:
    portal.answers("nil_return", code="82002", text="No obligation", status=200)
    refused = api.post(f"{KRA}/filings/", NIL)
    assert (refused.status_code, refused.json()["state"]) == (502, "refused")
    assert refused.json()["error"]["code"] == "82002"
    portal.fault("lose_answer", operation="nil_return")
    lost = api.post(f"{KRA}/filings/", NIL)
    assert (lost.status_code, lost.json()["state"]) == (202, "unknown")
    assert api.post(f"{KRA}/filings/", NIL).status_code == 202
    listed = api.get(f"{KRA}/filings/?needs_attention=true").json()["results"]
    url = f"{KRA}/filings/{listed[0]['filing_id']}/settle/"
    assert api.post(url, {"accepted": True}).json()["error"]["field"] == "acknowledgement"
    told = api.post(url, {"accepted": True, "acknowledgement": "A1"}).json()
    assert (told["state"], told["attention"]) == ("accepted", "")
    assert api.post(url, {"accepted": False}).status_code == 409
    assert len(portal.filings) == 1


def test_the_documented_addresses(api: APIClient, portal: Portal) -> None:
    hooks = f"{API}/webhook-events"
    done = api.post(f"{hooks}/certificate/", {"type": "tax_compliance", "period": "2026"})
    assert (done.status_code, done.json()["success"]) == (200, True)
    assert done.json()["result"]["certificate_number"] == portal.filings[0]["tcc"]
    refused = api.post(f"{hooks}/certificate/", {"tax_type": "vat", "period": "2026-03"})
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert "no public API" in refused.json()["error"]["detail"]
    told = api.post(f"{hooks}/compliance/", {"pin": OWN}).json()
    assert (told["success"], told["result"]["compliant"]) == (True, True)
    assert api.post(f"{hooks}/compliance/", {"kra_pin": "x"}).status_code == 400


def test_rights(service: KRAService, portal: Portal) -> None:
    nobody = logged_in(user_with())
    everybody = logged_in(user_with(*RIGHTS))
    reader = with_token(user_with(*RIGHTS), "tax:read")
    writer = with_token(user_with(*RIGHTS), "tax:read", "tax:write")
    for path in ("checks", "certificates", "filings"):
        url = f"{KRA}/{path}/"
        codes = [each.get(url).status_code for each in (nobody, everybody, reader, writer)]
        assert codes == [403, 200, 200, 200], path
        codes = [each.post(url, {}).status_code for each in (nobody, everybody, reader, writer)]
        assert codes == [403, 400, 403, 400], path
    assert APIClient().get(f"{KRA}/filings/").status_code == 401


def test_another_business_is_not_there(api: APIClient, portal: Portal) -> None:
    made = api.post(f"{KRA}/filings/", NIL).json()
    api.post(f"{KRA}/checks/", {"kra_pin": OWN})
    stranger = logged_in(user_with(*RIGHTS, businesses=("acme",)))
    assert stranger.get(f"{KRA}/filings/").json()["results"] == []
    assert stranger.get(f"{KRA}/checks/").json()["results"] == []
    assert stranger.get(f"{KRA}/filings/{made['filing_id']}/").status_code == 404
    assert stranger.post(f"{KRA}/filings/", NIL | {"business": ""}).status_code == 403
    KRAFiling.objects.update(state="unknown", created_at=timezone.now() - timedelta(days=1))
    url = f"{KRA}/filings/{made['filing_id']}/settle/"
    assert stranger.post(url, {"accepted": False}).status_code == 404
    assert KRAComplianceCheck.objects.count() == 1
