# -*- test-case-name: tests.config.test_certificates -*-
"""Certificates of the gateway's own."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.certificates import certificate_path, digits, fingerprint_of, generate, key_path
from openclaw_tx.config.schema_gateway import Tls

NOW = 1_795_390_000.0


class CertificateTests(SynchronousTestCase):
    """Made, found, named."""

    def test_generated(self) -> None:
        """For the names given, readable by the owner only, and one that a TLS library takes."""
        directory = Path(self.mktemp())
        certificate, key = directory / "c.pem", directory / "k.pem"
        generate(certificate, key, NOW, ["localhost", "127.0.0.1", "::1", "box", "büro", "localhost"])
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost", "box"])
        self.assertEqual([str(name) for name in names.get_values_for_type(x509.IPAddress)], ["127.0.0.1", "::1"])
        self.assertEqual([path.stat().st_mode & 0o777 for path in (certificate, key)], [0o600, 0o600])
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        import hashlib

        self.assertEqual(fingerprint_of(certificate), "sha256:" + hashlib.sha256(der).hexdigest())

    def test_paths(self) -> None:
        """As configured, else below the state directory."""
        state = Path("/state")
        self.assertEqual(certificate_path(Tls(), state), Path("/state/tls/gateway-cert.pem"))
        self.assertEqual(key_path(Tls(), state), Path("/state/tls/gateway-key.pem"))
        own = Tls(cert_path="/a.pem", key_path="/b.pem")
        self.assertEqual((certificate_path(own, state), key_path(own, state)), (Path("/a.pem"), Path("/b.pem")))

    def test_digits(self) -> None:
        """In any spelling; anything else is none."""
        plain = "ab" * 32
        for text in (plain, f"sha256:{plain}", f" SHA256:{plain.upper()} ", ":".join(["ab"] * 32)):
            self.assertEqual(digits(text), plain)
        for text in ("", "sha256:", plain[:-1], plain[:-1] + "x", plain + "ab"):
            self.assertRaises(ValueError, digits, text)
