"""Steers a running sandbox through its control API, as any other program would."""

from __future__ import annotations

from typing import Any

import requests

DARAJA = "mpesa-daraja"


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
        """Choose the outcome of the next prompt: a code, or approve, cancel, wrong_pin…

        Options: phone, times (None: all), description, seconds (until the callback).
        """
        return self.post(f"{DARAJA}/scenarios", outcome=outcome, **options)

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Plan a fault; options: operation, phone, times (None: all) and the kind's own."""
        return self.post("faults", kind=kind, **options)

    def clear_faults(self) -> None:
        self.post("faults", clear=True)

    def book(self) -> dict[str, Any]:
        return self.get(f"{DARAJA}/book")

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
        """Register a merchant; options: kind, tills, name."""
        return self.post(f"{DARAJA}/shortcodes", shortcode=shortcode, passkey=passkey, **options)

    def tokens(self, **options: Any) -> dict[str, Any]:
        """Options: invalidate (True or a key), newest_only, open."""
        return self.post(f"{DARAJA}/tokens", **options)

    def settings(self, **options: Any) -> dict[str, Any]:
        """Options: is_strict, is_interactive, is_phone_locked, timestamp_tolerance…"""
        return self.post(f"{DARAJA}/settings", **options)

    def counters(self) -> dict[str, Any]:
        """Daraja's requests by operation, `tokens_issued`, and `connections` of the server.

        The driver's own connections count too; compare two readings of one driver.
        """
        figures = self.get("counters")
        return {**figures[DARAJA], "connections": figures["connections"]}

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock; callbacks that became due are sent."""
        self.post("clock", advance=seconds)

    def settle(self, timeout: float = 5.0) -> None:
        """Wait until no callback waits or is under way."""
        assert self.post("settle", timeout=timeout)["settled"], "callbacks are still under way"

    def reset(self) -> None:
        self.post("reset")

    def get(self, path: str) -> dict[str, Any]:
        return self._result(self._session.get(f"{self.base_url}/_control/{path}", timeout=10))

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
