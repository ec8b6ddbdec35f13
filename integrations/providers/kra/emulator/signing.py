"""Stand-ins for signature and internal data: the right shape, and always the same [guess]."""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha512
from typing import Any

from integrations.providers.kra.emulator.units import Unit
from integrations.providers.kra.emulator.wire import canonical


def sign(unit: Unit, body: Mapping[str, Any]) -> tuple[str, str]:
    """`rcptSign` (16) and `intrlData` (26), upper-case base32 (sections 6.4 [3+] and 13)."""
    name = f"{unit.sdc_id}/{unit.tin}/{unit.bhf_id}".encode()
    digest = hmac.new(name, canonical(body).encode(), sha512).digest()
    letters = b32encode(digest).decode()
    return letters[:16], letters[16:42]
