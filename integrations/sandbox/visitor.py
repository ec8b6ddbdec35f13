"""The demo's hands: what a person does in a browser and an ERP developer in a shell."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import requests

from integrations.sandbox.stack import StackError

# Published by Safaricom for its sandbox short code (Daraja reference, section 1).
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
# The initiator of every short code of the sandbox, published too (section 1).
INITIATOR_NAME = "testapi"
INITIATOR_PASSWORD = "Safaricom123!!"  # noqa: S105 - published for everybody
APPROVE_ABOVE = "1000"
SETTINGS_PATH = "/admin/integrations/mpesasettings/"
KRA_SETTINGS_PATH = "/admin/integrations/krasettings/"
KRA_PIN, KRA_SERIAL = "P051234567X", "KRASERIAL0001"
KRA_CLIENT, KRA_SECRET = "demo-client-id", "demo-client-secret"
_INPUT = re.compile(r"<(?:input|textarea|select)\b[^>]*>", re.IGNORECASE)


class Visitor:
    """A logged-in browser session, without the browser."""

    def __init__(self, web_url: str) -> None:
        self.web_url = web_url
        self.session = requests.Session()
        self.session.trust_env = False

    def log_in(self, name: str, password: str) -> None:
        """Log in to the admin; raises StackError when refused."""
        page = self._get("/admin/login/")
        answer = self._post(
            "/admin/login/?next=/admin/", page, {"username": name, "password": password}
        )
        if "/login/" in answer.url:
            raise StackError("The admin refused the demo's own login.")

    def save_settings(self, sandbox_url: str) -> str:
        """Fill in and save the M-Pesa form; the path of the saved row's page."""
        return self._save(
            SETTINGS_PATH, typed_settings(sandbox_url, self._certificate(sandbox_url))
        )

    def save_kra_settings(self, sandbox_url: str) -> str:
        """Let the sandbox's KRA approve a device, then save the KRA form; the row's page."""
        self._control(sandbox_url, "approve", serial=KRA_SERIAL)
        app = {"key": KRA_CLIENT, "secret": KRA_SECRET}
        self._control(sandbox_url, "apps", **app)
        return self._save(KRA_SETTINGS_PATH, typed_kra_settings(sandbox_url))

    def initialise_device(self, path: str) -> str:
        """Press "Initialise device" on KRA's settings, and confirm; what the page then says.

        Raises StackError when KRA does not hand out the key.
        """
        place = f"{path}device/"
        answer = self._post(place, self._get(place), {"confirmed": "yes"})
        told = re.search(r"KRA initialised the control unit [^<]+", answer.text)
        if told is None:
            raise StackError("KRA did not initialise the device.")
        return unescape(told.group()).strip()

    def _save(self, folder: str, typed: dict[str, str]) -> str:
        page = self._get(folder + "add/")
        answer = self._post(folder + "add/", page, {**_filled(page), **typed, "_continue": "1"})
        path = answer.url.removeprefix(self.web_url)
        if not re.fullmatch(re.escape(folder) + r"\d+/change/", path):
            raise StackError(f"The settings form was not saved: {_errors(answer.text)}")
        return path

    def _control(self, sandbox_url: str, action: str, **payload: str) -> None:
        """What KRA does on its own portal: approve a device, issue an app's keys."""
        answer = self.session.post(
            f"{sandbox_url}/_control/kra/{action}", json=payload, headers={"X-Sandbox": "1"},
            timeout=30,
        )  # fmt: skip
        answer.raise_for_status()

    def register_c2b(self, path: str) -> None:
        """Press "Register C2B addresses" for a settings row; raises StackError when refused."""
        row = path.removeprefix(SETTINGS_PATH).partition("/")[0]
        place = f"/admin/integrations/c2bregistration/register/{row}/"
        answer = self._post(place, self._get(place), {"confirmed": "1"})
        if not answer.url.endswith(place) or "/cb/" not in answer.text:
            raise StackError("The C2B addresses were not registered.")

    def approve(self, number: int) -> None:
        """Press "Approve" on the page of a request; raises StackError when it is refused."""
        place = f"/admin/integrations/approval/{number}/"
        page = self._get(f"{place}change/")
        answer = self._post(f"{place}approve/", page, {})
        if "Approved: it goes ahead." not in answer.text:
            raise StackError("The request could not be approved.")

    def test_connection(self, path: str) -> str:
        """Press "Test connection" on a settings page; what its script is told."""
        page = self._get(path)
        answer = self._post(path + "test/", page, _filled(page), Accept="application/json")
        told = answer.json()
        return f"{told['message']} ({told['milliseconds']} ms)"

    def health(self) -> dict[str, Any]:
        """The documented health answer."""
        answer = self.session.get(f"{self.web_url}/api/v1/integrations/health/", timeout=30)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    def _certificate(self, sandbox_url: str) -> str:
        """What a person downloads from the provider's portal."""
        answer = self.session.get(f"{sandbox_url}/_control/mpesa-daraja/certificate", timeout=30)
        answer.raise_for_status()
        return answer.text

    def _get(self, path: str) -> str:
        answer = self.session.get(self.web_url + path, timeout=30)
        answer.raise_for_status()
        return answer.text

    def _post(
        self, path: str, page: str, data: dict[str, str], **headers: str
    ) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        answer = self.session.post(
            self.web_url + path,
            data={**data, "csrfmiddlewaretoken": token.group(1) if token else ""},
            headers={"Referer": self.web_url + path, **headers},
            timeout=30,
        )
        answer.raise_for_status()
        return answer


def typed_settings(sandbox_url: str, certificate: str) -> dict[str, str]:
    """What is typed into the M-Pesa form, for money both ways, by the form's field names."""
    return {
        "consumer_key": "demo-consumer-key",
        "consumer_secret": "demo-consumer-secret",
        "passkey": SANDBOX_PASSKEY,
        "short_code": "174379",
        "sandbox_url": f"{sandbox_url}/mpesa-daraja",
        "callback_sources": "127.0.0.1",
        "initiator_name": INITIATOR_NAME,
        "initiator_password": INITIATOR_PASSWORD,
        "certificate": certificate,
        "approve_above": APPROVE_ABOVE,
    }


def typed_kra_settings(sandbox_url: str) -> dict[str, str]:
    """What is typed into the KRA form, by the form's field names."""
    return {
        "kra_pin": KRA_PIN,
        "branch_code": "00",
        "device_serial": KRA_SERIAL,
        "transport": "oscu_direct",
        "sandbox_url": f"{sandbox_url}/kra/etims-api",
        "gavaconnect_sandbox_url": f"{sandbox_url}/kra",
        "client_id": KRA_CLIENT,
        "client_secret": KRA_SECRET,
        "trade_name": "Duka Moja",
    }


def _filled(page: str) -> dict[str, str]:
    """What a form already holds, as a browser would send it back unchanged."""
    values: dict[str, str] = {}
    for name, chosen in re.findall(
        r'<select name="([^"]+)".*?<option value="([^"]*)" selected', page, re.DOTALL
    ):
        values[name] = unescape(chosen)
    for name, text in re.findall(
        r'<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL
    ):
        values[name] = unescape(text).strip()
    for tag in _INPUT.findall(page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and 'type="checkbox"' in tag and " checked" in tag:
            values.setdefault(name.group(1), unescape(value.group(1)) if value else "on")
        elif name and value and 'type="checkbox"' not in tag and 'type="submit"' not in tag:
            values.setdefault(name.group(1), unescape(value.group(1)))
    return values


def _errors(page: str) -> str:
    found = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', page, re.DOTALL)
    return "; ".join(unescape(re.sub(r"<[^>]+>|\s+", " ", text)).strip() for text in found)


def wait_until_final(fetch: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """The payment `fetch` returns once its state is final; raises StackError after `seconds`."""
    return wait_until(fetch, lambda payment: payment.completed_at is not None, seconds=seconds)


def wait_until(
    fetch: Callable[[], Any], is_done: Callable[[Any], bool], *, seconds: float = 30.0
) -> Any:
    """What `fetch` returns once it is done; raises StackError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = fetch()
        if is_done(found):
            return found
        time.sleep(0.1)
    raise StackError("The payment was not settled in time.")
