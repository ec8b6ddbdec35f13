"""Opening a payout file: everything is checked, then everything is stored, or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from integrations import approvals
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import (
    AuditEntry,
    BatchState,
    Payment,
    PaymentState,
    PayoutBatch,
    acting_as,
    current_actor,
    name_actor,
)
from integrations.payments import ledger_bulk, money_out, opening
from integrations.payments.accounts import account_text
from integrations.payments.batches.approval import KIND, QUEUE
from integrations.payments.batches.check import (
    BadPayoutFile,
    GoodRow,
    Report,
    RowDigest,
    Rules,
    read_rows,
    survey,
)
from integrations.payments.limits import reserve_batch
from integrations.payments.opening import PROVIDER
from integrations.payments.payouts import PERMISSION, REMARKS, columns_of
from integrations.providers.mpesa.payloads import PayoutCommand
from integrations.work import WorkState, ring

CHUNK = 500
# What may have to be confirmed, by the name under which it is.
REPEATED_PHONES = "repeated_phones"
SAME_FILE = "same_file"
CONFIRMABLE = (REPEATED_PHONES, SAME_FILE)
MAX_NAME = 100


class ConfirmationNeeded(InvalidInput):
    """The file is good, and something about it is pointed out first; nothing was stored.

    `findings` are (name, words); sending it again with these names in `confirm` goes ahead.
    """

    def __init__(self, findings: list[tuple[str, str]], report: Report) -> None:
        words = " ".join(text for _name, text in findings)
        super().__init__(
            "confirm", f"look at this first, nothing was stored. {words}",
            code="confirmation_needed",
        )  # fmt: skip
        self.findings = findings
        self.report = report


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One payout file as the caller gave it. `file` is read from its beginning, twice."""

    file: IO[bytes]
    name: object = ""
    command: object = PayoutCommand.BUSINESS.value
    remarks: object = REMARKS
    occasion: object = ""
    business: str = ""
    short_code: str = ""
    idempotency_key: str | None = None
    requested_by: Any = None
    confirm: tuple[str, ...] = ()
    # Chosen before the insert, so that a row whose commit was not acknowledged can be found.
    public_id: uuid.UUID = field(default_factory=uuid.uuid4)


def rules_of(request: BatchRequest) -> Rules:
    """By what the file is checked; raises what the settings, the account and the person lack.

    IntegrationError (`not_permitted`), ConfigurationError, InvalidInput (command, remarks,
    occasion).
    """
    money_out.require_permission(request.requested_by, PERMISSION, request.business)
    config = get_snapshot(PROVIDER, request.business, account_text(request.short_code))
    config.require_usable()
    config.as_dict()  # every secret opens, or DecryptionError says which one does not
    money_out.require_initiator(config)
    rules = Rules(config, request.command, request.remarks, request.occasion)
    rules.require_good()
    return rules


def check_file(request: BatchRequest) -> Report:
    """What is in the file, faults and all, and nothing is stored."""
    return survey(request.file, rules_of(request))


def open_file(request: BatchRequest) -> tuple[PayoutBatch, bool]:
    """Check the file and store its payouts: (batch, whether it is new).

    One transaction, which joins the caller's: all of the rows with their history, or none.
    Raises BadPayoutFile, ConfirmationNeeded, InvalidInput (also for a daily limit, and where the
    key belongs to another file) and what `rules_of` raises.
    """
    rules = rules_of(request)
    key = opening.check_key(request.idempotency_key)
    name = _check_name(request.name)
    report = survey(request.file, rules)
    if report.fault_count:
        raise BadPayoutFile(report)
    known = _of_key(rules.config, key)
    if known is not None:
        return _same(known, rules, report), False
    findings = unconfirmed(rules.config, report, request.confirm)
    if findings:
        # The same request may have been stored meanwhile, which is no second file.
        known = _of_key(rules.config, key)
        if known is not None:
            return _same(known, rules, report), False
        raise ConfirmationNeeded(findings, report)
    values = batch_values(rules.config, report, request) | {"name": name, "idempotency_key": key}
    batch, is_new = store(
        values, rules.config, request.requested_by,
        lambda batch: payments_of(batch, rules.config, read_rows(request.file, rules)),
    )  # fmt: skip
    return (batch, True) if is_new else (_same(batch, rules, report), False)


def batch_values(config: Snapshot, report: Report, request: BatchRequest) -> dict[str, Any]:
    """The columns of the batch."""
    return {
        "public_id": request.public_id,
        "business": config.business,
        "environment": config.environment,
        "short_code": str(config.values["short_code"]),
        "command": str(request.command),
        "count": report.count,
        "total": report.total,
        "digest": report.digest,
    }


def payments_of(batch: PayoutBatch, config: Snapshot, rows: Iterator[GoodRow]) -> Iterator[Payment]:
    """The payouts of the rows, not stored yet."""
    state = PaymentState.CREATED
    if batch.state == BatchState.AWAITING_APPROVAL:
        state = PaymentState.AWAITING_APPROVAL
    for row in rows:
        values = columns_of(config, row.payout, row.reference, None)
        # Idle until the batch lets it go.
        yield Payment(
            **values, batch=batch, party_name=row.name, state=state, next_attempt_at=None,
            work_state=WorkState.IDLE,
        )  # fmt: skip


def store(
    values: dict[str, Any],
    config: Snapshot,
    requested_by: Any,
    payments: Callable[[PayoutBatch], Iterator[Payment]],
) -> tuple[PayoutBatch, bool]:
    """The batch and its payments in one transaction: (batch, whether it is new).

    Above the limit of the settings, by its total, it waits for a second person.
    """
    waits = money_out.needs_approval(config, int(values["total"]))
    maker = requested_by or current_actor()
    values = {
        **values,
        "requested_by": maker,
        "requested_by_name": name_actor(maker) if maker else "system",
        "state": BatchState.AWAITING_APPROVAL if waits else BatchState.RUNNING,
    }
    if waits:
        values |= {"next_attempt_at": None, "work_state": WorkState.IDLE}
    with transaction.atomic():
        try:
            with transaction.atomic():
                batch = PayoutBatch.objects.create(**values)
        except IntegrityError:
            known = _of_key(config, values.get("idempotency_key"))
            if known is None:
                raise IntegrationError("It could not be stored.", code="not_stored") from None
            return known, False
        _store_rows(batch, payments(batch))
        reserve_batch(config, batch)
        with acting_as(maker):
            AuditEntry.objects.record(
                "payout_file.opened", target=batch, business=batch.business,
                detail=f"{batch.count} rows, digest {batch.digest}",
            )  # fmt: skip
        if waits:
            _ask(batch, maker)
        ring(QUEUE)
    return batch, True


def _store_rows(batch: PayoutBatch, payments: Iterator[Payment]) -> None:
    stored, digest = 0, RowDigest()
    while chunk := list(islice(payments, CHUNK)):
        texts = [f"KES {int(row.amount):,} to {row.phone}, of a payout file." for row in chunk]
        facts = [{"facts": money_out.digest_of_payout(row)} for row in chunk]
        ledger_bulk.open_many(chunk, texts, facts)
        stored += len(chunk)
        for row in chunk:
            digest.add(row.phone, row.amount, row.account_reference, row.description)
    # The total, by which it waits for approval or not, is that of the first look.
    if (stored, digest.text()) != (batch.count, batch.digest):
        raise IntegrationError(
            "The file changed while it was read; nothing was stored.", code="not_stored"
        )


def _ask(batch: PayoutBatch, maker: Any) -> None:
    approval = approvals.request_approval(
        KIND, batch, business=batch.business, amount=batch.total, currency=batch.currency,
        summary=f"Payout file {batch}", requested_by=maker,
    )  # fmt: skip
    batch.message = f"{money_out.WAITS} {approval.warning}".strip()[:300]
    PayoutBatch.objects.filter(pk=batch.pk).update(message=batch.message)


def unconfirmed(
    config: Snapshot, report: Report, confirm: tuple[str, ...]
) -> list[tuple[str, str]]:
    """What is pointed out about a good file and was not confirmed, as (name, words)."""
    findings = []
    if report.repeat_count:
        more = f" And {report.repeat_count - 3:,} more." if report.repeat_count > 3 else ""
        told = " ".join(str(each) for each in report.repeats[:3])
        findings.append((REPEATED_PHONES, f"{told}{more}"))
    twin = same_files(config, report.digest).first()
    if twin is not None:
        made = f"{twin.created_at:%d %b %Y, %H:%M} UTC"
        told = f"The same file was given before, at {made}, and is {twin.get_state_display()}"
        findings.append((SAME_FILE, f"{told} ({twin.public_id})."))
    return [(name, text) for name, text in findings if name not in confirm]


def same_files(config: Snapshot, digest: str) -> QuerySet[PayoutBatch]:
    """The files of the business with the same rows, newest first, unless they were cancelled."""
    rows = PayoutBatch.objects.filter(
        digest=digest, business=config.business, environment=config.environment
    )
    return rows.exclude(state=BatchState.CANCELLED).order_by("-pk")


def _of_key(config: Snapshot, key: str | None) -> PayoutBatch | None:
    if key is None:
        return None
    return PayoutBatch.objects.filter(
        business=config.business, environment=config.environment, idempotency_key=key
    ).first()


def _same(known: PayoutBatch, rules: Rules, report: Report) -> PayoutBatch:
    wanted = (report.digest, str(rules.command), str(rules.config.values["short_code"]))
    if (known.digest, known.command, known.short_code) != wanted:
        raise InvalidInput(
            "idempotency_key", "was already used for another payout file.",
            code="idempotency_mismatch",
        )  # fmt: skip
    return known


def _check_name(value: object) -> str:
    text = " ".join(str(value or "").split())
    if len(text) > MAX_NAME or not (text.isprintable() or not text):
        raise InvalidInput("name", f"must have at most {MAX_NAME} printable characters.")
    return text
