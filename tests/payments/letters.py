"""Callbacks written by hand, as Safaricom's gateway (or somebody else) would post them."""

from __future__ import annotations

from typing import Any

import requests

from tests.sandbox.driver import SandboxDriver

RECEIPT = "UAE4X7K2QP"


def paid(prompt: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A success for a prompt of the emulator's book; changes: amount, receipt, checkout_id."""
    items = [
        {"Name": "Amount", "Value": changes.get("amount", prompt["amount"])},
        {"Name": "MpesaReceiptNumber", "Value": changes.get("receipt", prompt["receipt"])},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": 20260114093021},
        {"Name": "PhoneNumber", "Value": int(prompt["phone"])},
    ]
    kept = [item for item in items if item.get("Value", "") is not None]
    return unpaid(prompt, 0, **changes) | {"CallbackMetadata": {"Item": kept}}


def unpaid(prompt: dict[str, Any], code: Any, **changes: Any) -> dict[str, Any]:
    """A result without metadata."""
    return {
        "MerchantRequestID": prompt["merchant_request_id"],
        "CheckoutRequestID": changes.get("checkout_id", prompt["checkout_request_id"]),
        "ResultCode": code,
        "ResultDesc": changes.get("text", f"Result {code}"),
    }


def post(prompt: dict[str, Any], letter: dict[str, Any], **headers: str) -> requests.Response:
    """Post a letter to the prompt's callback address over real HTTP."""
    return requests.post(
        prompt["callback_url"],
        json={"Body": {"stkCallback": letter}},
        headers=headers,
        timeout=10,
    )


def silent_prompt(sandbox: SandboxDriver, push: Any, **values: Any) -> dict[str, Any]:
    """Push, and let no callback come: the decided prompt of the book."""
    sandbox.fault("no_callback")
    push(**{"phone": "0712345678", "amount": 1000, "account_reference": "INV001", **values})
    sandbox.settle()
    return sandbox.prompts()[-1]
