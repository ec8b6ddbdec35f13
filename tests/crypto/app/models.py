"""The host ERP's application settings: plain columns, as the original had them."""

from __future__ import annotations

from django.db import models

from integrations.crypto.fields import EncryptedTextField


class HostSettings(models.Model):
    """A key in a plain text column."""

    name = models.CharField(max_length=255, default="Default")
    cypher_key = models.CharField(max_length=1500, default="", blank=True)

    def __str__(self) -> str:
        return self.name


class Note(models.Model):
    """A host's own row with a secret and without any of our bookkeeping."""

    title = models.CharField(max_length=50, default="", blank=True)
    secret = EncryptedTextField()

    def __str__(self) -> str:
        return self.title
