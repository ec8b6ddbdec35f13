"""A certificate authority of our own for the tests, and what it signs."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SELF = "hook.example.com"
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates; `file` is what trusts them, and its own certificate for SELF."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {folder.name}")])
        made = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_names(SELF), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(made))
        self.key_file = folder / "ca.key"
        self.key_file.write_bytes(_secret(self._key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, age: int = 0):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY - age * DAY)
            .not_valid_after(now + DAY - age * DAY)
        )

    def issue(self, *names: str, age: int = 0) -> tuple[bytes, bytes]:
        """Certificate and key in PEM for these names; `age` in days, 2 is expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        made = (
            self._builder(subject, key, age)
            .add_extension(_names(*names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(made), _secret(key)

    def files(self, *names: str, age: int = 0) -> tuple[Path, Path]:
        """The same as files."""
        certificate, key = self.issue(*names, age=age)
        stem = f"{names[0]}-{age}"
        paths = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        paths[0].write_bytes(certificate)
        paths[1].write_bytes(key)
        return paths

    def server(self, *names: str, age: int = 0, asks: bool = False) -> ssl.SSLContext:
        """What a server of these names uses; `asks` for client certificates of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files(*names, age=age))
        if asks:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _names(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that couriers of tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))
