"""What nobody decided in time is not done."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models.functions import Now

from integrations.approvals.decide import close, lock, locked_subject
from integrations.models import Approval, ApprovalState
from integrations.work import safe_error

logger = logging.getLogger(__name__)
NOBODY = "Nobody decided in time."


def expire_overdue() -> int:
    """Close the open requests whose time is over, each by itself; returns how many.

    One whose handler fails stays open, can't be approved any more, and comes again at the
    next run.
    """
    overdue = Approval.objects.filter(state=ApprovalState.OPEN, expires_at__lte=Now())
    return sum(_expire(approval) for approval in list(overdue.order_by("expires_at")))


def _expire(approval: Approval) -> int:
    try:
        with transaction.atomic():
            row = lock(approval)
            if not row.is_open:
                return 0
            close(row, locked_subject(row), ApprovalState.EXPIRED, user=None, reason=NOBODY)
    except Exception as error:  # noqa: BLE001  (a kind's own handler: the others go on)
        logger.error("approval=%s not_expired: %s", approval.public_id, safe_error(error))
        return 0
    return 1
