"""Is a taxpayer compliant: an active PIN and a valid certificate. Source: sections 11 and 12."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from integrations.config import Snapshot
from integrations.kra.checks.inputs import read_pin, read_text
from integrations.kra.checks.pins import Taxpayer, check_pin_online
from integrations.kra.checks.tcc import NUMBER_LENGTH, Certificate, check_certificate
from integrations.models import KRACertificateRequest, KRAComplianceCheck

NO_NUMBER = (
    "No tax compliance certificate of this PIN is known: an active PIN alone is not compliance. "
    "Give the certificate's number."
)


def check_compliance(
    config: Snapshot,
    kra_pin: object,
    *,
    certificate_number: object = "",
    by: AbstractBaseUser | None = None,
) -> KRAComplianceCheck:
    """Ask KRA about a PIN and its certificate, and store what it said.

    Without `certificate_number` the last one known here is used; without any the PIN is not
    taken for compliant. Raises InvalidInput, and what `GavaClient.ask` raises: then nothing is
    stored, since nothing is known.
    """
    pin = read_pin(kra_pin)
    number = read_text(certificate_number, "certificate_number", NUMBER_LENGTH, required=False)
    number = number or last_number(config, pin)
    taxpayer = check_pin_online(config, pin)
    certificate = None
    if number and taxpayer.is_active:
        certificate = check_certificate(config, pin, number)
    return _store(config, taxpayer, certificate, by)


def last_number(config: Snapshot, pin: str) -> str:
    """The newest certificate of a PIN that this business knows, "" for none."""
    of_pin = {"kra_pin": pin, "business": config.business, "environment": config.environment}
    asked = (
        KRACertificateRequest.objects.filter(**of_pin, status="completed")
        .exclude(certificate_number="")
        .order_by("-id")
    )
    checked = (
        KRAComplianceCheck.objects.filter(**of_pin).exclude(certificate_number="").order_by("-id")
    )
    found: list[Any] = [row for row in (asked.first(), checked.first()) if row is not None]
    return str(max(found, key=lambda row: row.created_at).certificate_number) if found else ""


def _store(
    config: Snapshot,
    taxpayer: Taxpayer,
    certificate: Certificate | None,
    by: AbstractBaseUser | None,
) -> KRAComplianceCheck:
    missing, sentences = _missing(taxpayer, certificate)
    message = " ".join(sentences) or "The PIN is active and the certificate is valid."
    payload = {
        "compliant": not missing,
        "missing": missing,
        "message": message,
        "pin": taxpayer.as_dict(),
        "certificate": certificate.as_dict() if certificate else None,
    }
    return KRAComplianceCheck.objects.create(
        kra_pin=taxpayer.pin,
        is_compliant=not missing,
        response_payload=payload,
        checked_by_id=by.pk if by is not None else None,
        business=config.business,
        environment=config.environment,
        taxpayer_name=taxpayer.name,
        pin_status=taxpayer.status,
        certificate_number=certificate.number if certificate else "",
        certificate_status=certificate.status if certificate else "",
        certificate_expires_on=certificate.expires_on if certificate else None,
        message=message[:300],
    )


def _missing(taxpayer: Taxpayer, certificate: Certificate | None) -> tuple[list[str], list[str]]:
    """What stands between the taxpayer and compliance: words for programs, and for people."""
    missing, sentences = [], []
    if not taxpayer.is_active:
        missing.append("pin")
        sentences.append(taxpayer.message)
    if certificate is None and taxpayer.is_active:
        missing.append("certificate_number")
        sentences.append(NO_NUMBER)
    if certificate is not None and not certificate.is_valid:
        missing.append("certificate")
        sentences.append(certificate.message)
    return missing, sentences


def describe_check(check: KRAComplianceCheck) -> dict[str, Any]:
    """The documented answer: `compliant` is the key that counts."""
    payload = check.response_payload if isinstance(check.response_payload, dict) else {}
    return {**payload, "kra_pin": check.kra_pin, "check_id": check.pk}
