"""What a credit note must say about its original (section 6.6)."""

from __future__ import annotations

from decimal import Decimal

from integrations.providers.kra.emulator.fields import number
from integrations.providers.kra.emulator.refusals import Refusal, malformed
from integrations.providers.kra.emulator.units import Sale, Unit
from integrations.providers.kra.emulator.visits import Visit


def check_credit(visit: Visit) -> None:
    """Raises Refusal where a credit note does not fit its original."""
    body, unit = visit.body, visit.unit
    if body["rcptTyCd"] != "R":
        if body["orgInvcNo"] != 0:
            raise malformed("orgInvcNo", "is not 0 for a sale")  # section 6.1
        return
    original = unit.sales.get(body["orgInvcNo"])
    if original is None or original.kind != "S":
        raise Refusal("910", "orgInvcNo does not exist")  # section 6.6 [1 live]
    if not body.get("rfdDt"):
        raise Refusal("910", "Missing RfdDt Date")  # section 6.6 [1 live]
    if body.get("rfdRsnCd") not in visit.world.codes("32"):
        raise Refusal("910", "Invalid RfdRsnCd")  # section 6.6 [1 live]
    _check_customer(visit, original)
    if visit.world.settings.is_credit_limited:
        credited = credited_so_far(unit, original.number) + number(body, "totAmt")
        if credited > number(original.body, "totAmt"):
            raise Refusal("910", "Credit notes exceed the original invoice")


def credited_so_far(unit: Unit, original: int) -> Decimal:
    """What all credit notes of an original come to."""
    notes = (each for each in unit.sales.values() if each.body["orgInvcNo"] == original)
    return sum((number(each.body, "totAmt") for each in notes), Decimal(0))


def _check_customer(visit: Visit, original: Sale) -> None:
    # Section 6.6 [1] and [1 live]: PIN and name of the original.
    for name in ("custTin", "custNm"):
        if (visit.body.get(name) or None) != (original.body.get(name) or None):
            raise Refusal("910", f"{name} does not match the original invoice")
    if visit.is_gateway and not original.body.get("custNm"):
        raise Refusal("910", "custNm of the original invoice is null")
