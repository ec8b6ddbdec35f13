"""Fetching what happened on a short code (Pull). Source: Daraja reference, section 16."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.callback_address import check_callback_words
from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.payloads.common import NAIROBI

# Rows of one answer; the next ones begin at this offset (section 16).
PAGE_SIZE = 100


def pull_register_body(config: Snapshot, *, callback_url: str) -> dict[str, Any]:
    """The JSON body that registers a short code for pulling, once.

    Raises ConfigurationError where `pull_phone` is not a Kenyan mobile, or the address has a
    word that M-Pesa forbids.
    """
    check_callback_words(callback_url)
    try:
        phone = kenyan_msisdn(config.values["pull_phone"], "pull_phone")
    except InvalidInput as error:
        raise ConfigurationError(
            f"Enter pull_phone in the M-Pesa settings, the phone nominated for Pull: {error}",
            code="no_pull_phone",
        ) from None
    return {
        "ShortCode": str(config.values["short_code"]),
        "RequestType": "Pull",
        "NominatedNumber": phone,
        "CallBackURL": callback_url,
    }


def pull_body(
    config: Snapshot, *, start: datetime, end: datetime, offset: int = 0
) -> dict[str, Any]:
    """The JSON body that fetches a page: both instants, in the time of Nairobi.

    Raises InvalidInput for instants without a zone or the wrong way round, and a bad offset.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidInput(name, "must be a time with a zone.", code="invalid_time")
    if start >= end:
        raise InvalidInput("start", "must be before the end.", code="invalid_time")
    if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
        raise InvalidInput("offset", "must be a whole number, 0 or more.")
    return {
        "ShortCode": str(config.values["short_code"]),
        "StartDate": _written(start),
        "EndDate": _written(end),
        "OffSetValue": offset,
    }


def _written(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).strftime("%Y-%m-%d %H:%M:%S")
