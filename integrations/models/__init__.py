"""Every model of the hub, re-exported: `from integrations.models import MpesaSettings`."""

from integrations.models.app_settings import AppSettings
from integrations.models.audit import (
    AuditEntry,
    AuditSeal,
    acting,
    find_broken_seal,
    seal_audit_trail,
)
from integrations.models.domain_event import DomainEvent
from integrations.models.inbound_callback import CallbackStatus, InboundCallback
from integrations.models.integration import Integrations
from integrations.models.mpesa import MpesaSettings, TransactionType
from integrations.models.payment import Payment, PaymentEvent, PaymentState
from integrations.models.periodic import PeriodicLease
from integrations.models.provider_call import ProviderCall
from integrations.models.settings_model import Environment, SettingsModel, host_of
from integrations.models.stamp import ConfigStamp

__all__ = [
    "AppSettings",
    "AuditEntry",
    "AuditSeal",
    "CallbackStatus",
    "ConfigStamp",
    "DomainEvent",
    "Environment",
    "InboundCallback",
    "Integrations",
    "MpesaSettings",
    "Payment",
    "PaymentEvent",
    "PaymentState",
    "PeriodicLease",
    "ProviderCall",
    "SettingsModel",
    "TransactionType",
    "acting",
    "find_broken_seal",
    "host_of",
    "seal_audit_trail",
]
