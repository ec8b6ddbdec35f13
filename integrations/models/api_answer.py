"""Answers to calls that carried an idempotency key, for callers who ask again."""

from __future__ import annotations

from django.db import models


class ApiAnswer(models.Model):
    """What the HTTP API or a service answered to one key. Holds no secrets: answers never do.

    The API writes it in the transaction of the change that it answers for, so that both are there
    or none; a service writes it before it calls a provider.
    """

    # "user:5", "token:7" or "service:query_balance": one caller's keys are nobody else's.
    caller = models.CharField(max_length=40)
    key = models.CharField(max_length=128)
    # Keyed digest of method, path and body: the body may hold secrets.
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "API answer"
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="api_answer_caller_key")
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key[:20]}: {self.status}"
