"""Daraja's paths: operation, product, verb, and the dress in which a token is refused."""

from __future__ import annotations

from dataclasses import dataclass

# section 1 [3+]: the products that an app can have.
STK_PUSH, STK_QUERY = "stk_push", "stk_query"
C2B_V1, C2B_V2 = "c2b_v1", "c2b_v2"
B2C_V1, B2C_V3 = "b2c_v1", "b2c_v3"
STATUS, BALANCE, REVERSAL, PULL = "transaction_status", "account_balance", "reversal", "pull"
EVERY_PRODUCT = frozenset(
    {STK_PUSH, STK_QUERY, C2B_V1, C2B_V2, B2C_V1, B2C_V3, STATUS, BALANCE, REVERSAL, PULL}
)
# section 3 [1]: an app with the other version of b2c is told so; C2B just misses the product.
OTHER_VERSION = {B2C_V1: B2C_V3, B2C_V3: B2C_V1}


@dataclass(frozen=True, slots=True)
class Route:
    """One path: its verb, the name of its operation, and what an app needs to call it."""

    method: str
    operation: str
    product: str = ""
    handler: str = ""
    phone_field: str = ""
    dress: str = "404.001.03"  # section 2: how a refused token looks here


def _post(operation: str, product: str, *, handler: str = "", **details: str) -> Route:
    return Route("POST", operation, product, handler or operation, **details)


# sections 2, 4, 5, 8, 9, 11, 12, 13 and 16 [3+]
ROUTES = {
    "/oauth/v1/generate": Route("GET", "oauth"),
    "/mpesa/stkpush/v1/processrequest": _post(STK_PUSH, STK_PUSH, phone_field="PhoneNumber"),
    "/mpesa/stkpushquery/v1/query": _post(STK_QUERY, STK_QUERY),
    "/mpesa/c2b/v1/registerurl": _post(
        "c2b_register", C2B_V1, handler="c2b_register_v1", dress="401.003.01"
    ),
    "/mpesa/c2b/v2/registerurl": _post(
        "c2b_register", C2B_V2, handler="c2b_register_v2", dress="401.003.01"
    ),
    "/mpesa/c2b/v1/simulate": _post(
        "c2b_simulate", C2B_V1, phone_field="Msisdn", dress="400.003.01"
    ),
    "/mpesa/c2b/v2/simulate": _post(
        "c2b_simulate", C2B_V2, phone_field="Msisdn", dress="400.003.01"
    ),
    "/mpesa/b2c/v1/paymentrequest": _post("b2c", B2C_V1, handler="b2c_v1", phone_field="PartyB"),
    "/mpesa/b2c/v3/paymentrequest": _post("b2c", B2C_V3, handler="b2c_v3", phone_field="PartyB"),
    "/mpesa/transactionstatus/v1/query": _post(STATUS, STATUS, dress="400.003.01"),
    "/mpesa/accountbalance/v1/query": _post(BALANCE, BALANCE, dress="401.002.01"),
    "/mpesa/reversal/v1/request": _post(REVERSAL, REVERSAL),
    "/pulltransactions/v1/register": _post("pull_register", PULL, dress="401.001"),
    "/pulltransactions/v1/query": _post("pull", PULL, dress="401.001"),
}
