"""The route that a pull registration names: a hint that there is something to fetch."""

from __future__ import annotations

from types import MappingProxyType

from integrations import work
from integrations.callbacks.routes import CallbackRefused, CallbackRequest, CallbackRoute
from integrations.models import InboundCallback, PullAccount
from integrations.models.inbound_callback import Settled, Verdict
from integrations.payments.pull import QUEUE, ROUTE


def verify_path(request: CallbackRequest) -> list[str]:
    """The secret path segment must be an account's."""
    rows = PullAccount.objects.filter(callback_digest=request.token_digest)
    account = rows.only("business").first()
    if account is None:
        raise CallbackRefused(401, "This callback address is not known.")
    request.business = account.business
    return []


def fetch_now(callback: InboundCallback) -> Verdict:
    """Its content is not documented and not believed: the account is fetched instead."""
    work.schedule(PullAccount.objects.filter(callback_digest=callback.token_digest))
    work.ring(QUEUE)
    return Settled(dedupe_key="", reference="")


PULL_ROUTE = CallbackRoute(
    name=ROUTE,
    verifiers=(verify_path,),
    handle=fetch_now,
    accepted=MappingProxyType({"ResultCode": 0, "ResultDesc": "Accepted"}),
)
