"""What every part of `KRAService` starts from: whose settings, and which branch."""

from __future__ import annotations

from integrations.config import Snapshot
from integrations.kra.config import branch_of, branch_text, tax_config
from integrations.models import KRABranch


class ServiceBase:
    """One business's branch; "" is the installation, and the main branch.

    Settings are read at each call, so that an object may be kept for long.
    """

    def __init__(self, business: str = "", branch: str = "") -> None:
        self.business = business
        self.branch = branch_text(branch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(business={self.business!r}, branch={self.branch!r})"

    def config(self) -> Snapshot:
        """The settings in use now; raises what `tax_config` raises."""
        return tax_config(self.business, self.branch)

    def branch_row(self) -> KRABranch:
        """The control unit; raises what `tax_config` and `branch_of` raise."""
        return branch_of(self.config())
