"""The models that the peers ask their users to declare."""

from __future__ import annotations

from django.db import models
from django_mpesa.models import AbstractMpesaCallbackLog, AbstractMpesaTransaction
from solo.models import SingletonModel


class SoloConfig(SingletonModel):
    """The eight fields of `values.FIELDS`, as plain text: django-solo encrypts nothing."""

    consumer_key = models.CharField(max_length=200)
    consumer_secret = models.CharField(max_length=200)
    passkey = models.CharField(max_length=200)
    security_credential = models.CharField(max_length=200)
    short_code = models.CharField(max_length=20)
    base_url = models.URLField()
    callback_base_url = models.URLField()
    initiator_name = models.CharField(max_length=100)


class MpesaTransaction(AbstractMpesaTransaction):
    """mainfinity's ledger row."""


class MpesaCallbackLog(AbstractMpesaCallbackLog):
    """mainfinity's inbox; named in its settings, not used here."""


class Invoice(models.Model):
    """What django-webhook tells of: a row whose event is a kilobyte."""

    number = models.CharField(max_length=20)
    note = models.TextField()

    def __str__(self) -> str:
        return self.number
