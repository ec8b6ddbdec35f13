"""Requests for tax compliance certificates. Source: eTIMS reference, sections 11 and 12.

Applying has an effect at KRA, so the row is committed before the call, the call is made once, and
a lost answer is "unknown" until a person tells what became of it.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput, OutcomeUnknown, Unsupported
from integrations.kra import gava_writes
from integrations.kra.checks.inputs import read_choice, read_pin, read_text
from integrations.models import (
    AuditEntry,
    CertificateStatus,
    CertificateType,
    KRACertificateRequest,
    has_actor,
)
from integrations.payments.once import once
from integrations.providers.kra.client.gavaconnect import GavaAnswer, GavaClient, told_text

S = CertificateStatus
# [3+]
REASON_LENGTH = 400
NO_API = "KRA has no public API for {} certificates: request this one on iTax."
OPEN = (
    "A request for this PIN and period is open: its answer is not known yet. Look at it before "
    "you ask again."
)


def request_certificate(
    config: Snapshot,
    tax_type: object,
    period: object = "",
    *,
    kra_pin: object = "",
    reason: object = "",
    by: AbstractBaseUser | None = None,
) -> KRACertificateRequest:
    """Apply for a certificate; the row tells what KRA answered.

    `kra_pin` is the taxpayer's own where left out. Raises InvalidInput; IntegrationError (code
    "open_transaction", or "request_open" while the same request is in doubt); Unsupported for
    certificates other than of tax compliance, leaving a failed row; and what was said against it.
    """
    kind = read_choice(str(tax_type or "").strip().lower(), "tax_type", CertificateType.values)
    row = KRACertificateRequest(
        cert_type=kind,
        period=read_text(period, "period", 50, required=False),
        kra_pin=read_pin(kra_pin or config.text("kra_pin")),
        reason=read_text(reason, "reason", REASON_LENGTH, required=False),
        business=config.business,
        environment=config.environment,
        requested_by_id=by.pk if by is not None else None,
    )
    gava_writes.refuse_open_transaction("A request for a certificate")
    gava_writes.refuse_anothers_pin(config, row.kra_pin)
    if kind != CertificateType.TAX_COMPLIANCE:
        raise _unsupported(row)
    _store(row)
    return _send(config, row)


def request_once(
    config: Snapshot, key: str | None, *, by: AbstractBaseUser | None = None, **wanted: Any
) -> KRACertificateRequest:
    """`request_certificate` under an idempotency key: again, it is answered by the first request.

    Raises the same, and InvalidInput (code "idempotency_mismatch") for another request's key.
    """
    if key is None:
        return request_certificate(config, by=by, **wanted)
    failed: list[IntegrationError] = []

    def act() -> tuple[bool, str | None, dict[str, Any] | None]:
        try:
            row = request_certificate(config, by=by, **wanted)
        except IntegrationError as error:
            failed.append(error)
            is_open = isinstance(error, OutcomeUnknown)
            return False, error.message, {"state": "unknown"} if is_open else None
        return True, None, {"request_id": row.pk}

    success, text, data = once("kra_certificate", key, config.business, wanted, act)
    if failed:
        raise failed[0]
    if success and data:
        return KRACertificateRequest.objects.get(pk=data["request_id"])
    if data and data.get("code") in ("idempotency_mismatch", "invalid_input"):
        raise InvalidInput("Idempotency-Key", str(text), code=data["code"])
    raise OutcomeUnknown(text or gava_writes.IN_DOUBT)


def _unsupported(row: KRACertificateRequest) -> Unsupported:
    text = NO_API.format(row.get_cert_type_display())
    row.status, row.message = S.FAILED, text
    row.save()
    return Unsupported(text)


def _store(row: KRACertificateRequest) -> None:
    """Committed before the socket opens; one open request for a PIN and period."""
    try:
        with transaction.atomic(durable=True):
            row.save()
            if has_actor():
                AuditEntry.objects.record(
                    "kra.certificate_requested", target=row, business=row.business
                )
    except IntegrityError:
        raise IntegrationError(OPEN, code="request_open") from None


def _send(config: Snapshot, row: KRACertificateRequest) -> KRACertificateRequest:
    reason = row.reason or " ".join(["Tax compliance certificate", row.period]).strip()
    try:
        answer = gava_writes.send_once(
            lambda: GavaClient(config).ask(
                "tcc_application",
                {"pin": row.kra_pin, "reason": reason},
                reference=f"certificate:{row.pk}",
            )
        )
    except gava_writes.NotDone as outcome:
        _finish(row, S.FAILED, message=outcome.error.message)
        raise outcome.error from None
    except gava_writes.InDoubt as outcome:
        text = f"{outcome.error.message} {gava_writes.IN_DOUBT}"
        _finish(row, S.UNKNOWN, message=text)
        raise OutcomeUnknown(text) from None
    _finish(row, S.COMPLETED, **_told(answer))
    return row


def _told(answer: GavaAnswer) -> dict[str, Any]:
    number = told_text(answer.data, "TCCNumber", limit=100)
    return {
        "certificate_number": number,
        "acknowledgement": told_text(answer.data, "AckNumber", limit=100),
        "response_payload": answer.data,
        "message": answer.text or ("Issued." if number else "KRA took the application."),
    }


def _finish(row: KRACertificateRequest, status: CertificateStatus, **changes: Any) -> None:
    """Store the answer; one that comes after the look for lost ones still counts."""
    if "message" in changes:
        changes["message"] = changes["message"][:300]
    waiting = KRACertificateRequest.objects.filter(pk=row.pk, status__in=[S.REQUESTED, S.UNKNOWN])
    waiting.update(status=status, updated_at=timezone.now(), **changes)
    row.refresh_from_db()


def settle_certificate(
    row: KRACertificateRequest, *, issued: bool, certificate_number: object = "", note: object = ""
) -> KRACertificateRequest:
    """A person tells what became of a request in doubt.

    Raises InvalidInput, and IntegrationError (code "not_in_doubt") where it is not in doubt.
    """
    number = read_text(certificate_number, "certificate_number", 100, required=False)
    text = read_text(note, "note", 200, required=False)
    if number and not issued:
        raise InvalidInput("certificate_number", "belongs to an application that KRA has.")
    changes: dict[str, Any] = {"status": S.COMPLETED if issued else S.FAILED}
    changes["message"] = f"Told by a person. {text}".strip()
    if number:
        changes["certificate_number"] = number
    with transaction.atomic():
        rows = KRACertificateRequest.objects.filter(pk=row.pk, status=S.UNKNOWN)
        if not rows.update(updated_at=timezone.now(), **changes):
            raise IntegrationError("This request is not in doubt.", code="not_in_doubt")
        row.refresh_from_db()
        AuditEntry.objects.record(
            "kra.certificate_settled", target=row, business=row.business, fields=list(changes)
        )
    return row


def find_lost_certificates() -> int:
    """Periodic job: what a crash left as being requested is in doubt."""
    before = timezone.now() - gava_writes.LOST_AFTER
    lost = KRACertificateRequest.objects.filter(status=S.REQUESTED, created_at__lt=before)
    # Without a PIN it is a row of the host's own, which nobody is sending.
    return lost.exclude(kra_pin="").update(
        status=S.UNKNOWN, message=gava_writes.LOST, updated_at=timezone.now()
    )


def describe_certificate(row: KRACertificateRequest) -> dict[str, Any]:
    """A request for answers."""
    return {
        "request_id": row.pk,
        "cert_type": row.cert_type,
        "period": row.period,
        "kra_pin": row.kra_pin,
        "status": row.status,
        "certificate_number": row.certificate_number,
        "acknowledgement": row.acknowledgement,
        "message": row.message,
        "data": row.response_payload,
    }
