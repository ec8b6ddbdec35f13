"""Every model of the hub, re-exported: `from integrations.models import MpesaSettings`."""

from integrations.models.access import ApiToken, BusinessGrant, TokenScope
from integrations.models.account_model import AccountSettings
from integrations.models.api_answer import ApiAnswer
from integrations.models.app_settings import AppSettings
from integrations.models.approval import Approval, ApprovalState
from integrations.models.audit import (
    AuditEntry,
    AuditSeal,
    act_as,
    acting,
    acting_as,
    current_actor,
    find_broken_seal,
    has_actor,
    name_actor,
    seal_audit_trail,
)
from integrations.models.c2b import Basis, C2BReceipt, C2BRegistration, RegistrationState
from integrations.models.domain_event import DomainEvent
from integrations.models.expected_payment import (
    Allotment,
    AllotmentHow,
    AllotmentStatus,
    ExpectationState,
    ExpectedPayment,
)
from integrations.models.inbound_callback import CallbackStatus, InboundCallback
from integrations.models.integration import Integrations
from integrations.models.key_rotation import KeyRotation, RotationKind, RotationStage
from integrations.models.kra_branch import DeviceState, KRABranch
from integrations.models.kra_checks import (
    CertificateStatus,
    CertificateType,
    FilingKind,
    FilingState,
    KRACertificateRequest,
    KRAComplianceCheck,
    KRAFiling,
)
from integrations.models.kra_choices import AmountProfile, QrTarget, Transport, UnknownItem
from integrations.models.kra_invoice import InvoiceKind, InvoiceState, KRAInvoice, KRAInvoiceEvent
from integrations.models.kra_lists import (
    KRACode,
    KRACursor,
    KRAImport,
    KRAItem,
    KRAItemClass,
    KRAPurchase,
    KRARecord,
    KRAStock,
    PurchaseState,
    RecordKind,
)
from integrations.models.kra_settings import KRASettings
from integrations.models.kra_write import KRAWrite, WriteKind, WriteState
from integrations.models.mpesa import (
    AmountRule,
    ApiVersion,
    MpesaSettings,
    ResponseType,
    TransactionType,
    ValidationRule,
)
from integrations.models.mpesa_query import (
    AccountBalance,
    InitiatorAlarm,
    MpesaQuery,
    QueryKind,
    QueryState,
)
from integrations.models.payment import (
    Direction,
    Finding,
    Payment,
    PaymentEvent,
    PaymentState,
    Product,
)
from integrations.models.payout_batch import BatchState, PayoutBatch
from integrations.models.periodic import PeriodicLease
from integrations.models.provider_call import ProviderCall
from integrations.models.settings_hook import when_settings_change
from integrations.models.settings_model import Environment, SettingsModel, host_of
from integrations.models.stamp import ConfigStamp
from integrations.models.statement import (
    ItemFinding,
    LineKind,
    LineSource,
    PullAccount,
    RunState,
    StatementItem,
    StatementLine,
    StatementRun,
)
from integrations.models.webhook_endpoint import (
    BodyFormat,
    DisabledReason,
    EndpointAuth,
    SigningKind,
    WebhookEndpoint,
    WebhookFormerSecret,
    WebhookLane,
)
from integrations.models.webhook_event import (
    AttemptOutcome,
    AttemptTrigger,
    DeliveryStatus,
    WebhookAttempt,
    WebhookEvent,
    WebhookMessage,
)
from integrations.models.webhook_replay import ReplayState, WebhookReplay
from integrations.models.work_queue import WorkList, WorkQueue

__all__ = [
    "AccountBalance",
    "AccountSettings",
    "Allotment",
    "AllotmentHow",
    "AllotmentStatus",
    "AmountProfile",
    "AmountRule",
    "ApiAnswer",
    "ApiToken",
    "ApiVersion",
    "AppSettings",
    "Approval",
    "ApprovalState",
    "AttemptOutcome",
    "AttemptTrigger",
    "AuditEntry",
    "AuditSeal",
    "Basis",
    "BatchState",
    "BodyFormat",
    "BusinessGrant",
    "C2BReceipt",
    "C2BRegistration",
    "CallbackStatus",
    "CertificateStatus",
    "CertificateType",
    "ConfigStamp",
    "DeliveryStatus",
    "DeviceState",
    "Direction",
    "DisabledReason",
    "DomainEvent",
    "EndpointAuth",
    "Environment",
    "ExpectationState",
    "ExpectedPayment",
    "FilingKind",
    "FilingState",
    "Finding",
    "InboundCallback",
    "InitiatorAlarm",
    "Integrations",
    "InvoiceKind",
    "InvoiceState",
    "ItemFinding",
    "KRABranch",
    "KRACertificateRequest",
    "KRACode",
    "KRAComplianceCheck",
    "KRACursor",
    "KRAFiling",
    "KRAImport",
    "KRAInvoice",
    "KRAInvoiceEvent",
    "KRAItem",
    "KRAItemClass",
    "KRAPurchase",
    "KRARecord",
    "KRASettings",
    "KRAStock",
    "KRAWrite",
    "KeyRotation",
    "LineKind",
    "LineSource",
    "MpesaQuery",
    "MpesaSettings",
    "Payment",
    "PaymentEvent",
    "PaymentState",
    "PayoutBatch",
    "PeriodicLease",
    "Product",
    "ProviderCall",
    "PullAccount",
    "PurchaseState",
    "QrTarget",
    "QueryKind",
    "QueryState",
    "RecordKind",
    "RegistrationState",
    "ReplayState",
    "ResponseType",
    "RotationKind",
    "RotationStage",
    "RunState",
    "SettingsModel",
    "SigningKind",
    "StatementItem",
    "StatementLine",
    "StatementRun",
    "TokenScope",
    "TransactionType",
    "Transport",
    "UnknownItem",
    "ValidationRule",
    "WebhookAttempt",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookFormerSecret",
    "WebhookLane",
    "WebhookMessage",
    "WebhookReplay",
    "WorkList",
    "WorkQueue",
    "WriteKind",
    "WriteState",
    "act_as",
    "acting",
    "acting_as",
    "current_actor",
    "find_broken_seal",
    "has_actor",
    "host_of",
    "name_actor",
    "seal_audit_trail",
    "when_settings_change",
]
