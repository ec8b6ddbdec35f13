"""Database keys for the keyring, from our own row or from the host ERP's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from integrations.config.freshness import version
from integrations.config.key_row import looks_bare, open_keys, stored_keys
from integrations.crypto import Secret
from integrations.crypto.keyring import keyring
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
        return open_keys(stored_keys())

    def is_bare(self) -> bool:
        """Whether the row's keys lie in the database as plain text. Raises as `keys` does."""
        stored = stored_keys()
        text = stored.token if isinstance(stored, Secret) else stored
        return bool(text) and looks_bare(text)


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
