"""Which settings, and which control unit, a call means: a business and one of its branches."""

from __future__ import annotations

from typing import Any

from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import DeviceState, KRABranch, Transport

SLUG = "kra"
# A control unit's counters, and the settings by which they begin.
_STARTS = {
    "last_invoice_number": "starting_invoice_number",
    "last_stock_number": "starting_stock_number",
    "last_purchase_number": "starting_purchase_number",
}
_NO_DEVICE = {
    DeviceState.NONE: "The control unit is not initialised: press “Initialise device” in the "
    "settings, or paste the key and the ids that you have.",
    DeviceState.SENDING: "The control unit is being initialised; try again in a minute.",
    DeviceState.READY: "The control unit was initialised, and its communication key is not in "
    "the settings any more: paste it. KRA does not hand it out twice.",
    DeviceState.REFUSED: "KRA refused to initialise the control unit; its reason is in the "
    "settings of the branch.",
    DeviceState.UNKNOWN: "It is not known whether KRA initialised the control unit, as its answer "
    "was lost. Paste the key if KRA's support has it.",
}


def branch_text(value: object) -> str:
    """A caller's branch as two digits; None and "" are the main one, 0 is "00".

    Raises InvalidInput.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput("branch", "must be text of two digits.", code="unknown_account")
    return f"{value:02d}" if isinstance(value, int) else value.strip()


def tax_config(business: str = "", branch: str = "") -> Snapshot:
    """The settings of a business's branch ("" is the main one), complete and switched on.

    Raises ConfigurationError ("unknown_business", "unknown_account", "not_configured",
    "inactive"), InvalidInput and ConfigurationUnavailable.
    """
    config = get_snapshot(SLUG, business, branch_text(branch))
    config.require_usable()
    return config


def branch_of(config: Snapshot) -> KRABranch:
    """The control unit of these settings, made at its first use with the starting numbers.

    Safe inside the caller's transaction. Raises ConfigurationError without a PIN or a branch.
    """
    tin, bhf_id = config.text("kra_pin"), config.text("branch_code")
    if not tin:
        raise ConfigurationError(f"{config.label} is not configured: the PIN is empty.")
    if not bhf_id:
        raise ConfigurationError(
            f"{config.label} has no branch code. Enter the two digits that KRA gave the branch.",
            code="no_branch",
        )
    starts = {name: int(config.values[start]) - 1 for name, start in _STARTS.items()}
    names = {"environment": config.environment, "tin": tin, "bhf_id": bhf_id}
    branch, _ = KRABranch.objects.get_or_create(
        key=branch_key(config),
        defaults={**names, **starts, "business": config.owner, **_of_device(config)},
    )
    _follow(branch, {"business": config.owner, **_of_device(config)})
    return branch


def branch_key(config: Snapshot) -> str:
    """The key of the control unit of these settings, whether or not it has a row."""
    tin, bhf_id = config.text("kra_pin"), config.text("branch_code")
    return f"{config.environment}:{tin}:{bhf_id}"


def has_device(config: Snapshot) -> bool:
    """Whether the settings hold what a call of the control unit needs.

    A VSCU keeps the communication key itself (reference, section 1).
    """
    if config.values["transport"] == Transport.VSCU:
        return bool(config.values["control_unit_id"] or config.tokens["communication_key"])
    return bool(config.tokens["communication_key"])


def require_device(config: Snapshot) -> None:
    """Raise ConfigurationError ("device_not_ready"), saying what to do, without a control unit."""
    if has_device(config):
        return
    branch = KRABranch.objects.filter(key=branch_key(config)).first()
    state = DeviceState(branch.device_state) if branch else DeviceState.NONE
    raise ConfigurationError(_NO_DEVICE[state], code="device_not_ready")


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


def _of_device(config: Snapshot) -> dict[str, Any]:
    """What the settings know of the control unit, once they have its key."""
    if not has_device(config):
        return {}
    names = ("control_unit_id", "mrc_no", "device_serial")
    known = {name: config.text(name) for name in names if config.text(name)}
    return {"device_state": DeviceState.READY, **known}


def _follow(branch: KRABranch, values: dict[str, Any]) -> None:
    """Take over what was typed into the settings since: a pasted key makes the branch ready."""
    changed = {name: value for name, value in values.items() if getattr(branch, name) != value}
    if changed:
        KRABranch.objects.filter(pk=branch.pk).update(**changed)
        for name, value in changed.items():
            setattr(branch, name, value)
