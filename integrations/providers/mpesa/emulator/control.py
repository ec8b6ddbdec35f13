"""The control actions of the Daraja emulator: what tests, the demo and the panel may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from datetime import date
from typing import Any

from integrations.providers.emulation import Answer, Rejected
from integrations.providers.mpesa.emulator import credentials
from integrations.providers.mpesa.emulator.desks import Desks
from integrations.providers.mpesa.emulator.envelopes import json_answer
from integrations.providers.mpesa.emulator.fields import is_msisdn
from integrations.providers.mpesa.emulator.initiators import ROLES
from integrations.providers.mpesa.emulator.ledger import DEPOSIT
from integrations.providers.mpesa.emulator.merchants import PAYBILL, TILL, Merchant
from integrations.providers.mpesa.emulator.money import cents_of
from integrations.providers.mpesa.emulator.oauth import App
from integrations.providers.mpesa.emulator.outcomes import ANSWERS
from integrations.providers.mpesa.emulator.products import EVERY_PRODUCT
from integrations.providers.mpesa.emulator.settings import CHOICES, Settings
from integrations.providers.mpesa.emulator.statement import DATE_FORMS, statement_csv

Payload = Mapping[str, Any]
_LONGEST = 1_000_000  # seconds that a setting may say


def queue_scenario(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Choose what the next requests come to: `outcome` (a name or a code), `operation`, `phone`…"""
    with desks.world.lock:
        return {"scenario": asdict(desks.world.scenarios.add(payload))}


def answer_prompt(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Play the phone: `id` of the prompt and `answer` (approve, cancel, wrong_pin…)."""
    code = ANSWERS.get(str(payload.get("answer")))
    if code is None:
        raise Rejected(f"answer: one of {', '.join(ANSWERS)}.")
    number = payload.get("id")
    with desks.world.lock:
        prompt = desks.stk.book.prompts.get(number) if type(number) is int else None
    if prompt is None:
        raise Rejected("id: there is no such prompt.")
    if not desks.stk.postman.finish(prompt, code):
        raise Rejected("id: this prompt was decided before.")
    return {"prompt": prompt.as_dict()}


def register_app(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Register an app (`key`, `secret`, `products`), or refuse its key (`refused`)."""
    key, secret = payload.get("key"), payload.get("secret", "")
    if not isinstance(key, str) or not key or not isinstance(secret, str):
        raise Rejected("key and secret: text.")
    products = payload.get("products", sorted(EVERY_PRODUCT))
    if not isinstance(products, list) or not EVERY_PRODUCT.issuperset(map(str, products)):
        raise Rejected(f"products: a list of {', '.join(sorted(EVERY_PRODUCT))}.")
    is_refused = bool(payload.get("refused", False))
    office = desks.office
    office.apps[key] = App(key, secret, frozenset(products), is_refused=is_refused)
    return {"apps": sorted(office.apps)}


def register_shortcode(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Add a merchant: `shortcode`, `passkey`, `kind`, `tills`, `name`, `bulk`, `balances`.

    `balances` are the accounts' first contents in shillings; accounts that exist keep theirs.
    """
    shortcode, passkey = payload.get("shortcode"), payload.get("passkey")
    kind, tills = payload.get("kind", PAYBILL), payload.get("tills", [])
    if not isinstance(shortcode, str) or not shortcode or not isinstance(passkey, str):
        raise Rejected("shortcode and passkey: text.")
    if kind not in {PAYBILL, TILL} or not isinstance(tills, list):
        raise Rejected("kind: paybill or till; tills: a list of till numbers.")
    merchant = Merchant(
        shortcode,
        passkey,
        kind,
        tuple(str(till) for till in tills),
        str(payload.get("name", "SANDBOX SHOP")),
        is_bulk=bool(payload.get("bulk", False)),
    )
    balances = payload.get("balances", {})
    if not isinstance(balances, dict):
        raise Rejected("balances: an object of account names and shillings.")
    opening = {name: _cents(text, f"balances, {name}") for name, text in balances.items()}
    with desks.world.lock:
        desks.world.welcome(merchant, opening)
        held = desks.world.ledger.accounts(shortcode)
        # Without its passkey, which is nobody else's business.
        desks.world.surroundings.record(
            {"shop": asdict(replace(merchant, passkey="")), "held": held}
        )
    return {"shortcodes": sorted(desks.world.merchants)}


def fund(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Put `amount` shillings on an `account` of a `shortcode`, or take them off (below zero)."""
    merchant = _merchant(desks, payload)
    account = payload.get("account", merchant.payout_account)
    if account not in merchant.account_names:
        raise Rejected(f"account: one of {', '.join(merchant.account_names)}.")
    change = _cents(payload.get("amount"), "amount")
    world = desks.world
    with world.lock:
        now = world.surroundings.now()
        movement = world.ledger.post(
            merchant.shortcode,
            account,
            change,
            receipt=world.ledger.new_receipt(now),
            kind=DEPOSIT,
            initiated=now.isoformat(),
            completed=now.isoformat(),
        )
        world.record(movement)
    return {"movement": movement.as_dict()}


def change_initiator(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Set the initiator of a `shortcode`: `name`, `password`, `roles`, `active`, `unlock`."""
    merchant = _merchant(desks, payload)
    roles = payload.get("roles", sorted(ROLES))
    if not isinstance(roles, list) or not ROLES.issuperset(map(str, roles)):
        raise Rejected(f"roles: a list of {', '.join(sorted(ROLES))}.")
    with desks.world.lock:
        known = desks.world.initiators[merchant.shortcode]
        name, password = payload.get("name", known.name), payload.get("password", known.password)
        if not isinstance(name, str) or not isinstance(password, str) or not (name and password):
            raise Rejected("name and password: text.")
        known.name, known.password, known.roles = name, password, frozenset(roles)
        known.is_active = bool(payload.get("active", known.is_active))
        if payload.get("unlock") or "password" in payload:
            known.wrong_in_row = 0
        return {"initiator": known.as_dict()}


def pay_in(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Let a customer pay: `shortcode` or till, `phone`, `amount`, `bill_ref`, `first_name`…"""
    merchant = _merchant(desks, payload)
    phone, amount = str(payload.get("phone", "")), _cents(payload.get("amount"), "amount")
    if not is_msisdn(phone, desks.world.rules()) or amount <= 0:
        raise Rejected("phone: 12 digits from 254; amount: more than nothing.")
    is_goods = merchant.kind == TILL
    names = ("first_name", "middle_name", "last_name")
    payment = desks.cashier.begin(
        merchant,
        str(payload["shortcode"]),
        phone=phone,
        amount=amount,
        transaction_type=str(payload.get("type", "Buy Goods" if is_goods else "Pay Bill")),
        bill_ref=str(payload.get("bill_ref", "")),
        source="customer",
        **{name: str(payload.get(name, "")) for name in names},
    )
    return {"payment": payment.as_dict()}


def change_c2b(desks: Desks, payload: Payload) -> dict[str, Any]:
    """For a `shortcode`: switch `validation`, or `delete` its registered addresses."""
    number = str(payload.get("shortcode", ""))
    _merchant(desks, payload)
    with desks.world.lock:
        desks.cashier.change(
            number,
            validation=payload.get("validation"),
            is_deleted=bool(payload.get("delete", False)),
        )
        return {"registrations": desks.cashier.book.summary()["registrations"]}


def change_tokens(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Invalidate tokens early (`invalidate`: true, or a key), or set `newest_only` and `open`."""
    lost, office = 0, desks.office
    if payload.get("invalidate"):
        key = payload["invalidate"]
        lost = office.invalidate(key if isinstance(key, str) else "")
    office.is_newest_only = bool(payload.get("newest_only", office.is_newest_only))
    office.is_open = bool(payload.get("open", office.is_open))
    return {"invalidated": lost, "newest_only": office.is_newest_only, "open": office.is_open}


def change_settings(desks: Desks, payload: Payload) -> dict[str, Any]:
    """Set any of the emulator's switches by name; all are checked before one is set."""
    known = {item.name for item in fields(Settings)}
    for name, value in payload.items():
        if name not in known:
            raise Rejected(f"{name}: unknown; known are {', '.join(sorted(known))}.")
        if not _fits(name, value):
            raise Rejected(f"{name}: this value can't be used.")
    for name, value in payload.items():
        setattr(desks.world.settings, name, value)
    return {"settings": asdict(desks.world.settings)}


def _fits(name: str, value: Any) -> bool:
    if name.startswith("is_"):
        return isinstance(value, bool)
    if name in CHOICES:
        return value in CHOICES[name]
    if value is None:
        return name == "timestamp_tolerance"
    wanted = int if isinstance(getattr(Settings(), name), int) else int | float
    is_number = isinstance(value, wanted) and not isinstance(value, bool)
    return is_number and 0 <= value <= _LONGEST


def show(desks: Desks, name: str, query: Mapping[str, list[str]]) -> Answer | None:
    """A document: `certificate`, `accounts`, or `statement` of `shortcode`, `day`, `account`."""
    if name == "certificate":
        return Answer(200, credentials.certificate_pem(), "application/x-pem-file")
    if name == "accounts":
        with desks.world.lock:
            return json_answer({"accounts": desks.accounts()})
    return _statement(desks, query) if name == "statement" else None


def _statement(desks: Desks, query: Mapping[str, list[str]]) -> Answer:
    asked = {name: values[-1] for name, values in query.items()}
    merchant = _merchant(desks, asked)
    account = asked.get("account", merchant.income_account)
    dates = asked.get("dates", "dmy")
    if account not in {"", *merchant.account_names} or dates not in DATE_FORMS:
        raise Rejected(f"account: one of {', '.join(merchant.account_names)}; dates: dmy or iso.")
    try:
        day = date.fromisoformat(asked["day"]) if asked.get("day") else None
    except ValueError:
        raise Rejected("day: a date such as 2026-01-14.") from None
    with desks.world.lock:
        text = statement_csv(desks.world, merchant, day, account, dates)
    return Answer(200, text.encode(), "text/csv; charset=utf-8")


def _merchant(desks: Desks, payload: Mapping[str, Any]) -> Merchant:
    merchant = desks.world.merchant_of(str(payload.get("shortcode", "")))
    if merchant is None:
        raise Rejected("shortcode: nobody has this number.")
    return merchant


def _cents(value: Any, name: str) -> int:
    text = "" if isinstance(value, bool | float) else str(value)
    cents = cents_of(text.removeprefix("-"))
    if cents is None:
        raise Rejected(f"{name}: shillings, as a whole number or as text such as 150.00.")
    return -cents if text.startswith("-") else cents


ACTIONS: dict[str, Callable[[Desks, Payload], dict[str, Any]]] = {
    "scenarios": queue_scenario,
    "answer": answer_prompt,
    "apps": register_app,
    "shortcodes": register_shortcode,
    "tokens": change_tokens,
    "settings": change_settings,
    "fund": fund,
    "initiators": change_initiator,
    "pay": pay_in,
    "c2b": change_c2b,
}
