"""Which keys a pass works with, and what stands under which of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.crypto import salted_hmac

from integrations.config.key_row import FIELD, key_model, open_keys, stored_keys
from integrations.crypto.fields import EncryptedTextField
from integrations.crypto.keys import check_key, environment_keys
from integrations.crypto.reencrypt import Column, Keys, Survey, encrypted_columns, survey
from integrations.exceptions import ConfigurationError


def database_keys() -> list[str]:
    """The keys of the key row, [] without any; raises ConfigurationError for an unusable one."""
    return [check_key(key, "AppSettings.cypher_key") for key in open_keys(stored_keys())]


def present_keys() -> list[str]:
    """The database's keys and then the environment's, each once, as the keyring orders them.

    Raises ConfigurationError for a key that must not be used, or where there is none.
    """
    keys = database_keys()
    keys += [key for key in environment_keys() if key not in keys]
    if not keys:
        raise ConfigurationError("No encryption key: set CYPHER_KEY first.", code="no_key")
    return keys


def mark_of(key: str) -> str:
    """By what a key is known again: a keyed digest, so that the row gives nothing away."""
    return salted_hmac("integrations.key_rotation", key, algorithm="sha256").hexdigest()


def outer_mark() -> str:
    """The mark of the environment's first key, "" where it has none."""
    return mark_of(environment_keys()[0]) if environment_keys() else ""


def rings(data: Sequence[str], *, older: Sequence[str] = ()) -> Callable[[Column], Keys]:
    """The keys for each column: `data` for secrets, the environment's for wrapped keys.

    `older` ones only decrypt.
    """
    secrets = Keys([*data, *older])
    outer = environment_keys()
    wrapping = Keys([*outer, *older]) if outer else secrets
    return lambda column: wrapping if column.is_wrapped else secrets


def columns() -> list[Column]:
    """Every encrypted column, and a host's plain column of wrapped keys."""
    model = key_model()
    plain = [field for field in model._meta.concrete_fields if field.name == FIELD]
    host = [Column(model, field) for field in plain if not isinstance(field, EncryptedTextField)]
    return [*encrypted_columns(), *host]


def count_stored() -> int:
    """How many encrypted values are stored, in all columns: what a rotation has to look at."""
    return sum(column.filled().count() for column in columns())


def require_workable() -> None:
    """Raise ConfigurationError where a column can't be worked on: named before anything begins."""
    refusals = [column.refusal() for column in columns()]
    if any(refusals):
        raise ConfigurationError(" ".join(filter(None, refusals)), code="not_workable")


def survey_all(data: Sequence[str], *, older: Sequence[str] = ()) -> dict[str, Survey]:
    """What stands under which key, by column; reads everything, changes nothing.

    Raises ConfigurationError where a table is missing.
    """
    require_workable()
    keys_of = rings(data, older=older)
    return {column.label: survey(column, keys_of(column)) for column in columns()}
