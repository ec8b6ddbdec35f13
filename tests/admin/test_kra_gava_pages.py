"""Compliance, certificates and filings in the admin: shown, asked for, filed, settled."""

from __future__ import annotations

from typing import Any

from django.test import Client

from integrations.models import (
    KRACertificateRequest,
    KRAComplianceCheck,
    KRAFiling,
    KRASettings,
)
from integrations.services import KRAService
from tests.api.conftest import user_with
from tests.kra.gava import INDIVIDUAL, OWN, Portal

HUB = "/admin/integrations"
CHECKS, CERTIFICATES = f"{HUB}/kracompliancecheck/", f"{HUB}/kracertificaterequest/"
FILINGS = f"{HUB}/krafiling/"
HOSTILE = "<script>alert(1)</script>"
NIL = {"obligation": "5", "month": "3", "year": "2026", "account": ":", "is_sure": "on"}
LINES = (
    "Withholdee PIN\tInvoice number\tInvoice date\tPayment date\tGross amount\tTax rate\n"
    "P318295670X\tINV-1\t2026-03-02\t2026-03-20\t10000.50\t2\n"
)
PRN = {
    "unique_number": "W-1", "period_from": "2026-03-01", "period_to": "2026-03-31",
    "lines": LINES, "account": ":", "is_sure": "on",
}  # fmt: skip


def html(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def test_a_pin_is_checked_by_a_button(
    service: KRAService, portal: Portal, admin_client: Client
) -> None:
    portal.certificate("T1", INDIVIDUAL)
    assert "Check a PIN" in html(admin_client.get(CHECKS))
    assert OWN in html(admin_client.get(f"{CHECKS}check/"))
    typed = {"kra_pin": INDIVIDUAL, "certificate_number": "T1", "account": ":"}
    shown = html(admin_client.post(f"{CHECKS}check/", typed, follow=True))
    assert "The PIN is active and the certificate is valid." in shown
    row = KRAComplianceCheck.objects.get()
    assert (row.is_compliant, row.checked_by is not None) == (True, True)
    assert INDIVIDUAL in html(admin_client.get(f"{CHECKS}?q={INDIVIDUAL.lower()}"))
    wrong = html(admin_client.post(f"{CHECKS}check/", typed | {"kra_pin": "x"}))
    assert "must be a letter, 9 digits and a letter" in wrong


def test_a_certificate_is_requested_and_settled(
    service: KRAService, portal: Portal, admin_client: Client
) -> None:
    assert "Request a certificate" in html(admin_client.get(CERTIFICATES))
    typed = {"tax_type": "tax_compliance", "period": "2026", "reason": "Tender", "account": ":"}
    shown = html(admin_client.post(f"{CERTIFICATES}ask/", typed, follow=True))
    assert portal.filings[0]["tcc"] in shown
    portal.fault("lose_answer", operation="tcc_application")
    shown = html(admin_client.post(f"{CERTIFICATES}ask/", typed, follow=True))
    assert "look on iTax" in shown
    row = KRACertificateRequest.objects.get(status="unknown")
    page = f"{CERTIFICATES}{row.pk}/"
    assert "Tell what became of it" in html(admin_client.get(f"{page}change/"))
    told = {"outcome": "yes", "certificate_number": "T7", "note": "Seen on iTax"}
    shown = html(admin_client.post(f"{page}settle/", told, follow=True))
    assert "T7" in shown
    assert "Tell what became of it" not in shown


def test_a_nil_return_is_filed_once(
    service: KRAService, portal: Portal, admin_client: Client
) -> None:
    assert "File: NIL return" in html(admin_client.get(FILINGS))
    url = f"{FILINGS}file/nil_return/"
    assert "legal effect" in html(admin_client.get(url))
    unsure = {name: value for name, value in NIL.items() if name != "is_sure"}
    html(admin_client.post(url, unsure))
    assert not KRAFiling.objects.exists()
    shown = html(admin_client.post(url, NIL, follow=True))
    assert portal.filings[0]["ack"] in shown
    shown = html(admin_client.post(url, NIL, follow=True))
    assert "filed already" in shown
    assert len(portal.filings) == 1
    assert admin_client.get(f"{FILINGS}file/other/").status_code == 404


def test_withheld_tax_is_pasted(service: KRAService, portal: Portal, admin_client: Client) -> None:
    url = f"{FILINGS}file/withholding_vat/"
    broken = LINES.replace("2026-03-20", "2026-05-20")
    shown = html(admin_client.post(url, PRN | {"lines": broken}))
    assert "lines[1].payment_date: lies outside the period." in shown
    assert "at least" in html(admin_client.post(url, PRN | {"lines": "a,b"}))
    assert "Line 1 has 1 cells" in html(admin_client.post(url, PRN | {"lines": "a,b\n1"}))
    shown = html(admin_client.post(url, PRN, follow=True))
    assert portal.filings[0]["prn"] in shown
    assert "transactionHeader" in shown


def test_a_filing_in_doubt_is_settled(
    service: KRAService, portal: Portal, admin_client: Client
) -> None:
    portal.fault("lose_answer", operation="nil_return")
    shown = html(admin_client.post(f"{FILINGS}file/nil_return/", NIL, follow=True))
    assert "look on iTax" in shown
    row = KRAFiling.objects.get()
    listed = html(admin_client.get(f"{FILINGS}?attention=yes"))
    assert OWN in listed
    assert OWN in html(admin_client.get(f"{HUB}/worklist/"))
    url = f"{FILINGS}{row.pk}/settle/"
    told = {"outcome": "yes", "note": "Seen on iTax"}
    assert "number of the filing" in html(admin_client.post(url, told))
    shown = html(admin_client.post(url, told | {"acknowledgement": "A1"}, follow=True))
    assert "It is settled." in shown
    row.refresh_from_db()
    assert (row.state, row.acknowledgement, row.attention) == ("accepted", "A1", "")


def test_pages_need_their_rights(
    service: KRAService, portal: Portal, client: Client, db: None
) -> None:
    views = ("view_kracompliancecheck", "view_kracertificaterequest", "view_krafiling")
    client.force_login(user_with(*views, is_staff=True))
    for page, button in (
        (CHECKS, "Check a PIN"), (CERTIFICATES, "Request a certificate"), (FILINGS, "File: "),
    ):  # fmt: skip
        assert button not in html(client.get(page))
    row = KRAFiling.objects.create(
        environment="sandbox", kind="nil_return", kra_pin=OWN, key="1", body={}, digest="0" * 64,
        state="unknown", attention="look",
    )  # fmt: skip
    asked = KRACertificateRequest.objects.create(
        cert_type="tax_compliance", kra_pin=OWN, status="unknown"
    )
    for url in (
        f"{CHECKS}check/", f"{CERTIFICATES}ask/", f"{FILINGS}file/nil_return/",
        f"{FILINGS}{row.pk}/settle/", f"{CERTIFICATES}{asked.pk}/settle/",
    ):  # fmt: skip
        assert client.get(url).status_code == 403, url
        assert client.post(url, NIL).status_code == 403, url
    assert portal.filings == []


def test_another_business_is_not_there(service: KRAService, portal: Portal, client: Client) -> None:
    rights = (
        "view_krafiling", "file_krafiling", "settle_krafiling", "view_kracompliancecheck",
        "check_kracompliancecheck",
    )  # fmt: skip
    client.force_login(user_with(*rights, is_staff=True, businesses=("acme",)))
    row = KRAFiling.objects.create(
        environment="sandbox", kind="nil_return", kra_pin=OWN, key="1", body={}, digest="0" * 64,
        state="unknown", attention="look",
    )  # fmt: skip
    assert client.post(f"{FILINGS}{row.pk}/settle/", {}).status_code == 404
    assert OWN not in html(client.get(FILINGS))
    assert OWN not in html(client.get(f"{FILINGS}file/nil_return/"))
    html(client.post(f"{FILINGS}file/nil_return/", NIL))
    assert portal.filings == []


def test_hostile_text_is_escaped(admin_client: Client, db: None) -> None:
    check = KRAComplianceCheck.objects.create(kra_pin=OWN, message=HOSTILE, taxpayer_name=HOSTILE)
    asked = KRACertificateRequest.objects.create(
        cert_type="vat", message=HOSTILE, reason=HOSTILE, status="own word"
    )
    row = KRAFiling.objects.create(
        environment="production", kind="nil_return", kra_pin=OWN, key="1", body={"a": HOSTILE},
        digest="0" * 64, state="unknown", attention=HOSTILE,
    )  # fmt: skip
    for page, pk in ((CHECKS, check.pk), (CERTIFICATES, asked.pk), (FILINGS, row.pk)):
        for url in (page, f"{page}{pk}/change/"):
            assert HOSTILE not in html(admin_client.get(url))
        assert admin_client.get(f"{page}add/").status_code == 403
    assert not KRASettings.objects.exists()
