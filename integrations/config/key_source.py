"""Database keys for the keyring, from our own row or from the host ERP's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from integrations.conf import hub_settings
from integrations.config.freshness import version
from integrations.crypto import Secret
from integrations.crypto.keyring import keyring, unwrap_key
from integrations.crypto.keys import environment_keys, split_keys
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.models import ConfigStamp

logger = logging.getLogger(__name__)
OWN_MODEL = "integrations.AppSettings"


class DatabaseKeySource:
    """The `cypher_key` of the key row with the lowest id (compatibility reference, 1.1)."""

    def version(self) -> str:
        """The configuration stamp: saving the key row changes it."""
        return version()

    def keys(self) -> Sequence[str]:
        """The row's keys; [] without a row. Raises ConfigurationError, never guesses."""
        stored = self._stored()
        if not stored:
            return []
        if isinstance(stored, Secret):
            return split_keys(stored.reveal())
        return _host_keys(str(stored))

    def is_bare(self) -> bool:
        """Whether the row's keys lie in the database as plain text. Raises as `keys` does."""
        stored = self._stored()
        token = stored.token if isinstance(stored, Secret) else str(stored or "")
        return bool(token) and _looks_bare(token)

    def _stored(self) -> object:
        label = hub_settings.app_settings_model
        try:
            model = apps.get_model(label)
            return (
                model._default_manager.order_by("pk").values_list("cypher_key", flat=True).first()
            )
        except (LookupError, ValueError):
            raise ConfigurationError(
                f"INTEGRATIONS_APP_SETTINGS_MODEL names {label}, which is not installed."
            ) from None
        except FieldError:
            raise ConfigurationError(
                f"INTEGRATIONS_APP_SETTINGS_MODEL names {label}, which has no cypher_key."
            ) from None
        except DatabaseError as error:
            raise ConfigurationUnavailable(
                "The encryption key can't be read: the database does not answer."
            ) from error


def watch_key_model(label: str) -> None:
    """Have every process reread its keys when a row of a host's key model changes.

    The model may be loaded later. A label that names none is refused when its key is read.
    """
    for signal in (post_save, post_delete):
        try:
            signal.connect(reread_keys, sender=label, dispatch_uid=f"integrations.key.{label}")
        except ValueError:
            return


def reread_keys(**_: Any) -> None:
    """Change the stamp in the transaction of the change, and forget the keyring on commit.

    Raises nothing of the database's: a host's row is saved although our tables may not exist
    yet, and keyrings are reread after a minute in any case.
    """
    try:
        with transaction.atomic():
            ConfigStamp.objects.touch()
            transaction.on_commit(keyring.forget, robust=True)
    except DatabaseError as error:
        logger.warning("the key row changed and the stamp did not (%s)", type(error).__name__)
        keyring.forget()


def _host_keys(stored: str) -> list[str]:
    """A host's own column is plain text: bare keys as the original stored them, or wrapped."""
    if _looks_bare(stored) or not environment_keys():
        return split_keys(stored)
    return unwrap_key(stored)


def _looks_bare(stored: str) -> bool:
    """A wrapped key is a token, and far longer."""
    return all(len(key) == 44 for key in split_keys(stored))
