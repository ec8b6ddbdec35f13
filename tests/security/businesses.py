"""A business with a mark in every text of its rows, and the people of another business."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.utils import timezone

from integrations.models import (
    AccountBalance,
    Allotment,
    ApiToken,
    Approval,
    AuditEntry,
    BusinessGrant,
    C2BRegistration,
    DomainEvent,
    ExpectedPayment,
    InboundCallback,
    InitiatorAlarm,
    KRABranch,
    KRACertificateRequest,
    KRAComplianceCheck,
    KRACursor,
    KRAFiling,
    KRAImport,
    KRAInvoice,
    KRAInvoiceEvent,
    KRAItem,
    KRAPurchase,
    KRARecord,
    KRASettings,
    KRAStock,
    KRAWrite,
    MpesaQuery,
    MpesaSettings,
    Payment,
    PaymentEvent,
    PaymentState,
    PayoutBatch,
    ProviderCall,
    PullAccount,
    StatementItem,
    StatementLine,
    StatementRun,
    TokenScope,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookFormerSecret,
    WebhookLane,
    WebhookMessage,
    WebhookReplay,
)

# Long enough that no random token of a page holds it by chance.
MARK = "xqzjwkvb"
THEIRS, OURS = f"{MARK}-1", "other-2"
# Digits can't carry the mark.
PHONE = "254799135791"


@dataclass(frozen=True)
class Rows:
    """The rows of the marked business, by model."""

    by_model: dict[type[Model], Model]

    def of(self, model: type[Any]) -> Any:
        return self.by_model[model]

    def snapshot(self) -> dict[str, Any]:
        """Everything that the database says of that business."""
        found: dict[str, Any] = {}
        for model in self.by_model:
            rows = model._default_manager.order_by("pk").values()
            names = {field.name for field in model._meta.fields}
            if "business" in names:
                rows = rows.filter(business=THEIRS)
            found[model._meta.label] = list(rows)
        return found


def plant_business() -> Rows:
    """One row in every table that belongs to a business."""
    owner = User.objects.create_user(f"{MARK}-owner")
    payment = Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", business=THEIRS, amount=77,
        phone=PHONE, account_reference=MARK, description=MARK, receipt=f"{MARK}9".upper(),
        state=PaymentState.PENDING, checkout_id=f"ws_{MARK}", message=MARK, attention=MARK,
        callback_digest="7" * 64, next_attempt_at=None, result_text=MARK,
    )  # fmt: skip
    expires_at = timezone.now() + timedelta(hours=1)
    batch = PayoutBatch.objects.create(
        business=THEIRS, environment="sandbox", state="paused", name=MARK, message=MARK, count=1,
        total=77, command="BusinessPayment", digest="7" * 64, requested_by_name=MARK,
        next_attempt_at=None,
    )  # fmt: skip
    Payment.objects.filter(pk=payment.pk).update(batch=batch)
    payment.refresh_from_db()
    token, _ = ApiToken.issue(
        owner, name=MARK, scopes=["payments:read"], expires_at=expires_at, business=THEIRS
    )
    AuditEntry.objects.record("settings.tested", target=payment, business=THEIRS, detail=MARK)
    query = MpesaQuery.objects.create(
        kind="transaction_status", business=THEIRS, environment="sandbox", short_code="601601",
        receipt=f"{MARK}8".upper(), state="answered", next_attempt_at=None, message=MARK,
        conversation_id=f"AG_{MARK}", result_text=MARK, answer={"reason": MARK}, payment=payment,
    )  # fmt: skip
    statement = StatementRun.objects.create(
        business=THEIRS, provider="mpesa", environment="sandbox", short_code="601601",
        source="file", period_from=timezone.now(), period_to=timezone.now(), state="done",
        file_name=MARK, file_digest="7" * 64, started_by=MARK, error=MARK, account=MARK,
        next_attempt_at=None,
    )  # fmt: skip
    line = StatementLine.objects.create(
        business=THEIRS, provider="mpesa", environment="sandbox", short_code="601601",
        receipt=f"{MARK}7".upper(), at=timezone.now(), direction="in", amount=77, source="file",
        details=MARK, party=MARK, reference=MARK, applied_at=timezone.now(),
    )  # fmt: skip
    rows: list[Model] = [
        query,
        statement,
        line,
        StatementItem.objects.create(
            run=statement, business=THEIRS, finding="missing_here", line=line, payment=payment,
            receipt=line.receipt, direction="in", their_amount=77, text=MARK, note=MARK,
            is_open=True,
        ),
        PullAccount.objects.create(
            business=THEIRS, provider="mpesa", environment="sandbox", short_code="601601",
            error=MARK, next_attempt_at=None,
        ),
        AccountBalance.objects.create(
            query=query, business=THEIRS, environment="sandbox", short_code="601601",
            account=MARK, currency="KES", current=7, available=7, as_of=timezone.now(),
            low_since=timezone.now(),
        ),
        InitiatorAlarm.objects.create(
            business=THEIRS, environment="sandbox", short_code="601601", initiator_name=MARK,
            failures=2, raised_at=timezone.now(), last_failed_at=timezone.now(),
        ),
        MpesaSettings.objects.create(
            business=THEIRS, short_code="601601", initiator_name=MARK, last_test_message=MARK,
            last_test_at=timezone.now(), last_test_ok=True, last_test_ms=1,
        ),
        payment,
        batch,
        PaymentEvent.objects.create(payment=payment, kind="created", text=MARK),
        ProviderCall.objects.create(
            provider="mpesa", operation="stk_push", business=THEIRS, outcome="ok", latency_ms=1,
            reference=f"{MARK}-{payment.pk}", created_at=timezone.now(),
        ),
        InboundCallback.objects.create(
            route="stk", token_digest="7" * 64, business=THEIRS,
            reference=str(payment.public_id), reason=MARK, status="quarantined",
            next_attempt_at=None, dedupe_key=MARK,
        ),
        DomainEvent.objects.create(
            event_type=f"payment.{MARK}", business=THEIRS, payload={"reference": MARK},
            next_attempt_at=None, work_state="dead", work_error=MARK,
        ),
        AuditEntry.objects.get(action="settings.tested", business=THEIRS),
        Approval.objects.create(
            kind="payout", business=THEIRS, subject=payment, amount=77, currency="KES",
            summary=MARK, facts=[["Receiver", PHONE]], digest="7" * 64, reason=MARK,
            requested_by=owner, requested_by_name=str(owner), expires_at=expires_at,
        ),
        token,
        BusinessGrant.objects.create(user=owner, business=THEIRS),
        expected := ExpectedPayment.objects.create(
            business=THEIRS, environment="sandbox", reference=MARK, reference_key=MARK, amount=77,
            phone=PHONE, description=MARK,
        ),
        Allotment.objects.create(
            payment=payment, business=THEIRS, environment="sandbox", reference_key=MARK,
            expectation=expected, status="matched", how="hand", note=MARK,
        ),
        C2BRegistration.objects.create(
            business=THEIRS, environment="sandbox", short_code="601601", version="v2",
            response_type="Completed", confirmation_digest="8" * 64, validation_digest="9" * 64,
            base_url=f"https://{MARK}.example", message=MARK,
        ),
    ]  # fmt: skip
    rows += plant_webhooks()
    rows += plant_tax_documents()
    rows += plant_checks()
    # Under the id of the M-Pesa settings, so that addresses of both lead to rows of theirs.
    same_id = next(row.pk for row in rows if isinstance(row, MpesaSettings))
    rows.append(
        KRASettings.objects.create(
            pk=same_id, business=THEIRS, kra_pin="P099135791Q", branch_code="07",
            device_serial=MARK, control_unit_id=MARK, trade_name=MARK, last_test_message=MARK,
            last_test_at=timezone.now(), last_test_ok=True, last_test_ms=1,
        )
    )  # fmt: skip
    return Rows({type(row): row for row in rows})


def plant_checks() -> list[Model]:
    """What the marked business asked of KRA's GavaConnect, and filed there."""
    return [
        KRAComplianceCheck.objects.create(
            business=THEIRS, kra_pin="A000000001Z", taxpayer_name=MARK, pin_status=MARK,
            certificate_number=MARK, certificate_status=MARK, message=MARK,
            response_payload={"message": MARK},
        ),
        KRACertificateRequest.objects.create(
            business=THEIRS, cert_type="tax_compliance", period=MARK, kra_pin="A000000001Z",
            status="unknown", reason=MARK, certificate_number=MARK, acknowledgement=MARK,
            message=MARK, response_payload={"message": MARK},
        ),
        KRAFiling.objects.create(
            business=THEIRS, environment="sandbox", kind="nil_return", kra_pin="A000000001Z",
            period=MARK, key=MARK, body={"about": MARK}, digest="7" * 64, state="unknown",
            acknowledgement=MARK, payment_number=MARK, message=MARK, attention=MARK,
            response_payload={"message": MARK},
        ),
    ]  # fmt: skip


def plant_tax_documents() -> list[Model]:
    """A held control unit of the marked business, a document in doubt, and its history."""
    branch = KRABranch.objects.create(
        business=THEIRS, environment="sandbox", tin="P099135791Q", bhf_id="07",
        key=f"sandbox:{MARK}:07", device_serial=MARK, control_unit_id=MARK, taxpayer_name=MARK,
        branch_name=MARK, details={"address": MARK}, held_reason=MARK, held_at=timezone.now(),
    )  # fmt: skip
    zeros = {f"{name}_{kind}": "0" for name in ("taxable", "tax") for kind in "ABCDE"}
    invoice = KRAInvoice.objects.create(
        business=THEIRS, environment="sandbox", branch=branch, kind="sale", state="in_doubt",
        trader_number=f"{MARK}-6", number=6, issued_at=timezone.now(), customer_name=MARK,
        total=77, tax=0, taxable=77, digest="7" * 64, profile="net_taxable",
        transport="oscu_direct", message=MARK, attention=MARK, result_text=MARK,
        next_attempt_at=None, document={
            "lines": [], "excluded": [], "rates": dict.fromkeys("ABCDE", "0"),
            "totals": {**zeros, "taxable": "77", "tax": "0", "total": "77"},
        },
    )  # fmt: skip
    event = KRAInvoiceEvent.objects.create(invoice=invoice, kind="in_doubt", text=MARK)
    return [branch, invoice, event, *plant_tax_goods(branch)]


def plant_tax_goods(branch: KRABranch) -> list[Model]:
    """An item of the marked business, its stock, what waits for a decision, a report in doubt."""
    place = {"environment": "sandbox", "tin": branch.tin, "business": THEIRS}
    item = KRAItem.objects.create(
        **place, item_code=f"KE{MARK}".upper(), reference=MARK, name=MARK, class_code="1",
        type_code="2", packaging_unit="CT", quantity_unit="NO", tax_type="B", price=77, stock=7,
    )  # fmt: skip
    write = KRAWrite.objects.create(
        business=THEIRS, environment="sandbox", branch=branch, kind="stock_io", key=MARK,
        state="in_doubt", number=6, document={"remark": MARK}, body={"remark": MARK},
        digest="7" * 64, message=MARK, attention=MARK, result_text=MARK, next_attempt_at=None,
    )  # fmt: skip
    return [
        item,
        write,
        KRAStock.objects.create(branch=branch, item=item, quantity=7),
        KRAPurchase.objects.create(
            business=THEIRS, branch=branch, supplier_pin="P099135791Q", supplier_name=MARK,
            supplier_number=7, total=77, data={"remark": MARK}, write=write,
        ),
        KRAImport.objects.create(
            business=THEIRS, branch=branch, task_code=MARK, declared_on="20261127",
            item_sequence=7, name=MARK, data={"itemNm": MARK},
        ),
        KRARecord.objects.create(**place, kind="customer", key=MARK, name=MARK,
                                 data={"name": MARK}),
        KRACursor.objects.create(**place, bhf_id="07", list_name="items", message=MARK),
    ]  # fmt: skip


def plant_webhooks() -> list[Model]:
    """An endpoint of the marked business, a dead delivery to it, and what belongs to both."""
    endpoint = WebhookEndpoint.objects.create(
        name=MARK, url=f"https://{MARK}.example/hooks", business=THEIRS, username=MARK,
        secret=f"a secret of {MARK}, long enough", token_scope=MARK, is_active=False,
        disabled_reason="failing", disabled_at=timezone.now(),
    )  # fmt: skip
    lane, _ = WebhookLane.objects.update_or_create(
        endpoint=endpoint, defaults={"key": str(endpoint.pk), "last_error": MARK}
    )
    message = WebhookMessage.objects.create(
        event_type=f"order.{MARK}", business=THEIRS, occurred_at=timezone.now(),
        body=f'{{"order":"{MARK}"}}'.encode(),
    )  # fmt: skip
    event = WebhookEvent.objects.create(
        endpoint=endpoint, message=message, event_type=message.event_type, status="failed",
        work_state="dead", next_attempt_at=None, last_error=MARK, work_error=MARK,
    )  # fmt: skip
    attempt = WebhookAttempt.objects.create(
        event=event, endpoint=endpoint, number=1, trigger="auto", outcome="http_error",
        started_at=timezone.now(), duration_ms=7, status_code=503, error=MARK,
        request_headers={"X": MARK}, response_headers={"X": MARK}, response_body=MARK,
    )  # fmt: skip
    return [
        endpoint,
        lane,
        message,
        event,
        attempt,
        WebhookReplay.objects.create(
            endpoint=endpoint, business=THEIRS, requested_by_name=MARK, total=1,
            next_attempt_at=None, filters={"event_type": MARK},
        ),
        WebhookFormerSecret.objects.create(
            endpoint=endpoint, kind="v1", key=MARK * 4, expires_at=timezone.now()
        ),
    ]  # fmt: skip


def everyones_endpoint() -> WebhookEndpoint:
    """An endpoint of the installation that carries the events of every business."""
    endpoint = WebhookEndpoint.objects.create(
        name=f"{MARK} of all", url=f"https://{MARK}.example/all", every_business=True,
        secret=f"a secret of {MARK}, long enough",
    )  # fmt: skip
    WebhookLane.objects.get_or_create(endpoint=endpoint, defaults={"key": str(endpoint.pk)})
    message = WebhookMessage.objects.get(business=THEIRS)
    WebhookEvent.objects.create(endpoint=endpoint, message=message, event_type=message.event_type)
    return endpoint


def stranger() -> User:
    """Staff of the other business, with every right of the hub but a superuser's."""
    user = User.objects.create_user("stranger", is_staff=True)
    hub = Permission.objects.filter(content_type__app_label__in=("integrations", "notifications"))
    user.user_permissions.set(hub)
    BusinessGrant.objects.create(user=user, business=OURS)
    return user


def narrow_token() -> str:
    """The text of a token for the other business, of a user who may see both."""
    user = User.objects.create_superuser("both")
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(
        user, name="ours", scopes=TokenScope.values, expires_at=expires_at, business=OURS
    )
    return text


def shows_the_mark(answer: Any) -> bool:
    """Whether any text of the marked business stands in the answer."""
    text = answer.getvalue().decode("utf-8", "replace").lower()
    return MARK in text or PHONE[3:] in text
