"""What an answer of GavaConnect means. HTTP 200 alone proves nothing (reference, section 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integrations.exceptions import IntegrationError, OutcomeUnknown, ProviderError, TransportError
from integrations.outbound import Response
from integrations.providers.kra.client.errors import keys_refused
from integrations.providers.kra.client.gavaconnect.products import Product
from integrations.providers.kra.client.gavaconnect.reading import Parts, read_parts
from integrations.providers.kra.codes.gavaconnect import (
    PRODUCT_MISSING,
    explain_gava,
    is_documented_refusal,
    speaks_of_token,
)

_NO_TOKEN, _TOO_MANY = 401, 429
# A proxy that gave up waiting: what lay behind it is not known.
_GAVE_UP = 408


@dataclass(frozen=True, slots=True)
class GavaAnswer:
    """KRA said yes. `data` is the answer without its envelope, texts stripped."""

    operation: str
    code: str
    text: str
    data: dict[str, Any] = field(repr=False)


def read_answer(response: Response, product: Product) -> GavaAnswer:
    """The answer of success.

    Raises ProviderError where KRA says that nothing was done, OutcomeUnknown where a write may
    have been carried out, and TransportError (sent) for a read that no JSON came back of.
    """
    try:
        parts = read_parts(response)
    except TransportError:
        raise _unreadable(response, product) from None
    if _is_success(parts, product):
        return GavaAnswer(product.name, parts.code, parts.text, parts.body)
    raise _refusal(parts, product)


def _is_success(parts: Parts, product: Product) -> bool:
    if not 200 <= parts.http_status < 300 or parts.is_error:
        return False
    return not product.codes or parts.code in product.codes


def _unreadable(response: Response, product: Product) -> IntegrationError:
    """A gateway's own page, or nothing."""
    if response.status == 403:
        return product_missing(product)
    if response.status == _NO_TOKEN:
        return _token_refused(product)
    if 400 <= response.status < 500 and response.status != _GAVE_UP:
        return ProviderError(
            f"KRA's gateway refused “{product.title}” with HTTP {response.status}. Check its path.",
            code=str(response.status),
            permanent=response.status != _TOO_MANY,
        )
    if product.is_write:
        return OutcomeUnknown("KRA's answer can't be read: it may have been carried out.")
    return TransportError("KRA's answer is not a JSON object.", sent=True, code="not_json")


def product_missing(product: Product) -> ProviderError:
    """The key in use is not one of the product (section 1 [3+])."""
    own = f"{product.credentials}_client_id" if product.credentials else "client_id"
    return ProviderError(
        f"The key in use is not one of the product “{product.title}”. KRA gives a key for each "
        f"product: get one on the developer portal and enter it as {own}.",
        code="product_missing",
        permanent=True,
    )


def _token_refused(product: Product, request_id: str = "") -> ProviderError:
    return keys_refused(
        f"KRA refused the access token of “{product.title}” twice. Check its client id and secret.",
        request_id=request_id,
    )


def _refusal(parts: Parts, product: Product) -> IntegrationError:
    text = parts.error_text or parts.fault or parts.text
    if parts.http_status == 403 or PRODUCT_MISSING in text.lower():
        return product_missing(product)
    if parts.http_status == _NO_TOKEN or (parts.http_status == 500 and speaks_of_token(text)):
        return _token_refused(product, parts.request_id)
    if product.is_write and not _is_certain(parts, product):
        shown = f" ({parts.error_code or parts.code or parts.http_status})"
        return OutcomeUnknown(f"KRA's answer{shown} does not say whether it was carried out.")
    code = parts.error_code or parts.code or str(parts.http_status)
    return ProviderError(
        explain_gava(product.name, code, text),
        code=code,
        permanent=parts.http_status < 500 and parts.http_status != _TOO_MANY,
        request_id=parts.request_id,
    )


def _is_certain(parts: Parts, product: Product) -> bool:
    """Whether a write was certainly not carried out."""
    if is_documented_refusal(product.name, parts.error_code or parts.code):
        return True
    if parts.http_status == _GAVE_UP:
        return False
    # Beyond that, a broken server's words prove nothing, nor does a code without a "no".
    return parts.http_status < 500 and (parts.is_error or parts.http_status >= 400)


def rejects_token(response: Response) -> bool:
    """Whether the answer refuses the access token: 401, or 500 that speaks of it (section 3)."""
    if response.status not in (401, 500):
        return False
    try:
        parts = read_parts(response)
    except TransportError:
        return response.status == 401
    text = parts.error_text or parts.fault or parts.text
    return response.status == 401 or speaks_of_token(text)


def classify(response: Response, product: Product) -> tuple[str, str, str]:
    """(outcome, code, request id) for the call's record; raises TransportError for no JSON."""
    parts = read_parts(response)
    if _is_success(parts, product):
        return "ok", "", parts.request_id
    code = (parts.error_code or parts.code or str(parts.http_status))[:40]
    is_unknown = isinstance(_refusal(parts, product), OutcomeUnknown)
    return "unknown" if is_unknown else "refused", code, parts.request_id
