"""Customers, insurances and users of a branch (section 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput, OutcomeUnknown
from integrations.kra.config import branch_of, require_device
from integrations.kra.gava_writes import refuse_open_transaction
from integrations.kra.lists.records import keep_records, record
from integrations.kra.writes.inputs import amount_of, flag_of, mapping_of, pin_of, text_of
from integrations.kra.writes.store import queue_subject
from integrations.models import KRABranch, KRAWrite, RecordKind, WriteKind
from integrations.providers.kra.client import EtimsClient
from integrations.providers.kra.payloads.parties import user_body

CUSTOMER_FIELDS = ("number", "pin", "name", "address", "phone", "email", "fax", "remark", "is_used")
INSURANCE_FIELDS = ("code", "name", "rate", "is_used")
USER_FIELDS = ("user_id", "name", "address", "contact", "authority", "remark", "is_used")
LOST = (
    "KRA's answer was lost, so it is not known whether the user is saved. Call again with the "
    "same values: saving a user twice does no harm."
)
# KRARecord.data of a user: how its last saving went.
SENDING, SAVED, REFUSED, UNKNOWN = "sending", "saved", "refused", "unknown"


def save_customer(config: Snapshot, data: object, *, by: Any = None) -> KRAWrite:
    """Report a customer of the branch. Raises InvalidInput that names the field."""
    given = mapping_of("", data, CUSTOMER_FIELDS)
    document = {
        "number": text_of("number", given.get("number"), 9, required=True),
        "pin": pin_of("pin", given.get("pin")),
        "name": text_of("name", given.get("name"), 60, required=True),
        "address": text_of("address", given.get("address"), 300),
        "phone": text_of("phone", given.get("phone"), 20),
        "email": text_of("email", given.get("email"), 50),
        "fax": text_of("fax", given.get("fax"), 20),
        "remark": text_of("remark", given.get("remark"), 1000),
        "is_used": flag_of("is_used", given.get("is_used", True)),
    }
    branch = branch_of(config)
    write, _ = queue_subject(
        branch,
        WriteKind.CUSTOMER,
        str(document["number"]),
        document,
        business=config.business,
        by=by,
    )
    return write


def save_insurance(config: Snapshot, data: object, *, by: Any = None) -> KRAWrite:
    """Report an insurance that a pharmacy takes. `rate` is a whole percent, 0 to 100."""
    given = mapping_of("", data, INSURANCE_FIELDS)
    rate = amount_of("rate", given.get("rate"))
    if rate > 100 or rate != int(rate):
        raise InvalidInput("rate", "must be a whole percent from 0 to 100.")
    document = {
        "code": text_of("code", given.get("code"), 10, required=True),
        "name": text_of("name", given.get("name"), 100, required=True),
        "rate": str(int(rate)),
        "is_used": flag_of("is_used", given.get("is_used", True)),
    }
    branch = branch_of(config)
    write, _ = queue_subject(
        branch,
        WriteKind.INSURANCE,
        str(document["code"]),
        document,
        business=config.business,
        by=by,
    )
    return write


def save_user(config: Snapshot, data: object, password: object) -> dict[str, Any]:
    """Save a user of the branch at KRA, now. The password goes out and is stored nowhere.

    Raises InvalidInput, IntegrationError ("open_transaction"), and what the client raises. Where
    the answer was lost, the user's record says "unknown" and the call may simply be repeated.
    """
    given = mapping_of("", data, USER_FIELDS)
    document = {
        "user_id": text_of("user_id", given.get("user_id"), 20, required=True),
        "name": text_of("name", given.get("name"), 60, required=True),
        "address": text_of("address", given.get("address"), 200),
        "contact": text_of("contact", given.get("contact"), 20),
        "authority": text_of("authority", given.get("authority"), 100),
        "remark": text_of("remark", given.get("remark"), 2000),
        "is_used": flag_of("is_used", given.get("is_used", True)),
    }
    if not isinstance(password, str) or not 1 <= len(password) <= 255:
        raise InvalidInput("password", "must be text of 1 to 255 characters.")
    refuse_open_transaction("A user's password, which is stored nowhere,")
    require_device(config)
    branch = branch_of(config)
    _keep(branch, document, SENDING)
    try:
        EtimsClient(config).call("save_user", user_body(document, config, password=password))
    except IntegrationError as error:
        unknown = isinstance(error, OutcomeUnknown) or getattr(error, "sent", False)
        _keep(branch, document, UNKNOWN if unknown else REFUSED)
        if unknown:
            raise IntegrationError(LOST, code="outcome_unknown") from None
        raise
    _keep(branch, document, SAVED)
    return {**document, "state": SAVED}


def _keep(branch: KRABranch, document: Mapping[str, Any], state: str) -> None:
    data = {**document, "state": state}
    with transaction.atomic():
        keep_records(
            [record(branch, RecordKind.USER, document["user_id"], name=document["name"], data=data)]
        )
