"""Who may see which business, and the tokens by which other programs call the HTTP API."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from integrations.models.audit import AuditEntry

# In a grant: every business, the installation included.
EVERY_BUSINESS = "*"
# So that a secret scanner knows one when it sees one.
TOKEN_MARK = "bit_"  # noqa: S105 - the beginning of every token, no token
# How often the time of last use is written; finer would be a write for every call.
USED_EVERY = timedelta(minutes=1)


class TokenScope(models.TextChoices):
    """What a token may be used for; its user's own permissions bound it as well."""

    HEALTH_READ = "health:read", "Read health and summary"
    SETTINGS_READ = "settings:read", "Read settings, secrets never"
    SETTINGS_WRITE = "settings:write", "Change settings"
    PAYMENTS_READ = "payments:read", "Read payments"
    STATEMENTS_READ = "statements:read", "Read statements and what they tell"
    STATEMENTS_WRITE = "statements:write", "Import statements, which may settle payments"
    PAYMENTS_WRITE = "payments:write", "Start payments and ask about them"
    PAYOUTS_WRITE = "payouts:write", "Pay out, reverse payments and give payout files"
    APPROVALS_READ = "approvals:read", "Read what waits for approval"
    APPROVALS_DECIDE = "approvals:decide", "Approve and reject, where the installation lets tokens"
    TAX_READ = "tax:read", "Read KRA invoices, checks, lists and branches, secrets never"
    TAX_WRITE = "tax:write", "Submit to KRA, check with it, and settle what is in doubt"
    WEBHOOKS_READ = "webhooks:read", "Read webhook endpoints and deliveries, secrets never"
    WEBHOOKS_WRITE = "webhooks:write", "Change webhook endpoints, deliver again and replay"


class BusinessGrant(models.Model):
    """Lets a user see and work on one business.

    `business` is the host ERP's key, empty for the installation itself, `*` for all. As long as
    there is no grant at all, every user sees the installation; from the first one on, a user
    without a grant sees nothing. Superusers see everything.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="business_grants"
    )
    business = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The host ERP's key; empty for the installation itself, * for every business.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "business grant"
        ordering: ClassVar[list[str]] = ["user", "business"]
        constraints = [
            models.UniqueConstraint(fields=["user", "business"], name="grant_user_business")
        ]

    def __str__(self) -> str:
        names = {EVERY_BUSINESS: "every business", "": "the installation"}
        return f"{self.user}: {names.get(self.business, self.business)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with an entry in the audit trail."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._record("grant.saved")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete, with an entry in the audit trail."""
        with transaction.atomic():
            return super().delete(*args, **kwargs)

    def record_deletion(self) -> None:
        """Add the entry of a grant that goes, by itself or with its user."""
        self._record("grant.deleted")

    def _record(self, action: str) -> None:
        business = "" if self.business == EVERY_BUSINESS else self.business
        AuditEntry.objects.record(action, target=self, business=business, fields=["business"])


@receiver(pre_delete, sender=BusinessGrant)
def _note_deleted_grant(instance: BusinessGrant, **_: Any) -> None:
    # A signal, because a grant that goes with its user is not asked to delete itself.
    instance.record_deletion()


def _known_scopes(value: Any) -> None:
    unknown = [each for each in value if each not in TokenScope.values] if value else []
    if not isinstance(value, list) or not value or unknown:
        raise ValidationError(f"Must be a list of: {', '.join(TokenScope.values)}.")


class ApiToken(models.Model):
    """A key of another program to the HTTP API. Its text is shown once and stored as a digest.

    It acts as `user`, never beyond that user's permissions and businesses, and is narrowed
    further by `scopes` and `business` (None: all that the user may).
    """

    name = models.CharField(max_length=100, help_text="Which program uses it.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="integration_tokens"
    )
    scopes = models.JSONField(default=list, validators=[_known_scopes])
    business = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text="Only this business; empty for everything that its user may see.",
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # The token's first characters, by which people tell tokens apart; far too few to guess it.
    prefix = models.CharField(max_length=12, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "API token"
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(
        cls,
        user: Any,
        *,
        name: str,
        scopes: list[str],
        expires_at: datetime,
        business: str | None = None,
    ) -> tuple[ApiToken, str]:
        """A new token and its text, which can't be had again.

        Raises django's ValidationError for unknown scopes, and for an end that has passed.
        """
        text = TOKEN_MARK + secrets.token_urlsafe(32)
        token = cls(
            name=name, user=user, scopes=sorted(scopes), business=business,
            expires_at=expires_at, digest=digest_token(text), prefix=text[:8],
        )  # fmt: skip
        token.full_clean()
        if expires_at <= timezone.now():
            raise ValidationError({"expires_at": "Must lie in the future."})
        with transaction.atomic():
            token.save()
            token._record("token.issued")
        return token, text

    @classmethod
    def find(cls, text: str) -> ApiToken | None:
        """The token of this text, with its user, whatever its state; None for a stranger."""
        if not text.startswith(TOKEN_MARK):
            return None
        return cls.objects.select_related("user").filter(digest=digest_token(text)).first()

    def refusal(self) -> str:
        """Why it opens nothing now, "" where it does."""
        if self.revoked_at is not None:
            return "This API token was revoked."
        if self.expires_at <= timezone.now():
            return "This API token has expired."
        if not self.user.is_active:
            return "The user of this API token is switched off."
        return ""

    def revoke(self) -> None:
        """End it now. A second time changes nothing."""
        with transaction.atomic():
            rows = ApiToken.objects.filter(pk=self.pk, revoked_at=None)
            if rows.update(revoked_at=timezone.now()):
                self._record("token.revoked")
        self.refresh_from_db()

    def _record(self, action: str) -> None:
        """In the trail of its business; without one, of the only business granted to its user."""
        business = self.business
        if business is None:
            granted = BusinessGrant.objects.filter(user=self.user_id).values_list("business")[:2]
            keys = [key for (key,) in granted if not self.user.is_superuser]
            business = keys[0] if len(keys) == 1 and keys[0] != EVERY_BUSINESS else ""
        AuditEntry.objects.record(action, target=self, business=business)

    def note_use(self) -> None:
        """Remember that it was used, at most once a minute."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > USED_EVERY:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)
            self.last_used_at = now


def digest_token(text: str) -> str:
    """What is stored of a token. It is random and long, so a plain hash can't be searched."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
