# -*- test-case-name: tests.web.test_tls -*-
# mypy: allow-untyped-calls, disallow-untyped-decorators=False
"""TLS to a gateway that is known by its certificate, whoever signed it and whatever name is in it."""

from __future__ import annotations

import hmac
from typing import Any

from OpenSSL import SSL

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer


@implementer(IOpenSSLClientConnectionCreator)
class PinnedTLS:
    """Lets a handshake succeed with one certificate only."""

    def __init__(self, fingerprint: str) -> None:
        """
        @param fingerprint: SHA-256 of it, 64 digits of hex.
        """
        self._fingerprint = fingerprint

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """See L{IOpenSSLClientConnectionCreator}."""
        context = CertificateOptions(raiseMinimumTo=TLSVersion.TLSv1_2).getContext()
        context.set_verify(SSL.VERIFY_PEER, self._verify)
        return SSL.Connection(context, None)

    def _verify(self, connection: SSL.Connection, certificate: Any, error: int, depth: int, trusted: int) -> bool:
        """Only the gateway's own certificate is looked at; what is above it does not matter."""
        found = certificate.digest("sha256").decode("ascii").replace(":", "").lower()
        return depth > 0 or hmac.compare_digest(found, self._fingerprint)


__all__ = ["PinnedTLS"]
