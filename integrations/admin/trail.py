"""What came in, what went out, who did what: read-only, each narrowed to the user's businesses."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.filters import RecentValuesFilter, WorkStateFilter
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.admin.retry import RetryDeadAdmin
from integrations.models import (
    AuditEntry,
    CallbackStatus,
    DomainEvent,
    InboundCallback,
    ProviderCall,
)

CALLBACK_TONES: dict[str, str] = {
    CallbackStatus.PROCESSED: "good",
    CallbackStatus.QUARANTINED: "bad",
    CallbackStatus.STORED: "busy",
}
CALL_TONES: dict[str, str] = {
    ProviderCall.Outcome.OK: "good",
    ProviderCall.Outcome.REFUSED: "bad",
    ProviderCall.Outcome.FAILED: "bad",
    ProviderCall.Outcome.UNKNOWN: "warn",
}


@admin.register(InboundCallback)
class InboundCallbackAdmin(RetryDeadAdmin):
    """Callbacks and what became of them. The body holds personal data and is not shown.

    A callback is of the business whose payment it was sent to; one that was sent to no payment's
    address is of nobody, and only people who see every business see it.
    """

    list_display = (
        "received_at", "route", "status_shown", "reason", "doubts", "reference", "business",
        "source",
    )  # fmt: skip
    list_filter = ("status", WorkStateFilter, ("route", RecentValuesFilter))
    search_fields = ("reference", "reason", "dedupe_key")
    fields = (
        "received_at", "route", "status_shown", "reason", "doubts", "reference", "dedupe_key",
        "business", "source", "headers", "body_bytes", "processed_at", "attempts",
        "next_attempt_at", "work_state", "work_error",
    )  # fmt: skip

    @admin.display(description="status")
    def status_shown(self, callback: InboundCallback) -> SafeString:
        """The status as a badge."""
        tone = CALLBACK_TONES.get(callback.status, "calm")
        return Badge(callback.get_status_display(), tone).render()


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnlyAdmin):
    """Calls to providers: outcome and time taken; neither bodies nor secrets are kept."""

    list_display = (
        "created_at", "provider", "operation", "outcome_shown", "http_status", "error_code",
        "latency_ms", "environment_shown", "business", "reference",
    )  # fmt: skip
    list_filter = (
        "outcome", ("provider", RecentValuesFilter), ("operation", RecentValuesFilter),
        "environment",
    )  # fmt: skip
    search_fields = ("reference", "provider_request_id", "error_code")

    @admin.display(description="outcome")
    def outcome_shown(self, call: ProviderCall) -> SafeString:
        """The outcome as a badge."""
        tone = CALL_TONES.get(call.outcome, "calm")
        return Badge(call.get_outcome_display(), tone).render()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed, tested or sent what; for secrets only that they changed."""

    list_display = (
        "at",
        "actor_name",
        "action",
        "object_name",
        "business",
        "fields_shown",
        "detail",
    )
    list_filter = (("action", RecentValuesFilter),)
    search_fields = ("actor_name", "object_name", "object_id", "business")
    # Not `actor`: that account may be gone, its name is in the entry.
    fields = (
        "at", "actor_name", "action", "object_type", "object_id", "object_name", "business",
        "fields_shown", "detail",
    )  # fmt: skip

    @admin.display(description="fields")
    def fields_shown(self, entry: AuditEntry) -> str:
        """The changed fields by name."""
        return ", ".join(entry.fields)


@admin.register(DomainEvent)
class DomainEventAdmin(RetryDeadAdmin):
    """Events told to listeners, and those that still wait."""

    list_display = ("created_at", "event_type", "business", "work_state", "attempts", "work_error")
    list_filter = (WorkStateFilter, ("event_type", RecentValuesFilter))
    search_fields = ("event_type",)
    id_field = "event_id"
    fields = (
        "created_at", "event_id", "event_type", "business", "payload", "work_state", "attempts",
        "next_attempt_at", "work_error",
    )  # fmt: skip
