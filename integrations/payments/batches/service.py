"""Payout files, as the documented service answers them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from django.db import Error as DatabaseError
from django.db import connection

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.models import BatchState, PayoutBatch
from integrations.payments.answers import Answer
from integrations.payments.batches.check import BadPayoutFile, Report
from integrations.payments.batches.open import BatchRequest, ConfirmationNeeded, open_file
from integrations.payments.payouts import REMARKS

DONE = "Payout file stored; its rows go out now"
NOT_STORED = "The payout file could not be stored; nothing was sent."
IN_DOUBT = "It is not known whether the payout file was stored: look before you give it again."


class BatchService:
    """Pays files out."""

    @classmethod
    def pay_out_file(
        cls,
        file: IO[bytes],
        *,
        name: Any = "",
        command: Any = "BusinessPayment",
        remarks: Any = REMARKS,
        occasion: Any = "",
        idempotency_key: str | None = None,
        business: str = "",
        short_code: str = "",
        requested_by: Any = None,
        confirm: Iterable[str] = (),
    ) -> Answer:
        """Check a CSV file of payouts and store all of it, or nothing; workers send the rows.

        The first line names the columns: phone, amount, reference, and if wanted remarks and
        name. `file` is open for reading bytes and can be read from its beginning. `remarks` are
        for rows without their own. Stored with the caller's transaction, as `enqueue_payout`.

        True means that the rows go out, or, with state "awaiting_approval", that the file waits
        for a second person. `data` has `batch_id`, `state`, `count` and `total`. False with code
        "bad_payout_file" has `errors` (line, field, reason) and `error_count`; with
        "confirmation_needed" it has `findings` (name, text): give the names in `confirm` once
        somebody has looked. A second call with the same `idempotency_key` answers for the first
        file.
        """
        request = BatchRequest(
            file, name, command, remarks, occasion, business, short_code, idempotency_key,
            requested_by, tuple(confirm),
        )  # fmt: skip
        try:
            batch, is_new = open_file(request)
        except BadPayoutFile as error:
            return _refused(error, **told_of(error.report))
        except ConfirmationNeeded as error:
            findings = [{"name": name, "text": text} for name, text in error.findings]
            return _refused(error, findings=findings, **told_of(error.report))
        except IntegrationError as error:
            return _refused(error)
        except DatabaseError:
            return _unstored(request)
        return describe_batch(batch, is_new=is_new)


def told_of(report: Report) -> dict[str, Any]:
    """What a look through the file found, for programs."""
    return {
        "count": report.count,
        "total": str(report.total),
        "errors": [fault._asdict() for fault in report.faults],
        "error_count": report.fault_count,
        "repeats": [repeat._asdict() for repeat in report.repeats],
        "repeat_count": report.repeat_count,
        "ignored_columns": report.ignored,
    }


def describe_batch(batch: PayoutBatch, *, is_new: bool) -> Answer:
    """The documented 3-tuple of a file as it stands now."""
    data = {
        "batch_id": str(batch.public_id),
        "state": str(batch.state),
        "count": batch.count,
        "total": f"{batch.total:.2f}",
        "currency": batch.currency,
        "code": "",
        "repeated": not is_new,
    }
    waits = batch.state == BatchState.AWAITING_APPROVAL
    return True, batch.message if waits else DONE, data


def _refused(error: IntegrationError, **more: Any) -> Answer:
    field = {"field": error.field} if isinstance(error, InvalidInput) else {}
    data = {
        "batch_id": "", "state": "refused", "code": error.code, "help": error.help_url,
        **field, **more,
    }  # fmt: skip
    return False, error.message, data


def _unstored(request: BatchRequest) -> Answer:
    """The database failed: look whether the file is there all the same."""
    data = {"batch_id": "", "state": "refused", "code": "not_stored"}
    data["help"] = help_url("not_stored")
    if connection.in_atomic_block:
        return False, NOT_STORED, data
    connection.close()
    try:
        found = PayoutBatch.objects.filter(public_id=request.public_id).first()
    except DatabaseError:
        return False, IN_DOUBT, {**data, "state": "unknown"}
    return describe_batch(found, is_new=True) if found is not None else (False, NOT_STORED, data)
