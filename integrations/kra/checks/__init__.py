"""Questions to GavaConnect: PINs, certificates, compliance and more."""

from __future__ import annotations

from integrations.kra.checks.certificates import (
    describe_certificate,
    find_lost_certificates,
    request_certificate,
    settle_certificate,
)
from integrations.kra.checks.compliance import check_compliance, describe_check
from integrations.kra.checks.look_ups import LOOK_UPS, look_up
from integrations.kra.checks.pins import TAXPAYER_TYPES, Taxpayer, check_pin_online, find_pin
from integrations.kra.checks.tcc import Certificate, check_certificate

__all__ = [
    "LOOK_UPS",
    "TAXPAYER_TYPES",
    "Certificate",
    "Taxpayer",
    "check_certificate",
    "check_compliance",
    "check_pin_online",
    "describe_certificate",
    "describe_check",
    "find_lost_certificates",
    "find_pin",
    "look_up",
    "request_certificate",
    "settle_certificate",
]
