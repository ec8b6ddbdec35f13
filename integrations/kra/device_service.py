"""The control unit of a branch, and the credentials."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.kra.answers import Answer, answer
from integrations.kra.base_service import ServiceBase
from integrations.kra.config import branch_of, has_device
from integrations.kra.device import initialise_device
from integrations.models import KRABranch, KRASettings, Transport, acting_as
from integrations.models.kra_rules import PIN
from integrations.providers.kra.client import EtimsClient
from integrations.providers.kra.client.gavaconnect import GavaClient

# What `get_access_token` answers where calls carry none (reference, section 12).
NOT_NEEDED = "not needed"
# The portal says that PINs begin so; others are told of, not refused (section 10).
_USUAL_LETTERS = ("A", "P")


class DeviceService(ServiceBase):
    """The control unit of a branch, and the credentials."""

    def get_access_token(self, product: str = "") -> Answer:
        """The documented `(True, token)`, a secret; `(True, "not needed")` where calls carry none.

        Of the gateway; of KRA's own host only where the settings say so. `product` names one of
        GavaConnect ("pin_by_pin"), whose token is had whatever the transport.
        """
        return answer(lambda: self._token(product))

    def _token(self, product: str) -> str:
        config = self.config()
        if product:
            return GavaClient(config).access_token(product)
        client = EtimsClient(config)
        return client.access_token() if client.is_bearer_needed else NOT_NEEDED

    def validate_pin(self, kra_pin: Any) -> Answer:
        """Whether a text has the form of a PIN: `(True, {"valid": True, "pin": …})`.

        Nobody is asked: `check_compliance` does that. A first letter other than A and P is told
        of in `warning`.
        """
        return answer(lambda: _read_pin(kra_pin))

    def device_status(self) -> Answer:
        """`(True, {state, is_ready, message, control_unit_id, mrc_no, …})`; KRA is not asked."""
        return answer(self._device_status)

    def _device_status(self) -> dict[str, Any]:
        config = self.config()
        return _describe(branch_of(config), is_ready=has_device(config))

    def initialise_device(self, *, again: bool = False, by: Any = None) -> Answer:
        """Have KRA hand out the control unit's key, once; `(True, the same as device_status)`.

        `again` is for a person who knows that KRA did nothing the first time; `by` is that user.
        """

        def act() -> dict[str, Any]:
            branch = initialise_device(self.config(), by, again=again)
            return _describe(branch, is_ready=has_device(self.config()))

        return answer(act)

    def set_device(
        self, communication_key: str = "", *, control_unit_id: str, mrc_no: str = "", by: Any = None
    ) -> Answer:
        """Take over a control unit that was initialised before; `(True, as device_status)`.

        The key is kept encrypted. A VSCU has none of its own to paste.
        """

        def act() -> dict[str, Any]:
            with acting_as(by):
                self._paste(communication_key, control_unit_id, mrc_no)
            return self._device_status()

        return answer(act)

    def _paste(self, key: str, control_unit_id: str, mrc_no: str) -> None:
        config = self.config()
        if config.row_id is None or config.owner != config.business:
            raise ConfigurationError(
                "The control unit of these settings can't be set from here: they are environment "
                "variables, or the installation's.",
                code="not_the_owner",
            )
        told = {"communication_key": key, "control_unit_id": control_unit_id, "mrc_no": mrc_no}
        checked = {name: _printable(name, value) for name, value in told.items()}
        if not checked["communication_key"] and config.values["transport"] != Transport.VSCU:
            raise InvalidInput("communication_key", "is needed: an OSCU signs nothing without.")
        with transaction.atomic():
            row = KRASettings.objects.select_for_update().get(pk=config.row_id)
            filled = {name: value for name, value in checked.items() if value}
            for name, value in filled.items():
                setattr(row, name, value)
            row.save(update_fields=list(filled))


def _printable(name: str, value: Any) -> str:
    most = 255 if name == "communication_key" else 100
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise InvalidInput(name, f"must be text of at most {most} printable characters.")
    return value.strip()


def _read_pin(value: Any) -> dict[str, Any]:
    pin = value.strip().upper() if isinstance(value, str) else ""
    if not PIN.fullmatch(pin):
        raise _PinFormatError
    found: dict[str, Any] = {"valid": True, "pin": pin}
    if pin[0] not in _USUAL_LETTERS:
        found["warning"] = "PINs of people begin with A and those of organisations with P."
    return found


class _PinFormatError(InvalidInput):
    """The documented sentence, without the field in front of it."""

    def __init__(self) -> None:
        super().__init__("kra_pin", "Invalid PIN format")
        self.message = "Invalid PIN format"


def _describe(branch: KRABranch, *, is_ready: bool) -> dict[str, Any]:
    asked = branch.device_asked_at
    return {
        "pin": branch.tin,
        "branch": branch.bhf_id,
        "environment": branch.environment,
        "state": branch.device_state,
        "is_ready": is_ready,
        "message": branch.device_message,
        "device_serial": branch.device_serial,
        "control_unit_id": branch.control_unit_id,
        "mrc_no": branch.mrc_no,
        "taxpayer_name": branch.taxpayer_name,
        "branch_name": branch.branch_name,
        "asked_at": asked.isoformat() if asked else "",
    }
