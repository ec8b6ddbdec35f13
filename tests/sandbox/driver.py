"""Steers a running sandbox through its control API, as any other program would."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import requests

DARAJA = "mpesa-daraja"
KRA = "kra"
# What the address of each way ends with.
KRA_DOORS = {"oscu_direct": "/etims-api", "oscu_gateway": "/etims-oscu/api/v1", "vscu": "/vscu"}


class SandboxDriver:
    """The control API of one sandbox; a refused request raises AssertionError with its text."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Sandbox"] = "1"

    @property
    def daraja_url(self) -> str:
        """The base URL for M-Pesa settings."""
        return f"{self.base_url}/{DARAJA}"

    def scenario(self, outcome: str = "approve", **options: Any) -> dict[str, Any]:
        """Choose the outcome of the next request: a code, or approve, cancel, wrong_pin…

        Options: operation (stk_push, c2b_simulate, b2c, reversal, transaction_status,
        account_balance), phone, times (None: all), description, seconds (until the callback).
        """
        return self.post(f"{DARAJA}/scenarios", outcome=outcome, **options)

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Plan a fault; options: operation, phone, times (None: all) and the kind's own."""
        return self.post("faults", kind=kind, **options)

    def clear_faults(self) -> None:
        self.post("faults", clear=True)

    def book(self) -> dict[str, Any]:
        """Everything: prompts, payouts, reversals, queries, c2b, registrations, pull, accounts,
        statement, receipts, sums, totals, initiators, settings."""
        return self.get(f"{DARAJA}/book")

    def certificate(self) -> str:
        """The PEM certificate that SecurityCredentials are encrypted with."""
        return self._text(f"{DARAJA}/certificate")

    def accounts(self, shortcode: str) -> dict[str, Decimal]:
        """What the accounts of a short code hold: {"Working Account": Decimal("…"), …}."""
        held = self.get(f"{DARAJA}/accounts")["accounts"][shortcode]
        return {name: Decimal(text) for name, text in held.items()}

    def statement_csv(self, shortcode: str, **query: str) -> str:
        """The portal's statement; query: day (2026-01-14), account ("": all), dates (dmy, iso)."""
        asked = urlencode({"shortcode": shortcode, **query})
        return self._text(f"{DARAJA}/statement?{asked}")

    def simulate_c2b(
        self, amount: object = 150, bill_ref: str = "INV001", **options: Any
    ) -> dict[str, Any]:
        """A customer pays; options: shortcode (600999), phone, first_name, last_name, type…

        Returns the payment as the book has it before validation, money and confirmation.
        """
        told = {"shortcode": "600999", "phone": "254712000001", **options}
        answer = self.post(f"{DARAJA}/pay", amount=str(amount), bill_ref=bill_ref, **told)
        payment: dict[str, Any] = answer["payment"]
        return payment

    def c2b(self, shortcode: str, **options: Any) -> dict[str, Any]:
        """Options: validation=True or False, delete=True (the registered addresses)."""
        return self.post(f"{DARAJA}/c2b", shortcode=shortcode, **options)

    def fund(self, shortcode: str, amount: object, **options: Any) -> dict[str, Any]:
        """Put shillings on an account, or take them off (below zero); options: account."""
        return self.post(f"{DARAJA}/fund", shortcode=shortcode, amount=str(amount), **options)

    def initiator(self, shortcode: str, **options: Any) -> dict[str, Any]:
        """Options: name, password, roles, active, unlock."""
        return self.post(f"{DARAJA}/initiators", shortcode=shortcode, **options)

    def prompts(self) -> list[dict[str, Any]]:
        """Every prompt, oldest first."""
        prompts: list[dict[str, Any]] = self.book()["prompts"]
        return prompts

    def pending(self) -> list[dict[str, Any]]:
        return [prompt for prompt in self.prompts() if prompt["state"] == "pending"]

    def answer(self, prompt_id: int, answer: str) -> dict[str, Any]:
        """Play the phone; returns after the callback was delivered."""
        return self.post(f"{DARAJA}/answer", id=prompt_id, answer=answer)

    def app(self, key: str, secret: str = "", **options: Any) -> dict[str, Any]:
        """Register an app; options: refused=True, products=[…]."""
        return self.post(f"{DARAJA}/apps", key=key, secret=secret, **options)

    def shortcode(self, shortcode: str, passkey: str, **options: Any) -> dict[str, Any]:
        """Register a merchant; options: kind, tills, name, bulk, balances."""
        return self.post(f"{DARAJA}/shortcodes", shortcode=shortcode, passkey=passkey, **options)

    def tokens(self, **options: Any) -> dict[str, Any]:
        """Options: invalidate (True or a key), newest_only, open."""
        return self.post(f"{DARAJA}/tokens", **options)

    def settings(self, **options: Any) -> dict[str, Any]:
        """Options: is_strict, is_interactive, is_phone_locked, timestamp_tolerance…"""
        return self.post(f"{DARAJA}/settings", **options)

    # --- KRA ------------------------------------------------------------------------------------

    @property
    def kra_url(self) -> str:
        """The base URL for GavaConnect."""
        return f"{self.base_url}/{KRA}"

    def etims_url(self, transport: str = "oscu_direct") -> str:
        """The base URL for eTIMS: oscu_direct, oscu_gateway or vscu."""
        return self.kra_url + KRA_DOORS[transport]

    def kra(self, action: str, **payload: Any) -> dict[str, Any]:
        """A control action of KRA: approve, device, catalogue, apps, numbers, settings, outage…"""
        return self.post(f"{KRA}/{action}", **payload)

    def kra_device(self, *, transport: str = "oscu_direct", **options: Any) -> dict[str, Any]:
        """An initialised device with items and stock; its communication_key, control_unit_id…

        Options: tin, branch, serial, key, next_invoice, next_stock, next_purchase.
        """
        software = "vscu" if transport == "vscu" else "oscu"
        made = self.kra("device", software=software, **options)
        where = {name: options[name] for name in ("tin", "branch") if name in options}
        self.kra("catalogue", **where)
        return made

    def kra_fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Plan a fault of KRA; options: operation, phone ("PIN/branch"), times and its own."""
        return self.fault(kind, emulator=KRA, **options)

    def clear_kra_faults(self) -> None:
        self.post("faults", emulator=KRA, clear=True)

    def kra_book(self) -> dict[str, Any]:
        """Everything: units (each with sales in order, counters, stock), refused, settings."""
        return self.get(f"{KRA}/book")

    def kra_unit(self, tin: str = "P051234567X", branch: str = "00") -> dict[str, Any]:
        """One unit of the book."""
        for unit in self.kra_book()["units"]:
            if (unit["tin"], unit["branch"]) == (tin, branch):
                return dict(unit)
        raise AssertionError(f"KRA knows no branch {branch} of {tin}")

    def kra_counters(self) -> dict[str, Any]:
        """KRA's requests by operation, and `tokens_issued`."""
        figures: dict[str, Any] = self.get("counters")[KRA]
        return figures

    def counters(self) -> dict[str, Any]:
        """Daraja's requests by operation, `tokens_issued`, and `connections` of the server.

        The driver's own connections count too; compare two readings of one driver.
        """
        figures = self.get("counters")
        return {**figures[DARAJA], "connections": figures["connections"]}

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock; callbacks that became due are sent."""
        self.post("clock", advance=seconds)

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until no callback waits or is under way."""
        assert self.post("settle", timeout=timeout)["settled"], "callbacks are still under way"

    def reset(self) -> None:
        self.post("reset")

    def get(self, path: str) -> dict[str, Any]:
        return self._result(self._session.get(f"{self.base_url}/_control/{path}", timeout=60))

    def _text(self, path: str) -> str:
        response = self._session.get(f"{self.base_url}/_control/{path}", timeout=60)
        assert response.status_code == 200, response.text
        return response.text

    def post(self, path: str, **payload: Any) -> dict[str, Any]:
        url = f"{self.base_url}/_control/{path}"
        return self._result(self._session.post(url, json=payload, timeout=90))

    @staticmethod
    def _result(response: requests.Response) -> dict[str, Any]:
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()
        return result

    def close(self) -> None:
        self._session.close()
