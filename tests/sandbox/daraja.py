"""A shop that speaks Daraja by hand: what a client would send, with any field changed."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from tests.hunt.plants import PASSKEY

EAT = timezone(timedelta(hours=3))
PHONE = "254712000001"
_ABSENT = object()


class Shop:
    """Sends requests to a Daraja base URL; keeps its connection and its token."""

    absent = _ABSENT

    def __init__(self, base_url: str, callback_url: str = "https://erp.example.ke/cb/1") -> None:
        self.base_url = base_url
        self.callback_url = callback_url
        self.session = requests.Session()
        self.session.trust_env = False
        self._token = ""

    def ask_token(self, key: str = "key", secret: str = "secret") -> requests.Response:
        return self.session.get(
            f"{self.base_url}/oauth/v1/generate?grant_type=client_credentials",
            auth=(key, secret),
            timeout=10,
        )

    @property
    def token(self) -> str:
        if not self._token:
            self._token = self.ask_token().json()["access_token"]
        return self._token

    @token.setter
    def token(self, value: str) -> None:
        self._token = value

    def push_body(self, **changes: Any) -> dict[str, Any]:
        body = self._signed(
            TransactionType="CustomerPayBillOnline",
            Amount=150,
            PartyA=changes.get("PhoneNumber", PHONE),
            PartyB="174379",
            PhoneNumber=PHONE,
            CallBackURL=self.callback_url,
            AccountReference="INV001",
            TransactionDesc="Order 1",
        )
        body.update(changes)
        return {name: value for name, value in body.items() if value is not _ABSENT}

    def query_body(self, checkout_id: str, **changes: Any) -> dict[str, Any]:
        body = self._signed(CheckoutRequestID=checkout_id)
        body.update(changes)
        return {name: value for name, value in body.items() if value is not _ABSENT}

    def push(self, **changes: Any) -> requests.Response:
        return self.post("/mpesa/stkpush/v1/processrequest", self.push_body(**changes))

    def query(self, checkout_id: str, **changes: Any) -> requests.Response:
        return self.post("/mpesa/stkpushquery/v1/query", self.query_body(checkout_id, **changes))

    def pushed_id(self, **changes: Any) -> str:
        """The CheckoutRequestID of an accepted push."""
        response = self.push(**changes)
        assert response.status_code == 200, response.text
        checkout_id: str = response.json()["CheckoutRequestID"]
        return checkout_id

    def post(
        self, path: str, body: dict[str, Any] | None = None, *, timeout: float = 10, **options: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.session.post(
            self.base_url + path, json=body, headers=headers, timeout=timeout, **options
        )

    @staticmethod
    def sign(shortcode: str, timestamp: str, passkey: str = PASSKEY) -> str:
        return b64encode(f"{shortcode}{passkey}{timestamp}".encode()).decode()

    def _signed(self, **fields: Any) -> dict[str, Any]:
        timestamp = f"{datetime.now(EAT):%Y%m%d%H%M%S}"
        return {
            "BusinessShortCode": "174379",
            "Password": self.sign("174379", timestamp),
            "Timestamp": timestamp,
            **fields,
        }
