"""Who may start payouts, reversals and questions for a shortcode (reference, sections 7, 19)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

# section 1: published on the portal's test page [2], [guess].
PUBLISHED_NAME = "testapi"
PUBLISHED_PASSWORD = "Safaricom123!!"  # noqa: S105 - published for everybody
ROLES = frozenset({"b2c", "reversal", "transaction_status", "account_balance"})


@dataclass(slots=True)
class Initiator:
    """The API operator of one shortcode."""

    name: str = PUBLISHED_NAME
    password: str = field(default=PUBLISHED_PASSWORD, repr=False)
    roles: frozenset[str] = ROLES
    is_active: bool = True
    wrong_in_row: int = 0

    def refuse(self, name: str, password: str | None, operation: str, allowed: int) -> str:
        """The result code that refuses the call, or nothing. `password` None: unreadable.

        Codes of section 7: 20 unknown name, 8006 locked, 2001 wrong password, 22 not active,
        21 without the role. `allowed` wrong passwords in a row lock the initiator.
        """
        if name != self.name:
            return "20"
        if self.wrong_in_row >= allowed:
            return "8006"
        if password is None or not hmac.compare_digest(password.encode(), self.password.encode()):
            self.wrong_in_row += 1
            return "2001"
        self.wrong_in_row = 0
        if not self.is_active:
            return "22"
        return "" if operation in self.roles else "21"

    def as_dict(self) -> Mapping[str, object]:
        """What the control API shows; never the password."""
        return {
            "name": self.name,
            "roles": sorted(self.roles),
            "is_active": self.is_active,
            "wrong_in_row": self.wrong_in_row,
        }
