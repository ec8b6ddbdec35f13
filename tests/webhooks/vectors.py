"""The published vectors of the webhooks reference, section 1.1."""

from __future__ import annotations

from typing import NamedTuple

TIMESTAMP = 1767225600
A = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
B = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
C = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
SEED = bytes(range(32))
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


class Vector(NamedTuple):
    message_id: str
    body: bytes
    length: int
    with_a: str
    with_b: str


V1 = Vector(
    "msg_0001",
    b'{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00Z","data":'
    b'{"invoice":"INV-1","amount":"1500.00","currency":"KES"}}',
    121,
    "v1,oyVhqMp2usR+OmVj2ROlcXYWMihC/H9ocIG4bZ1u/pE=",
    "v1,2LCnzPrn+zCbnr0VsOoROnuOBSGECwdOT7zTJ/AIr3U=",
)
V2 = Vector(
    "msg_0002",
    b"{}",
    2,
    "v1,h5P7v+mW1X3iyFYYXJam/qWraihzRgUlELRJevST6ug=",
    "v1,wojnxP4i4Wasr05GQhl4uS/74oU+JFnyRlJ31RCK7bw=",
)
V3 = Vector(
    "msg_0003",
    b"",
    0,
    "v1,9gOS6QxFoc0tGVI/PUc2P0AKGrK89jgyJaMSN0Vy+6Y=",
    "v1,a9x00GhEs/clEfmLfGbiyARbfGpqt6JkZmtdYmu3JX4=",
)
V4 = Vector(
    "msg_0004",
    '{"name":"Wanjikũ","note":"Ksh 1,000 ✓"}'.encode(),
    42,
    "v1,19ap3GCC+2TCBdpm8PFXfDST4UQv+jnF7gV8fJU2sT8=",
    "v1,38MNTmbGRwVypvE+/JMgL5rE4o8c/lMb+khTw3oq9ew=",
)
V5 = Vector(
    "msg_0005",
    b'{ "a" : 1 }\n',
    12,
    "v1,DTAtQacW+rZO9p7C3Zvz9/EwECDq1fP7rlLsqecm6D0=",
    "v1,526v3qdDaMDbYjXZXYDQvnDARRCgM1PFvZnDVI4mLlc=",
)
VECTORS = (V1, V2, V3, V4, V5)
V1_WITH_C = "v1,UrR6YyWrD7ItXVK6IdlYjmneRRh3bNv+qzrIy6Fo+hM="
V1_ROTATION = f"{V1.with_a} {V1.with_b}"
DIGESTS = {
    V1: "b186b1e204927263915047452bbbef983a6929e1021cfdb49741b7c1b953a9e6",
    V4: "971200cafb72509884bd29625952bd29677d8ae13dac2937917ce92e6d43ddb6",
    V5: "0563df4c4afbd52647ca7855d8ea11ee8dbe9dafd680cb6ce3e3833e35e836c7",
}
WRONG_TEXT_KEY = "U1UnodfmtqME35hXCE6YvYuR3C7vRMKfBqSHBYnPvM8="
WRONG_HEX = "a32561a8ca76bac47e3a6563d913a5717616322842fc7f687081b86d9d6efe91"
V1A = {
    V1: "v1a,13wmiz+yE+nMrxVsgP0lpyr8JTZhCJ/XExGPnhNxkrQzr4oIf8LBUMgoFlka1pWBNUEwIieBHp4thYmYzS1Z"
    "Aw==",
    V2: "v1a,wjYfKGVER3FwG5+sVnT9Z+qLc6s/LMYlQre1LNB57zyhVkrpmEVyzRVPP/BEjn4Qenu6D//XePNj3Z7be25t"
    "Cg==",
}
