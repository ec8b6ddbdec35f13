"""The settings by which a stored document is sent, or asked about."""

from __future__ import annotations

from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import ConfigurationError
from integrations.kra.config import SLUG, branch_key, require_device
from integrations.models import KRABranch


def config_of(business: str, unit: KRABranch, *, is_sending: bool) -> Snapshot:
    """The settings that lead to this control unit, for a business's document.

    To ask about what was sent they may be switched off; to send they must be usable, with a
    device. Raises ConfigurationError, with code "environment_changed" where the settings have
    gone over to another environment, PIN or branch: what was written for one unit is never sent
    to another; and ConfigurationUnavailable where they can't be read now.
    """
    config = get_snapshot(SLUG, business, unit.bhf_id)
    config.require_configured()
    if branch_key(config) != unit.key:
        raise ConfigurationError(
            f"The document belongs to {unit}, and the KRA settings are now those of "
            f"{config.text('kra_pin')} branch {config.text('branch_code')} "
            f"({config.environment}).",
            code="environment_changed",
        )
    if is_sending:
        config.require_usable()
        require_device(config)
    return config
