"""The row that holds the database's keys, our own or a host ERP's: reading and replacing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import Error as DatabaseError
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.conf import hub_settings
from integrations.crypto import Secret
from integrations.crypto.keyring import unwrap_key, wrap_key
from integrations.crypto.keys import (
    canonical_key,
    environment_keys,
    is_published,
    split_keys,
)
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.models import AppSettings, ConfigStamp

FIELD = "cypher_key"
# Below PostgreSQL's deadlock_timeout of one second.
LOCK_MILLISECONDS = 500


def key_model() -> type[models.Model]:
    """The model whose row with the lowest id holds the keys; raises ConfigurationError."""
    label = hub_settings.app_settings_model
    try:
        model = apps.get_model(label)
        model._meta.get_field(FIELD)
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"INTEGRATIONS_APP_SETTINGS_MODEL names {label}, which is not installed."
        ) from None
    except FieldDoesNotExist:
        raise ConfigurationError(
            f"INTEGRATIONS_APP_SETTINGS_MODEL names {label}, which has no {FIELD}."
        ) from None
    return model


def stored_keys() -> Secret | str:
    """What the row holds, unopened; "" without a row. Raises ConfigurationError."""
    model = key_model()
    # The database that is written to: a replica may lag behind a key that was just put in.
    rows = model._default_manager.using(router.db_for_write(model)).order_by("pk")
    try:
        found = rows.values_list(FIELD, flat=True).first()
    except DatabaseError as error:
        raise ConfigurationUnavailable(
            "The encryption key can't be read: the database does not answer."
        ) from error
    return found if isinstance(found, Secret) else str(found or "")


def open_keys(stored: Secret | str) -> list[str]:
    """The keys in a stored value; raises ConfigurationError, never guesses."""
    if isinstance(stored, Secret):
        return split_keys(stored.reveal())
    # A host's own column is plain text: bare keys as the original stored them, or wrapped.
    if looks_bare(stored) or not environment_keys():
        return split_keys(stored)
    return unwrap_key(stored)


def looks_bare(stored: str) -> bool:
    """Whether a stored value is plain keys. A wrapped key is a token, and far longer."""
    return all(len(key) == 44 for key in split_keys(stored))


def replace_keys(expected: Sequence[str], keys: Sequence[str]) -> None:
    """Store `keys` in the row in place of `expected`, which must still be there.

    Every process rereads its keys within a stamp interval. Raises ConfigurationError (code
    "key_row_changed") where somebody changed the row meanwhile, and for a host's column that
    is too short or a host's model without a row.
    """
    model = key_model()
    alias = router.db_for_write(model)
    with transaction.atomic(using=alias):
        _wait_briefly(connections[alias])
        rows = model._default_manager.using(alias).select_for_update()
        row = rows.order_by("pk").first() or _new_row(model)
        if _canonical(open_keys(getattr(row, FIELD))) != _canonical(expected):
            raise ConfigurationError(
                f"The keys of {model._meta.label} were changed by somebody else meanwhile.",
                code="key_row_changed",
            )
        setattr(row, FIELD, _to_store(model, keys))
        row.save(using=alias)


def _wait_briefly(connection: BaseDatabaseWrapper) -> None:
    """Rather give up than be part of a deadlock, which may hit the other transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'")


def _canonical(keys: Sequence[str]) -> list[str]:
    return [canonical_key(key, FIELD) for key in keys]


def _new_row(model: type[models.Model]) -> models.Model:
    if model is AppSettings:
        return AppSettings()
    raise ConfigurationError(f"{model._meta.label} has no row that could hold the key.")


def _to_store(model: type[models.Model], keys: Sequence[str]) -> str:
    """The text to assign: our field wraps it itself, a host's plain column is given it wrapped."""
    field: Any = model._meta.get_field(FIELD)
    text = ",".join(keys)
    if hasattr(field, "seal"):
        return text
    text = wrap_key(text)
    if field.max_length and len(text) > field.max_length:
        raise ConfigurationError(
            f"{model._meta.label}.{FIELD} holds {field.max_length} characters, and {len(keys)} "
            f"wrapped keys need {len(text)}. Make the column longer, or retire old keys first."
        )
    return text


def drop_published_key() -> bool:
    """Take the original's published key out of the row, whatever else stays; whether it was there.

    For the migration away from it.
    """
    stored = stored_keys()
    text = stored.token if isinstance(stored, Secret) else stored
    if not any(is_published(key) for key in split_keys(text)):
        return False
    left = ",".join(key for key in split_keys(text) if not is_published(key))
    model = key_model()
    alias = router.db_for_write(model)
    row = model._default_manager.using(alias).order_by("pk").first()
    # Not through the field, which would refuse to look at what else is bare.
    rows: models.QuerySet[Any] = models.QuerySet(model, using=alias).filter(
        pk=row.pk if row else None
    )
    rows.update(**{FIELD: left})
    ConfigStamp.objects.touch()
    return True
