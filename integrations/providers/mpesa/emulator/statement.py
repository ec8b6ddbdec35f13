"""The organisation portal's statement as CSV, for one account of a shortcode and one day.

The columns are those of Safaricom's portal; Withdrawn is written below zero and the newest line
comes first, as the portal has them.
"""

from __future__ import annotations

import csv
import io
from datetime import date, datetime

from integrations.providers.mpesa.emulator import ledger
from integrations.providers.mpesa.emulator.customers import MSISDN_FORMS
from integrations.providers.mpesa.emulator.identifiers import EAT
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.merchants import Merchant
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.world import World

COLUMNS = (
    "Receipt No.",
    "Completion Time",
    "Initiation Time",
    "Details",
    "Transaction Status",
    "Paid In",
    "Withdrawn",
    "Balance",
    "Balance Confirmed",
    "Reason Type",
    "Other Party Info",
    "Linked Transaction ID",
    "A/C No.",
)
DATE_FORMS = {"dmy": "%d-%m-%Y %H:%M:%S", "iso": "%Y-%m-%d %H:%M:%S"}


def statement_csv(
    world: World, merchant: Merchant, day: date | None, account: str, date_form: str
) -> str:
    """The lines of a day in EAT (all days without one), below a few head lines.

    Call with the lock held.
    """
    lines = [
        line for line in world.ledger.of(merchant.shortcode, account) if day in {None, _day(line)}
    ]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows(_head(merchant, day, account, lines))
    writer.writerow([])
    writer.writerow(COLUMNS)
    form = DATE_FORMS[date_form]
    writer.writerows(_row(world, line, form) for line in reversed(lines))
    return out.getvalue()


def _head(
    merchant: Merchant, day: date | None, account: str, lines: list[Movement]
) -> list[list[str]]:
    period = f"{day:%d-%m-%Y} 00:00:00 To {day:%d-%m-%Y} 23:59:59" if day else "All"
    return [
        ["Organization Name:", merchant.name],
        ["Short Code:", merchant.shortcode],
        ["Account:", account or "All"],
        ["Time Period:", period],
        ["Total Paid In:", kes(sum(line.paid_in for line in lines))],
        ["Total Withdrawn:", kes(-sum(line.withdrawn for line in lines))],
    ]


def _row(world: World, line: Movement, form: str) -> list[str]:
    party = ""
    if line.party:
        shown = MSISDN_FORMS[world.settings.msisdn_form](line.party)
        party = f"{shown} - {line.party_name}"
    details, reason = _words(line, party)
    return [
        line.receipt,
        _time(line.completed, form),
        _time(line.initiated, form),
        details,
        "Completed",
        kes(line.paid_in) if line.paid_in else "",
        kes(-line.withdrawn) if line.withdrawn else "",
        kes(line.balance),
        "true",
        reason,
        party,
        line.linked,
        line.reference if line.kind in {ledger.STK, ledger.C2B} else "",
    ]


def _words(line: Movement, party: str) -> tuple[str, str]:
    is_goods = line.command in {"CustomerBuyGoodsOnline", "Buy Goods"}
    kind = "Customer Merchant Payment" if is_goods else "Pay Bill"
    online = "Merchant Payment Online" if is_goods else "Pay Bill Online"
    paid = f"from {party} Acc. {line.reference}"
    return {
        ledger.STK: (f"{online} {paid}", online),
        ledger.C2B: (f"{kind} {paid}", kind),
        ledger.B2C: (f"{line.command} to {party}", "Business Payment to Customer via API"),
        ledger.REVERSAL: (f"Reversal of {line.linked}", "Transaction Reversal"),
        ledger.CHARGE: (f"Charge for {line.linked}", "Business Payment Charge"),
        ledger.DEPOSIT: ("Organization deposit", "Organization Deposit"),
    }[line.kind]


def _day(line: Movement) -> date:
    return datetime.fromisoformat(line.completed).astimezone(EAT).date()


def _time(text: str, form: str) -> str:
    return datetime.fromisoformat(text).astimezone(EAT).strftime(form)
