"""The control actions of the Daraja emulator: what tests, the demo and the panel may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from integrations.providers.mpesa.emulator.contract import Rejected
from integrations.providers.mpesa.emulator.merchants import PAYBILL, TILL, Merchant
from integrations.providers.mpesa.emulator.oauth import EVERY_PRODUCT, App, TokenOffice
from integrations.providers.mpesa.emulator.outcomes import ANSWERS
from integrations.providers.mpesa.emulator.stk import PENDING_FORMS, Settings, StkDesk

Payload = Mapping[str, Any]
_LONGEST = 1_000_000  # seconds that a setting may say


def queue_scenario(desk: StkDesk, _office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Choose what the next prompts come to: `outcome` (an answer's name or a code), `phone`…"""
    with desk.lock:
        return {"scenario": asdict(desk.scenarios.add(payload))}


def answer_prompt(desk: StkDesk, _office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Play the phone: `id` of the prompt and `answer` (approve, cancel, wrong_pin…)."""
    code = ANSWERS.get(str(payload.get("answer")))
    if code is None:
        raise Rejected(f"answer: one of {', '.join(ANSWERS)}.")
    number = payload.get("id")
    with desk.lock:
        prompt = desk.book.prompts.get(number) if type(number) is int else None
    if prompt is None:
        raise Rejected("id: there is no such prompt.")
    if not desk.postman.finish(prompt, code):
        raise Rejected("id: this prompt was decided before.")
    return {"prompt": prompt.as_dict()}


def register_app(_desk: StkDesk, office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Register an app (`key`, `secret`, `products`), or refuse its key (`refused`)."""
    key, secret = payload.get("key"), payload.get("secret", "")
    if not isinstance(key, str) or not key or not isinstance(secret, str):
        raise Rejected("key and secret: text.")
    products = payload.get("products", sorted(EVERY_PRODUCT))
    if not isinstance(products, list) or not EVERY_PRODUCT.issuperset(map(str, products)):
        raise Rejected(f"products: a list of {', '.join(sorted(EVERY_PRODUCT))}.")
    is_refused = bool(payload.get("refused", False))
    office.apps[key] = App(key, secret, frozenset(products), is_refused=is_refused)
    return {"apps": sorted(office.apps)}


def register_shortcode(desk: StkDesk, _office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Add a merchant: `shortcode`, `passkey`, `kind` (paybill or till), `tills`, `name`."""
    shortcode, passkey = payload.get("shortcode"), payload.get("passkey")
    kind, tills = payload.get("kind", PAYBILL), payload.get("tills", [])
    if not isinstance(shortcode, str) or not shortcode or not isinstance(passkey, str):
        raise Rejected("shortcode and passkey: text.")
    if kind not in {PAYBILL, TILL} or not isinstance(tills, list):
        raise Rejected("kind: paybill or till; tills: a list of till numbers.")
    name = str(payload.get("name", "SANDBOX SHOP"))
    merchant = Merchant(shortcode, passkey, kind, tuple(str(till) for till in tills), name)
    desk.merchants[shortcode] = merchant
    return {"shortcodes": sorted(desk.merchants)}


def change_tokens(_desk: StkDesk, office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Invalidate tokens early (`invalidate`: true, or a key), or set `newest_only` and `open`."""
    lost = 0
    if payload.get("invalidate"):
        key = payload["invalidate"]
        lost = office.invalidate(key if isinstance(key, str) else "")
    office.is_newest_only = bool(payload.get("newest_only", office.is_newest_only))
    office.is_open = bool(payload.get("open", office.is_open))
    return {"invalidated": lost, "newest_only": office.is_newest_only, "open": office.is_open}


def change_settings(desk: StkDesk, _office: TokenOffice, payload: Payload) -> dict[str, Any]:
    """Set any of the emulator's switches by name; all are checked before one is set."""
    known = {item.name for item in fields(Settings)}
    for name, value in payload.items():
        if name not in known:
            raise Rejected(f"{name}: unknown; known are {', '.join(sorted(known))}.")
        if not _fits(name, value):
            raise Rejected(f"{name}: this value can't be used.")
    for name, value in payload.items():
        setattr(desk.settings, name, value)
    return {"settings": asdict(desk.settings)}


def _fits(name: str, value: Any) -> bool:
    if name.startswith("is_"):
        return isinstance(value, bool)
    if name == "pending_form":
        return value in PENDING_FORMS
    if value is None:
        return name == "timestamp_tolerance"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _LONGEST


ACTIONS: dict[str, Callable[[StkDesk, TokenOffice, Payload], dict[str, Any]]] = {
    "scenarios": queue_scenario,
    "answer": answer_prompt,
    "apps": register_app,
    "shortcodes": register_shortcode,
    "tokens": change_tokens,
    "settings": change_settings,
}
