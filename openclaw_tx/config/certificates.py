# -*- test-case-name: tests.config.test_certificates -*-
"""C{gateway.tls}: where the certificate is, one of our own if there is none, and its fingerprint (docs/operations.md).

Pure but for the files; who listens with it is L{openclaw_tx.web.tls}.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openclaw_tx.config.replacing import replace_file
from openclaw_tx.config.schema_gateway import Tls

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

DAYS = 3650
"""How long a generated certificate is good for."""
NAMES = ("localhost", "127.0.0.1", "::1")
"""What a generated certificate is for, besides the names of this machine."""


def certificate_path(tls: Tls, state_dir: Path) -> Path:
    """The certificate: as configured, else the generated one."""
    return Path(tls.cert_path).expanduser() if tls.cert_path else state_dir / "tls" / "gateway-cert.pem"


def key_path(tls: Tls, state_dir: Path) -> Path:
    """Its private key."""
    return Path(tls.key_path).expanduser() if tls.key_path else state_dir / "tls" / "gateway-key.pem"


def fingerprint_of(path: Path) -> str:
    """SHA-256 of the first certificate of a PEM file: C{sha256:} and 64 digits of hex.

    @raise OSError: it can not be read.
    @raise ValueError: it is no certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    return "sha256:" + x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(SHA256()).hex()


def digits(fingerprint: str) -> str:
    """A fingerprint as it may be written (C{sha256:} before it, colons between the bytes, capitals) as 64 digits.

    @raise ValueError: it is none.
    """
    text = fingerprint.strip().lower().removeprefix("sha256").removeprefix(":").replace(":", "")
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError("expected the SHA-256 of a certificate: sha256: and 64 hex digits")
    return text


def generate(certificate: Path, key: Path, now: float, names: Sequence[str]) -> None:
    """Make a key (EC P-256) and a certificate that it signs itself. The key is readable by its owner only, and stands
    before the certificate does.

    @param now: seconds since 1970.
    @param names: of this machine, host names or addresses. One that is not ASCII is left out: it is none of DNS.
    @raise OSError: they can not be written.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "openclaw-gateway")])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC)
    public = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=DAYS))
        .add_extension(
            x509.SubjectAlternativeName([_name(name) for name in dict.fromkeys(names) if name.isascii()]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    replace_file(key, secret)
    replace_file(certificate, public.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


__all__ = ["NAMES", "certificate_path", "digits", "fingerprint_of", "generate", "key_path"]
