"""The one call that KRA answers once: it hands out a control unit's communication key.

Written before the socket opens, never repeated by itself, and stored the moment it comes. Source:
eTIMS reference, section 4.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from integrations import plain_sql
from integrations.config import Snapshot, clear_cache
from integrations.crypto.secret import Secret
from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    OutcomeUnknown,
    TransportError,
)
from integrations.kra.config import branch_of, has_device
from integrations.kra.gava_writes import refuse_open_transaction
from integrations.logs import log_event
from integrations.models import AuditEntry, DeviceState, KRABranch, KRASettings, acting_as
from integrations.models.stamp import ConfigStamp
from integrations.providers.kra.client import DeviceInfo, EtimsClient, EtimsRefused
from integrations.providers.kra.codes import Kind

logger = logging.getLogger(__name__)
# A row that is still being initialised after so long was left by a crash: no call lasts longer.
LOST_AFTER = timedelta(minutes=10)
# Seconds between the attempts to store a key that KRA will not hand out again.
STORE_AGAIN = (0.2, 1.0, 3.0, 10.0, 20.0)
LOST = (
    "KRA's answer was lost: it may have initialised the control unit. Ask KRA's support, then "
    "paste the key and the ids here, or initialise again once you know that KRA did nothing."
)
PASTE = (
    "KRA initialised this control unit before and does not hand the key out again: paste the "
    "communication key and the ids that you have."
)
NOT_KEPT = (
    "KRA handed out the key of the control unit and it could not be stored, so it is lost. Look "
    "for the cause in the logs, then ask KRA's support for the key and paste it here."
)
KEPT_ALONE = (
    "The control unit's key is stored. What belongs to it (names, the record of who asked) could "
    "not be: look for the cause in the logs."
)
READY = "This branch has its control unit already; nothing was asked."
_WAIT = "The control unit is being initialised right now; look again in a minute."
_AGAIN = "KRA was asked before: {} To ask once more, say so (“again”)."
# From where a person alone goes on.
_OPEN = (DeviceState.REFUSED, DeviceState.UNKNOWN)


def initialise_device(config: Snapshot, by: Any = None, *, again: bool = False) -> KRABranch:
    """Have KRA initialise the branch's control unit and hand out its key; `by` is who asks.

    `again` is a person's word that it may be asked once more after a refusal or a lost answer.
    The key goes encrypted into the settings row, in the transaction that makes the branch ready.

    Raises ConfigurationError ("device_ready", "device_busy", "device_asked", …) or DecryptionError
    where nothing is asked, EtimsRefused for KRA's no, OutcomeUnknown where the answer was lost.
    """
    refuse_open_transaction("A control unit")
    config.require_usable()
    _refuse_unfit(config)
    # Without a cipher key that works, what KRA hands out once could not be kept.
    Secret.seal("probe").reveal()
    branch = branch_of(config)
    with acting_as(by):
        _claim(config, branch, is_again=again)
        info = _ask(config, branch)
        _keep(config, branch, info)
    branch.refresh_from_db()
    return branch


def forget_lost_devices() -> int:
    """Call unknown what a crash left behind; the count."""
    rows = KRABranch.objects.filter(
        device_state=DeviceState.SENDING, device_asked_at__lt=timezone.now() - LOST_AFTER
    )
    return rows.update(device_state=DeviceState.UNKNOWN, device_message=LOST)


def _refuse_unfit(config: Snapshot) -> None:
    if config.row_id is None:
        raise ConfigurationError(
            "The key needs a settings row to be kept in: enter the KRA settings in the admin "
            "first, instead of environment variables.",
            code="no_settings_row",
        )
    if config.owner != config.business:
        raise ConfigurationError(
            "These settings are the installation's: its administrator initialises the control "
            "unit.",
            code="not_the_owner",
        )
    if has_device(config):
        raise ConfigurationError(READY, code="device_ready")
    if not config.text("device_serial").strip():
        raise ConfigurationError(
            "Enter the device serial that KRA approved first.", code="no_device_serial"
        )


def _claim(config: Snapshot, branch: KRABranch, *, is_again: bool) -> None:
    """Commit that KRA is asked; whoever comes second finds it so."""
    forget_lost_devices()
    allowed = [DeviceState.NONE, *(_OPEN if is_again else ())]
    with transaction.atomic(durable=True):
        row = KRASettings.objects.select_for_update().get(pk=config.row_id)
        # Pasted in this moment: that key counts.
        is_free = not row.communication_key
        rows = KRABranch.objects.filter(pk=branch.pk, device_state__in=allowed)
        taken = is_free and rows.update(
            device_state=DeviceState.SENDING,
            device_asked_at=timezone.now(),
            device_message="",
            device_serial=config.text("device_serial"),
        )
        if taken:
            _audit("kra.device_asked", branch, config)
    if not taken:
        branch.refresh_from_db()
        raise _refusal(branch)


def _refusal(branch: KRABranch) -> ConfigurationError:
    if branch.device_state == DeviceState.SENDING:
        return ConfigurationError(_WAIT, code="device_busy")
    if branch.device_state in _OPEN:
        return ConfigurationError(_AGAIN.format(branch.device_message), code="device_asked")
    return ConfigurationError(READY, code="device_ready")


def _ask(config: Snapshot, branch: KRABranch) -> DeviceInfo:
    """KRA's answer; what went wrong is on the branch before it is raised."""
    try:
        return EtimsClient(config).initialise(reference=f"device:{branch.pk}")
    except EtimsRefused as error:
        text = PASTE if error.code == "902" else error.message
        # Too many calls: KRA did not look at it.
        is_open = error.meaning.kind is Kind.BUSY
        _note(branch, DeviceState.NONE if is_open else DeviceState.REFUSED, text, config)
        error.message = text
        raise
    except OutcomeUnknown as error:
        told = f"{error.message} {LOST}"
        _note(branch, DeviceState.UNKNOWN, told, config)
        raise OutcomeUnknown(told, code=error.code) from None
    except TransportError as error:
        if not error.sent:
            _note(branch, DeviceState.NONE, error.message, config)
            raise
        _note(branch, DeviceState.UNKNOWN, LOST, config)
        raise OutcomeUnknown(LOST) from None
    except IntegrationError as error:  # nothing left: settings, a refused token
        _note(branch, DeviceState.NONE, error.message, config)
        raise
    except BaseException:
        _note(branch, DeviceState.UNKNOWN, LOST, config)
        raise


def _note(branch: KRABranch, state: DeviceState, message: str, config: Snapshot) -> None:
    with transaction.atomic(durable=True):
        KRABranch.objects.filter(pk=branch.pk, device_state=DeviceState.SENDING).update(
            device_state=state, device_message=message[:300], updated_at=timezone.now()
        )
        _audit(f"kra.device_{state.value if state != DeviceState.NONE else 'not_asked'}",
               branch, config, detail=message)  # fmt: skip


def _keep(config: Snapshot, branch: KRABranch, info: DeviceInfo) -> None:
    """Store what came, by all means: KRA does not tell it again.

    Errors are logged by their kind alone: their texts may hold what was to be stored.
    """
    for pause in (*STORE_AGAIN, None):
        for store in (_store, _store_key):
            try:
                store(config, branch, info)
            except Exception as error:  # noqa: BLE001 - nothing may lose the key
                log_event(logger, logging.ERROR, "kra_device_key_not_stored", branch=branch.pk,
                          by=store.__name__, error=type(error).__name__)  # fmt: skip
            else:
                clear_cache()
                return
        if pause is not None:
            connection.close()
            time.sleep(pause)
    try:
        _note(branch, DeviceState.UNKNOWN, NOT_KEPT, config)
    except Exception as error:  # noqa: BLE001 - the caller is to be told, whatever failed
        # `forget_lost_devices` tells the others.
        log_event(logger, logging.ERROR, "kra_device_not_noted", branch=branch.pk,
                  error=type(error).__name__)  # fmt: skip
    raise OutcomeUnknown(NOT_KEPT)


def _told(info: DeviceInfo) -> dict[str, str]:
    """The columns of the settings row that KRA filled."""
    told = {
        "communication_key": info.communication_key,
        "control_unit_id": info.control_unit_id,
        "mrc_no": info.mrc_no,
    }
    return {name: value for name, value in told.items() if value}


def _store(config: Snapshot, branch: KRABranch, info: DeviceInfo) -> None:
    with transaction.atomic(durable=True):
        row = KRASettings.objects.select_for_update().get(pk=config.row_id)
        filled = _told(info)
        for name, value in filled.items():
            setattr(row, name, value)
        row.save(update_fields=list(filled))
        KRABranch.objects.filter(pk=branch.pk).update(
            device_state=DeviceState.READY,
            device_message="",
            control_unit_id=info.control_unit_id,
            mrc_no=info.mrc_no,
            taxpayer_name=info.taxpayer_name,
            branch_name=info.branch_name,
            details={**info.details, "dvcId": info.device_id} if info.device_id else info.details,
            last_contact_at=timezone.now(),
            updated_at=timezone.now(),
        )
        _audit("kra.device_initialised", branch, config, fields=list(filled))


def _store_key(config: Snapshot, branch: KRABranch, info: DeviceInfo) -> None:
    """The key alone, encrypted, by plain statements: no audit, listener or name is in its way."""
    with transaction.atomic(durable=True):
        row = KRASettings.objects.select_for_update().get(pk=config.row_id)
        # Secrets are sent to the hosts that they were typed for, and to no others.
        hosts = row.secret_hosts or row.outbound_hosts()
        told = {**_told(info), "secret_hosts": hosts, "updated_at": timezone.now()}
        plain_sql.update(KRASettings, told, where={"pk": row.pk})
        ConfigStamp.objects.touch()
        KRABranch.objects.filter(pk=branch.pk).update(
            device_state=DeviceState.READY, device_message=KEPT_ALONE, updated_at=timezone.now()
        )


def _audit(
    action: str, branch: KRABranch, config: Snapshot, *, detail: str = "", fields: Any = ()
) -> None:
    AuditEntry.objects.record(
        action, target=branch, business=config.owner, detail=detail[:300], fields=fields
    )
