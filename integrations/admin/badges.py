"""Badges: always a word and a colour, so that nobody has to see colours."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.models import ApprovalState, Environment, PaymentState, SettingsModel

S = PaymentState
# Every page with badges loads it.
BADGE_CSS = {"all": ("integrations/admin.css",)}


class Badge(NamedTuple):
    """A word and one of the tones that the style sheet knows."""

    word: str
    tone: str

    def render(self) -> SafeString:
        """The badge as HTML."""
        return format_html('<span class="badge badge-{}">{}</span>', self.tone, self.word)


PAYMENT_TONES: dict[str, str] = {
    S.SUCCEEDED: "good",
    S.FAILED: "bad",
    S.UNKNOWN: "warn",
    S.PENDING: "busy",
    S.SENDING: "busy",
    S.REQUIRES_ACTION: "busy",
}


def environment_badge(environment: str) -> Badge:
    """Sandbox or Production, the latter loud."""
    is_live = environment == Environment.PRODUCTION
    return Badge("PRODUCTION" if is_live else "Sandbox", "live" if is_live else "calm")


def payment_badge(state: str) -> Badge:
    """A payment's state."""
    label = dict(S.choices).get(S(state)) if state in S.values else state
    return Badge(str(label), PAYMENT_TONES.get(state, "calm"))


APPROVAL_TONES: dict[str, str] = {
    ApprovalState.OPEN: "warn",
    ApprovalState.APPROVED: "good",
    ApprovalState.REJECTED: "bad",
}


def approval_badge(state: str) -> Badge:
    """Where a request for approval stands."""
    return Badge(str(ApprovalState(state).label), APPROVAL_TONES.get(state, "calm"))


def settings_badge(row: SettingsModel) -> Badge:
    """Connected, Failing, Not tested, Not configured or Disabled.

    A test older than the last change of the row says nothing about the row.
    """
    link = getattr(row, "integration", None)
    if link is not None and not link.is_active:
        return Badge("Disabled", "calm")
    if missing_fields(row):
        return Badge("Not configured", "warn")
    if row.last_test_at is None or row.last_test_at < row.updated_at:
        return Badge("Not tested", "warn")
    return Badge("Connected", "good") if row.last_test_ok else Badge("Failing", "bad")


def missing_fields(row: SettingsModel) -> list[str]:
    """Required fields of the integration that the row leaves empty, by their verbose names."""
    return [
        str(row._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        for name in row.info.required
        if not getattr(row, name)
    ]
