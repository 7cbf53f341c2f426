"""Peers, configurations and a way to call a coroutine, for the tests of this room."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import GatewayAuthenticator
from openclaw_tx.auth.pairing_records import Snapshot
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Credentials, Principal

LOOPBACK = "127.0.0.1"
REMOTE = "203.0.113.9"


class FakePeer:
    """A peer with the given address and headers."""

    def __init__(self, address: str = LOOPBACK, headers: Mapping[str, str] | None = None) -> None:
        self.address = address
        self.headers = {"host": "127.0.0.1:18789"}
        self.headers.update({name.lower(): value for name, value in (headers or {}).items()})

    def header(self, name: str) -> str | None:
        """First value, trimmed."""
        value = self.headers.get(name.lower())
        return None if value is None else value.strip()


def config_of(**gateway: Any) -> Config:
    """A configuration with this C{gateway} section, in the file's own spelling."""
    return msgspec.convert({"gateway": gateway}, Config)


def both(value: str) -> Credentials:
    """What a bearer header offers."""
    return Credentials(token=value, password=value)


class AuthTestCase(SynchronousTestCase):
    """An authenticator on a clock, whose configuration and environment a test may swap at any time."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.config = config_of(auth={"mode": "token", "token": "right-token"})
        self.environment: dict[str, str] = {}
        self.auth = GatewayAuthenticator(
            self.clock, lambda: self.config, lambda: self.environment, entropy=lambda count: b"k" * count
        )

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def begin(self, offered: str | Credentials | None = None, peer: FakePeer | None = None) -> Deferred[Principal]:
        """Authenticate with a bearer value, credentials, or nothing; fires when the answer is due."""
        credentials = offered if isinstance(offered, Credentials) else both(offered) if offered else Credentials()
        coroutine: Coroutine[Deferred[Any], Any, Principal] = self.auth.authenticate(credentials, peer or FakePeer())
        return Deferred.fromCoroutine(coroutine)

    def accepted(self, offered: str | Credentials | None = None, peer: FakePeer | None = None) -> Principal:
        """Authenticate; it must succeed at once."""
        return self.successResultOf(self.begin(offered, peer))

    def refused(
        self, offered: str | Credentials | None = None, peer: FakePeer | None = None, after: float = 0
    ) -> GatewayError:
        """Authenticate; it must be refused after that many seconds, and not before."""
        deferred = self.begin(offered, peer)
        if after:
            self.clock.advance(after - 0.001)
            self.assertNoResult(deferred)
            self.clock.advance(0.001)
        error = self.failureResultOf(deferred, GatewayError).value
        assert isinstance(error, GatewayError)
        return error

    def refused_remotely(self, offered: str | Credentials | None = None, address: str = REMOTE) -> GatewayError:
        """Authenticate from another machine, where a refusal comes at once."""
        return self.refused(offered, FakePeer(address))


def detail(error: GatewayError) -> str:
    """The detail code of an error."""
    return str((error.info.details or {}).get("code"))


class MemoryFiles:
    """The files of devices, kept in memory.

    @ivar written: every state that was written.
    @ivar broken: what a write fails with.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or Snapshot({}, {})
        self.written: list[Snapshot] = []
        self.broken: Exception | None = None

    def read(self) -> Snapshot:
        return self.snapshot

    def write(self, snapshot: Snapshot) -> None:
        if self.broken is not None:
            raise self.broken
        self.snapshot = snapshot
        self.written.append(snapshot)


class Entropy:
    """Random bytes that are not."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, size: int) -> bytes:
        self._next += 1
        return bytes([self._next]) * size
