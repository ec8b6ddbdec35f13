"""What only M-Pesa can tell, asked by calls that move no money.

Source: Daraja reference, sections 2, 5, 11 and 12.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from integrations.exceptions import IntegrationError, ProviderError, TransportError
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning
from integrations.health.preflight.initiator import has_initiator
from integrations.models import MpesaQuery, QueryState
from integrations.payments.initiator import initiator_is_held
from integrations.payments.queries import ask_balance, standing_of
from integrations.providers.mpesa.client import DarajaClient, QueryAnswer
from integrations.providers.mpesa.codes import Refusal, explain

# Of the right form, and of a moment before M-Pesa had this API: nobody's.
INVENTED_ID = "ws_CO_010120000000000000708374149"
_PRODUCT_FIELDS = {
    "stk_push": "M-Pesa Express",
    "b2c": "B2C",
    "reversal": "Reversal",
    "transaction_status": "Transaction Status",
    "account_balance": "Account Balance",
    "c2b_register": "C2B",
    "pull": "Pull Transactions",
}
_OPEN = {QueryState.WAITING, QueryState.SENT}
LOOK_EVERY = 0.25


def ask_online(
    subject: Subject, *, wait_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Finding]:
    """Token, passkey, products, initiator: each only where the one before it is in order.

    Waits `wait_seconds` for the initiator's answer, which M-Pesa sends to the callback address.
    """
    if not subject.has_secrets or not subject.config.configured:
        yield warning("online", "Nothing was asked.", "Correct the errors above first.")
        return
    client = DarajaClient(subject.config)
    token = _check_token(client)
    yield token
    if token.level != "ok":
        return
    missing = list(_check_products(client, subject))
    yield from missing
    if not any(finding.field == "stk_push" and finding.level == "error" for finding in missing):
        yield _check_passkey(client)
    if has_initiator(subject):
        yield _check_initiator(subject, wait_seconds, sleep)


def _check_token(client: DarajaClient) -> Finding:
    try:
        return ok("consumer_key", client.check())
    except TransportError as failure:
        return error("base_url", failure.message, "Check the network and the address, then again.")
    except ProviderError as failure:
        if failure.code != "bad_credentials":
            return warning("consumer_key", failure.message, "Try again in a few minutes.")
        return error("consumer_key", failure.message, "Copy both again from the app's page.")
    except IntegrationError as failure:
        return error("consumer_key", failure.message, "Correct the settings.")


def _check_products(client: DarajaClient, subject: Subject) -> Iterator[Finding]:
    """Which products the app lacks of those that these settings need."""
    enabled = []
    for operation in _needed(subject):
        label = _PRODUCT_FIELDS[operation]
        try:
            missing = client.missing_product(operation)
        except IntegrationError as failure:
            yield warning(operation, f"{label}: {failure.message}", "Try again in a few minutes.")
            continue
        if missing:
            yield error(operation, f"{label}: {missing}", "Tick it on the Daraja app.")
        else:
            enabled.append(label)
    if enabled:
        yield ok("products", f"The app may use {', '.join(enabled)}.")


def _needed(subject: Subject) -> list[str]:
    names = ["stk_push"]
    if has_initiator(subject):
        names += ["b2c", "reversal", "transaction_status", "account_balance"]
    names.append("c2b_register")
    return names + (["pull"] if subject.value("pull_enabled") else [])


def _check_passkey(client: DarajaClient) -> Finding:
    """A question about a push that never was: the answer tells what M-Pesa thinks of us."""
    try:
        answer = client.stk_query(INVENTED_ID)
    except IntegrationError as failure:
        return warning("passkey", failure.message, "Try again in a few minutes.")
    return _read(answer)


def _read(answer: QueryAnswer) -> Finding:
    fits = "fits the short code: M-Pesa took the password."
    meaning = answer.error
    if meaning is None or meaning.refusal in (Refusal.ABSENT, Refusal.PENDING):
        return ok("passkey", fits)
    if meaning.refusal is not Refusal.PERMANENT:
        return warning("passkey", meaning.text, "Nothing can be said about it: try again later.")
    if "short code" in meaning.text and "passkey" not in meaning.text:
        return error("short_code", meaning.text, "")
    if "product" in meaning.text:
        return warning(
            "stk_query", meaning.text, "Payments whose callback is lost can't be asked about."
        )
    return error("passkey", meaning.text, "Compare it with the mail it came with.")


def _check_initiator(
    subject: Subject, wait_seconds: float, sleep: Callable[[float], None]
) -> Finding:
    """A question about the balance, which M-Pesa answers for a good initiator alone."""
    if initiator_is_held(subject.config):
        return error(
            "initiator_password",
            "M-Pesa was not asked: a further try with a refused password makes it worse.",
            "Change it in the portal and here, then check again.",
        )
    try:
        query = ask_balance(
            business=subject.config.business, short_code=subject.short_code, now=True
        )
    except IntegrationError as failure:
        return error("initiator_name", failure.message, "")
    except RuntimeError:
        return warning("initiator_name", "was not asked inside a transaction.", "Check again.")
    waited = 0.0
    while query.state in _OPEN and waited < wait_seconds:
        sleep(LOOK_EVERY)
        waited += LOOK_EVERY
        query = standing_of(query)
    return _read_balance(query, wait_seconds)


def _read_balance(query: MpesaQuery, wait_seconds: float) -> Finding:
    if query.state in _OPEN or query.state == QueryState.UNANSWERED:
        if query.originator_id or query.conversation_id:
            return warning(
                "initiator_name",
                f"M-Pesa accepted the question, and no answer came in {wait_seconds:g} seconds.",
                "It comes to the callback address: check that, and that a worker runs.",
            )
        return warning(
            "initiator_name", query.message or "M-Pesa did not take the question.", "Try again."
        )
    if query.state == QueryState.ANSWERED:
        return ok("initiator_name", "M-Pesa takes the initiator, and told the balance.")
    if not query.result_code:
        return error("initiator_name", query.message or "M-Pesa refused the question.", "")
    meaning = explain(query.result_code, "account_balance")
    return error("initiator_password" if meaning.is_credential_fault else "initiator_name",
                 f"{meaning.cause} (code {query.result_code})", meaning.next_step)  # fmt: skip
