"""The page of M-Pesa's codes: every table that the product explains codes by."""

from __future__ import annotations

from collections.abc import Iterable

from integrations.management.reference.markdown import code, page, table
from integrations.providers.mpesa.codes import (
    C2B_REJECTIONS,
    RESULTS,
    TOKEN_REJECTIONS,
    Explanation,
    Refusal,
    explain_error,
)

INTRO = """\
What M-Pesa's codes mean, as this product explains them. [M-Pesa](mpesa.md) tells about the
products; our own codes are in [Troubleshooting](troubleshooting.md)."""
RESULT_INTRO = """\
Of callbacks, results and queries, compared as text: the same number means different things in
different products. *Again* says whether the same may simply be asked for again. A code that is in
no table makes a payment `unknown`, never `failed`; `pending` leaves it as it is, to be asked about
again. Of a question, `succeeded` says that it was answered and `failed` that it was not.

*Alarm* marks codes by which M-Pesa refuses the initiator itself: every payout, reversal and
question in its name is refused until a person acts, and repeating them can lock it."""
ERROR_INTRO = """\
What Daraja can answer at once, before there is a result. *Refused*: nothing was done, and the same
request will be refused again. *Later*: nothing was done, and the same may be sent after a while.
*Unknown*: it may have been done, so it is asked about and never sent again. *Money* is a push, a
payout, a reversal; *question* is a status, a balance, a registration, a page of transactions. A
refused access token is renewed and the request repeated once before it is told to anybody."""
OTHER_ANSWERS = """\
Any other 4xx answer except 408, also a gateway's own page, is a refusal. 408, other 5xx answers,
HTML, an empty body, and no answer after the request left are *unknown*. Where the connection was
not made at all, the request never left: see [On the way to the
provider](troubleshooting.md#on-the-way-to-the-provider)."""
HEADINGS = {
    "stk_push": "STK push",
    "c2b": "C2B",
    "b2c": "Payout (B2C)",
    "reversal": "Reversal",
    "transaction_status": "Transaction status",
    "account_balance": "Account balance",
    "ratiba": "Standing orders (Ratiba)",
}
# Error answers as the Daraja reference describes them (sections 2 and 3): HTTP status, code,
# message. "" for any message.
ANSWERS = (
    (400, "400.002.02", "Bad Request - Invalid PhoneNumber"),
    (400, "400.002.05", ""),
    (400, "400.003.02", "Bad Request"),
    (400, "400.008.01", ""),
    (400, "400.008.02", ""),
    *((int(each.partition(".")[0]), each, "") for each in sorted(TOKEN_REJECTIONS)),
    (401, "401.003.01", "Invalid API call as no apiproduct match found"),
    (403, "403.002.1001", ""),
    (404, "404.001.01", ""),
    (404, "404.002.01", ""),
    (404, "404.003.01", ""),
    (405, "405.001", ""),
    (429, "", ""),
    (500, "500.001.1001", "Wrong credentials"),
    (500, "500.001.1001", "[MerchantValidate] - "),
    (500, "500.001.1001", "Merchant does not exist"),
    (500, "500.001.1001", "Unable to lock subscriber"),
    (500, "500.001.1001", "The transaction is being processed"),
    (500, "500.001.1001", "The transaction does not exist"),
    (500, "500.001.1001", ""),
    (500, "500.002.1001", "Duplicate OriginatorConversationID"),
    (500, "500.002.1001", "Service is under maintenance"),
    (500, "500.003.02", ""),
    (500, "500.003.03", ""),
    (500, "500.003.1001", "URLs are already registered"),
    (500, "500.003.1001", "Duplicate notification info"),
    (500, "500.003.1001", ""),
)
_WORDS = {
    Refusal.PERMANENT: "refused",
    Refusal.LATER: "later",
    Refusal.PENDING: "still in progress",
    Refusal.ABSENT: "no proof of failure",
    Refusal.UNCERTAIN: "unknown",
}
_OF_QUERIES = frozenset({Refusal.PENDING, Refusal.ABSENT})


def mpesa_codes_page() -> str:
    """Result codes of each product, the refusals of a validation, and error answers."""
    parts = ["## Result codes", RESULT_INTRO]
    for product, heading in HEADINGS.items():
        known = RESULTS[product].values()
        if product == "c2b":
            known = C2B_REJECTIONS.values()
        parts += [f"### {heading}", *_notes(product), _results(known)]
    return page(
        "M-Pesa's codes", INTRO, *parts, "## Error answers", ERROR_INTRO, _answers(), OTHER_ANSWERS
    )


def _notes(product: str) -> list[str]:
    if product == "c2b":
        return ["What a validation may answer; M-Pesa refuses the payment and tells the customer."]
    if product == "ratiba":
        return [
            "Standing orders are no product of this hub; their codes are explained all the same."
        ]
    return []


def _results(known: Iterable[Explanation]) -> str:
    rows = [
        [
            code(item.code),
            item.outcome.value,
            item.cause,
            item.next_step,
            "yes" if item.retry else "no",
            "yes" if item.is_credential_fault else "no",
        ]
        for item in sorted(known, key=lambda item: (not item.code.isdigit(), _rank(item.code)))
    ]
    return table(["code", "state", "cause", "next step", "again", "alarm"], rows)


def _rank(text: str) -> tuple[int, str]:
    return (int(text) if text.isdigit() else 0, text)


def _answers() -> str:
    rows = []
    for status, error, message in ANSWERS:
        money = explain_error(status, error, message, operation=_asked(error, "b2c"))
        question = explain_error(status, error, message, operation=_asked(error, "account_balance"))
        rows.append(
            [
                code(error) or "any",
                str(status),
                f"“{message.strip()}”" if message else "",
                money.text,
                "unknown" if money.refusal in _OF_QUERIES else _WORDS[money.refusal],
                _WORDS[question.refusal],
            ]
        )
    return table(["answer", "HTTP", "message", "meaning", "money", "question"], rows)


def _asked(error: str, usual: str) -> str:
    """What was called: this code means something of its own where addresses are registered."""
    return "c2b_register" if error == "500.003.1001" else usual
