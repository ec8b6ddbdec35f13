"""Model field that encrypts on every write path and reads as a `Secret`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups
from django.db.models.query_utils import DeferredAttribute

from integrations.crypto.forms import KEEP, SecretFormField
from integrations.crypto.keyring import keyring
from integrations.crypto.secret import Secret, is_token_shaped
from integrations.exceptions import ConfigurationError, DecryptionError

if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
    _Exact = lookups.Exact[Any]
else:
    _Text, _Exact = models.TextField, lookups.Exact

# `dumpdata` writes ciphertext behind this mark, so `loaddata` knows it by the mark and not by
# the look of the token. Only deserialisers hand plain text to `to_python`.
DUMP_MARK = "$fernet$"
# 73 bytes (version, time, IV, one block, HMAC) in base64: the shortest Fernet token.
SHORTEST_TOKEN = 100


class SecretAttribute(DeferredAttribute):
    """Turns whatever is assigned into a `Secret` at once: no plaintext stays on the row."""

    field: EncryptedTextField

    def __set__(self, instance: models.Model, value: object) -> None:
        name = self.field.attname
        instance.__dict__[name] = self.field.seal(value)

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Secret) and instance is not None:
            row = "unsaved" if instance.pk is None else f"row {instance.pk}"
            value.where = f"{instance._meta.label}.{self.field.attname} ({row})"
        return value


class EmptyExact(_Exact):
    """`field=""`: the only comparison that means anything on ciphertext."""

    def get_prep_lookup(self) -> str:
        """ "" or FieldError."""
        if self.rhs not in ("", Secret()):
            raise FieldError("An encrypted field can only be compared with '' or isnull.")
        return ""


class EncryptedTextField(_Text):
    """Text stored as a Fernet token; reads as `Secret`.

    `save`, `update`, `bulk_create` and `bulk_update` encrypt; expressions and raw SQL are
    stopped by a CHECK (empty or token-shaped). Lookups other than `isnull` and `exact=""`
    raise FieldError. None is stored as "". Raises ConfigurationError on assignment where
    there is no usable key: plaintext is never kept.
    """

    descriptor_class = SecretAttribute
    # False where the stored text is opened by something else than the keyring.
    opens_with_keyring = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def seal(self, value: object) -> Secret:
        """See `Secret.seal`."""
        return Secret.seal(value, self.name)

    def db_check(self, connection: BaseDatabaseWrapper) -> str:
        """Empty, or as long and beginning as a token does. No % sign: it may be interpolated."""
        column = connection.ops.quote_name(str(self.column))
        return (
            f"{column} = '' OR (substr({column}, 1, 6) = 'gAAAAA' "
            f"AND length({column}) >= {SHORTEST_TOKEN})"
        )

    def from_db_value(self, value: str | None, *_: Any) -> Secret:
        """The Secret of a stored token."""
        model = getattr(self, "model", None)
        where = f"{model._meta.label}.{self.attname}" if model else ""
        return Secret(value or "", where=where, stored=True)

    def to_python(self, value: Any) -> Any:
        """Secrets pass; a dump's marked token is taken as ciphertext; other text is encrypted."""
        if isinstance(value, str) and value.startswith(DUMP_MARK):
            token = value.removeprefix(DUMP_MARK)
            if is_token_shaped(token):
                return Secret(token)
        return self.seal(value)

    def get_prep_value(self, value: Any) -> Any:
        """The token to store, under the first key; expressions pass and meet the CHECK.

        Raises DecryptionError for a secret that was read before a key rotation and can't be read
        any more: what the rotation wrote must not be overwritten by it.
        """
        if hasattr(value, "resolve_expression"):
            return value
        secret = self.seal(value)
        if not secret or not self.opens_with_keyring:
            return secret.token
        token = keyring.freshen(secret.token)
        if secret.stored and token == secret.token and not _is_readable(secret):
            raise DecryptionError(_outdated(self.name))
        return token

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The value to save; what was read before a key rotation gives way to what it wrote.

        A row may be held for long. Its token must not come back over the re-encrypted one. Raises
        DecryptionError where it can't be told whether it would.
        """
        value = super().pre_save(model_instance, add)
        if add or not isinstance(value, Secret) or not self._may_be_old(value):
            return value
        rows = type(model_instance)._base_manager.using(model_instance._state.db)
        present = rows.filter(pk=model_instance.pk).values_list(self.attname, flat=True).first()
        if present == value:
            # As it is stored: it may be saved back although no key opens it.
            return type(value)(value.token)
        if present is not None and self._gives_way(value, present):
            setattr(model_instance, self.attname, present)
            return present
        return value

    def _may_be_old(self, value: Secret) -> bool:
        try:
            return bool(value) and not keyring.is_first(value.token)
        except ConfigurationError:  # without a key nothing can be told
            return value.stored

    def _gives_way(self, held: Secret, present: Secret) -> bool:
        """Whether the present value is to stay: the held one is unreadable, or says the same."""
        try:
            text = held.reveal()
        except (DecryptionError, ConfigurationError):
            if held.stored:
                return True
            raise DecryptionError(_outdated(self.name)) from None
        return _is_readable(present) and text == present.reveal()

    def value_to_string(self, obj: models.Model) -> str:
        """Marked ciphertext, for dumpdata."""
        token = self.value_from_object(obj).token
        return f"{DUMP_MARK}{token}" if token else ""

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Blank rules only: there is nothing else to check on ciphertext."""
        if not self.blank and not value:
            raise ValidationError(self.error_messages["blank"], code="blank")

    def run_validators(self, value: Any) -> None:
        """None: validators look at text, and the text is encrypted."""

    def get_lookup(self, lookup_name: str) -> Any:
        """`isnull` and the empty `exact` only."""
        allowed = {"isnull": lookups.IsNull, "exact": EmptyExact}
        if lookup_name not in allowed:
            raise FieldError(
                f"Encrypted field {self.name!r} can't be searched by {lookup_name!r}; "
                "only isnull and an empty exact are possible."
            )
        return allowed[lookup_name]

    def formfield(self, **kwargs: Any) -> Any:
        """A write-only input: blank keeps, a box clears."""
        kwargs = {"form_class": SecretFormField, "required": False, **kwargs}
        kwargs.pop("widget", None)
        return models.Field.formfield(self, **kwargs)

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """Leave the stored secret alone unless something was typed or the box ticked."""
        if data is not KEEP:
            setattr(instance, self.attname, data)


def note_stored(instance: models.Model) -> None:
    """After the commit of a save: the row's secrets are what is stored; nobody typed them since."""
    for field in instance._meta.concrete_fields:
        value = instance.__dict__.get(field.attname)
        if isinstance(field, EncryptedTextField) and isinstance(value, Secret):
            instance.__dict__[field.attname] = type(value)(value.token, stored=True)


def _is_readable(secret: Secret) -> bool:
    try:
        secret.reveal()
    except (DecryptionError, ConfigurationError):
        return False
    return True


def _outdated(field: str) -> str:
    return (
        f"{field}: was encrypted under a key that is gone, and what is stored may be newer. "
        "Load the row again. Nothing was saved."
    )
