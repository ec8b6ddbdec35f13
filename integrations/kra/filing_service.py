"""NIL returns and withholding tax, through GavaConnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.kra import filings
from integrations.kra.answers import Answer, KRAMessage, message_of
from integrations.kra.base_service import ServiceBase
from integrations.models import FilingKind, FilingState, KRAFiling

BUSY = "The same is being filed right now; ask again in a moment."


class FilingService(ServiceBase):
    """What has legal effect at KRA: stored first, sent once, never again by itself.

    `(True, data)` where KRA accepted it, with its numbers `acknowledgement` and `prn`. Else
    `(False, message)`: `message.data["state"]` is "refused" (nothing was filed), or "unknown"
    (look on iTax, then `settle_filing`). The same again is answered by the first filing. Not
    inside an open transaction, which could undo the record of what was sent.
    """

    def file_nil_return(
        self, obligation: Any, month: Any, year: Any, *, kra_pin: str = "", requested_by: Any = None
    ) -> Answer:
        """A NIL return of a month. `obligation` is a code or name of the setting."""
        given = {"obligation": obligation, "month": month, "year": year, "kra_pin": kra_pin}
        return self.file(FilingKind.NIL_RETURN, given, requested_by=requested_by)

    def file_turnover_tax(
        self, turnover: Any, month: Any, year: Any, *, kra_pin: str = "", requested_by: Any = None
    ) -> Answer:
        """Turnover tax of a month; KRA answers with the PRN to pay by."""
        given = {"turnover": turnover, "month": month, "year": year, "kra_pin": kra_pin}
        return self.file(FilingKind.TURNOVER_TAX, given, requested_by=requested_by)

    def file_withholding(
        self,
        tax: str,
        *,
        unique_number: str,
        period_from: Any,
        period_to: Any,
        lines: Sequence[Mapping[str, Any]],
        withholder_pin: str = "",
        requested_by: Any = None,
    ) -> Answer:
        """A PRN for withheld tax; `tax` is "vat", "income" or "rental".

        `unique_number` is the ERP's own number of it. See `read_withholding` for the lines.
        """
        given = {
            "unique_number": unique_number,
            "period_from": period_from,
            "period_to": period_to,
            "lines": lines,
            "withholder_pin": withholder_pin,
        }
        return self.file(f"withholding_{tax}", given, requested_by=requested_by)

    def file(self, kind: str, given: Mapping[str, Any], *, requested_by: Any = None) -> Answer:
        """Any kind of filing, its values by name."""
        try:
            config = self.config()
            wanted = filings.read_filing(config, kind, given)
            row, is_new = filings.file(config, wanted, by=requested_by)
        except IntegrationError as error:
            return False, message_of(error)
        return answer_of(row, is_new=is_new)

    def get_filing(self, filing_id: Any) -> Answer:
        """How a filing of this business stands; nobody is asked."""
        try:
            return answer_of(self._find_filing(filing_id), is_new=True)
        except IntegrationError as error:
            return False, message_of(error)

    def settle_filing(
        self,
        filing_id: Any,
        *,
        accepted: bool,
        acknowledgement: str = "",
        payment_number: str = "",
        note: str = "",
    ) -> Answer:
        """A person tells what became of a filing in doubt."""
        try:
            row = filings.settle_filing(
                self._find_filing(filing_id),
                accepted=accepted,
                acknowledgement=acknowledgement,
                payment_number=payment_number,
                note=note,
            )
        except IntegrationError as error:
            return False, message_of(error)
        return True, filings.describe_filing(row)

    def _find_filing(self, filing_id: Any) -> KRAFiling:
        try:
            wanted = UUID(str(filing_id))
            found = KRAFiling.objects.filter(public_id=wanted, business=self.business).first()
        except ValueError:
            found = None
        if found is None:
            raise InvalidInput("filing_id", "is not known for this business.")
        return found


def answer_of(row: KRAFiling, *, is_new: bool) -> Answer:
    """A filing as the documented 2-tuple."""
    data = filings.describe_filing(row, is_new=is_new)
    if row.state == FilingState.ACCEPTED:
        return True, data
    code = row.result_code or "outcome_unknown"
    text = BUSY if row.state == FilingState.SENDING else row.message
    if row.state == FilingState.UNKNOWN:
        text, code = f"{row.message} {row.attention}".strip(), "outcome_unknown"
    return False, KRAMessage(text, code=code, help=help_url(code), data=data)
