"""PINs, certificates and compliance, through GavaConnect."""

from __future__ import annotations

from typing import Any

from integrations.kra import checks
from integrations.kra.answers import Answer, answer
from integrations.kra.base_service import ServiceBase


class CheckService(ServiceBase):
    """PINs, certificates and compliance, through GavaConnect.

    Each answers `(True, data)`, or `(False, message)` where KRA could not be asked or refused.
    """

    def check_pin_online(self, kra_pin: str) -> Answer:
        """How a PIN stands at KRA: `data["is_known"]`, `data["is_active"]`, name and status."""
        return answer(lambda: checks.check_pin_online(self.config(), kra_pin).as_dict())

    def find_pin(self, taxpayer_id: str, taxpayer_type: str = "KE") -> Answer:
        """The PIN of an id number: `{pin, name}`; types are KE, NKE, NKENR and COMP."""
        return answer(lambda: checks.find_pin(self.config(), taxpayer_id, taxpayer_type))

    def check_compliance(
        self, kra_pin: str, *, certificate_number: str = "", requested_by: Any = None
    ) -> Answer:
        """Whether a taxpayer is compliant: `data["compliant"]`, and in `data["missing"]` why not.

        Compliant is who has an active PIN and a valid certificate: the one of
        `certificate_number`, else the last one known here. A KRAComplianceCheck keeps the answer.
        """
        return answer(
            lambda: checks.describe_check(
                checks.check_compliance(
                    self.config(),
                    kra_pin,
                    certificate_number=certificate_number,
                    by=requested_by,
                )
            )
        )

    def get_tax_certificate(
        self,
        tax_type: str,
        period: str = "",
        *,
        kra_pin: str = "",
        reason: str = "",
        requested_by: Any = None,
    ) -> Answer:
        """Apply for a certificate ("tax_compliance"); KRA has no public API for the others.

        A KRACertificateRequest, committed before the call, keeps what became of it; the same
        request is refused while an earlier one is in doubt. Not inside an open transaction.
        """
        return answer(
            lambda: checks.describe_certificate(
                checks.request_certificate(
                    self.config(),
                    tax_type,
                    period,
                    kra_pin=kra_pin,
                    reason=reason,
                    by=requested_by,
                )
            )
        )

    def check_certificate(self, kra_pin: str, certificate_number: str) -> Answer:
        """Whether a tax compliance certificate is valid: `data["valid"]`, status and dates."""
        return answer(
            lambda: checks.check_certificate(self.config(), kra_pin, certificate_number).as_dict()
        )

    def look_up(self, check: str, **values: Any) -> Answer:
        """One of `integrations.kra.checks.LOOK_UPS`, such as
        `look_up("invoice", number="0040798550000000456", date="2026-11-27")`."""
        return answer(lambda: checks.look_up(self.config(), check, values))

    def get_obligations(self, kra_pin: str) -> Answer:
        """The tax obligations of a PIN, in `data["answer"]` as KRA lists them."""
        return self.look_up("obligations", kra_pin=kra_pin)

    def check_invoice(self, number: str, date: Any) -> Answer:
        """A supplier's invoice at KRA, by its control-unit number and its day."""
        return self.look_up("invoice", number=number, date=date)
