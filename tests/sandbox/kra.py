"""A trader that speaks eTIMS by hand: what a client would send, with any field changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import requests

from tests.sandbox.driver import SandboxDriver

PIN = "P051234567X"
SERIAL = "KRASERIAL0001"
REGISTRAR = {"regrId": "admin", "regrNm": "Admin", "modrId": "admin", "modrNm": "Admin"}
RATES = {"A": 0, "B": 16, "C": 0, "D": 0, "E": 8}
STAMP = "20261123101500"
ABSENT = object()
# Path of each operation by way, as section 5 has them; typed here once more for the tests.
PATHS = {
    "oscu_direct": {"init": "/selectInitOsdcInfo", "sale": "/saveTrnsSalesOsdc",
                    "find": "/selectInvoiceDetails", "codes": "/selectCodeList"},
    "oscu_gateway": {"init": "/initialize", "sale": "/sendSalesTransaction",
                     "find": "/selectInvoiceDetail", "codes": "/selectCodeList"},
    "vscu": {"init": "/initializer/selectInitInfo", "sale": "/trnsSales/saveSales",
             "codes": "/code/selectCodes"},
}  # fmt: skip


class Trader:
    """Sends requests by one way; keeps its connection, key, token and numbers."""

    def __init__(
        self, sandbox: SandboxDriver, transport: str = "oscu_direct", *, branch: str = "00"
    ) -> None:
        self.sandbox, self.transport, self.branch = sandbox, transport, branch
        self.base_url = sandbox.etims_url(transport)
        self.session = requests.Session()
        self.session.trust_env = False
        self.key = ""
        self.number = 0
        self._headers: dict[str, str] = {}

    def equip(self, **options: Any) -> Trader:
        """With an initialised device, items and, for the gateway, an app."""
        made = self.sandbox.kra_device(transport=self.transport, branch=self.branch, **options)
        self.key = made["communication_key"]
        self.enrol()
        return self

    def enrol(self, **options: Any) -> None:
        """With a token, where the way wants one."""
        if self.transport == "oscu_gateway":
            app = self.sandbox.kra("apps", **options)
            answer = self.ask_token(app["client_id"], app["client_secret"])
            self._headers = {
                "Authorization": f"Bearer {answer.json()['access_token']}",
                "apigee_app_id": app["apigee_app_id"],
            }

    def ask_token(self, key: str, secret: str) -> requests.Response:
        url = f"{self.sandbox.kra_url}/v1/token/generate?grant_type=client_credentials"
        return self.session.get(url, auth=(key, secret), timeout=10)

    def headers(self, **changes: Any) -> dict[str, str]:
        own = {"tin": PIN, "bhfId": self.branch, "cmcKey": self.key}
        found = {**self._headers, **(own if self.transport != "vscu" else {}), **changes}
        return {name: value for name, value in found.items() if value is not ABSENT}

    def post(
        self, path: str, body: Any, headers: dict[str, Any] | None = None
    ) -> requests.Response:
        path = PATHS[self.transport].get(path, path)
        if isinstance(body, dict):
            own = {"tin": PIN, "bhfId": self.branch}
            body = {name: value for name, value in (own | body).items() if value is not ABSENT}
        return self.session.post(
            self.base_url + path, json=body, headers=self.headers(**(headers or {})), timeout=10
        )

    def sell(self, **changes: Any) -> requests.Response:
        """A sale of two packets of sugar under the next number; any field can be changed."""
        self.number += 1
        return self.post("sale", sale(self.number, **changes))

    def credit(self, original: int, **changes: Any) -> requests.Response:
        """A credit note of one of the two packets."""
        self.number += 1
        given = {"rcptTyCd": "R", "orgInvcNo": original, "rfdDt": STAMP, "rfdRsnCd": "06",
                 "itemList": [line(1, qty=1)]}  # fmt: skip
        return self.post("sale", sale(self.number, **given | changes))


def line(position: int = 1, *, rate: int | None = None, **changes: Any) -> dict[str, Any]:
    """One line under the profile net_taxable; amounts follow from qty, prc and dcRt."""
    kind = changes.get("taxTyCd", "B")
    qty, price = Decimal(str(changes.get("qty", 2))), Decimal(str(changes.get("prc", 1160)))
    discount = Decimal(str(changes.get("dcRt", 0)))
    percent = RATES.get(kind, 0) if rate is None else rate
    supply = (qty * price).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    off = (supply * discount / 100).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    tax = ((supply - off) * percent / (100 + percent)).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    built = {
        "itemSeq": position, "itemCd": "KE2NTNO0000001", "itemClsCd": "5059690800",
        "itemNm": "Sugar 1 kg", "bcd": None, "pkgUnitCd": "NT", "pkg": float(qty),
        "qtyUnitCd": "NO", "qty": float(qty), "prc": float(price), "splyAmt": float(supply),
        "dcRt": float(discount), "dcAmt": float(off), "isrccCd": None, "isrccNm": None,
        "isrcRt": None, "isrcAmt": None, "taxTyCd": kind, "taxblAmt": float(supply - off - tax),
        "taxAmt": float(tax), "totAmt": float(supply - off),
    }  # fmt: skip
    return _changed(built, changes)


def sale(number: int, **changes: Any) -> dict[str, Any]:
    """A whole body; header sums follow from the lines."""
    lines = changes.get("itemList", [line()])
    body: dict[str, Any] = {
        "trdInvcNo": f"INV-{number:06d}", "invcNo": number, "orgInvcNo": 0, "custTin": None,
        "custNm": "CASH SALE", "salesTyCd": "N", "rcptTyCd": "S", "pmtTyCd": "01",
        "salesSttsCd": "02", "cfmDt": STAMP, "salesDt": STAMP[:8], "stockRlsDt": None,
        "cnclReqDt": None, "cnclDt": None, "rfdDt": None, "rfdRsnCd": None,
        "totItemCnt": len(lines), "prchrAcptcYn": "N", "remark": None, **REGISTRAR,
        "receipt": {"custTin": None, "custMblNo": None, "rcptPbctDt": STAMP, "trdeNm": None,
                    "adrs": None, "topMsg": None, "btmMsg": None, "prchrAcptcYn": "N"},
        "itemList": lines, **sums(lines),
    }  # fmt: skip
    return _changed(body, changes)


def sums(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The fifteen tax fields and the three totals."""
    found: dict[str, Any] = {}
    for letter, rate in RATES.items():
        of_type = [each for each in lines if each["taxTyCd"] == letter]
        found[f"taxblAmt{letter}"] = _sum(of_type, "taxblAmt")
        found[f"taxRt{letter}"] = rate
        found[f"taxAmt{letter}"] = _sum(of_type, "taxAmt")
    return found | {
        "totTaxblAmt": _sum(lines, "taxblAmt"), "totTaxAmt": _sum(lines, "taxAmt"),
        "totAmt": _sum(lines, "totAmt"),
    }  # fmt: skip


def result(response: requests.Response) -> tuple[str, Any]:
    """Code and data, whichever envelope; the gateway's rejection gives its text as the code."""
    body = response.json()
    if "responseHeader" in body:
        inner = body["responseBody"]
        if inner is None:
            return body["responseHeader"]["debugMessage"], None
        body = inner
    return body["resultCd"], body["data"]


def _sum(lines: list[dict[str, Any]], name: str) -> float:
    return float(sum((Decimal(str(each.get(name, 0))) for each in lines), Decimal(0)))


def _changed(built: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (built | changes).items() if value is not ABSENT}
