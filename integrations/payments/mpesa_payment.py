"""M-Pesa for ERP code: one import, one call, an honest answer."""

from __future__ import annotations

from integrations.config import get_snapshot
from integrations.models import MpesaSettings
from integrations.payments.accounts import account_text
from integrations.payments.batches.service import BatchService
from integrations.payments.c2b_service import C2BService
from integrations.payments.out_service import OutService
from integrations.payments.query_service import QueryService
from integrations.payments.statement_service import StatementService
from integrations.payments.stk_service import StkService


class MpesaPaymentService(
    StkService, C2BService, OutService, BatchService, QueryService, StatementService
):
    """All of M-Pesa, as 3-tuples `(success, message, data)`; each product has its own module.

    The message is for people; `data["code"]` is for programs. Nothing returned holds the
    passkey in any form (the original's `password` key stays, empty).
    """

    @classmethod
    def get_settings(cls, business: str = "", *, short_code: str = "") -> MpesaSettings | None:
        """The settings row that serves a business, or None (environment or defaults).

        `short_code` names one of several; "" is the main one.
        """
        row_id = get_snapshot("mpesa", business, account_text(short_code)).row_id
        return MpesaSettings.objects.filter(pk=row_id).first() if row_id else None
