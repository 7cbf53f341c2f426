# -*- test-case-name: tests.web.test_listener -*-
# mypy: allow-untyped-calls
"""A listening port as a service that says at once when it can not listen."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.config.load import Loaded

TAILNET = ip_network("100.64.0.0/10")
"""Addresses of Tailscale (RFC 6598)."""
TAILNET_RESOLVER = "100.100.100.100"
"""The one that every tailnet has."""

BACKLOG = 1024
"""Connections that may wait to be accepted, where the endpoint does not say (Twisted: 50). More than that at the same
moment, and the kernel has the rest try again after a second."""

_WITH_BACKLOG = ("tcp:", "tcp6:", "ssl:", "unix:")


class Listener(Service):
    """One endpoint. Twisted's own C{StreamServerEndpointService} only logs a busy port and seems to run.

    @ivar port: what listens, while it does.
    @ivar where: the address it listens on, once it does.
    """

    def __init__(
        self,
        reactor: Any,
        description: str,
        factory: IProtocolFactory,
        *,
        required: bool = True,
        accepts: bool = True,
    ) -> None:
        """
        @param description: a Twisted endpoint string, e.g. C{tcp:18789:interface=127.0.0.1}.
        @param required: False = a port that can not be had is only logged (C{::1} on a host without IPv6).
        @param accepts: False = the port is there for others to accept from.
        @raise ValueError: the description is not of an endpoint.
        """
        self.description = description
        self.where: Any = None
        self._endpoint = serverFromString(reactor, _patient(description))
        self._factory = factory
        self._required = required
        self._accepts = accepts
        self.port: Any = None
        self._asked = False
        self._log = Logger()

    def privilegedStartService(self) -> None:
        """Listen, before privileges are dropped."""
        self._listen()

    def startService(self) -> None:
        """Listen, if that was not done before (C{twist} has no privileged start)."""
        super().startService()
        self._listen()

    def stopService(self) -> Deferred[None] | None:
        """Stop listening; fires when the port is closed."""
        super().stopService()
        self._asked = False
        if self.port is None:
            return None
        port, self.port = self.port, None
        closed: Deferred[None] | None = port.stopListening()
        return closed

    def _listen(self) -> None:
        """
        @raise CannotListen: the port is busy, or may not be had.
        """
        if self._asked:
            return
        self._asked = True
        failures: list[Failure] = []
        starting = True

        def failed(failure: Failure) -> None:
            if starting:
                failures.append(failure)
            else:
                reason = failure.getErrorMessage()
                self._log.error("can not listen on {where}: {reason}", where=self.description, reason=reason)

        self._endpoint.listen(self._factory).addCallbacks(self._listening, failed)
        starting = False
        if not failures:
            return
        reason = failures[0].getErrorMessage()
        if self._required:
            raise CannotListen(f"can not listen on {self.description}: {reason}")
        self._log.info("not listening on {where}: {reason}", where=self.description, reason=reason)

    def _listening(self, port: IListeningPort) -> None:
        if not self._asked:  # it took its time, and is not wanted any more
            port.stopListening()
            return
        self.port = port
        if not self._accepts:
            self.port.stopReading()
        self.where = port.getHost()
        self._log.info("listening on {where}", where=self.description)


def _patient(description: str) -> str:
    """An endpoint's description with L{BACKLOG}, if it can have one and has none."""
    if ":backlog=" in description or not description.startswith(_WITH_BACKLOG):
        return description
    return f"{description}:backlog={BACKLOG}"


def addresses(config: Any, port: int, tailnet: Callable[[], str] | None = None) -> list[tuple[str, bool]]:
    """Endpoint strings for C{gateway.bind}, each with whether it must be had.

    @param tailnet: as L{tailnet_address}, which it is by default.
    """
    gateway = config.gateway
    if gateway.bind == "custom":
        host = gateway.custom_bind_host
        kind = "tcp6" if ":" in host else "tcp"
        return [(f"{kind}:{port}:interface={_quoted(host)}", True)]
    if gateway.bind == "lan":
        return [(f"tcp:{port}", True)]
    loopback = [(f"tcp:{port}:interface=127.0.0.1", True), (f"tcp6:{port}:interface={_quoted('::1')}", False)]
    if gateway.bind != "tailnet":
        return loopback
    host = (tailnet or tailnet_address)()
    if not host:
        Logger().warn("gateway.bind is tailnet, but this machine has no address in a tailnet: it is loopback for now")
    return [(f"tcp:{port}:interface={host}", True), *loopback] if host else loopback


def tailnet_address() -> str:
    """This machine's IPv4 address in its tailnet; "" = it has none. Nothing is sent: to connect a UDP socket is to ask
    for the way there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((TAILNET_RESOLVER, 53))
            host: str = asking.getsockname()[0]
        except OSError:
            return ""
    return host if ip_address(host) in TAILNET else ""


def _quoted(text: str) -> str:
    return text.replace(":", "\\:")


def behind_tls(factory: Any, loaded: Loaded, clock: IReactorTime, host: str) -> Any:
    """C{factory}, behind TLS if C{gateway.tls} is on.

    @param host: name of this machine, for a certificate of our own.
    @raise ConfigError: the certificate can not be used.
    """
    settings = loaded.config.gateway.tls
    if not settings.enabled:
        return factory
    from openclaw_tx.web.tls import secured  # slow to import

    tls = secured(settings, loaded.state_dir, clock.seconds(), host)
    made = "made a certificate of its own; " if tls.generated else ""
    Logger().info("TLS: {made}fingerprint {fingerprint}", made=made, fingerprint=tls.fingerprint)
    return tls.around(factory, clock)


class CannotListen(Exception):
    """An address can not be listened on; says which and why."""


__all__ = ["CannotListen", "Listener", "addresses", "behind_tls", "tailnet_address"]
