"""System checks: what would go wrong later is said now. Ids are stable; hints say what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.db import Error as DatabaseError
from django.db import connections

from integrations.callback_address import FORBIDDEN_WORDS
from integrations.conf import declared, hub_settings
from integrations.config.key_source import DatabaseKeySource
from integrations.crypto import keyring
from integrations.crypto.devkey import is_dev_key
from integrations.crypto.keys import environment_keys, split_keys
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.work import check_queues

register(check_queues)


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """E002: a setting of this product has a value that can't be used."""
    found: list[CheckMessage] = []
    for setting in declared():
        try:
            setting.read()
        except ConfigurationError as error:
            hint = f"Correct {setting.name} in the project's settings or in the environment."
            found.append(Error(error.message, hint=hint, id="integrations.E002"))
    return found


@register(Tags.security)
def check_keys(**_: Any) -> list[CheckMessage]:
    """E010: a key of the environment must not be used. W010: there is none."""
    try:
        keys = environment_keys()
    except (ConfigurationError, OSError) as error:
        return [Error(str(error), hint=_KEY_HINT, id="integrations.E010")]
    if keys:
        return []
    return [
        Warning(
            "CYPHER_KEY is not set: nothing can be encrypted unless AppSettings holds a key.",
            hint=_KEY_HINT,
            id="integrations.W010",
        )
    ]


_KEY_HINT = (
    "Make one: python -c 'from cryptography.fernet import Fernet; "
    "print(Fernet.generate_key().decode())' and set CYPHER_KEY or CYPHER_KEY_FILE."
)


@register(Tags.database)
def check_stored_key(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """E011: the key row can't be used with this environment. Runs with `check --database`."""
    if not databases:
        return []
    try:
        DatabaseKeySource().keys()
        keyring.forget()
        keyring.encrypt("check")
    except ConfigurationUnavailable:
        return []
    except ConfigurationError as error:
        # No key at all is W010: a first `migrate` must be able to make the table for one.
        if error.code == "no_key":
            return []
        return [Error(error.message, hint=_KEY_HINT, id="integrations.E011")]
    return []


@register(Tags.security, deploy=True)
def check_bare_key(**_: Any) -> list[CheckMessage]:
    """E012: the database's key is stored bare: there was no key to wrap it, or a host's column."""
    try:
        if not DatabaseKeySource().is_bare():
            return []
    except (ConfigurationError, DatabaseError):
        return []
    return [
        Error(
            "The encryption key lies unwrapped in the database beside what it encrypts.",
            hint="Set CYPHER_KEY and save AppSettings again: its key is then stored wrapped.",
            id="integrations.E012",
        )
    ]


@register(Tags.security, deploy=True)
def check_dev_key(**_: Any) -> list[CheckMessage]:
    """E013: a development key in CYPHER_KEY."""
    try:
        keys = split_keys(hub_settings.cypher_key)
    except ConfigurationError:  # E002 tells
        return []
    if not any(is_dev_key(key) for key in keys):
        return []
    return [
        Error("CYPHER_KEY is a development key.", hint=_KEY_HINT, id="integrations.E013"),
    ]


@register(Tags.database)
def check_transactions(**_: Any) -> list[CheckMessage]:
    """E001: a request-wide transaction would hide the row that must be committed first."""
    return [
        Error(
            f"ATOMIC_REQUESTS is on for database {alias!r}.",
            hint="Turn it off: a payment is committed before its request is sent.",
            id="integrations.E001",
        )
        for alias in connections
        if connections[alias].settings_dict.get("ATOMIC_REQUESTS")
    ]


@register(Tags.urls)
def check_public_url(**_: Any) -> list[CheckMessage]:
    """W030: providers can't call back at PUBLIC_BASE_URL."""
    try:
        url = hub_settings.public_base_url
    except ConfigurationError:  # E002 tells
        return []
    if not url:
        problem = "PUBLIC_BASE_URL is not set: providers have nowhere to call back."
    elif any(word in url.lower() for word in FORBIDDEN_WORDS):
        problem = "PUBLIC_BASE_URL has a word that M-Pesa forbids in callback addresses."
    elif not settings.DEBUG and not url.startswith("https://"):
        problem = "PUBLIC_BASE_URL does not begin with https://."
    else:
        return []
    return [
        Warning(
            problem,
            hint=f"Use the public https address, without such words: {', '.join(FORBIDDEN_WORDS)}.",
            id="integrations.W030",
        )
    ]
