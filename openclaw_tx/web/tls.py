# -*- test-case-name: tests.web.test_tls -*-
# mypy: allow-untyped-calls
"""C{gateway.tls}: the gateway's own TLS, around whatever its ports serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from OpenSSL import SSL, crypto

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory

from openclaw_tx.config.certificates import NAMES, certificate_path, fingerprint_of, generate, key_path
from openclaw_tx.config.schema_gateway import Tls
from openclaw_tx.errors import ConfigError


class Secured(NamedTuple):
    """What ports are served with."""

    options: CertificateOptions
    fingerprint: str
    """Of the certificate, for clients to pin."""
    generated: bool
    """The certificate was made just now."""

    def around(self, factory: IProtocolFactory, clock: IReactorTime) -> Any:
        """The factory behind TLS.

        @param clock: gathers small writes until the end of the reactor's turn.
        """
        return TLSMemoryBIOFactory(self.options, False, factory, clock)


def secured(tls: Tls, state_dir: Path, now: float, host: str) -> Secured:
    """Read the certificate; make one if none is configured and there is none yet, or it has run out.

    @param now: seconds since 1970.
    @param host: name of this machine, for a certificate of our own.
    @raise ConfigError: there is none, or it can not be used.
    """
    certificate, key = certificate_path(tls, state_dir), key_path(tls, state_dir)
    own = not tls.cert_path and not tls.key_path
    generated = own and (not certificate.exists() or not key.exists() or _over(certificate))
    if generated:
        if not tls.auto_generate:
            raise ConfigError([("gateway.tls.certPath", "is needed, with keyPath: autoGenerate is off")])
        try:
            generate(certificate, key, now, [*NAMES, host])
        except OSError as error:
            raise ConfigError([("gateway.tls.autoGenerate", f"no certificate can be written: {error}")]) from None
    chain = _read("certPath", certificate, crypto.load_certificate)
    private = _read("keyPath", key, crypto.load_privatekey)
    extra = [_read("caPath", Path(tls.ca_path).expanduser(), crypto.load_certificate)] if tls.ca_path else []
    options = CertificateOptions(
        privateKey=private[0],
        certificate=chain[0],
        extraCertChain=[*chain[1:], *(one for found in extra for one in found)],
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    try:
        options.getContext()
    except SSL.Error:
        raise ConfigError([("gateway.tls.keyPath", "is not the key of the certificate")]) from None
    return Secured(options, fingerprint_of(certificate), generated)


def _over(certificate: Path) -> bool:
    try:
        return bool(crypto.load_certificate(crypto.FILETYPE_PEM, certificate.read_bytes()).has_expired())
    except (OSError, crypto.Error):
        return True


END = b"-----END "


def _read(key: str, path: Path, load: Any) -> list[Any]:
    """All that a PEM file holds.

    @raise ConfigError: nothing.
    """
    try:
        blocks = path.read_bytes().split(b"-----BEGIN ")[1:]
        if key == "keyPath" and any(b"ENCRYPTED" in block for block in blocks):
            # OpenSSL would ask for the passphrase on the terminal, if there is one, and wait.
            raise ConfigError([("gateway.tls.keyPath", f"has a passphrase, nobody is asked for it: {path}")])
        found = [load(crypto.FILETYPE_PEM, b"-----BEGIN " + block) for block in blocks if END in block]
    except OSError as error:
        raise ConfigError([(f"gateway.tls.{key}", f"can not be read: {error}")]) from None
    except crypto.Error:
        found = []
    if not found:
        raise ConfigError([(f"gateway.tls.{key}", f"is no PEM file of the right kind: {path}")])
    return found


__all__ = ["Secured", "secured"]
