"""A shop's back office that speaks Daraja by hand: payouts, reversals, questions, C2B, pull."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.sandbox.daraja import EAT, PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Received, Receiver
from tests.sandbox.wire import read_json

SHORTCODE = "600999"
B2C = "/mpesa/b2c/v3/paymentrequest"
B2C_V1 = "/mpesa/b2c/v1/paymentrequest"
STATUS = "/mpesa/transactionstatus/v1/query"
BALANCE = "/mpesa/accountbalance/v1/query"
REVERSAL = "/mpesa/reversal/v1/request"
REGISTER = "/mpesa/c2b/v2/registerurl"
SIMULATE = "/mpesa/c2b/v2/simulate"
PULL_REGISTER = "/pulltransactions/v1/register"
PULL = "/pulltransactions/v1/query"


def encrypt(certificate: str, password: str) -> str:
    """A SecurityCredential as section 19 says."""
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


@dataclass
class Office:
    """Sends requests for one short code; every field can be changed, or left out with absent."""

    sandbox: SandboxDriver
    shop: Shop
    receiver: Receiver
    shortcode: str = SHORTCODE
    password: str = "Safaricom123!!"

    def b2c(self, path: str = B2C, **changes: Any) -> requests.Response:
        body = {
            "OriginatorConversationID": f"bengo-{uuid4()}",
            "InitiatorName": "testapi",
            "SecurityCredential": self.credential,
            "CommandID": "BusinessPayment",
            "Amount": 500,
            "PartyA": self.shortcode,
            "PartyB": PHONE,
            "Remarks": "Refund INV001",
            **self._urls,
            "Occassion": "refund",
        }
        if path == B2C_V1:
            del body["OriginatorConversationID"]
        return self._post(path, body, changes)

    def reverse(self, receipt: str, **changes: Any) -> requests.Response:
        body = self._asked("TransactionReversal") | {
            "TransactionID": receipt,
            "Amount": 150,
            "ReceiverParty": self.shortcode,
            "RecieverIdentifierType": "11",
        }
        return self._post(REVERSAL, body, changes)

    def status(self, **changes: Any) -> requests.Response:
        body = self._asked("TransactionStatusQuery")
        return self._post(STATUS, body | {"PartyA": self.shortcode, "IdentifierType": "4"}, changes)

    def balance(self, **changes: Any) -> requests.Response:
        body = self._asked("AccountBalance")
        return self._post(
            BALANCE, body | {"PartyA": self.shortcode, "IdentifierType": "4"}, changes
        )

    def register(self, path: str = REGISTER, **changes: Any) -> requests.Response:
        body = {
            "ShortCode": self.shortcode,
            "ResponseType": "Completed",
            "ConfirmationURL": f"{self.receiver.base}/conf",
            "ValidationURL": f"{self.receiver.base}/val",
        }
        return self._post(path, body, changes)

    def simulate(self, path: str = SIMULATE, **changes: Any) -> requests.Response:
        body = {
            "ShortCode": int(self.shortcode),
            "CommandID": "CustomerPayBillOnline",
            "Amount": 150,
            "Msisdn": int(PHONE),
            "BillRefNumber": "INV001",
        }
        return self._post(path, body, changes)

    def register_pull(self, **changes: Any) -> requests.Response:
        body = {
            "ShortCode": self.shortcode,
            "RequestType": "Pull",
            "NominatedNumber": "254722000000",
            "CallBackURL": f"{self.receiver.base}/pull",
        }
        return self._post(PULL_REGISTER, body, changes)

    def pull(self, **changes: Any) -> requests.Response:
        now = datetime.now(EAT)
        body = {
            "ShortCode": self.shortcode,
            "StartDate": f"{now - timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
            "EndDate": f"{now + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
            "OffSetValue": 0,
        }
        return self._post(PULL, body, changes)

    def paid_receipt(self, **options: Any) -> str:
        """The receipt of a C2B payment that arrived."""
        told: str = self.sandbox.simulate_c2b(**{"shortcode": self.shortcode} | options)["receipt"]
        self.sandbox.settle()
        return told

    def result(self, response: requests.Response | None = None) -> dict[str, Any]:
        """The newest result that arrived, after everything has settled."""
        assert response is None or response.status_code == 200, response.text
        self.sandbox.settle()
        return self.results()[-1]

    def results(self) -> list[dict[str, Any]]:
        """What arrived at the result address, oldest first."""
        return [read_json(each.body)["Result"] for each in self.arrived("res")]

    def arrived(self, name: str) -> list[Received]:
        """What arrived at an address: res, timeout, conf or val."""
        return [each for each in self.receiver.received if each.path == f"/cb/{name}"]

    def confirmations(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.arrived("conf")]

    @property
    def credential(self) -> str:
        return encrypt(self.sandbox.certificate(), self.password)

    @property
    def _urls(self) -> dict[str, str]:
        base = self.receiver.base
        return {"QueueTimeOutURL": f"{base}/timeout", "ResultURL": f"{base}/res"}

    def _asked(self, command: str) -> dict[str, Any]:
        return {
            "Initiator": "testapi",
            "SecurityCredential": self.credential,
            "CommandID": command,
            **self._urls,
            "Remarks": "Back office",
            "Occasion": "check",
        }

    def _post(self, path: str, body: dict[str, Any], changes: dict[str, Any]) -> requests.Response:
        whole = {**body, **changes}
        sent = {name: value for name, value in whole.items() if value is not Shop.absent}
        return self.shop.post(path, sent)


def parameters(result: dict[str, Any]) -> dict[str, Any]:
    """The entries of a result by their keys."""
    entries = result["ResultParameters"]["ResultParameter"]
    entries = [entries] if isinstance(entries, dict) else entries
    return {entry["Key"]: entry.get("Value") for entry in entries}
