"""What the push figures share: the sandbox in a process of its own, one push, the bare POST."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.stage import child, read_line, save_mpesa
from benchmarks.values import FIELDS, PASSKEY

# Daraja allows one open prompt per phone, so every push has a phone of its own.
phones = count(254_712_000_000)


@contextmanager
def sandbox() -> Iterator[Any]:
    """The driver of a sandbox that runs beside this process."""
    from tests.sandbox.driver import SandboxDriver

    # The slowest provider: no prompt of this run is answered before its end.
    with child("manage.py", "sandbox", "--port", "0", "--speed", "100") as process:
        words = read_line(process).replace(";", " ").split()
        yield SandboxDriver(words[-1])


@contextmanager
def pointed_at(daraja_url: str) -> Iterator[None]:
    """Our M-Pesa row, and the operator's permission to call this machine."""
    from django.test import override_settings

    with override_settings(OUTBOUND_ALLOWED_HOSTS=[urlsplit(daraja_url).netloc]):
        save_mpesa(sandbox_url=daraja_url)
        yield


def push() -> None:
    """One push through the documented service; RuntimeError unless it was accepted."""
    from integrations.payments.mpesa_payment import MpesaPaymentService

    success, message, data = MpesaPaymentService.initiate_stk_push(
        phone=str(next(phones)), amount=150, account_reference="INV001", description="Order 1"
    )
    if not success or not data or data["state"] != "pending":
        raise RuntimeError(f"The push was not accepted: {message} {data}")


class BarePush:
    """The floor: the same body by `requests.Session.post`, its connection and token kept."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/mpesa/stkpush/v1/processrequest"
        self._session = requests.Session()
        answer = self._session.get(
            f"{base_url}/oauth/v1/generate?grant_type=client_credentials",
            auth=(FIELDS["consumer_key"], FIELDS["consumer_secret"]),
            timeout=10,
        )
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def body(self) -> dict[str, Any]:
        """What the service would send now."""
        from django.utils import timezone

        from integrations.providers.mpesa.payloads import StkPush, stk_push_body

        values = StkPush(
            phone=str(next(phones)),
            amount=150,
            account_reference="INV001",
            description="Order 1",
            transaction_type="CustomerPayBillOnline",
            short_code="174379",
            party_b="174379",
        )
        url = f"https://erp.example.ke/api/v1/integrations/callbacks/stk/{'0' * 32}/"
        return stk_push_body(values, passkey=PASSKEY, callback_url=url, now=timezone.now())

    def send(self) -> tuple[float, float]:
        """Post once: (wall, CPU) seconds, the making of the body left out."""
        body = self.body()
        with Timer() as timer:
            answer = self._session.post(self._url, json=body, headers=self._headers, timeout=10)
            code = answer.json().get("ResponseCode")
        if code != "0":
            raise RuntimeError(f"The emulator refused the bare push: {answer.text[:200]}")
        return timer.wall, timer.cpu


class Timer:
    """Wall and CPU seconds (this process only) of a block."""

    def __enter__(self) -> Timer:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall
