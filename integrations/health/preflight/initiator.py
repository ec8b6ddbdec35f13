"""The API user that pays out, reverses and asks: name, password, certificate.

Source: Daraja reference, section 19.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from cryptography import x509

from integrations.crypto.certificate import CertificateUnreadable, rsa_public_key
from integrations.health.preflight.account import is_loopback
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning
from integrations.models import MpesaSettings
from integrations.payments.initiator import age_warning, in_words, initiator_is_held

KEY_BITS = 2048
CREDENTIAL_CHARACTERS = 344
_GOOD = re.compile(r"[A-Za-z0-9#&%$]+")


def has_initiator(subject: Subject) -> bool:
    """Whether anything of an initiator was entered."""
    names = ("initiator_password", "security_credential")
    return bool(subject.value("initiator_name") or any(map(subject.secret, names)))


def check_initiator(subject: Subject) -> Iterator[Finding]:
    """Name and one of the two forms of its password."""
    if not has_initiator(subject):
        yield ok("initiator_name", "is empty: no payouts, reversals or questions, only payments.")
        return
    if not str(subject.value("initiator_name") or "").strip():
        yield error("initiator_name", "is empty.", "Enter the API user of the portal.")
    password, ready_made = map(subject.secret, ("initiator_password", "security_credential"))
    if not password and not ready_made and subject.has_secrets:
        yield error(
            "initiator_password",
            "is empty, and so is security_credential.",
            "Enter the password of the API user and the certificate.",
        )
    if isinstance(subject.row, MpesaSettings):
        told = age_warning(subject.row)
        if told:
            yield warning("initiator_password", told, "")
    if subject.has_secrets and initiator_is_held(subject.config):
        yield error(
            "initiator_password",
            in_words(subject.config.values),
            "Calls in its name are held back until then.",
        )


def check_password(subject: Subject) -> Iterator[Finding]:
    """Characters that M-Pesa takes."""
    password = subject.secret("initiator_password")
    if not password or _GOOD.fullmatch(password):
        if password:
            yield ok("initiator_password", "has only characters that M-Pesa takes.")
        return
    if re.search(r"[()\[\]{}<>]", password):
        yield error(
            "initiator_password",
            "has brackets, which M-Pesa rejects.",
            "Choose another one in the portal: letters, digits and # & % $.",
        )
    else:
        yield warning(
            "initiator_password",
            "has characters beside letters, digits and # & % $.",
            "M-Pesa documents no others; choose another one if it is refused.",
        )


def check_certificate(subject: Subject) -> Iterator[Finding]:
    """Needed with a password; RSA, of 2048 bits, of this environment."""
    text = str(subject.value("certificate") or "").strip()
    if not text:
        if subject.secret("initiator_password"):
            yield error(
                "certificate",
                "is empty, and the initiator password can't be encrypted without it.",
                f"Download the {subject.config.environment} certificate from the Daraja portal.",
            )
        return
    try:
        bits = rsa_public_key(text).key_size
    except CertificateUnreadable as failure:
        yield error("certificate", str(failure), "Paste the whole text of the file.")
        return
    names = _names_in(text)
    if bits != KEY_BITS:
        yield warning(
            "certificate",
            f"has a key of {bits} bits, and M-Pesa's have {KEY_BITS}.",
            "Check that it is Safaricom's.",
        )
    elif _is_elsewhere(subject, names):
        yield warning(
            "certificate",
            f"says {names!r} of itself, and the environment is {subject.config.environment}.",
            "Sandbox and production have different certificates: check which one this is.",
        )
    else:
        yield ok("certificate", "holds an RSA key. Its end date is not looked at.")


def _is_elsewhere(subject: Subject, names: str) -> bool:
    says_sandbox = bool(re.search(r"sandbox|test", names, re.IGNORECASE))
    return subject.is_live and says_sandbox and not is_loopback(subject)


def _names_in(text: str) -> str:
    """The subject of a certificate; "" for a bare public key."""
    try:
        return x509.load_pem_x509_certificate(text.encode()).subject.rfc4514_string()[:80]
    except ValueError:
        return ""


def check_credential(subject: Subject) -> Iterator[Finding]:
    """The ready-made form, where it is used."""
    text = "".join(subject.secret("security_credential").split())
    if not text:
        return
    if subject.secret("initiator_password"):
        yield ok("security_credential", "is not used: the initiator password is.")
        return
    try:
        size = len(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        size = 0
    if size * 8 != KEY_BITS:
        yield error(
            "security_credential",
            f"has {len(text)} characters, and M-Pesa's have {CREDENTIAL_CHARACTERS} in base64.",
            "Make it anew on the Daraja portal, or enter the password and the certificate instead.",
        )
    else:
        yield ok("security_credential", "has the form of an encrypted password.")
