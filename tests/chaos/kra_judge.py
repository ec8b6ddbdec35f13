"""The judge of invoices: does our book say what KRA's says, without a gap and without a double?

KRA's book is right by definition. Every function returns disagreements in words; an empty list
is an acquittal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from integrations.models import DomainEvent, KRABranch, KRAInvoice, KRAInvoiceEvent
from tests.chaos.kra_installation import BRANCHES

Unit = Mapping[str, Any]
Sale = Mapping[str, Any]
# Added on the way out: who speaks, and the key.
_IDENTITY = frozenset({"tin", "bhfId", "cmcKey"})


def kra_disagreements(
    unit: Unit,
    invoices: Iterable[KRAInvoice],
    bodies: Mapping[str, Mapping[str, Any]],
    handed_in: Iterable[str],
    *,
    last_number: int,
) -> list[str]:
    """Where the books of one branch differ. `bodies` are KRA's by number, `handed_in` the
    trader's numbers that our side took."""
    invoices, sales = list(invoices), list(unit["sales"])
    return [
        *_numbers(unit, sales, last_number),
        *_signed_twice(sales),
        *_lost(sales, invoices, handed_in),
        *_different(unit, sales, invoices, bodies),
        *_out_of_order(invoices),
        *_credited_too_much(sales),
        *_different_sums(sales, invoices),
    ]


def _numbers(unit: Unit, sales: list[Sale], last_number: int) -> list[str]:
    numbers = [sale["number"] for sale in sales]
    expected = list(range(1, len(numbers) + 1))
    found = [] if numbers == expected else [f"KRA's numbers have a gap: {numbers}"]
    counter = unit["counters"]["invoice"]
    if counter != last_number:
        found.append(f"KRA's counter is at {counter}, ours at {last_number}")
    return found


def _signed_twice(sales: list[Sale]) -> list[str]:
    times = Counter(sale["trader_number"] for sale in sales)
    return [f"{name} was signed {count} times" for name, count in times.items() if count > 1]


def _lost(sales: list[Sale], invoices: list[KRAInvoice], handed_in: Iterable[str]) -> list[str]:
    stored = Counter(invoice.trader_number for invoice in invoices)
    return [
        *(f"{name} was handed in, and it is gone" for name in handed_in if not stored[name]),
        *(f"{name} is stored {count} times" for name, count in stored.items() if count > 1),
        *(f"{sale['trader_number']} is at KRA, and not in our book" for sale in sales
          if not stored[sale["trader_number"]]),
    ]  # fmt: skip


def _different(
    unit: Unit,
    sales: list[Sale],
    invoices: list[KRAInvoice],
    bodies: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    by_name = {sale["trader_number"]: sale for sale in sales}
    found = []
    for invoice in invoices:
        sale = by_name.get(invoice.trader_number)
        problem = _wrong_end(unit, invoice, sale)
        if not problem and sale is not None:
            problem = _wrong_content(invoice, sale, bodies[str(sale["number"])])
        if problem:
            found.append(f"{invoice.trader_number} is {invoice.state}: {problem}")
    return found


def _wrong_end(unit: Unit, invoice: KRAInvoice, sale: Sale | None) -> str:
    if invoice.state == "rejected":
        if sale is not None:
            return f"KRA has signed it as number {sale['number']}"
        return "it keeps a number" if invoice.number is not None else ""
    if invoice.state == "registered":
        # Without a look-up the signature is typed in by a person, who must know.
        if BRANCHES[unit["branch"]] != "vscu":
            return "its signature could have been asked for"
        return "" if invoice.attention else "on nobody's work list"
    if invoice.state != "signed":
        return "it has not come to an end"
    return "" if sale is not None else "KRA does not have it"


def _wrong_content(invoice: KRAInvoice, sale: Sale, body: Mapping[str, Any]) -> str:
    if invoice.number != sale["number"]:
        return f"number {invoice.number}, KRA says {sale['number']}"
    if invoice.total != Decimal(sale["total"]) or invoice.tax != Decimal(sale["tax"]):
        return f"KES {invoice.total} with tax {invoice.tax}, KRA says {sale['total']}"
    sent = {name: value for name, value in body.items() if name not in _IDENTITY}
    if plain(sent) != plain(invoice.body):
        return "the stored body is not the one that KRA has"
    if invoice.original is not None and invoice.original.number != sale["original_number"]:
        return f"it credits {invoice.original.number}, KRA says {sale['original_number']}"
    if invoice.state == "registered":
        return ""
    told = (invoice.signature, invoice.internal_data, invoice.receipt_number)
    booked = (sale["signature"], sale["internal_data"], sale["receipt_number"])
    return "" if told == booked else f"signed {told}, KRA says {booked}"


def _out_of_order(invoices: list[KRAInvoice]) -> list[str]:
    rows = sorted(invoices, key=lambda each: each.pk)
    numbers = [each.number for each in rows if each.number is not None]
    return [] if numbers == sorted(numbers) else [f"not sent in order: {numbers}"]


def _credited_too_much(sales: list[Sale]) -> list[str]:
    credited: dict[int, Decimal] = defaultdict(Decimal)
    for sale in sales:
        if sale["original_number"]:
            credited[sale["original_number"]] += Decimal(sale["total"])
    totals = {sale["number"]: Decimal(sale["total"]) for sale in sales}
    return [
        f"number {number} was credited KES {total}, it came to {totals[number]}"
        for number, total in credited.items()
        if total > totals[number]
    ]


def _different_sums(sales: list[Sale], invoices: list[KRAInvoice]) -> list[str]:
    """As finance would compare them: sales less credit notes, and the tax."""
    ends = ("signed", "registered")
    ours = [
        (-1 if each.kind == "credit_note" else 1, each.total, each.tax)
        for each in invoices
        if each.state in ends
    ]
    theirs = [
        (-1 if sale["kind"] == "R" else 1, Decimal(sale["total"]), Decimal(sale["tax"]))
        for sale in sales
    ]
    sums = [
        [sum((sign * row[at] for sign, *row in rows), Decimal(0)) for at in (0, 1)]
        for rows in (ours, theirs)
    ]
    return [] if sums[0] == sums[1] else [f"our book sums up to KES {sums[0]}, KRA's to {sums[1]}"]


def plain(value: Any) -> Any:
    """A body in which numbers are compared by value, not by how they are written."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)).normalize() if is_number else value


def half_told() -> list[str]:
    """Invoices whose row, history and announcements do not fit, and branches that stand still."""
    moves: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for event in KRAInvoiceEvent.objects.exclude(to_state="").order_by("id"):
        moves[event.invoice_id].append((event.from_state, event.to_state))
    told: dict[str, Counter[str]] = defaultdict(Counter)
    rows = DomainEvent.objects.filter(event_type__startswith="invoice.")
    for kind, payload in rows.values_list("event_type", "payload"):
        told[payload["invoice_id"]][kind] += 1
    found = []
    for invoice in KRAInvoice.objects.order_by("pk"):
        steps, name = moves[invoice.pk], invoice.trader_number
        states = ["", *(to for _from, to in steps)]
        if [before for before, _to in steps] != states[:-1]:
            found.append(f"{name}: its history {steps} has a gap")
        if invoice.state != states[-1]:
            found.append(f"{name} is {invoice.state}, its history ends with {states[-1]!r}")
        for end in ("signed", "rejected"):
            # A rejected one may be signed yet: KRA took a copy of it late.
            expected = states.count(end)
            times = told[str(invoice.public_id)][f"invoice.{end}"]
            if times != expected:
                found.append(f"{name} was {end} {expected} times, which was told {times} times")
        if states.count("signed") > 1:
            found.append(f"{name} was signed {states.count('signed')} times: {states}")
    held = KRABranch.objects.exclude(held_reason="")
    return [*found, *(f"branch {each.bhf_id} is held: {each.held_reason}" for each in held)]
