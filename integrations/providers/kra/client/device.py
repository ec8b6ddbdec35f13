"""Initialising a control unit, and asking whether KRA knows it. Source: section 4."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations.exceptions import ConfigurationError, OutcomeUnknown
from integrations.providers.kra.client.connection import Connection
from integrations.providers.kra.client.endpoints import VSCU
from integrations.providers.kra.client.wire import clean_keys, moment_text, read_text

_TOLD = (
    "bsnsActv", "bhfOpenDt", "prvncNm", "dstrtNm", "sctrNm", "locDesc", "hqYn", "mgrNm",
    "mgrTelNo", "mgrEmail",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What KRA tells of a device, once. `communication_key` is a secret; `details` holds none."""

    tin: str
    bhf_id: str
    taxpayer_name: str
    branch_name: str
    device_id: str
    control_unit_id: str
    mrc_no: str
    communication_key: str = field(repr=False)
    details: dict[str, str] = field(default_factory=dict)


class DeviceCalls(Connection):
    """The first call of a device, and the test of a connection."""

    def initialise(self, *, deadline: float | None = None, reference: str = "") -> DeviceInfo:
        """Have KRA hand out the communication key. It does so ONCE: commit that it was asked
        before, and store what comes at once.

        Raises EtimsRefused (902: it was initialised before), OutcomeUnknown where the answer was
        lost or lacks the key, TransportError, ConfigurationError without a serial.
        """
        serial = str(self.config.values["device_serial"] or "").strip()
        if not serial:
            raise ConfigurationError(
                "Enter the device serial that KRA approved first.", code="no_device_serial"
            )
        reply = self.call("init", {"dvcSrlNo": serial}, deadline=deadline, reference=reference)
        found = reply.data.get("info")
        info: dict[str, Any] = found if isinstance(found, dict) else reply.data
        device = _read(info)
        if self.transport != VSCU and not device.communication_key:
            raise OutcomeUnknown(
                "KRA initialised the device without telling its communication key. Ask KRA's "
                "support for it, and paste it into the KRA settings."
            )
        return device

    def check(self, *, deadline: float | None = None) -> str:
        """Ask for what changed in the code lists today: the cheapest call that shows the device.

        Never initialises anything. `deadline` is an instant of `time.monotonic()`. Raises
        EtimsRefused, TransportError, ProviderError with a text for the person who typed the
        settings, ConfigurationError for a device without its key.
        """
        self._door.require_host(self.base_url)
        if self.is_bearer_needed:
            limit = 15.0 if deadline is None else max(0.0, deadline - time.monotonic())
            self._door.renew_token(self._fetch_token, limit=min(15.0, limit))
        if self.transport != VSCU and not self.config.text("communication_key"):
            raise ConfigurationError(
                "The device has no communication key yet: initialise it, or paste the key that "
                "it has.",
                code="device_not_ready",
            )
        since = moment_text(timezone.now() - timedelta(days=1))
        self.call("code_list", {"lastReqDt": since}, deadline=deadline)
        return f"Connected to {self.base_url}: KRA knows {self.tin} branch {self.bhf_id}."


def _read(info: dict[str, Any]) -> DeviceInfo:
    told = clean_keys(info)
    return DeviceInfo(
        tin=read_text(told.get("tin"), 20),
        bhf_id=read_text(told.get("bhfId"), 10),
        taxpayer_name=read_text(told.get("taxprNm"), 200),
        branch_name=read_text(told.get("bhfNm"), 200),
        device_id=read_text(told.get("dvcId"), 100),
        # The specification's table spells it the other way.
        control_unit_id=read_text(told.get("sdcId") or told.get("sdicId"), 100),
        mrc_no=read_text(told.get("mrcNo"), 100),
        # Not `read_text`: it would take a key for a secret that has no place here.
        communication_key=str(told.get("cmcKey") or "").strip(),
        details={name: read_text(told.get(name)) for name in _TOLD if told.get(name)},
    )
