"""May this C2B payment be made? M-Pesa asks before the money moves, and waits eight seconds.

The rule of the settings decides, unless the host's own (INTEGRATIONS_C2B_VALIDATOR) says more.
Source: Daraja reference, section 8.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connections
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.logs import log_event
from integrations.models import (
    AmountRule,
    C2BRegistration,
    ExpectationState,
    ExpectedPayment,
    ValidationRule,
)
from integrations.payments.accounts import account_config
from integrations.payments.references import clean_reference, reference_key
from integrations.providers.mpesa.callbacks import C2BTransaction, parse_c2b
from integrations.providers.mpesa.codes import C2B_REJECTIONS

logger = logging.getLogger(__name__)
ACCEPTED = ""
WRONG_ACCOUNT, WRONG_AMOUNT = "C2B00012", "C2B00013"
WRONG_SHORT_CODE, OTHER = "C2B00015", "C2B00016"
# Threads in which the host's rule runs: one that hangs must not stop the others' answers.
HOST_THREADS = 8
# Whatever the setting says: M-Pesa waits eight seconds for the whole answer.
MOST_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class C2BQuestion:
    """A payment that is about to be made, as the host's rule sees it.

    `reference` is what the payer typed: hostile text. `msisdn` is masked or hashed. `rule` is
    what the settings' own rule says: "" accepts, or a rejection code.
    """

    business: str
    environment: str
    short_code: str
    receipt: str
    amount: Decimal
    currency: str
    reference: str
    msisdn: str
    name: str
    transaction_type: str
    at: datetime | None
    rule: str


def decide(registration: C2BRegistration, body: bytes) -> str:
    """ "" to take the payment, or the code by which it is rejected. Never raises for its body."""
    rule, amounts = _settings(registration)
    try:
        told = parse_c2b(body)
    except InvalidInput:
        return ACCEPTED if rule == ValidationRule.ACCEPT else OTHER
    verdict = _by_rule(registration, told, rule, amounts)
    return _ask_host(_question(registration, told, verdict), verdict)


def _settings(registration: C2BRegistration) -> tuple[str, str]:
    """The rules of the account; with its settings gone, the one that takes nothing unknown."""
    try:
        values = account_config(registration.business, registration.short_code).values
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        return ValidationRule.KNOWN, AmountRule.ANY
    return str(values["c2b_validation"]), str(values["c2b_amounts"])


def _by_rule(registration: C2BRegistration, told: C2BTransaction, rule: str, amounts: str) -> str:
    if told.short_code not in numbers_of(registration):
        return WRONG_SHORT_CODE
    if rule == ValidationRule.ACCEPT:
        return ACCEPTED
    expected = _expected(registration, told)
    if not expected:
        return WRONG_ACCOUNT
    missing = [each.outstanding for each in expected]
    fits = {
        AmountRule.ANY: True,
        AmountRule.NOT_MORE: told.amount <= max(missing),
        AmountRule.EXACT: told.amount in missing,
    }[AmountRule(amounts)]
    return ACCEPTED if fits else WRONG_AMOUNT


def numbers_of(registration: C2BRegistration) -> set[str]:
    """The numbers by which M-Pesa may name the account: a till has two of them."""
    numbers = {registration.short_code}
    try:
        config = account_config(registration.business, registration.short_code)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        return numbers
    return numbers | {str(config.values["till_number"] or registration.short_code)}


def _expected(registration: C2BRegistration, told: C2BTransaction) -> list[ExpectedPayment]:
    key = reference_key(told.bill_ref)
    if not key:
        return []
    rows = ExpectedPayment.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        business=registration.business,
        environment=registration.environment,
        reference_key=key,
        state__in=(ExpectationState.OPEN, ExpectationState.PARTLY_PAID),
    )
    return list(rows[:100])


def _question(registration: C2BRegistration, told: C2BTransaction, verdict: str) -> C2BQuestion:
    return C2BQuestion(
        business=registration.business,
        environment=registration.environment,
        short_code=registration.short_code,
        receipt=told.receipt,
        amount=told.amount,
        currency="KES",
        reference=clean_reference(told.bill_ref),
        msisdn=told.msisdn,
        name=told.name,
        transaction_type=told.kind,
        at=told.at,
        rule=verdict,
    )


class _Host:
    """The threads of the host's rule. A forked child must not use its parent's."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.pool = ThreadPoolExecutor(HOST_THREADS, thread_name_prefix="c2b-validator")

    def ask(self, rule: Callable[[C2BQuestion], Any], question: C2BQuestion) -> Future[Any]:
        return self.pool.submit(_in_thread, rule, question)


_host = _Host()
os.register_at_fork(after_in_child=_host.forget)


def _in_thread(rule: Callable[[C2BQuestion], Any], question: C2BQuestion) -> Any:
    try:
        return rule(question)
    finally:
        connections.close_all()


def _ask_host(question: C2BQuestion, verdict: str) -> str:
    """The host's word, or `verdict` where it has none, fails, or takes longer than its budget."""
    path = hub_settings.c2b_validator
    if not path:
        return verdict
    try:
        asked = _host.ask(import_string(path), question)
        answer = asked.result(timeout=min(hub_settings.c2b_validator_seconds, MOST_SECONDS))
    except TookTooLong:
        asked.cancel()
        return _without_host("slow", verdict)
    except Exception as error:  # noqa: BLE001 - it is the host's code
        return _without_host(type(error).__name__, verdict)
    if answer is None:
        return verdict
    if answer is True:
        return ACCEPTED
    if isinstance(answer, str) and answer in C2B_REJECTIONS:
        return answer
    return _without_host("not_an_answer", verdict)


def _without_host(reason: str, verdict: str) -> str:
    log_event(
        logger, logging.ERROR, "c2b_validator_failed", reason=reason, rule=verdict or "accept"
    )
    return verdict
