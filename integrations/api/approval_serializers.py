"""Requests for approval as the API tells them, and what is sent to decide about one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrations import approvals
from integrations.api.bodies import StrictSerializer
from integrations.models import Approval


class FactSerializer(serializers.Serializer[dict[str, str]]):
    """One fact that the approver is shown."""

    name = serializers.CharField()
    text = serializers.CharField()


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """A request for approval as it stands now."""

    approval_id = serializers.UUIDField(source="public_id")
    kind_label = serializers.SerializerMethodField(help_text="The kind for people.")
    facts = serializers.SerializerMethodField(help_text="What is approved, exactly.")
    subject_type = serializers.SerializerMethodField(help_text="Such as integrations.Payment.")
    subject_id = serializers.SerializerMethodField(
        help_text="The public id of what it is about, such as a payment_id."
    )
    requested_by = serializers.CharField(source="requested_by_name")
    decided_by = serializers.CharField(source="decided_by_name")
    why_not = serializers.SerializerMethodField(
        help_text="Why this caller's user can't approve it now; empty where nothing is in the way."
    )

    class Meta:
        model = Approval
        fields = [
            "approval_id", "kind", "kind_label", "state", "business", "amount", "currency",
            "summary", "facts", "subject_type", "subject_id", "requested_by", "created_at",
            "expires_at", "decided_by", "decided_at", "reason", "why_not",
        ]  # fmt: skip
        read_only_fields = fields

    def get_kind_label(self, approval: Approval) -> str:
        """Its name where the kind is not registered any more."""
        return approvals.label_of(approval.kind)

    @extend_schema_field(FactSerializer(many=True))
    def get_facts(self, approval: Approval) -> list[dict[str, str]]:
        """In the order in which the admin shows them."""
        return [{"name": name, "text": text} for name, text in approval.facts]

    def get_subject_type(self, approval: Approval) -> str:
        """The model's label, "" where the model is gone."""
        model = approval.content_type.model_class()
        return model._meta.label if model else ""

    def get_subject_id(self, approval: Approval) -> str:
        """As events tell it."""
        return str(getattr(approval.subject, "public_id", approval.object_id))

    def get_why_not(self, approval: Approval) -> str:
        """What the decision would be refused with."""
        known: dict[str, Any] = self.context.get("known", {})
        return approvals.why_not(approval, self.context["request"].user, **known)


class ApproveSerializer(StrictSerializer[dict[str, Any]]):
    """Nothing is sent with an approval."""


class RejectSerializer(StrictSerializer[dict[str, Any]]):
    """Why it is rejected."""

    reason = serializers.CharField(min_length=3, max_length=300)


class WithdrawSerializer(StrictSerializer[dict[str, Any]]):
    """Why it is taken back, if somebody wants to say so."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class DecidedSerializer(serializers.Serializer[dict[str, Any]]):
    """The request after the decision."""

    success = serializers.BooleanField()
    approval = ApprovalSerializer()
