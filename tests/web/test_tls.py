# -*- test-case-name: tests.web.test_tls -*-
"""TLS around the gateway's ports, and clients that know it by its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.pinning import PinnedTLS
from openclaw_tx.config.certificates import digits, generate
from openclaw_tx.config.schema_gateway import Tls
from openclaw_tx.errors import ConfigError
from openclaw_tx.web.tls import Secured, secured

NOW = 1_795_390_000.0


class Keeps(Protocol):
    """Keeps what it gets, and how it ends."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason


class TlsTests(SynchronousTestCase):
    """Certificates in use."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp())

    def secured(self, **settings: Any) -> Secured:
        return secured(Tls(enabled=True, **settings), self.state, NOW, "box")

    def issue(self, **settings: Any) -> str:
        ((path, _),) = self.assertRaises(ConfigError, self.secured, **settings).issues
        return path

    def talk(self, tls: Secured, fingerprint: str) -> tuple[Keeps, Keeps]:
        """A client that knows this fingerprint says hello."""
        here, there = Keeps(), Keeps()
        clock = Clock()
        server = tls.around(Factory.forProtocol(lambda: there), clock).buildProtocol(None)
        wrapped = TLSMemoryBIOFactory(PinnedTLS(fingerprint), True, Factory.forProtocol(lambda: here), clock)
        client = wrapped.buildProtocol(None)
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False))
        client.write(b"hello")
        clock.advance(0)
        pump.flush()
        return here, there

    def test_generated_once(self) -> None:
        """The first start makes a certificate, the next ones find it."""
        first, second = self.secured(), self.secured()
        self.assertEqual((first.generated, second.generated), (True, False))
        self.assertEqual(first.fingerprint, second.fingerprint)

    def test_run_out(self) -> None:
        """One of our own that has run out is replaced."""
        generate(self.state / "tls" / "gateway-cert.pem", self.state / "tls" / "gateway-key.pem", 0, ["box"])
        self.assertTrue(self.secured().generated)

    def test_pinned(self) -> None:
        """With the right certificate they talk."""
        tls = self.secured()
        _, there = self.talk(tls, digits(tls.fingerprint))
        self.assertEqual(there.data, b"hello")

    def test_another_certificate(self) -> None:
        """With any other one nothing is said."""
        here, there = self.talk(self.secured(), "00" * 32)
        self.assertEqual(there.data, b"")
        self.assertIsNotNone(here.reason)

    def test_configured(self) -> None:
        """Files of one's own, the chain in the same file or another one."""
        certificate, key = self.state / "c.pem", self.state / "k.pem"
        generate(certificate, key, NOW, ["box"])
        own = {"cert_path": str(certificate), "key_path": str(key)}
        tls = self.secured(ca_path=str(certificate), **own)
        self.assertFalse(tls.generated)
        self.assertEqual(self.talk(tls, digits(tls.fingerprint))[1].data, b"hello")
        self.assertFalse((self.state / "tls").exists())

    def test_unusable(self) -> None:
        """What is missing or does not fit is told by its key."""
        certificate, key = self.state / "c.pem", self.state / "k.pem"
        generate(certificate, key, NOW, ["box"])
        generate(self.state / "other.pem", self.state / "other-key.pem", NOW, ["box"])
        own = {"cert_path": str(certificate), "key_path": str(key)}
        self.assertEqual(self.issue(auto_generate=False), "gateway.tls.certPath")
        self.assertEqual(self.issue(**{**own, "cert_path": "/nowhere"}), "gateway.tls.certPath")
        self.assertEqual(self.issue(**{**own, "cert_path": str(key)}), "gateway.tls.certPath")
        self.assertEqual(self.issue(**{**own, "key_path": str(certificate)}), "gateway.tls.keyPath")
        self.assertEqual(self.issue(**{**own, "key_path": str(self.state / "other-key.pem")}), "gateway.tls.keyPath")
        self.assertEqual(self.issue(**own, ca_path="/nowhere"), "gateway.tls.caPath")

    def test_passphrase(self) -> None:
        """Nobody is asked for one: a gateway would wait at its terminal."""
        certificate, key = self.state / "c.pem", self.state / "k.pem"
        generate(certificate, key, NOW, ["box"])
        private = load_pem_private_key(key.read_bytes(), None)
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            key.write_bytes(private.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"1234")))
            error = self.assertRaises(ConfigError, self.secured, cert_path=str(certificate), key_path=str(key))
            ((path, message),) = error.issues
            self.assertEqual(path, "gateway.tls.keyPath")
            self.assertIn("passphrase", message)

    def test_no_plain_text(self) -> None:
        """A client without TLS gets nothing."""
        there = Keeps()
        server = self.secured().around(Factory.forProtocol(lambda: there), Clock()).buildProtocol(None)
        transport = StringTransport()
        server.makeConnection(transport)
        server.dataReceived(b"GET /healthz HTTP/1.1\r\n\r\n")
        self.assertEqual(there.data, b"")
        self.assertTrue(transport.disconnecting)
